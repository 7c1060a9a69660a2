/* SPDX-License-Identifier: Apache-2.0 */
#include "device/fit.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "device/cost.h"
#include "device/ternary.h"

enum {
    FEATURES = TERN_EDGE_FEATURES,
    MOST_TAPS = 6,
    MOST_INPUTS = FEATURES * MOST_TAPS,
    ENOUGH = 1000, /* pairs */
    ENOUGH_HELD = 100,
    HELD_PART = 5, /* the last fifth is held out */
    ERROR_CUT = 256
};

/* What is there to say is: features that the core computes from the network's own errors (3 and
 * 4) are left out, because they are others once the network speaks. */
static const uint8_t used[FEATURES] = {1, 1, 1, 0, 0, 1, 1, 1};

/* What the core gave a network at each reading, and what came next. */
typedef struct pairs {
    int8_t *features;  /* [n][FEATURES] */
    int16_t *next;     /* residual of the next reading; NONE where it cannot be asked for */
    size_t n, n_early; /* all; those whose next reading is before row `first` too */
} pairs;

enum { NONE = INT16_MIN };

/* A network that says nothing and keeps what it is given: its history is the last column. */
static const int16_t probe_bias[1];
static const struct tern_edge_layer *probe_layer(uint8_t codes[TERN_EDGE_FC_CODES(8, 1)],
                                                 struct tern_edge_layer *layer)
{
    ti_ternary_zeros(codes, FEATURES, 1);
    *layer = (struct tern_edge_layer){.codes = codes,
                                      .bias = probe_bias,
                                      .mult = 1,
                                      .n_in = FEATURES,
                                      .n_out = 1,
                                      .kind = TERN_EDGE_CONV,
                                      .taps = 1,
                                      .dilation = 1};
    return layer;
}

/* Runs the detector over the readings and keeps what it gave the network. */
static tern_status collect(pairs *out, const struct tern_edge_config *config,
                           const ti_fit_series *readings, size_t first, tern_err *err)
{
    uint8_t codes[TERN_EDGE_FC_CODES(8, 1)];
    struct tern_edge_layer layer;
    const struct tern_edge_net probe = {probe_layer(codes, &layer), 1};
    ti_detector d;
    TI_TRY(ti_detector_begin(&d, config, &probe, err));
    out->n = out->n_early = 0;
    for (size_t i = 0; i < readings->n; i++) {
        struct tern_edge_result r;
        tern_edge_meter_step(&d.meter, readings->time[i], readings->value[i], &r);
        if (r.status & TERN_EDGE_REFUSED) {
            continue; /* to the core it is as if it had not been */
        }
        const bool asked = !(r.status & (TERN_EDGE_GAP | TERN_EDGE_WARMING_UP));
        if (out->n > 0 && asked) {
            int32_t z = r.z > ERROR_CUT ? ERROR_CUT : r.z < -ERROR_CUT ? -ERROR_CUT : r.z;
            out->next[out->n - 1] = (int16_t)z;
        }
        memcpy(out->features + out->n * FEATURES, d.history + 2, FEATURES);
        out->next[out->n++] = NONE;
        out->n_early = i < first ? out->n - 1 : out->n_early;
    }
    ti_detector_free(&d);
    return TERN_OK;
}

/* The inputs of pair i as a network with that many taps sees them: newest first. */
static void gather(double *x, const pairs *p, size_t i, uint32_t taps)
{
    for (uint32_t t = 0; t < taps; t++) {
        for (uint32_t f = 0; f < FEATURES; f++) {
            x[t * FEATURES + f] = used[f] ? p->features[(i - t) * FEATURES + f] : 0;
        }
    }
}

/* Solves A w = b for a symmetric positive A of n, by Cholesky; A and b are overwritten. */
static void solve(double *a, double *b, uint32_t n)
{
    for (uint32_t j = 0; j < n; j++) {
        for (uint32_t i = j; i < n; i++) {
            double s = a[i * n + j];
            for (uint32_t k = 0; k < j; k++) {
                s -= a[i * n + k] * a[j * n + k];
            }
            a[i * n + j] = i == j ? sqrt(s) : s / a[j * n + j];
        }
        for (uint32_t k = 0; k < j; k++) {
            b[j] -= a[j * n + k] * b[k];
        }
        b[j] /= a[j * n + j];
    }
    for (uint32_t j = n; j-- > 0;) {
        for (uint32_t k = j + 1; k < n; k++) {
            b[j] -= a[k * n + j] * b[k];
        }
        b[j] /= a[j * n + j];
    }
}

/* Ridge regression of the next residual on the inputs of pairs [0, end); w[taps * FEATURES]. */
static void regress(double *w, double *a, const pairs *p, size_t end, uint32_t taps)
{
    const uint32_t n = taps * FEATURES;
    double x[MOST_INPUTS], trace = 0;
    memset(a, 0, (size_t)n * n * sizeof *a);
    memset(w, 0, n * sizeof *w);
    for (size_t i = taps - 1; i < end; i++) {
        if (p->next[i] == NONE) {
            continue;
        }
        gather(x, p, i, taps);
        for (uint32_t r = 0; r < n; r++) {
            for (uint32_t c = 0; c <= r; c++) {
                a[r * n + c] += x[r] * x[c];
            }
            w[r] += x[r] * p->next[i];
        }
    }
    for (uint32_t r = 0; r < n; r++) {
        trace += a[r * n + r];
    }
    for (uint32_t r = 0; r < n; r++) { /* a thousandth of the mean variance */
        a[r * n + r] += 1e-3 * trace / n + 1;
    }
    solve(a, w, n);
}

