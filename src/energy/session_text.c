/* SPDX-License-Identifier: Apache-2.0 */
/* Figures and flags in words. */
#include <stdio.h>
#include <string.h>

#include "energy/session.h"

static const struct {
    uint32_t bit;
    const char *name;
} flag_names[] = {
    {TI_DELTA_WRAP, "wrap"},     {TI_DELTA_GAP, "gap"},          {TI_DELTA_SLEPT, "slept"},
    {TI_DELTA_FAILED, "failed"}, {TI_DELTA_FIRST, "first"},      {TI_DELTA_WRAPS, "wraps"},
    {TI_DELTA_RESET, "reset"},   {TI_DELTA_JUMP, "jump"},        {TI_DELTA_CLOCK, "clock"},
    {TI_DELTA_SPARSE, "sparse"}, {TI_ENERGY_NO_IDLE, "no-idle"}, {TI_ENERGY_SHORT, "short"},
};

enum { N_FLAGS = sizeof flag_names / sizeof *flag_names };

const char *ti_energy_flags_text(char *out, size_t cap, uint32_t flags)
{
    size_t n = 0;
    TI_ASSERT(cap > 0);
    out[0] = '\0';
    for (size_t i = 0; i < N_FLAGS; i++) {
        if ((flags & flag_names[i].bit) && n + strlen(flag_names[i].name) + 3 < cap) {
            n += (size_t)snprintf(out + n, cap - n, "%s%s", n ? ", " : "", flag_names[i].name);
        }
    }
    return out;
}

void ti_json_energy_flags(ti_buf *json, const char *key, uint32_t flags)
{
    ti_json_open(json, key, '[');
    for (size_t i = 0; i < N_FLAGS; i++) {
        if (flags & flag_names[i].bit) {
            ti_json_str(json, NULL, flag_names[i].name);
        }
    }
    ti_json_close(json, ']');
}

void ti_json_energy(ti_buf *json, const char *key, const ti_energy_figure *figure)
{
    ti_json_open(json, key, '{');
    ti_json_uint(json, "energy_uj", figure->energy_uj);
    ti_json_uint(json, "idle_uj", figure->idle_uj);
    ti_json_uint(json, "time_ns", figure->time_ns);
    ti_json_str(json, "evidence", ti_evidence_name(figure->evidence));
    ti_json_str(json, "meter", figure->meter);
    ti_json_uint(json, "error_permille", figure->error_permille);
    ti_json_covers(json, "covers", figure->covers);
    ti_json_energy_flags(json, "flags", figure->flags);
    ti_json_close(json, '}');
}
