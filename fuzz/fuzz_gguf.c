/* SPDX-License-Identifier: Apache-2.0 */
/* The GGUF reader with any bytes and every way of reading them: no crash, no hang, and what was
 * accepted can be used to the last weight. */
#include <stddef.h>
#include <stdint.h>

#include "gguf_build.h"
#include "model/gguf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const ti_gguf_opts ways[] = {
        {0},
        {.i2s = 1, .q2_0_group = 64},
        {.i2s = 2, .q2_0_group = 128},
        {.directory_only = true},
    };
    static volatile double sink;
    for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++) {
        ti_gguf g;
        tern_err err;
        if (ti_gguf_parse(&g, data, size, &ways[i], &err) == TERN_OK) {
            sink = gb_walk(&g);
            ti_gguf_close(&g);
        }
    }
    (void)sink;
    return 0;
}
