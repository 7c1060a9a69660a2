/* SPDX-License-Identifier: Apache-2.0 */
/* carbon/sci.h - Software Carbon Intensity, ISO/IEC 21031:2024: SCI = (E x I + M) / R.
 *
 * E is all the energy, with PUE and the idle share; I the intensity of the place (contracts and
 * certificates are not allowed); M the share of what making the hardware emitted; R how many
 * functional units were served. */
#ifndef TI_CARBON_SCI_H
#define TI_CARBON_SCI_H

#include "carbon/basis.h"

typedef enum ti_per_kind {
    TI_PER_TOKEN = 0,
    TI_PER_REQUEST,
    TI_PER_RUN,
    TI_PER_HOUR
} ti_per_kind;

/* R: a kind of unit and how many, in thousandths (half an hour is 500). */
typedef struct ti_per {
    ti_per_kind kind;
    uint64_t n_milli;
} ti_per;

/* What making a machine emitted, and how much of the machine was taken for how long:
 * M = TE x (TS / EL) x (RS / TR). */
typedef struct ti_hardware {
    uint64_t total_ug;    /* TE: emissions of making, moving and ending it */
    uint64_t lifetime_ns; /* EL: how long it is expected to last */
    uint64_t reserved_ns; /* TS: how long it was taken */
    uint64_t used;        /* RS: resources taken, for example threads */
    uint64_t all;         /* TR: of so many */
} ti_hardware;

typedef struct ti_sci {
    uint64_t operational_ug; /* E x I */
    uint64_t embodied_ug;    /* M; 0 when it was not given */
    uint64_t total_ug;
    uint64_t per_unit_ng; /* SCI, in nanograms: a token is little */
    ti_per per;
    ti_basis basis; /* of I */
} ti_sci;

/* "token", "request", "run", "hour". */
const char *ti_per_name(ti_per_kind kind);

/* Reads "token:42", "request", "hour:0.5".  Errors: TERN_USAGE, TERN_LIMIT. */
tern_status ti_per_parse(ti_per *out, const char *text, tern_err *err);

/* M, rounded once, half up.  Errors: TERN_USAGE (a lifetime or a total of 0, more taken than is
 * there, or for longer than it lasts). */
tern_status ti_embodied_share(uint64_t *embodied_ug, const ti_hardware *hardware,
                              tern_err *err);

/* The score.  Errors: TERN_UNSUPPORTED for market-based emissions, which the standard forbids;
 * TERN_USAGE for R = 0; TERN_LIMIT. */
tern_status ti_sci_of(ti_sci *out, const ti_carbon *operational, uint64_t embodied_ug,
                      ti_per per, tern_err *err);

/* Sums what making the named parts emitted, bottom-up as Boavizta has it (Boavizta/boaviztapi
 * 15878f0, "bottom-up" manufacture factors):
 *     cpu=MM2       0.0197 kg for each mm2 of die, and 9.14 kg
 *     ram=GB@D      a module: 2.20 kg for each cm2, of which GB / D are needed, and 5.22 kg
 *     ssd=GB@D      a drive: the same with 6.34 kg; D is the density in GB/cm2
 *     board         66.1 kg      rack   150 kg       blade   30.9 kg and 880/16 kg
 * for example "cpu=178,ram=16@1.25,ram=16@1.25,board"; or a number of kilograms that somebody
 * else declares: "286kg".  Errors: TERN_USAGE (with the part), TERN_LIMIT. */
tern_status ti_hardware_parse(uint64_t *total_ug, const char *text, tern_err *err);

#endif
