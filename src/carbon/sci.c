/* SPDX-License-Identifier: Apache-2.0 */
#include "carbon/sci.h"

#include <string.h>

#include "carbon/units.h"

static const char *const names[] = {"token", "request", "run", "hour"};

const char *ti_per_name(ti_per_kind kind)
{
    return names[kind];
}

tern_status ti_per_parse(ti_per *out, const char *text, tern_err *err)
{
    size_t len = strcspn(text, ":");
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (strlen(names[i]) != len || memcmp(names[i], text, len) != 0) {
            continue;
        }
        ti_per per = {.kind = (ti_per_kind)i, .n_milli = 1000};
        if (text[len] == ':') {
            const char *n = text + len + 1;
            TI_TRY(ti_decimal_parse(&per.n_milli, n, strlen(n), 1000, "functional unit", err));
        }
        if (per.n_milli == 0) {
            return ti_fail(err, TERN_USAGE, "carbon", TI_NO_OFFSET,
                           "functional unit: nothing was served");
        }
        *out = per;
        return TERN_OK;
    }
    return ti_fail(err, TERN_USAGE, "carbon", TI_NO_OFFSET,
                   "functional unit: '%.40s' is none of token, request, run, hour, with ':N'",
                   text);
}

tern_status ti_embodied_share(uint64_t *embodied_ug, const ti_hardware *h, tern_err *err)
{
    if (h->total_ug == 0 || h->lifetime_ns == 0 || h->all == 0) {
        return ti_fail(err, TERN_USAGE, "carbon", TI_NO_OFFSET,
                       "hardware needs emissions, a lifetime and a size");
    }
    if (h->used > h->all || h->reserved_ns > h->lifetime_ns) {
        return ti_fail(err, TERN_USAGE, "carbon", TI_NO_OFFSET, "%s",
                       h->used > h->all ? "more of the hardware was taken than there is"
                                        : "hardware was taken for longer than it lasts");
    }
    const uint64_t num[] = {h->total_ug, h->reserved_ns, h->used};
    const uint64_t den[] = {h->lifetime_ns, h->all};
    if (!ti_ratio_u64(embodied_ug, num, 3, den, 2)) {
        return ti_fail(err, TERN_LIMIT, "carbon", TI_NO_OFFSET,
                       "numbers of the hardware are too large");
    }
    return TERN_OK;
}

tern_status ti_sci_of(ti_sci *out, const ti_carbon *operational, uint64_t embodied_ug,
                      ti_per per, tern_err *err)
{
    if (operational->basis.method == TI_MARKET) {
        return ti_fail(err, TERN_UNSUPPORTED, "carbon", TI_NO_OFFSET,
                       "ISO/IEC 21031 allows no market-based intensity in a score");
    }
    if (per.n_milli == 0) {
        return ti_fail(err, TERN_USAGE, "carbon", TI_NO_OFFSET,
                       "functional unit: nothing was served");
    }
    ti_sci sci = {.operational_ug = operational->co2_ug,
                  .embodied_ug = embodied_ug,
                  .per = per,
                  .basis = operational->basis};
    const uint64_t ng_per_ug = 1000, milli = 1000;
    if (__builtin_add_overflow(sci.operational_ug, embodied_ug, &sci.total_ug) ||
        !ti_ratio_u64(&sci.per_unit_ng, (const uint64_t[]){sci.total_ug, ng_per_ug, milli}, 3,
                      &per.n_milli, 1)) {
        return ti_fail(err, TERN_LIMIT, "carbon", TI_NO_OFFSET, "a score above 18,000 tonnes");
    }
    *out = sci;
    return TERN_OK;
}

/* One kind of part: a fixed amount, and one for each of something. */
typedef struct part {
    const char *name;
    uint64_t fixed_ug, each_ug; /* each: mm2 of die, cm2 of memory */
    bool has_density;
} part;

static const part parts[] = {
    {"cpu", UINT64_C(9140000000), UINT64_C(19700000), false},
    {"ram", UINT64_C(5220000000), UINT64_C(2200000000), true},
    {"ssd", UINT64_C(6340000000), UINT64_C(2200000000), true},
    {"board", UINT64_C(66100000000), 0, false},
    {"rack", UINT64_C(150000000000), 0, false},
    {"blade", UINT64_C(85900000000), 0, false}, /* 30.9 + 880/16 */
};

static tern_status bad_part(const char *text, size_t len, const char *why, tern_err *err)
{
    return ti_fail(err, TERN_USAGE, "carbon", TI_NO_OFFSET, "hardware: '%.*s' %s",
                   len < 40 ? (int)len : 40, text, why);
}

/* Emissions of one part: its name at `text`, and what follows it. */
static tern_status part_ug(uint64_t *ug, const part *p, const char *text, size_t len,
                           tern_err *err)
{
    size_t name = strlen(p->name);
    uint64_t amount_milli, density_milli = 1000, area_ug = 0;
    if (p->each_ug == 0) {
        *ug = p->fixed_ug;
        return len == name ? TERN_OK : bad_part(text, len, "takes no number", err);
    }
    if (len == name) {
        return bad_part(text, len, "needs '=' and a number", err);
    }
    const char *number = text + name + 1, *end = text + len;
    const char *at = memchr(number, '@', (size_t)(end - number));
    if ((at != NULL) != p->has_density) {
        return bad_part(text, len, at ? "has no density" : "needs '@' and a density (GB/cm2)",
                        err);
    }
    TI_TRY(ti_decimal_parse(&amount_milli, number, (size_t)((at ? at : end) - number), 1000,
                            "hardware", err));
    if (at) {
        TI_TRY(ti_decimal_parse(&density_milli, at + 1, (size_t)(end - at - 1), 1000,
                                "hardware", err));
    }
    if (density_milli == 0) {
        return bad_part(text, len, "has a density of 0", err);
    }
    if (!ti_ratio_u64(&area_ug, (const uint64_t[]){amount_milli, p->each_ug}, 2, &density_milli,
                      1) ||
        __builtin_add_overflow(area_ug, p->fixed_ug, ug)) {
        return ti_fail(err, TERN_LIMIT, "carbon", TI_NO_OFFSET, "hardware: a part too large");
    }
    return TERN_OK;
}

static tern_status any_part_ug(uint64_t *ug, const char *text, size_t len, tern_err *err)
{
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        size_t n = strlen(parts[i].name);
        if (len >= n && memcmp(text, parts[i].name, n) == 0 && (len == n || text[n] == '=')) {
            return part_ug(ug, &parts[i], text, len, err);
        }
    }
    return bad_part(text, len, "is none of NUMBERkg, cpu, ram, ssd, board, rack, blade", err);
}

tern_status ti_hardware_parse(uint64_t *total_ug, const char *text, tern_err *err)
{
    size_t len = strlen(text);
    uint64_t sum = 0;
    if (len > 2 && strcmp(text + len - 2, "kg") == 0) {
        return ti_decimal_parse(total_ug, text, len - 2, TI_UG_PER_KG, "hardware", err);
    }
    for (;;) {
        uint64_t ug = 0;
        size_t n = strcspn(text, ",");
        TI_TRY(any_part_ug(&ug, text, n, err));
        if (__builtin_add_overflow(sum, ug, &sum)) {
            return ti_fail(err, TERN_LIMIT, "carbon", TI_NO_OFFSET, "hardware: too much of it");
        }
        if (text[n] == '\0') {
            break;
        }
        text += n + 1;
    }
    *total_ug = sum;
    return TERN_OK;
}
