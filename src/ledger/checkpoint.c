/* SPDX-License-Identifier: Apache-2.0 */
#include "ledger/checkpoint.h"

#include <inttypes.h>
#include <string.h>

enum { DECIMAL_MAX = 19 }; /* digits of 2^63 */

bool ti_decimal_read(uint64_t *out, const char *text, size_t len)
{
    uint64_t value = 0;
    if (len == 0 || len > DECIMAL_MAX || (len > 1 && text[0] == '0')) {
        return false;
    }
    for (size_t i = 0; i < len; i++) {
        if (text[i] < '0' || text[i] > '9') {
            return false;
        }
        value = value * 10 + (uint64_t)(text[i] - '0'); /* 19 digits fit into 64 bits */
    }
    if (value >= TI_TREE_SIZE_MAX) {
        return false;
    }
    *out = value;
    return true;
}

static const char alphabet[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* Value of a character, or -1.  (Not libsodium's decoder: 1.0.18 takes bytes over 127 for
 * characters of the alphabet.) */
static int value_of(char c)
{
    const char *found = c == '\0' ? NULL : strchr(alphabet, c);
    return found ? (int)(found - alphabet) : -1;
}

bool ti_base64_valid(const char *text, size_t len)
{
    size_t pads = 0;
    while (pads < 2 && pads < len && text[len - 1 - pads] == '=') {
        pads++;
    }
    for (size_t i = 0; i < len - pads; i++) {
        if (value_of(text[i]) < 0) {
            return false;
        }
    }
    return len % 4 == 0;
}

bool ti_base64_read(uint8_t *out, size_t size, const char *text, size_t len)
{
    size_t pads = (3 - size % 3) % 3, at = 0;
    uint32_t bits = 0;
    if (len != (size + 2) / 3 * 4 || !ti_base64_valid(text, len) ||
        (pads > 0 && text[len - pads] != '=') ||
        (pads < 2 && pads < len && text[len - 1 - pads] == '=')) {
        return false;
    }
    for (size_t i = 0; i < len - pads; i++) {
        bits = bits << 6 | (uint32_t)value_of(text[i]);
        if (i % 4 != 0) { /* 6 bits more complete a byte; 2, 4 or 6 of them are left */
            unsigned left = 6 - 2 * (unsigned)(i % 4);
            out[at++] = (uint8_t)(bits >> left);
        }
    }
    /* What is left in the last character must be zeros: there is one form only. */
    unsigned left = pads == 0 ? 0 : 2 * (unsigned)pads;
    return (bits & ((1u << left) - 1)) == 0;
}

void ti_base64_write(ti_buf *out, const void *bytes, size_t len)
{
    const uint8_t *b = bytes;
    for (size_t i = 0; i < len; i += 3) {
        size_t n = len - i < 3 ? len - i : 3;
        uint32_t v = (uint32_t)b[i] << 16;
        v |= n > 1 ? (uint32_t)b[i + 1] << 8 : 0;
        v |= n > 2 ? b[i + 2] : 0;
        char four[4] = {alphabet[v >> 18], alphabet[v >> 12 & 63],
                        n > 1 ? alphabet[v >> 6 & 63] : '=', n > 2 ? alphabet[v & 63] : '='};
        ti_buf_add(out, four, sizeof four);
    }
}

/* Takes the next line off the text; false when no newline is left. */
static bool take_line(ti_str *line, const char *text, size_t len, size_t *at)
{
    const char *end = *at < len ? memchr(text + *at, '\n', len - *at) : NULL;
    if (!end) {
        return false;
    }
    *line = (ti_str){text + *at, (size_t)(end - (text + *at))};
    *at += line->len + 1;
    return true;
}

tern_status ti_checkpoint_read(ti_checkpoint *out, const char *text, size_t len, tern_err *err)
{
    ti_checkpoint c = {0};
    ti_str line;
    size_t at = 0, start = 0;
    if (!take_line(&line, text, len, &at) || line.len == 0) {
        return ti_fail(err, TERN_CORRUPT, "checkpoint", 0, "no origin");
    }
    if (line.len > TI_NOTE_NAME_MAX) {
        return ti_fail(err, TERN_LIMIT, "checkpoint", 0, "an origin of %zu bytes", line.len);
    }
    memcpy(c.origin, line.data, line.len);
    if (strlen(c.origin) != line.len) {
        return ti_fail(err, TERN_CORRUPT, "checkpoint", 0, "an origin with a NUL");
    }
    start = at;
    if (!take_line(&line, text, len, &at) || !ti_decimal_read(&c.size, line.data, line.len)) {
        return ti_fail(err, TERN_CORRUPT, "checkpoint", start, "the second line is no size");
    }
    start = at;
    if (!take_line(&line, text, len, &at) ||
        !ti_base64_read(c.root.b, TI_HASH_BYTES, line.data, line.len)) {
        return ti_fail(err, TERN_CORRUPT, "checkpoint", start, "the third line is no root");
    }
    while (at < len) {
        start = at;
        if (!take_line(&line, text, len, &at) || line.len == 0) {
            return ti_fail(err, TERN_CORRUPT, "checkpoint", start, "an empty or cut line");
        }
    }
    *out = c;
    return TERN_OK;
}

void ti_checkpoint_write(ti_buf *out, const ti_checkpoint *checkpoint)
{
    ti_buf_addf(out, "%s\n%" PRIu64 "\n", checkpoint->origin, checkpoint->size);
    ti_base64_write(out, checkpoint->root.b, TI_HASH_BYTES);
    ti_buf_addc(out, '\n');
}

tern_status ti_checkpoint_open(ti_checkpoint *out, const char *note, size_t len,
                               const ti_note_key *key, tern_err *err)
{
    ti_str text;
    ti_checkpoint c;
    TI_TRY(ti_note_open(&text, note, len, key, err));
    TI_TRY(ti_checkpoint_read(&c, text.data, text.len, err));
    if (strcmp(c.origin, key->name) != 0) {
        return ti_fail(err, TERN_NO, "checkpoint", 0, "it is of '%.80s', not of '%.80s'",
                       c.origin, key->name);
    }
    *out = c;
    return TERN_OK;
}

tern_status ti_checkpoint_sign(ti_buf *out, const ti_checkpoint *checkpoint,
                               const ti_note_signer *signer, tern_err *err)
{
    ti_buf text = {0};
    ti_checkpoint_write(&text, checkpoint);
    tern_status status =
        text.failed ? ti_fail_nomem(err, "checkpoint", TI_NOTE_NAME_MAX, "a checkpoint")
                    : ti_note_sign(out, (ti_str){text.data, text.len}, signer, 1, 0, err);
    ti_buf_free(&text);
    return status;
}
