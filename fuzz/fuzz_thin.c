/* SPDX-License-Identifier: Apache-2.0 */
/* A classifier's file: refused, or it answers any text; and any bytes as a text. */
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "model/thin.h"
#include "model/thin_text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void found(void *to, uint32_t hash, int32_t times)
{
    uint64_t *n = to;
    TI_ASSERT(times > 0);
    *n += (uint64_t)times + (hash & 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ti_thin thin;
    ti_thin_answer a;
    tern_err err;
    uint64_t n = 0;
    TI_ASSERT(ti_thin_features((const char *)data, size, found, &n) <= size && n > 0);
    if (ti_thin_parse(&thin, data, size, &err) != TERN_OK) {
        return 0;
    }
    ti_thin_ask(&a, &thin, (const char *)data, size);
    TI_ASSERT(a.intent < thin.intent.n_outputs && a.thin == (a.score >= a.threshold));
    TI_ASSERT(a.known_permille <= 1000 && a.other_permille <= 1000 && a.gain_permille <= 1000);
    ti_thin_close(&thin);
    return 0;
}
