/* SPDX-License-Identifier: Apache-2.0 */
/* The three kinds of files in @tgwf/co2 0.19: Electricity Maps' year, with an object a zone;
 * Ember's averages, with a number; the UNFCCC's marginal factors of 2021, with a string. */
#include <string.h>

#include "carbon/json.h"
#include "carbon/parse.h"

#define MODULE "yearly"

/* The last number of four digits in a name that may be a year, or 0. */
static uint32_t year_in(const char *name)
{
    enum { FIRST = 1990, LAST = 2100 };
    uint32_t year = 0;
    for (size_t i = 0; name[i]; i++) {
        uint32_t n = 0;
        size_t k = 0;
        while (k < 4 && name[i + k] >= '0' && name[i + k] <= '9') {
            n = n * 10 + (uint32_t)(name[i + k++] - '0');
        }
        if (k == 4 && n >= FIRST && n <= LAST) {
            year = n;
        }
    }
    return year;
}

static tern_status read_value(ti_yearly *out, const ti_jval *v, const char *zone, tern_err *err)
{
    double grams;
    bool there;
    char unit[32];
    if (v->type == TI_JOBJECT) {
        const ti_jval *ci = ti_jval_get(v, "carbonIntensity");
        ti_answer_text(unit, sizeof unit, ti_jval_get(ci, "unit"));
        if (strcmp(unit, "gCO2eq/kWh") != 0) {
            return ti_answer_bad(v, MODULE, "intensity in gCO2eq/kWh", err);
        }
        v = ti_jval_get(ci, "value");
    }
    TI_TRY(ti_answer_number(&grams, &there, v, MODULE, err));
    if (!there || grams == 0 || !ti_grams_to_mg(&out->intensity_mg_kwh, grams, out->basis)) {
        return ti_fail(err, TERN_USAGE, MODULE, v ? v->at : TI_NO_OFFSET,
                       "the file has no usable value for zone '%.20s'", zone);
    }
    return TERN_OK;
}

/* The object whose members are zones. */
static const ti_jval *zones_of(const ti_jval *root)
{
    const ti_jval *data = ti_jval_get(root, "data");
    return data ? data : root;
}

tern_status ti_parse_yearly(ti_yearly *out, const char *zone, const char *name,
                            const char *text, size_t len, tern_err *err)
{
    ti_arena arena = {0};
    ti_jval root;
    const char *base = strrchr(name, '/');
    ti_yearly found = {.year = year_in(base ? base + 1 : name)};
    if (strstr(base ? base + 1 : name, "marginal")) {
        found.basis = (ti_basis){.kind = TI_MARGINAL, .scope = TI_OPERATIONAL};
    }
    tern_status status = ti_answer_parse(&root, &arena, text, len, MODULE, err);
    if (status == TERN_OK) {
        const ti_jval *v = ti_jval_get(zones_of(&root), zone);
        status = v ? read_value(&found, v, zone, err)
                   : ti_fail(err, TERN_USAGE, MODULE, TI_NO_OFFSET,
                             "the file has no zone '%.40s'", zone);
    }
    ti_arena_free(&arena);
    if (status == TERN_OK) {
        *out = found;
    }
    return status;
}

tern_status ti_parse_yearly_zones(ti_buf *out, const char *text, size_t len, tern_err *err)
{
    ti_arena arena = {0};
    ti_jval root;
    size_t n = 0;
    tern_status status = ti_answer_parse(&root, &arena, text, len, MODULE, err);
    const ti_jval *zones = status == TERN_OK ? zones_of(&root) : NULL;
    for (uint32_t i = 0; zones && zones->type == TI_JOBJECT && i < zones->n; i++) {
        ti_str key = zones->u.members[i].key;
        ti_zone_list_add(out, &n, key.data, key.len);
    }
    ti_arena_free(&arena);
    return status;
}
