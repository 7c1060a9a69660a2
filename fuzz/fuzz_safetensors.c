/* SPDX-License-Identifier: Apache-2.0 */
/* A safetensors file.  Whatever is accepted must lie inside the file, tensor by tensor, and be
 * found by its name. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "convert/safetensors.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ti_safetensors st = {0};
    tern_err err;
    if (ti_safetensors_parse(&st, data, size, &err) != TERN_OK) {
        return 0;
    }
    uint64_t sum = 0;
    for (size_t i = 0; i < st.n; i++) {
        const ti_st_tensor *t = &st.tensors[i];
        TI_ASSERT(t->offset <= size && t->bytes <= size - t->offset);
        TI_ASSERT(ti_safetensors_find(&st, t->name) == t);
        for (uint64_t j = 0; j < t->bytes; j++) {
            sum += t->data[j];
        }
    }
    TI_ASSERT(sum <= 255 * (uint64_t)size);
    ti_safetensors_close(&st);
    return 0;
}
