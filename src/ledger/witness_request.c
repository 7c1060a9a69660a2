/* SPDX-License-Identifier: Apache-2.0 */
/* What logs and witnesses send each other. */
#include <inttypes.h>
#include <string.h>

#include "ledger/base64.h"
#include "ledger/witness.h"

static tern_status corrupt(tern_err *err, size_t at, const char *what)
{
    return ti_fail(err, TERN_CORRUPT, "witness", at, "%s", what);
}

/* The line at *at, which must end with a newline; *at moves past it. */
static bool next_line(ti_str *line, const char *text, size_t len, size_t *at)
{
    const char *from = text + *at;
    const char *end = *at < len ? memchr(from, '\n', len - *at) : NULL;
    if (!end) {
        return false;
    }
    *line = (ti_str){from, (size_t)(end - from)};
    *at += line->len + 1;
    return true;
}

tern_status ti_witness_request_read(ti_witness_request *out, const char *text, size_t len,
                                    tern_err *err)
{
    ti_witness_request r = {0};
    ti_str line;
    size_t at = 0, start;
    if (!next_line(&line, text, len, &at) || line.len < 4 ||
        memcmp(line.data, "old ", 4) != 0 ||
        !ti_decimal_read(&r.old_size, line.data + 4, line.len - 4)) {
        return corrupt(err, 0, "the first line is not 'old SIZE'");
    }
    for (start = at; next_line(&line, text, len, &at) && line.len > 0; start = at) {
        if (r.proof.n == TI_WITNESS_PROOF_MAX) {
            return ti_fail(err, TERN_LIMIT, "witness", start, "more than %d hashes",
                           TI_WITNESS_PROOF_MAX);
        }
        if (!ti_base64_read(r.proof.hashes[r.proof.n++].b, TI_HASH_BYTES, line.data,
                            line.len)) {
            return corrupt(err, start, "not base64 of a hash");
        }
    }
    if (start == at || line.len > 0) {
        return corrupt(err, start, "no empty line before the checkpoint");
    }
    r.note = (ti_str){text + at, len - at};
    *out = r;
    return TERN_OK;
}

void ti_witness_request_write(ti_buf *out, const ti_witness_request *request)
{
    ti_buf_addf(out, "old %" PRIu64 "\n", request->old_size);
    for (uint32_t i = 0; i < request->proof.n; i++) {
        ti_base64_write(out, request->proof.hashes[i].b, TI_HASH_BYTES);
        ti_buf_addc(out, '\n');
    }
    ti_buf_addc(out, '\n');
    ti_buf_add(out, request->note.data, request->note.len);
}

static tern_status take(ti_buf *lines, const ti_note_key *witness, const ti_buf *note,
                        tern_err *err)
{
    ti_signed_note parsed;
    bool valid;
    TI_TRY(ti_note_parse(&parsed, note->data, note->len, err));
    TI_TRY(ti_note_check(&parsed, witness, 1, &valid, NULL, err));
    ti_note_copy_sig(lines, &parsed, witness);
    return lines->failed ? ti_fail_nomem(err, "witness", note->len, "cosignatures") : TERN_OK;
}

tern_status ti_witness_answer_read(ti_buf *lines, const ti_note_key *witness, ti_str text,
                                   const char *answer, size_t len, tern_err *err)
{
    ti_buf note = {0};
    ti_buf_add(&note, text.data, text.len);
    ti_buf_addc(&note, '\n');
    ti_buf_add(&note, answer, len);
    tern_status status = note.failed ? ti_fail_nomem(err, "witness", len, "an answer")
                                     : take(lines, witness, &note, err);
    ti_buf_free(&note);
    return status;
}
