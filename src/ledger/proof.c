/* SPDX-License-Identifier: Apache-2.0 */
#include "ledger/proof.h"

#include <inttypes.h>
#include <string.h>

#include "ledger/base64.h"

static const char header[] = "c2sp.org/tlog-proof@v1\n";

typedef struct reader {
    const char *text;
    size_t len, at;
} reader;

/* The line at r->at, without its newline, which must be there; r->at moves past it. */
static bool next_line(reader *r, ti_str *line)
{
    const char *from = r->text + r->at;
    const char *end = r->at < r->len ? memchr(from, '\n', r->len - r->at) : NULL;
    if (!end) {
        return false;
    }
    *line = (ti_str){from, (size_t)(end - from)};
    r->at += line->len + 1;
    return true;
}

/* What follows `word` in a line. */
static bool after(ti_str line, const char *word, ti_str *rest)
{
    size_t n = strlen(word);
    if (line.len < n || memcmp(line.data, word, n) != 0) {
        return false;
    }
    *rest = (ti_str){line.data + n, line.len - n};
    return true;
}

static tern_status corrupt(tern_err *err, size_t at, const char *what)
{
    return ti_fail(err, TERN_CORRUPT, "tlog-proof", at, "%s", what);
}

tern_status ti_tlog_proof_read(ti_tlog_proof *out, const char *text, size_t len, tern_err *err)
{
    reader r = {text, len, 0};
    ti_tlog_proof p = {.extra = {"", 0}};
    ti_str line, rest;
    size_t start = sizeof header - 1;
    if (len < start || memcmp(text, header, start) != 0) {
        return corrupt(err, 0, "it does not begin with c2sp.org/tlog-proof@v1");
    }
    r.at = start;
    if (!next_line(&r, &line)) {
        return corrupt(err, start, "it ends before the index");
    }
    if (after(line, "extra ", &p.extra)) {
        if (p.extra.len > TI_TLOG_EXTRA_MAX) {
            return ti_fail(err, TERN_LIMIT, "tlog-proof", start, "%zu bytes of extra data",
                           p.extra.len);
        }
        start = r.at;
        if (!ti_base64_valid(p.extra.data, p.extra.len) || !next_line(&r, &line)) {
            return corrupt(err, start, "the extra data are not base64, or the last line");
        }
    }
    if (!after(line, "index ", &rest) || !ti_decimal_read(&p.index, rest.data, rest.len)) {
        return corrupt(err, start, "no line 'index N'");
    }
    for (start = r.at; next_line(&r, &line) && line.len > 0; start = r.at) {
        if (p.path.n == TI_PROOF_MAX) {
            return ti_fail(err, TERN_LIMIT, "tlog-proof", start, "more than %d hashes",
                           TI_PROOF_MAX);
        }
        if (!ti_base64_read(p.path.hashes[p.path.n++].b, TI_HASH_BYTES, line.data, line.len)) {
            return corrupt(err, start, "not base64 of a hash");
        }
    }
    if (start == r.at || line.len > 0) {
        return corrupt(err, start, "no empty line before the checkpoint");
    }
    p.checkpoint = (ti_str){text + r.at, len - r.at};
    *out = p;
    return TERN_OK;
}

void ti_tlog_proof_write(ti_buf *out, const ti_tlog_proof *proof)
{
    ti_buf_adds(out, header);
    if (proof->extra.len > 0) {
        ti_buf_adds(out, "extra ");
        ti_buf_add(out, proof->extra.data, proof->extra.len);
        ti_buf_addc(out, '\n');
    }
    ti_buf_addf(out, "index %" PRIu64 "\n", proof->index);
    for (uint32_t i = 0; i < proof->path.n; i++) {
        ti_base64_write(out, proof->path.hashes[i].b, TI_HASH_BYTES);
        ti_buf_addc(out, '\n');
    }
    ti_buf_addc(out, '\n');
    ti_buf_add(out, proof->checkpoint.data, proof->checkpoint.len);
}

tern_status ti_tlog_proof_check(const char *text, size_t len, const void *entry,
                                size_t entry_len, const ti_note_key *key,
                                ti_checkpoint *checkpoint, uint64_t *index, tern_err *err)
{
    ti_tlog_proof p;
    ti_checkpoint c;
    ti_hash leaf;
    TI_TRY(ti_tlog_proof_read(&p, text, len, err));
    TI_TRY(ti_checkpoint_open(&c, p.checkpoint.data, p.checkpoint.len, key, err));
    ti_merkle_leaf(&leaf, entry, entry_len);
    TI_TRY(ti_merkle_check_inclusion(p.index, c.size, &leaf, p.path.hashes, p.path.n, &c.root,
                                     err));
    if (checkpoint) {
        *checkpoint = c;
    }
    if (index) {
        *index = p.index;
    }
    return TERN_OK;
}