/* The mean size of what the core did not foresee, over the usable readings from `first` on, and
 * how many those are. */
static tern_status measure(double *error, size_t *n_held, const struct tern_edge_config *config,
                           const struct tern_edge_net *net, const ti_fit_series *readings,
                           size_t first, tern_err *err)
{
    ti_detector d;
    double sum = 0;
    size_t n = 0;
    TI_TRY(ti_detector_begin(&d, config, net, err));
    for (size_t i = 0; i < readings->n; i++) {
        struct tern_edge_result r;
        tern_edge_meter_step(&d.meter, readings->time[i], readings->value[i], &r);
        if (i >= first &&
            !(r.status & (TERN_EDGE_REFUSED | TERN_EDGE_GAP | TERN_EDGE_WARMING_UP))) {
            int32_t size = abs(r.z - r.predicted);
            sum += size < ERROR_CUT ? size : ERROR_CUT;
            n++;
        }
    }
    ti_detector_free(&d);
    *n_held = n;
    *error = n ? sum / (double)n / TERN_EDGE_UNIT : 0;
    return TERN_OK;
}

/* One way: so many taps and rows.  Keeps the network if it is the best so far. */
static tern_status attempt(ti_device_model *model, const ti_fit_series *readings,
                           const pairs *p, const double *w, uint32_t taps, uint32_t rows,
                           size_t first, ti_fit_report *report, tern_err *err)
{
    ti_arena arena = {0};
    size_t n_held;
    struct tern_edge_net net;
    ti_cost cost;
    double error, sums[MOST_INPUTS], x[MOST_INPUTS];
    ti_linear linear = {.weights = w, .n = taps * FEATURES, .taps = taps, .rows = rows};
    ti_linear_begin(&linear);
    for (size_t i = taps - 1; i < p->n_early; i++) {
        gather(x, p, i, taps);
        ti_linear_see(&linear, x, sums);
    }
    TI_TRY(ti_linear_network(&linear, &net, &arena, err));
    ti_cost_of(&cost, &net);
    tern_status status = TERN_OK;
    const bool fits = cost.instructions <= TI_COST_INSTRUCTIONS_MAX &&
                      cost.ram_state + cost.ram_history + cost.ram_scratch + cost.ram_stack <=
                          TI_COST_RAM_MAX;
    if (fits) {
        status = measure(&error, &n_held, &model->settings.config, &net, readings, first, err);
    }
    if (fits && status == TERN_OK && error < report->error_net) {
        report->error_net = error;
        report->taps = taps;
        report->rows = rows;
        ti_arena_free(&model->arena);
        model->arena = arena;
        model->net = net;
        arena = (ti_arena){0};
    }
    ti_arena_free(&arena);
    return status;
}

static tern_status try_all(ti_device_model *model, const ti_fit_series *readings,
                           const pairs *p, size_t first, double *a, ti_fit_report *report,
                           tern_err *err)
{
    static const uint8_t taps[] = {1, 2, 3, 4, 6}, rows[] = {8, 16, 24};
    double w[MOST_INPUTS];
    report->n_fit = 0;
    for (size_t i = 0; i < p->n_early; i++) {
        report->n_fit += p->next[i] != NONE;
    }
    if (report->n_fit < ENOUGH) {
        return ti_fail(err, TERN_NO, "edge", TI_NO_OFFSET,
                       "%zu usable readings after warming up; a network needs %d",
                       report->n_fit, ENOUGH);
    }
    TI_TRY(measure(&report->error_none, &report->n_held, &model->settings.config, NULL,
                   readings, first, err));
    if (report->n_held < ENOUGH_HELD) {
        return ti_fail(err, TERN_NO, "edge", TI_NO_OFFSET,
                       "%zu usable readings in the last fifth, which measures networks; %d are "
                       "needed",
                       report->n_held, ENOUGH_HELD);
    }
    report->error_net = report->error_none;
    for (size_t t = 0; t < sizeof taps; t++) {
        regress(w, a, p, p->n_early, taps[t]);
        for (size_t r = 0; r < sizeof rows; r++) {
            TI_TRY(attempt(model, readings, p, w, taps[t], rows[r], first, report, err));
        }
    }
    return TERN_OK;
}

tern_status ti_fit_network(ti_device_model *model, const ti_fit_series *readings,
                           ti_fit_report *report, tern_err *err)
{
    const size_t n = readings->n ? readings->n : 1;
    const size_t first = readings->n - readings->n / HELD_PART;
    pairs p = {.features = calloc(n, FEATURES), .next = calloc(n, sizeof *p.next)};
    double *a = calloc((size_t)MOST_INPUTS * MOST_INPUTS, sizeof *a);
    ti_fit_report found = {0};
    tern_status status = TERN_OK;
    if (!p.features || !p.next || !a) {
        status = ti_fail_nomem(err, "edge", n * (FEATURES + sizeof *p.next), "readings");
    }
    if (status == TERN_OK) {
        status = collect(&p, &model->settings.config, readings, first, err);
    }
    if (status == TERN_OK) {
        status = try_all(model, readings, &p, first, a, &found, err);
    }
    free(p.features);
    free(p.next);
    free(a);
    if (status == TERN_OK) {
        *report = found;
    }
    return status;
}
