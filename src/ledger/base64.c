/* SPDX-License-Identifier: Apache-2.0 */
#include "ledger/base64.h"

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* Value of a character, or -1. */
static int value_of(char c, ti_base64_alphabet alphabet)
{
    enum { LOWER = 26, DIGITS = 52, PLUS = 62, SLASH = 63 };
    bool url = alphabet == TI_BASE64_URL;
    if (c >= 'A' && c <= 'Z') {
        return c - 'A';
    }
    if (c >= 'a' && c <= 'z') {
        return c - 'a' + LOWER;
    }
    if (c >= '0' && c <= '9') {
        return c - '0' + DIGITS;
    }
    return c == (url ? '-' : '+') ? PLUS : c == (url ? '_' : '/') ? SLASH : -1;
}

/* How many of the last two characters are padding. */
static size_t padding(const char *text, size_t len)
{
    size_t pads = 0;
    while (pads < 2 && pads < len && text[len - 1 - pads] == '=') {
        pads++;
    }
    return pads;
}

bool ti_base64_valid(const char *text, size_t len)
{
    size_t pads = padding(text, len);
    for (size_t i = 0; i < len - pads; i++) {
        if (value_of(text[i], TI_BASE64) < 0) {
            return false;
        }
    }
    return len % 4 == 0;
}

bool ti_base64_decode(uint8_t *out, size_t cap, size_t *n, const char *text, size_t len,
                      ti_base64_alphabet alphabet)
{
    size_t pads = padding(text, len), at = 0;
    uint32_t bits = 0;
    if (len % 4 != 0 || len / 4 * 3 - pads > cap) {
        return false;
    }
    for (size_t i = 0; i < len - pads; i++) {
        int value = value_of(text[i], alphabet);
        if (value < 0) {
            return false;
        }
        bits = bits << 6 | (uint32_t)value;
        if (i % 4 != 0) { /* 6 bits more complete a byte; 4, 2 or 0 of them are left */
            unsigned left = 6 - 2 * (unsigned)(i % 4);
            out[at++] = (uint8_t)(bits >> left);
        }
    }
    /* What is left in the last character must be zeros: there is one form only. */
    if ((bits & ((1u << 2 * pads) - 1)) != 0) {
        return false;
    }
    *n = at;
    return true;
}

bool ti_base64_read(uint8_t *out, size_t size, const char *text, size_t len)
{
    size_t n = 0;
    return ti_base64_decode(out, size, &n, text, len, TI_BASE64) && n == size;
}

void ti_base64_write(ti_buf *out, const void *bytes, size_t len)
{
    const uint8_t *b = bytes;
    for (size_t i = 0; i < len; i += 3) {
        size_t n = len - i < 3 ? len - i : 3;
        uint32_t v = (uint32_t)b[i] << 16;
        v |= n > 1 ? (uint32_t)b[i + 1] << 8 : 0;
        v |= n > 2 ? b[i + 2] : 0;
        char four[4] = {digits[v >> 18], digits[v >> 12 & 63],
                        n > 1 ? digits[v >> 6 & 63] : '=', n > 2 ? digits[v & 63] : '='};
        ti_buf_add(out, four, sizeof four);
    }
}
