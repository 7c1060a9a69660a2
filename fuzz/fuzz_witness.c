/* SPDX-License-Identifier: Apache-2.0 */
/* What logs send to witnesses, and what these answer.  A request has one form: what was read is
 * written again byte for byte. */
#include "ledger/witness.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void use_request(const char *text, size_t size)
{
    ti_witness_request r;
    ti_signed_note note;
    ti_buf out = {0};
    if (ti_witness_request_read(&r, text, size, NULL) != TERN_OK) {
        return;
    }
    TI_ASSERT(r.proof.n <= TI_WITNESS_PROOF_MAX && r.note.len < size);
    ti_witness_request_write(&out, &r);
    TI_ASSERT(out.failed || (out.len == size && memcmp(out.data, text, size) == 0));
    ti_buf_free(&out);
    (void)ti_note_parse(&note, r.note.data, r.note.len, NULL);
}

/* As an answer about a text of its own, from the key of the first line. */
static void use_answer(const char *text, size_t size)
{
    static const char checkpoint[] =
        "example.com/log\n1\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n";
    static const uint8_t seed[TI_ED25519_SEED] = {1};
    ti_note_signer signer;
    ti_buf lines = {0};
    TI_ASSERT(ti_note_signer_make(&signer, "witness.example/w", TI_NOTE_COSIGN_V1, seed,
                                  NULL) == TERN_OK);
    ti_str about = {checkpoint, sizeof checkpoint - 1};
    tern_status status = ti_witness_answer_read(&lines, &signer.pub, about, text, size, NULL);
    TI_ASSERT(status != TERN_OK || (lines.len > 0 && lines.data[lines.len - 1] == '\n'));
    ti_buf_free(&lines);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    use_request((const char *)data, size);
    use_answer((const char *)data, size);
    return 0;
}
