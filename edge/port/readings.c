/* SPDX-License-Identifier: Apache-2.0 */
#include "readings.h"

const struct tern_edge_config readings_config = {
    .max_value = 100000, /* 100 kW for an hour: more than the fuses of a house let through */
    .min_deviation = 10 * 16,
    .interval_s = 3600,
    .budget = 720,
    .frozen_limit = 24,
    .warm_up = 336,
    .hold = 24,
    .adapt = 4,
};

/* Digits at *at into *value, at most `most`; moves *at behind them.  0: none, or too large. */
static int number(const char **at, uint32_t most, uint32_t *value)
{
    const char *p = *at;
    uint32_t v = 0;
    if (*p < '0' || *p > '9') {
        return 0;
    }
    for (; *p >= '0' && *p <= '9'; p++) {
        const uint32_t digit = (uint32_t)(*p - '0');
        if (v > (most - digit) / 10) {
            return 0;
        }
        v = v * 10 + digit;
    }
    *at = p;
    *value = v;
    return 1;
}

int readings_parse(const char *line, uint32_t *time, int32_t *value)
{
    uint32_t seconds;
    if (!number(&line, UINT32_MAX, &seconds) || *line != ',') {
        return 0;
    }
    line++;
    *time = seconds;
    *value = TERN_EDGE_MISSING;
    const int negative = *line == '-';
    line += negative;
    uint32_t v;
    if (!number(&line, INT32_MAX, &v)) {
        return 1;
    }
    if (*line == '.') {
        do {
            line++;
        } while (*line >= '0' && *line <= '9');
    }
    if (*line == '\0') {
        *value = negative ? -(int32_t)v : (int32_t)v;
    }
    return 1;
}

static char *put(char *to, uint32_t value, char after)
{
    char digits[10];
    uint32_t n = 0;
    do {
        digits[n++] = (char)('0' + value % 10);
        value /= 10;
    } while (value != 0);
    while (n > 0) {
        *to++ = digits[--n];
    }
    *to++ = after;
    return to;
}

void readings_format(char *text, uint32_t time, const struct tern_edge_result *result)
{
    text = put(text, time, ' ');
    text = put(text, result->status, ' ');
    text = put(text, (uint32_t)result->score, ' ');
    put(text, (uint32_t)result->threshold, '\0');
}
