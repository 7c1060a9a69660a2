/* SPDX-License-Identifier: Apache-2.0 */
/* A catalogue of providers: refused, or every figure of it has a source and is in its range. */
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "carbon/providers.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void figure(const ti_provider_figure *f, uint32_t least)
{
    TI_ASSERT(!f->source || (f->low_milli >= least && f->low_milli <= f->high_milli));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ti_providers c;
    tern_err err;
    if (ti_providers_parse(&c, (const char *)data, size, &err) != TERN_OK) {
        TI_ASSERT(err.offset <= size || err.offset == TI_NO_OFFSET);
        return 0;
    }
    figure(&c.unknown_pue, 1000);
    TI_ASSERT(c.unknown_pue.source);
    for (size_t i = 0; i < c.n_providers; i++) {
        const ti_provider *p = &c.providers[i];
        TI_ASSERT(p->name.len > 0 && p->api.len > 0);
        TI_ASSERT((p->zone.len > 0) == (p->zone_source != NULL));
        figure(&p->pue, 1000);
        figure(&p->wue, 0);
        figure(&p->heat, 0);
        figure(&p->renewable, 0);
    }
    for (size_t i = 0; i < c.n_hardware; i++) {
        TI_ASSERT(c.hardware[i].source && c.hardware[i].name.len > 0);
    }
    ti_providers_free(&c);
    return 0;
}
