/* SPDX-License-Identifier: Apache-2.0 */
/* energy/session.h - joules for a piece of work: meters, model, sampler and accounts together.
 *
 *     ti_energy *e;
 *     ti_energy_open(&e, &opts, err);            // finds meters, else makes the model
 *     ti_energy_begin(e, &id, err);
 *     ...  ti_energy_work(e, id, 0, 1);  ...     // as work gets done
 *     ti_energy_end(e, id, &figure);
 *     ti_energy_close(e);
 *
 * Requests may overlap; each microjoule goes to one of them or to the idle line (energy/
 * attribution.h).  All functions but open and close may be called from any thread. */
#ifndef TI_ENERGY_SESSION_H
#define TI_ENERGY_SESSION_H

#include "energy/attribution.h"
#include "energy/calibration.h"
#include "energy/sampler.h"

/* Beside TI_DELTA_... in ti_energy_figure.flags. */
enum {
    TI_ENERGY_NO_IDLE = 1u << 16, /* what the machine draws idle is not known: idle_uj is 0 */
    TI_ENERGY_SHORT = 1u << 17 /* measured for under 10 ms: counters move once a millisecond */
};

typedef struct ti_energy_opts {
    const char *sysroot;     /* NULL = this machine */
    const ti_meter_env *env; /* NULL = made from sysroot; else must live as long */
    const char *calibration; /* file, or NULL; one that is not there is no error */
    bool model_only;         /* do not look for meters */
    ti_boundary want;        /* of the meters (ti_meter_select()) */
    uint32_t model_covers;   /* TI_COVERS_...: terms that the model adds */
    uint64_t period_ns;      /* 0 = 1 s */
    ti_work_weights weights; /* zeroed = TI_WORK_WEIGHTS_DEFAULT */
    /* CPU time so far of what is measured, for the model; NULL = of this process. */
    uint64_t (*cpu_ns)(void *ctx);
    void *cpu_ctx;
} ti_energy_opts;

/* No want: the first selection that works.  Use this to begin with. */
#define TI_ENERGY_OPTS_DEFAULT \
    ((ti_energy_opts){.want = TI_BOUNDARY_OTHER, .model_covers = TI_COVERS_DRAM})

enum { TI_ENERGY_NAME_MAX = 160 };

/* How figures of a session are known. */
typedef struct ti_energy_source {
    ti_evidence evidence;           /* MEASURED or MODELLED */
    char meter[TI_ENERGY_NAME_MAX]; /* "powercap package-0 + dram"; the model's label */
    /* Expected error in thousandths; 0 for a counter, whose maker states none. */
    uint32_t error_permille;
    uint32_t covers;     /* TI_COVERS_... */
    size_t n_meters;     /* 0 when modelled */
    size_t n_denied;     /* meters that are there, but not for this user */
    bool idle_known;     /* else the idle line is 0 while requests run */
    uint64_t idle_uw;    /* drawn anyway */
    const char *idle_by; /* "calibrated", "tdp", "server", "default", "none": where from */
} ti_energy_source;

typedef struct ti_energy_figure {
    uint64_t energy_uj; /* above idle: what the work added */
    uint64_t idle_uj;   /* its part of what the machine drew anyway */
    uint64_t time_ns;
    ti_evidence evidence;
    char meter[TI_ENERGY_NAME_MAX];
    uint32_t error_permille, covers;
    uint32_t flags; /* TI_DELTA_..., TI_ENERGY_... */
} ti_energy_figure;

typedef struct ti_energy ti_energy;

/* Finds what there is to measure with and starts the sampler.  `opts` NULL = the default.
 * Errors: those of ti_calibration_load() for a damaged file, TERN_UNAVAILABLE when opts->want
 * insists on meters that do not work, TERN_NOMEM, TERN_IO. */
tern_status ti_energy_open(ti_energy **out, const ti_energy_opts *opts, tern_err *err);

/* NULL is allowed. */
void ti_energy_close(ti_energy *e);

/* Lives as long as `e`. */
const ti_energy_source *ti_energy_of(const ti_energy *e);

/* The model when figures are modelled, else NULL.  Lives as long as `e`. */
const ti_power_model *ti_energy_model(const ti_energy *e);

/* A request begins: takes a sample.  Errors: those of ti_attribution_begin(). */
tern_status ti_energy_begin(ti_energy *e, uint32_t *id, tern_err *err);

/* It did work since the last call.  Cheap: a lock, no system call. */
void ti_energy_work(ti_energy *e, uint32_t id, uint64_t prefill_tokens, uint64_t decode_tokens);

/* It ends: takes a sample. */
void ti_energy_end(ti_energy *e, uint32_t id, ti_energy_figure *out);

/* The sums: metered = requests + idle + waiting, to the microjoule.  Takes a sample; the other
 * sums (or NULL) are those of the sampler. */
ti_attribution_sum ti_energy_total(ti_energy *e, ti_meter_sampler_sum *sampled);

/* CPU time of the sampler so far. */
uint64_t ti_energy_cost_ns(ti_energy *e);

/* Flags in words, "wrap, gap"; "" for none.  Cut to cap. */
const char *ti_energy_flags_text(char *out, size_t cap, uint32_t flags);

/* Adds them as an array of words. */
void ti_json_energy_flags(ti_buf *json, const char *key, uint32_t flags);

/* Adds {energy_uj, idle_uj, time_ns, evidence, meter, error_permille, covers, flags} under
 * `key`. */
void ti_json_energy(ti_buf *json, const char *key, const ti_energy_figure *figure);

#endif
