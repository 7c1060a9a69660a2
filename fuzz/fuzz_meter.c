/* SPDX-License-Identifier: Apache-2.0 */
/* What kernels and drivers say about energy: the first byte chooses who speaks, the rest is
 * what is said.  No crash, no overrun, and what was accepted is within what the headers
 * promise. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "energy/emi.h"
#include "energy/meter.h"
#include "energy/sysfs.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void numbers(const char *text, size_t len)
{
    uint64_t value = 0, magnitude = 0;
    if (ti_sys_parse_u64(text, len, &value)) {
        TI_ASSERT(ti_sys_parse_magnitude(text, len, &magnitude) && magnitude == value);
    }
    (void)ti_sys_parse_magnitude(text, len, &magnitude);
}

static void perf_files(const char *text, size_t len)
{
    uint64_t config = 0, scale = 0, digits = 0;
    unsigned shift = 0;
    int exponent = 0;
    uint32_t cpus[16];
    size_t n = 0;
    (void)ti_sys_parse_event(text, len, &config);
    if (ti_sys_joule_scale(text, len, &scale, &shift)) {
        TI_ASSERT(scale > 0 && scale <= UINT64_C(1) << 53 && shift < 84);
        TI_ASSERT(ti_sys_parse_decimal(text, len, &digits, &exponent));
    }
    if (ti_sys_parse_cpus(text, len, cpus, sizeof cpus / sizeof cpus[0], &n)) {
        TI_ASSERT(n > 0 && n <= sizeof cpus / sizeof cpus[0]);
    }
}

static void metadata(const uint8_t *data, size_t size, unsigned version)
{
    ti_emi_metadata m;
    ti_emi_value values[4];
    ti_arena arena = {0};
    tern_err err;
    if (ti_emi_read_metadata(&m, &arena, data, size, version, &err) == TERN_OK) {
        TI_ASSERT(m.n > 0 && m.n <= TI_EMI_MAX_CHANNELS);
        for (size_t i = 0; i < m.n; i++) {
            TI_ASSERT(strlen(m.channels[i].name) < TI_EMI_NAME);
            (void)ti_emi_boundary(m.channels[i].name);
        }
    } else {
        TI_ASSERT(err.offset == TI_NO_OFFSET || err.offset <= size);
    }
    ti_arena_free(&arena);
    if (ti_emi_read_values(values, 4, data, size, &err) == TERN_OK) {
        (void)ti_emi_energy_uj(values[3].energy_pwh);
    }
}

/* Two readings out of the bytes: never more than the power allows. */
static void readings(const uint8_t *data, size_t size)
{
    uint64_t v[8] = {0};
    memcpy(v, data, size < sizeof v ? size : sizeof v);
    ti_meter_info info = {.name = "", .range_uj = v[0], .is_power = v[1] & 1};
    info.max_power_uw = v[2] ? v[2] : 1;
    ti_reading prev = {.time = {v[3], v[3]}, .energy_uj = v[4], .power_uw = v[4]};
    ti_reading cur = {.time = {v[5], v[6]}, .energy_uj = v[7], .power_uw = v[7]};
    ti_delta delta;
    ti_meter_delta(&delta, &info, &prev, &cur);
    TI_ASSERT(!(delta.flags & TI_DELTA_LOST) || delta.energy_uj == 0);
    ti_track track = {0};
    ti_track_step(&track, &info, &prev, &delta);
    ti_track_step(&track, &info, &cur, &delta);
    TI_ASSERT(track.energy_uj == delta.energy_uj);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) {
        return 0;
    }
    uint8_t who = data[0];
    data++;
    size--;
    switch (who) {
    case 'n':
        numbers((const char *)data, size);
        break;
    case 'p':
        perf_files((const char *)data, size);
        break;
    case '1':
    case '2':
        metadata(data, size, (unsigned)(who - '0'));
        break;
    case 'r':
        readings(data, size);
        break;
    default:
        break;
    }
    return 0;
}
