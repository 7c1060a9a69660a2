/* SPDX-License-Identifier: Apache-2.0 */
#include "energy/emi.h"

#include <string.h>

#include "base/le.h"

enum {
    NAME_UNITS = 16, /* EMI_NAME_MAX */
    /* Version 1: unit, oem, model, revision, size of the name, name. */
    V1_UNIT = 0,
    V1_OEM = 4,
    V1_MODEL = 36,
    V1_REVISION = 68,
    V1_NAME_SIZE = 70,
    V1_NAME = 72,
    /* Version 2: oem, model, revision, number of channels, channels. */
    V2_OEM = 0,
    V2_MODEL = 32,
    V2_REVISION = 64,
    V2_COUNT = 66,
    V2_CHANNELS = 68,
    CHANNEL_NAME_SIZE = 4,
    CHANNEL_NAME = 6,
    VALUE_BYTES = 16
};

__extension__ typedef unsigned __int128 wide;

static tern_status cut_off(size_t at, size_t size, const char *what, tern_err *err)
{
    return ti_fail(err, TERN_CORRUPT, "emi", at, "%s is past the end of the data (%zu bytes)",
                   what, size);
}

/* Copies a name of at most `bytes` bytes, up to its NUL. */
static void copy_name(char out[TI_EMI_NAME], const uint8_t *data, size_t bytes)
{
    size_t n = 0;
    for (size_t i = 0; i + 1 < bytes && n < TI_EMI_NAME - 1; i += 2) {
        uint16_t unit = ti_load_u16(data + i);
        if (unit == 0) {
            break;
        }
        out[n++] = unit > ' ' && unit <= '~' ? (char)unit : '?';
    }
    out[n] = '\0';
}

/* Takes one channel whose name starts at `at` and has `bytes` bytes. */
static tern_status take_name(ti_emi_channel *out, const uint8_t *data, size_t size, size_t at,
                             size_t bytes, tern_err *err)
{
    if (bytes % 2 != 0) {
        return ti_fail(err, TERN_CORRUPT, "emi", at, "a channel's name has %zu bytes: odd",
                       bytes);
    }
    if (bytes > size - at) {
        return cut_off(at, size, "a channel's name", err);
    }
    copy_name(out->name, data + at, bytes);
    return TERN_OK;
}

static tern_status allocate(ti_emi_channel **out, ti_arena *arena, size_t n, tern_err *err)
{
    *out = ti_arena_calloc(arena, n, sizeof **out);
    return *out ? TERN_OK : ti_fail_nomem(err, "emi", n * sizeof **out, "channels");
}

static tern_status read_v1(ti_emi_metadata *out, ti_arena *arena, const uint8_t *data,
                           size_t size, tern_err *err)
{
    if (size < V1_NAME) {
        return cut_off(size, size, "metadata of version 1", err);
    }
    TI_TRY(allocate(&out->channels, arena, 1, err));
    copy_name(out->oem, data + V1_OEM, 2 * NAME_UNITS);
    copy_name(out->model, data + V1_MODEL, 2 * NAME_UNITS);
    out->revision = ti_load_u16(data + V1_REVISION);
    out->n = 1;
    out->channels[0].unit = ti_load_u32(data + V1_UNIT);
    return take_name(&out->channels[0], data, size, V1_NAME, ti_load_u16(data + V1_NAME_SIZE),
                     err);
}

static tern_status read_v2(ti_emi_metadata *out, ti_arena *arena, const uint8_t *data,
                           size_t size, tern_err *err)
{
    if (size < V2_CHANNELS) {
        return cut_off(size, size, "metadata of version 2", err);
    }
    copy_name(out->oem, data + V2_OEM, 2 * NAME_UNITS);
    copy_name(out->model, data + V2_MODEL, 2 * NAME_UNITS);
    out->revision = ti_load_u16(data + V2_REVISION);
    out->n = ti_load_u16(data + V2_COUNT);
    if (out->n == 0) {
        return ti_fail(err, TERN_CORRUPT, "emi", V2_COUNT, "the meter has no channels");
    }
    if (out->n > TI_EMI_MAX_CHANNELS) {
        return ti_fail(err, TERN_LIMIT, "emi", V2_COUNT, "%u channels are more than %d",
                       (unsigned)out->n, TI_EMI_MAX_CHANNELS);
    }
    TI_TRY(allocate(&out->channels, arena, out->n, err));
    size_t at = V2_CHANNELS;
    for (size_t i = 0; i < out->n; i++) {
        if (size - at < CHANNEL_NAME) {
            return cut_off(at, size, "a channel", err);
        }
        size_t bytes = ti_load_u16(data + at + CHANNEL_NAME_SIZE);
        out->channels[i].unit = ti_load_u32(data + at);
        at += CHANNEL_NAME;
        TI_TRY(take_name(&out->channels[i], data, size, at, bytes, err));
        at += bytes;
    }
    return TERN_OK;
}

tern_status ti_emi_read_metadata(ti_emi_metadata *out, ti_arena *arena, const uint8_t *data,
                                 size_t size, unsigned version, tern_err *err)
{
    ti_emi_metadata metadata = {0};
    if (version != TI_EMI_V1 && version != TI_EMI_V2) {
        return ti_fail(err, TERN_UNSUPPORTED, "emi", TI_NO_OFFSET,
                       "version %u of the energy meter interface is not known", version);
    }
    TI_TRY((version == TI_EMI_V1 ? read_v1 : read_v2)(&metadata, arena, data, size, err));
    *out = metadata;
    return TERN_OK;
}

tern_status ti_emi_read_values(ti_emi_value *out, size_t n, const uint8_t *data, size_t size,
                               tern_err *err)
{
    if (size / VALUE_BYTES < n) {
        return ti_fail(err, TERN_CORRUPT, "emi", size,
                       "%zu bytes of measurement are too few for %zu channels", size, n);
    }
    for (size_t i = 0; i < n; i++) {
        out[i].energy_pwh = ti_load_u64(data + i * VALUE_BYTES);
        out[i].time_100ns = ti_load_u64(data + i * VALUE_BYTES + VALUE_BYTES / 2);
    }
    return TERN_OK;
}

uint64_t ti_emi_energy_uj(uint64_t energy_pwh)
{
    enum { UJ = 36, PER_PWH = 10000 };
    return (uint64_t)((wide)energy_pwh * UJ / PER_PWH);
}

ti_boundary ti_emi_boundary(const char *name)
{
    static const struct {
        const char *part;
        ti_boundary boundary;
    } table[] = {
        {"CORE", TI_BOUNDARY_CORE}, {"PP0", TI_BOUNDARY_CORE},  {"PP1", TI_BOUNDARY_UNCORE},
        {"DRAM", TI_BOUNDARY_DRAM}, {"PSYS", TI_BOUNDARY_PSYS}, {"PKG", TI_BOUNDARY_PACKAGE},
    };
    /* RAPL_Package0_Core0_CORE: what counts is the last part. */
    const char *last = strrchr(name, '_');
    last = last ? last + 1 : name;
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        if (strcmp(last, table[i].part) == 0) {
            return table[i].boundary;
        }
    }
    return TI_BOUNDARY_OTHER;
}

bool ti_emi_is_mirror(uint64_t a_pwh, uint64_t b_pwh)
{
    const uint64_t part = 1000000;
    uint64_t more = a_pwh > b_pwh ? a_pwh : b_pwh, less = a_pwh > b_pwh ? b_pwh : a_pwh;
    return less > 0 && more - less <= more / part;
}
