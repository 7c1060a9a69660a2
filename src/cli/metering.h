/* SPDX-License-Identifier: Apache-2.0 */
/* cli/metering.h - what the commands below `tern meter` share: which meters, and how joules are
 * written. */
#ifndef TI_CLI_METERING_H
#define TI_CLI_METERING_H

#include <stdio.h>

#include "cli/grams.h"
#include "cli/opt.h"
#include "energy/session.h"

typedef struct ti_metering_args {
    const char *sysroot;
    bool model;
    uint32_t boundary; /* index into "auto|package|psys|system|battery|gpu" */
    uint32_t terms;    /* index into "cpu|memory|wall" */
} ti_metering_args;

#define TI_METERING_DEFAULT \
    {                       \
        .terms = 1          \
    }

/* clang-format off */
#define TI_OPTS_METERING(S, m)                                                                 \
    {.type = TI_OPT_CHOICE, .name = "boundary", .metavar = "WHAT",                             \
     .help = "insist on meters of that; auto takes the widest that add up",                    \
     .choices = "auto|package|psys|system|battery|gpu", .words = TI_WORDS_CHOICES,             \
     .offset = offsetof(S, m.boundary)},                                                       \
    {.type = TI_OPT_FLAG, .name = "model",                                                     \
     .help = "use the model, also where a meter works", .offset = offsetof(S, m.model)},       \
    {.type = TI_OPT_CHOICE, .name = "terms", .metavar = "WHAT",                                \
     .help = "what the model holds: the processor, its memory too, or the losses of the "      \
             "power supply as well; no more is added to what a calibration holds",             \
     .choices = "cpu|memory|wall", .words = TI_WORDS_CHOICES, .offset = offsetof(S, m.terms)}, \
    {.type = TI_OPT_STR, .name = "sysroot", .metavar = "DIR",                                  \
     .help = "read the system's files below DIR", .words = TI_WORDS_FILE,                      \
     .offset = offsetof(S, m.sysroot)}
/* clang-format on */

typedef enum ti_metering_mode {
    TI_METERING_CALIBRATED = 0, /* with the user's calibration, if there is one */
    TI_METERING_PLAIN           /* as if there were none */
} ti_metering_mode;

/* Opens meters or model.
 *   cpu_ns     CPU time that the model is to go by; NULL = of this process
 * A damaged calibration is refused, with a hint at what removes it.  Errors: those of
 * ti_energy_open(). */
tern_status ti_metering_open(ti_energy **out, const ti_metering_args *args,
                             ti_metering_mode mode, uint64_t (*cpu_ns)(void *ctx), void *ctx,
                             tern_err *err);

/* Path of the user's calibration: meter.json in $XDG_CONFIG_HOME/tern.  Free with free(). */
tern_status ti_metering_file(char **out, tern_err *err);

/* CPU time of the whole machine since boot, from /proc/stat: what is neither idle nor waiting
 * nor stolen.  `sysroot` may be NULL; 0 when it is not told. */
uint64_t ti_machine_cpu_ns(const char *sysroot);

enum { TI_FIGURE_MAX = 32 };

/* "12.34 J", "980.1 mJ", "54 uJ", "12.35 kJ"; "4.62 W"; "1.250 s".  Into out[TI_FIGURE_MAX]. */
const char *ti_human_joules(char *out, uint64_t energy_uj);
const char *ti_human_watts(char *out, uint64_t power_uw);
const char *ti_human_seconds(char *out, uint64_t time_ns);

/* "measured (powercap package-0 + dram)", "modelled +-35 % (...)", with a real plus-minus. */
void ti_add_evidence(ti_buf *out, const ti_energy_source *source);

/* Adds how figures are known: evidence, meter, error_permille, covers, idle_uw, idle_by. */
void ti_json_energy_source(ti_buf *json, const char *key, const ti_energy_source *source);

/* --- tern meter -- COMMAND (cmd_meter_run.c), for the table in cmd_meter.c -----------------
 */

typedef struct ti_meter_run_args {
    ti_metering_args metering;
    ti_grams_args grams;
    ti_embodied_args embodied;
    uint32_t repeat;
    const char *output;
    bool json;
} ti_meter_run_args;

extern const ti_opt ti_meter_run_opts[];
extern const ti_operand ti_meter_run_operands[];
extern const ti_meter_run_args ti_meter_run_defaults;
/* tern meter -- CMD: runs the command and reports its energy on stderr or to a file. */
tern_status ti_meter_run(const void *values, const ti_operands *given, tern_err *err);

#endif
