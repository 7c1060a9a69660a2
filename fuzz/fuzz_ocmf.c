/* SPDX-License-Identifier: Apache-2.0 */
/* Signed records of meters, alone and in XML, and their keys. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "ledger/ocmf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data;
    ti_ocmf ocmf;
    ti_ocmf_gap gaps[4];
    ti_ocmf_delta delta;
    ti_ec_key key;
    tern_err err = {.status = TERN_OK};
    (void)ti_ec_key_parse(&key, text, size, NULL);
    (void)ti_ocmf_is(text, size);
    if (ti_ocmf_parse(&ocmf, text, size, &err) != TERN_OK) {
        TI_ASSERT(err.offset == TI_NO_OFFSET || err.offset <= size);
        return 0;
    }
    for (size_t i = 0; i < ocmf.n; i++) {
        const ti_ocmf_record *r = &ocmf.records[i];
        /* What is signed lies inside of the record, byte for byte. */
        TI_ASSERT(r->payload.data > r->bytes.data &&
                  r->payload.data + r->payload.len < r->bytes.data + r->bytes.len);
        if (r->has_key && i < 4) {
            (void)ti_ocmf_verify(r, &r->key, NULL);
        }
    }
    (void)ti_ocmf_gaps(&ocmf, gaps, 4);
    if (ti_ocmf_measure(&delta, &ocmf, NULL, NULL) == TERN_OK) {
        TI_ASSERT(ti_ocmf_check_sum(&delta, delta.delta_uj, NULL) == TERN_OK);
    }
    ti_ocmf_free(&ocmf);
    return 0;
}
