/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/sha256.h"
#include "cli/out.h"
#include "cli/receipt_files.h"
#include "cli/receipts.h"
#include "cli/verify.h"
#include "ledger/dsse.h"
#include "ledger/key.h"

enum { OUTPUT_MAX = 1 << 30 };

/* --- keys -----------------------------------------------------------------------------------
 */

typedef struct keyring {
    ti_note_key keys[TI_OPT_LIST_MAX + 1];
    size_t n;
} keyring;

/* The keys that were given, else the user's own. */
static tern_status trusted(keyring *out, const ti_opt_list *given, tern_err *err)
{
    for (; out->n < given->n; out->n++) {
        TI_TRY(ti_key_public(&out->keys[out->n], given->items[out->n], err));
    }
    if (given->n > 0) {
        return TERN_OK;
    }
    char *secret = NULL, *file = NULL;
    tern_status status = ti_receipt_key_file(&secret, false, err);
    if (status == TERN_OK) {
        status = ti_receipt_beside(&file, secret, ".pub", err);
    }
    if (status == TERN_OK && access(file, F_OK) == 0) {
        status = ti_key_public(&out->keys[0], file, err);
        out->n = status == TERN_OK;
    }
    free(secret);
    free(file);
    return status;
}

/* The key that an envelope says it is signed with, if it is. */
static bool named_key(ti_note_key *out, const ti_dsse *envelope)
{
    size_t which;
    for (size_t i = 0; i < envelope->n_sigs; i++) {
        const char *id = envelope->sigs[i].keyid;
        if (ti_note_key_read(out, id, strlen(id), NULL) == TERN_OK &&
            ti_dsse_verify(envelope, out, 1, &which, NULL) == TERN_OK) {
            return true;
        }
    }
    return false;
}

static tern_status check_signature(ti_checks *checks, const ti_dsse *envelope,
                                   const keyring *ring, bool any_key, tern_err *err)
{
    char text[TI_NOTE_KEY_TEXT];
    ti_note_key named;
    size_t which = 0;
    tern_status status = ti_dsse_verify(envelope, ring->keys, ring->n, &which, err);
    if (status == TERN_OK) {
        ti_note_key_write(text, &ring->keys[which]);
        ti_check_add(checks, "signature", TI_CHECK_OK, "by %s", text);
        return TERN_OK;
    }
    if (status != TERN_NO) {
        return status;
    }
    if (!named_key(&named, envelope)) {
        ti_check_add(checks, "signature", TI_CHECK_NO, "wrong, or by a key that is not given");
        return TERN_OK;
    }
    ti_note_key_write(text, &named);
    ti_check_add(checks, "signature", any_key ? TI_CHECK_OK : TI_CHECK_NO,
                 any_key ? "by %s, for whom nothing vouches"
                         : "by %s, which is not trusted; --key trusts it",
                 text);
    return TERN_OK;
}

/* --- the statement --------------------------------------------------------------------------
 */

static void describe(ti_checks *checks, const ti_receipt *r)
{
    ti_buf line = {0};
    ti_check_add(checks, "statement", TI_CHECK_OK,
                 "receipt %s: %llu tokens to %llu by %s (tern %s)", r->id,
                 (unsigned long long)r->work.input_tokens,
                 (unsigned long long)r->work.output_tokens, r->model.name, r->tern_version);
    if (r->has_energy || r->has_carbon) {
        ti_receipt_describe(&line, r);
        ti_check_add(checks, "claims", TI_CHECK_OPEN, "%s: cannot be computed again",
                     line.data ? line.data : "");
        ti_buf_free(&line);
    }
}

/* Reads an envelope and checks its signature; free *envelope also on failure. */
static tern_status open_envelope(ti_dsse *envelope, ti_checks *checks, const char *text,
                                 size_t len, const ti_opt_list *keys, bool any_key,
                                 tern_err *err)
{
    keyring *ring = calloc(1, sizeof *ring);
    if (!ring) {
        return ti_fail_nomem(err, "verify", sizeof *ring, "keys");
    }
    tern_status status = ti_dsse_parse(envelope, text, len, err);
    if (status == TERN_OK && strcmp(envelope->type, TI_PAYLOAD_TYPE) != 0) {
        status = ti_fail(err, TERN_UNSUPPORTED, "verify", TI_NO_OFFSET,
                         "payload is '%.80s', no in-toto statement", envelope->type);
    }
    if (status == TERN_OK) {
        status = trusted(ring, keys, err);
    }
    if (status == TERN_OK) {
        status = check_signature(checks, envelope, ring, any_key, err);
    }
    free(ring);
    return status;
}

static tern_status read_answer(ti_receipt *receipt, ti_checks *checks, const ti_dsse *envelope,
                               tern_err *err)
{
    TI_TRY(ti_receipt_read(receipt, (const char *)envelope->payload, envelope->len, err));
    describe(checks, receipt);
    return TERN_OK;
}

tern_status ti_verify_signature(ti_checks *checks, ti_receipt *receipt, const char *text,
                                size_t len, const ti_opt_list *keys, bool any_key,
                                tern_err *err)
{
    ti_dsse envelope = {0};
    tern_status status = open_envelope(&envelope, checks, text, len, keys, any_key, err);
    if (status == TERN_OK) {
        status = read_answer(receipt, checks, &envelope, err);
    }
    ti_dsse_free(&envelope);
    return status;
}

/* The text of the answer, as `tern run` printed it: with or without the newline that it adds
 * where the text has none at its end. */
static tern_status check_output(ti_checks *checks, const ti_receipt *r, const char *file,
                                tern_err *err)
{
    uint8_t digest[TI_SHA256];
    ti_map map = {0};
    if (!file) {
        ti_check_add(checks, "output", TI_CHECK_OPEN, "--output FILE compares it");
        return TERN_OK;
    }
    TI_TRY(ti_map_open(&map, file, err));
    uint64_t size = map.size;
    if (size == r->output.bytes + 1 && map.data[size - 1] == '\n') {
        size--;
    }
    ti_sha256_of(digest, map.data, size);
    ti_map_close(&map);
    bool same = memcmp(digest, r->output.sha256, sizeof digest) == 0;
    ti_check_add(checks, "output", same ? TI_CHECK_OK : TI_CHECK_NO,
                 same ? "%llu bytes, the receipt's text" : "%llu bytes, another text",
                 (unsigned long long)size);
    return TERN_OK;
}

tern_status ti_verify_receipt(ti_checks *checks, ti_receipt *receipt, const char *text,
                              size_t len, const char *file, const ti_verify_args *args,
                              tern_err *err)
{
    ti_dsse envelope = {0};
    tern_status status =
        open_envelope(&envelope, checks, text, len, &args->keys, args->any_key, err);
    if (status == TERN_OK) {
        status =
            ti_receipt_read_job(receipt, (const char *)envelope.payload, envelope.len, err);
        status =
            status == TERN_UNSUPPORTED ? read_answer(receipt, checks, &envelope, err) : status;
    }
    ti_dsse_free(&envelope);
    TI_TRY(status);
    TI_TRY(receipt->is_job ? ti_verify_job(checks, receipt, file, args, err)
                           : check_output(checks, receipt, args->output, err));
    TI_TRY(ti_verify_logged(checks, text, len, args, err));
    return args->rerun ? ti_rerun(checks, receipt, file, &args->again, err) : TERN_OK;
}
