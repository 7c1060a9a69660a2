/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>
#include <strings.h>

#include "device/csv.h"

enum { MANTISSA_DIGITS = 15 };

bool ti_csv_is_missing(ti_str s)
{
    static const char *const words[] = {"", "nan", "null", "na", "n/a", "none", "?", "-"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (strlen(words[i]) == s.len &&
            (s.len == 0 || strncasecmp(words[i], s.data, s.len) == 0)) {
            return true;
        }
    }
    return false;
}

/* Digits with one mark among them, as mantissa and power of ten. */
static size_t read_digits(const char *text, size_t len, char mark, uint64_t *mantissa,
                          int *power)
{
    size_t i = 0, kept = 0, seen = 0;
    bool behind = false;
    for (; i < len; i++) {
        if (text[i] == mark && !behind) {
            behind = true;
            continue;
        }
        if (text[i] < '0' || text[i] > '9') {
            break;
        }
        seen++;
        if (kept < MANTISSA_DIGITS) {
            *mantissa = *mantissa * 10 + (uint64_t)(text[i] - '0');
            kept += *mantissa > 0;
            *power -= behind;
        } else {
            *power += !behind;
        }
    }
    return seen > 0 ? i : 0;
}

bool ti_csv_number(double *out, const char *text, size_t len, bool comma)
{
    uint64_t mantissa = 0;
    int power = 0, exponent = 0;
    bool minus = len > 0 && text[0] == '-';
    size_t at = minus || (len > 0 && text[0] == '+');
    size_t n = read_digits(text + at, len - at, '.', &mantissa, &power);
    if (comma && n > 0 && at + n < len && text[at + n] == ',' && power == 0) {
        mantissa = 0;
        n = read_digits(text + at, len - at, ',', &mantissa, &power);
    }
    if (n == 0 || len > 64) {
        return false;
    }
    at += n;
    if (at < len && (text[at] == 'e' || text[at] == 'E')) {
        bool down = at + 1 < len && text[at + 1] == '-';
        at += 1 + (size_t)(down || (at + 1 < len && text[at + 1] == '+'));
        size_t digits = 0;
        for (; at < len && text[at] >= '0' && text[at] <= '9' && digits < 3; at++, digits++) {
            exponent = exponent * 10 + (text[at] - '0');
        }
        if (digits == 0) {
            return false;
        }
        exponent = down ? -exponent : exponent;
    }
    /* One multiplication or division for up to 22: one rounding.  Further down it is zero to
     * any meter. */
    double value = (double)mantissa;
    int p = power + exponent;
    for (; p > 0 && value > 0 && value <= 1e15; p--) {
        value *= 10;
    }
    double divisor = 1;
    for (; p < 0 && divisor < 1e22; p++) {
        divisor *= 10;
    }
    value = p < 0 ? 0 : value / divisor;
    if (at != len) {
        return false;
    }
    value = value < 1e15 ? value : 1e15;
    *out = minus ? -value : value;
    return true;
}
