/* SPDX-License-Identifier: Apache-2.0 */
/* DSSE envelopes, checked with the key of the seeds and with one that they name. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "ledger/dsse.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t seed[TI_ED25519_SEED] = {1};
    ti_note_signer key;
    ti_note_key named;
    ti_dsse envelope;
    ti_buf again = {0};
    size_t which = 0;
    tern_err err = {.status = TERN_OK};
    if (ti_dsse_parse(&envelope, (const char *)data, size, &err) != TERN_OK) {
        TI_ASSERT(err.offset == TI_NO_OFFSET || err.offset <= size);
        return 0;
    }
    TI_ASSERT(ti_note_signer_make(&key, "fuzz", TI_NOTE_ED25519, seed, NULL) == TERN_OK);
    (void)ti_dsse_verify(&envelope, &key.pub, 1, &which, NULL);
    TI_ASSERT(which == 0);
    for (size_t i = 0; i < envelope.n_sigs; i++) {
        const char *id = envelope.sigs[i].keyid;
        (void)ti_note_key_read(&named, id, strlen(id), NULL);
    }
    /* What was in it can be signed, and then holds. */
    TI_ASSERT(ti_dsse_sign(&again, envelope.type, envelope.payload, envelope.len, &key, NULL) ==
              TERN_OK);
    ti_dsse_free(&envelope);
    if (again.len <= TI_DSSE_MAX) {
        TI_ASSERT(ti_dsse_parse(&envelope, again.data, again.len, NULL) == TERN_OK);
        TI_ASSERT(ti_dsse_verify(&envelope, &key.pub, 1, &which, NULL) == TERN_OK);
        ti_dsse_free(&envelope);
    }
    ti_buf_free(&again);
    return 0;
}
