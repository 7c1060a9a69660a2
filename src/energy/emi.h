/* SPDX-License-Identifier: Apache-2.0 */
/* energy/emi.h - what Windows' Energy Meter Interface answers, as bytes.
 *
 * Pure: the calls that fetch the bytes are in emi_win.c, which only Windows builds.  Layouts:
 * emi.h of the Windows SDK (EMI_METADATA_V1, EMI_METADATA_V2, EMI_CHANNEL_V2,
 * EMI_CHANNEL_MEASUREMENT_DATA); all little-endian, names UTF-16. */
#ifndef TI_ENERGY_EMI_H
#define TI_ENERGY_EMI_H

#include "energy/meter.h"

enum {
    TI_EMI_V1 = 1,
    TI_EMI_V2 = 2,
    TI_EMI_NAME = 128, /* bytes of a name that are kept, its NUL included */
    TI_EMI_MAX_CHANNELS = 1024,
    TI_EMI_PICOWATT_HOURS = 0 /* EmiMeasurementUnitPicowattHours: the only unit there is */
};

typedef struct ti_emi_channel {
    char name[TI_EMI_NAME]; /* "RAPL_Package0_PKG"; what is no printable ASCII is '?' */
    uint32_t unit;
} ti_emi_channel;

typedef struct ti_emi_metadata {
    char oem[TI_EMI_NAME], model[TI_EMI_NAME];
    uint16_t revision;
    uint16_t n;               /* channels */
    ti_emi_channel *channels; /* [n], in the arena */
} ti_emi_metadata;

/* One channel's values at a moment. */
typedef struct ti_emi_value {
    uint64_t energy_pwh; /* picowatt-hours since some start */
    uint64_t time_100ns;
} ti_emi_value;

/* Decodes the answer to IOCTL_EMI_GET_METADATA.
 *   data     [size] bytes; what follows the last channel is ignored
 *   version  the answer to IOCTL_EMI_GET_VERSION
 * Errors: TERN_CORRUPT with the offset (cut off, a name of odd size or past the end, no
 * channels), TERN_UNSUPPORTED (version), TERN_LIMIT, TERN_NOMEM. */
tern_status ti_emi_read_metadata(ti_emi_metadata *out, ti_arena *arena, const uint8_t *data,
                                 size_t size, unsigned version, tern_err *err);

/* Decodes the answer to IOCTL_EMI_GET_MEASUREMENT into out[n].  Errors: TERN_CORRUPT. */
tern_status ti_emi_read_values(ti_emi_value *out, size_t n, const uint8_t *data, size_t size,
                               tern_err *err);

/* Picowatt-hours as microjoules, rounded down: 1 pWh = 0.0036 uJ.  Never overflows. */
uint64_t ti_emi_energy_uj(uint64_t energy_pwh);

/* What a channel measures, by its name: ..._PKG, _DRAM, _PSYS; _CORE and _PP0 are cores, _PP1
 * the uncore; anything else is TI_BOUNDARY_OTHER. */
ti_boundary ti_emi_boundary(const char *name);

/* True when two package counters are one: Windows may show a package in a second device under
 * another name.  Both count, and differ by at most a millionth. */
bool ti_emi_is_mirror(uint64_t a_pwh, uint64_t b_pwh);

#endif
