/* SPDX-License-Identifier: Apache-2.0 */
/* A llama2.c checkpoint, or (first byte odd) a tokenizer of as many tokens as the second byte
 * says. */
#include <stddef.h>
#include <stdint.h>

#include "convert/llama2c.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    tern_err err;
    if (size < 2) {
        return 0;
    }
    if (data[0] % 2 == 0) {
        ti_llama2c m;
        if (ti_llama2c_parse(&m, data + 2, size - 2, &err) == TERN_OK) {
            TI_ASSERT(m.rms_final + 4 * (uint64_t)m.dim <= size - 2);
            TI_ASSERT(m.head == 0 || m.head + 4 * (uint64_t)m.dim * m.n_vocab == size - 2);
        }
        return 0;
    }
    ti_arena arena = {0};
    ti_llama2c_tok t;
    if (ti_llama2c_tok_parse(&t, &arena, data + 2, size - 2, data[1], &err) == TERN_OK) {
        for (uint32_t i = 0; i < t.n; i++) {
            TI_ASSERT(t.tokens[i].len > 0 && t.types[i] > 0);
            TI_ASSERT(t.scores[i] - t.scores[i] == 0);
        }
    }
    ti_arena_free(&arena);
    return 0;
}
