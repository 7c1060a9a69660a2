/* SPDX-License-Identifier: Apache-2.0 */
#include "ledger/checkpoint.h"

#include <inttypes.h>
#include <string.h>

#include "ledger/base64.h"

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
