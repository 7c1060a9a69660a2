/* SPDX-License-Identifier: Apache-2.0 */
#include "base/utf8.h"

#include "base/err.h"

/* Length that a lead byte announces, and the range of the second byte, which is what excludes
 * overlong forms, surrogates and values over U+10FFFF (RFC 3629, section 4). */
static size_t lead(unsigned char c, unsigned char *low, unsigned char *high)
{
    *low = 0x80;
    *high = 0xbf;
    if (c < 0x80) {
        return 1;
    }
    if (c >= 0xc2 && c <= 0xdf) {
        return 2;
    }
    if (c >= 0xe0 && c <= 0xef) {
        *low = c == 0xe0 ? 0xa0 : 0x80;
        *high = c == 0xed ? 0x9f : 0xbf;
        return 3;
    }
    if (c >= 0xf0 && c <= 0xf4) {
        *low = c == 0xf0 ? 0x90 : 0x80;
        *high = c == 0xf4 ? 0x8f : 0xbf;
        return 4;
    }
    return 0;
}

/* Bytes of the character at `text` that are valid so far; `need` receives its full length,
 * 0 when it is not valid. */
static size_t scan(const unsigned char *s, size_t len, size_t *need)
{
    unsigned char low, high;
    size_t n = len ? lead(s[0], &low, &high) : 0;
    *need = n;
    if (n == 0) {
        return 0;
    }
    for (size_t i = 1; i < n; i++) {
        if (i >= len) {
            return i;
        }
        if (s[i] < low || s[i] > high) {
            *need = 0;
            return 0;
        }
        low = 0x80;
        high = 0xbf;
    }
    return n;
}

size_t ti_utf8_decode(const char *text, size_t len, uint32_t *code)
{
    const unsigned char *s = (const unsigned char *)text;
    size_t need;
    if (scan(s, len, &need) != need || need == 0) {
        return 0;
    }
    static const unsigned char mask[5] = {0, 0x7f, 0x1f, 0x0f, 0x07};
    uint32_t c = s[0] & mask[need];
    for (size_t i = 1; i < need; i++) {
        c = c << 6 | (s[i] & 0x3fu);
    }
    *code = c;
    return need;
}

size_t ti_utf8_encode(uint32_t code, char out[4])
{
    TI_ASSERT(code <= 0x10ffff && (code < 0xd800 || code > 0xdfff));
    if (code < 0x80) {
        out[0] = (char)code;
        return 1;
    }
    size_t n = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    static const unsigned char first[5] = {0, 0, 0xc0, 0xe0, 0xf0};
    for (size_t i = n - 1; i > 0; i--) {
        out[i] = (char)(0x80 | (code & 0x3f));
        code >>= 6;
    }
    out[0] = (char)(first[n] | code);
    return n;
}

size_t ti_utf8_complete(const char *text, size_t len)
{
    const unsigned char *s = (const unsigned char *)text;
    for (size_t back = 1; back <= 3 && back <= len; back++) {
        unsigned char c = s[len - back];
        if (c >= 0xc0) {
            size_t need;
            size_t have = scan(s + len - back, back, &need);
            return need > have && have == back ? len - back : len;
        }
        if (c < 0x80) {
            return len;
        }
    }
    return len;
}
