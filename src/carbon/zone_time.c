/* SPDX-License-Identifier: Apache-2.0 */
#include "carbon/zone_time.h"

#include <string.h>

enum { QUARTER_S = 900 };

/* Quarters of an hour, so that India and Nepal fit.  What is longer counts. */
static const struct {
    const char *prefix;
    int quarters;
} zones[] = {
    {"10Y", 4},       {"AE", 16},     {"AL", 4},       {"AR", -12},     {"AT", 4},
    {"AU", 40},       {"AU-WA", 32},  {"BA", 4},       {"BD", 24},      {"BE", 4},
    {"BG", 8},        {"BPA", -32},   {"BR", -12},     {"CA", -20},     {"CA-AB", -28},
    {"CA-BC", -32},   {"CA-MB", -24}, {"CA-SK", -24},  {"CAISO", -32},  {"CH", 4},
    {"CL", -16},      {"CN", 32},     {"CO", -20},     {"CR", -24},     {"CY", 8},
    {"CZ", 4},        {"DE", 4},      {"DK", 4},       {"DO", -16},     {"EE", 8},
    {"EG", 8},        {"ERCOT", -24}, {"ES", 4},       {"FI", 8},       {"FR", 4},
    {"GE", 16},       {"GR", 8},      {"GT", -24},     {"HK", 32},      {"HR", 4},
    {"HU", 4},        {"ID", 28},     {"IL", 8},       {"IN", 22},      {"ISONE", -20},
    {"IT", 4},        {"JP", 36},     {"KE", 12},      {"KR", 36},      {"LK", 22},
    {"LT", 8},        {"LU", 4},      {"LV", 8},       {"MA", 4},       {"MD", 8},
    {"ME", 4},        {"MISO", -24},  {"MK", 4},       {"MX", -24},     {"MY", 32},
    {"NG", 4},        {"NL", 4},      {"NO", 4},       {"NP", 23},      {"NYISO", -20},
    {"NZ", 48},       {"PA", -20},    {"PE", -20},     {"PH", 32},      {"PJM", -20},
    {"PK", 20},       {"PL", 4},      {"PR", -16},     {"RO", 8},       {"RS", 4},
    {"RU", 12},       {"SA", 12},     {"SE", 4},       {"SG", 32},      {"SI", 4},
    {"SK", 4},        {"SPP", -24},   {"TH", 28},      {"TR", 12},      {"TW", 32},
    {"UA", 8},        {"US", -24},    {"US-CAL", -32}, {"US-CAR", -20}, {"US-FLA", -20},
    {"US-MIDA", -20}, {"US-NE", -20}, {"US-NW", -32},  {"US-NY", -20},  {"US-SE", -20},
    {"US-SW", -28},   {"UY", -12},    {"VN", 28},      {"XK", 4},       {"ZA", 8},
};

/* Where a word of a code ends: DE is Germany and not the beginning of DELHI. */
static int is_end(char c)
{
    return c == '\0' || c == '-' || c == '_';
}

int32_t ti_zone_utc_offset_s(const char *zone)
{
    size_t longest = 0;
    int32_t found = 0;
    for (size_t i = 0; i < sizeof zones / sizeof zones[0]; i++) {
        size_t n = strlen(zones[i].prefix);
        int whole = n > 2 || is_end(zone[n < strlen(zone) ? n : strlen(zone)]);
        if (n > longest && strncmp(zone, zones[i].prefix, n) == 0 && whole) {
            longest = n;
            found = zones[i].quarters * QUARTER_S;
        }
    }
    return found;
}
