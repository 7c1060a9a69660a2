/* SPDX-License-Identifier: Apache-2.0 */
#include "carbon/units.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

__extension__ typedef unsigned __int128 wide;

enum { DIGITS_MAX = 18 }; /* 10^18 < 2^63 */

static uint64_t common_divisor(uint64_t a, uint64_t b)
{
    while (b) {
        uint64_t r = a % b;
        a = b;
        b = r;
    }
    return a;
}

/* Cancels what `num` and `den` share. */
static void cancel(uint64_t *num, size_t n_num, uint64_t *den, size_t n_den)
{
    for (size_t i = 0; i < n_num; i++) {
        for (size_t j = 0; j < n_den; j++) {
            uint64_t g = common_divisor(num[i], den[j]);
            num[i] /= g;
            den[j] /= g;
        }
    }
}

static bool product(wide *out, const uint64_t *factors, size_t n)
{
    wide p = 1;
    for (size_t i = 0; i < n; i++) {
        if (__builtin_mul_overflow(p, (wide)factors[i], &p)) {
            return false;
        }
    }
    *out = p;
    return true;
}

bool ti_ratio_u64(uint64_t *out, const uint64_t *num, size_t n_num, const uint64_t *den,
                  size_t n_den)
{
    uint64_t n[TI_RATIO_MAX], d[TI_RATIO_MAX];
    wide above, below;
    TI_ASSERT(n_num <= TI_RATIO_MAX && n_den <= TI_RATIO_MAX);
    for (size_t i = 0; i < n_num; i++) {
        n[i] = num[i];
        if (num[i] == 0) {
            *out = 0;
            return true;
        }
    }
    for (size_t i = 0; i < n_den; i++) {
        TI_ASSERT(den[i] > 0);
        d[i] = den[i];
    }
    cancel(n, n_num, d, n_den);
    if (!product(&above, n, n_num) || !product(&below, d, n_den)) {
        return false;
    }
    wide q = above / below, rest = above % below;
    q += rest >= below - rest; /* 2 * rest >= below, without the overflow */
    if (q > UINT64_MAX) {
        return false;
    }
    *out = (uint64_t)q;
    return true;
}

tern_status ti_decimal_parse(uint64_t *out, const char *text, size_t len, uint64_t scale,
                             const char *what, tern_err *err)
{
    uint64_t digits = 0, below = 1;
    size_t n = 0;
    bool point = false;
    int shown = len < 40 ? (int)len : 40;
    for (size_t i = 0; i < len; i++) {
        if (text[i] == '.' && !point && i > 0 && i + 1 < len) {
            point = true;
            continue;
        }
        if (text[i] < '0' || text[i] > '9' || n == DIGITS_MAX) {
            return ti_fail(err, TERN_USAGE, "carbon", TI_NO_OFFSET,
                           "%s: '%.*s' is not a number of at most %d digits", what, shown, text,
                           DIGITS_MAX);
        }
        digits = digits * 10 + (uint64_t)(text[i] - '0');
        below *= point ? 10 : 1;
        n++;
    }
    if (n == 0) {
        return ti_fail(err, TERN_USAGE, "carbon", TI_NO_OFFSET, "%s: a number is missing",
                       what);
    }
    if (!ti_ratio_u64(out, (const uint64_t[]){digits, scale}, 2, &below, 1)) {
        return ti_fail(err, TERN_LIMIT, "carbon", TI_NO_OFFSET, "%s: %.*s is too large", what,
                       shown, text);
    }
    return TERN_OK;
}

tern_status ti_energy_parse(uint64_t *energy_uj, const char *text, tern_err *err)
{
    static const struct {
        const char *name;
        uint64_t uj;
    } units[] = {
        {"J", TI_UJ_PER_J},
        {"kJ", TI_UJ_PER_J * 1000},
        {"MJ", TI_UJ_PER_J * 1000000},
        {"mJ", TI_UJ_PER_J / 1000},
        {"uJ", 1},
        {"Wh", TI_UJ_PER_WH},
        {"kWh", TI_UJ_PER_KWH},
        {"MWh", TI_UJ_PER_KWH * 1000},
    };
    size_t digits = strspn(text, "0123456789.");
    const char *unit = text + digits + strspn(text + digits, " ");
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        if (strcmp(unit, units[i].name) == 0) {
            return ti_decimal_parse(energy_uj, text, digits, units[i].uj, "energy", err);
        }
    }
    return ti_fail(err, TERN_USAGE, "carbon", TI_NO_OFFSET,
                   "energy: '%.40s' is not a number with J, kJ, MJ, mJ, uJ, Wh, kWh or MWh",
                   text);
}

typedef struct step {
    const char *name;
    uint64_t of; /* how many of the smallest unit are in it */
} step;

/* Chooses the largest unit of which there is a tenth at least; steps are in ascending order. */
static const char *amount(char *out, const step *steps, size_t n, uint64_t value)
{
    const step *s = steps;
    for (size_t i = 1; i < n && value >= steps[i].of / 10; i++) {
        s = &steps[i];
    }
    uint64_t decimals = value < s->of * 10 ? 100 : value < s->of * 100 ? 10 : 1, scaled;
    if (s->of == 1) {
        decimals = 1;
    }
    if (!ti_ratio_u64(&scaled, (const uint64_t[]){value, decimals}, 2, &s->of, 1)) {
        decimals = 1; /* cannot be: the unit is large then */
        scaled = value / s->of;
    }
    snprintf(out, TI_AMOUNT_TEXT, "%" PRIu64, scaled / decimals);
    size_t at = strlen(out);
    if (decimals > 1) {
        snprintf(out + at, TI_AMOUNT_TEXT - at, ".%0*" PRIu64 " %s", decimals == 100 ? 2 : 1,
                 scaled % decimals, s->name);
    } else {
        snprintf(out + at, TI_AMOUNT_TEXT - at, " %s", s->name);
    }
    return out;
}

const char *ti_grams_text(char out[TI_AMOUNT_TEXT], uint64_t co2_ug)
{
    static const step steps[] = {{"ug", 1},
                                 {"mg", 1000},
                                 {"g", TI_UG_PER_G},
                                 {"kg", TI_UG_PER_KG},
                                 {"t", TI_UG_PER_KG * 1000}};
    return amount(out, steps, sizeof steps / sizeof *steps, co2_ug);
}

const char *ti_joules_text(char out[TI_AMOUNT_TEXT], uint64_t energy_uj)
{
    static const step steps[] = {{"uJ", 1},
                                 {"mJ", 1000},
                                 {"J", TI_UJ_PER_J},
                                 {"kJ", TI_UJ_PER_J * 1000},
                                 {"MJ", TI_UJ_PER_J * 1000000},
                                 {"GJ", TI_UJ_PER_J * 1000000000}};
    return amount(out, steps, sizeof steps / sizeof *steps, energy_uj);
}

const char *ti_milli_text(char out[TI_AMOUNT_TEXT], uint64_t milli)
{
    snprintf(out, TI_AMOUNT_TEXT, "%" PRIu64 ".%03u", milli / 1000, (unsigned)(milli % 1000));
    size_t n = strlen(out);
    while (out[n - 1] == '0') {
        out[--n] = '\0';
    }
    if (out[n - 1] == '.') {
        out[n - 1] = '\0';
    }
    return out;
}
