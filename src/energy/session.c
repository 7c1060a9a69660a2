/* SPDX-License-Identifier: Apache-2.0 */
/* Two locks, always in this order: the sampler's, which is held while meters are read and the
 * end of an interval is told; then `lock` here, of the accounts. */
#include "energy/session.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "energy/units.h"

static const uint64_t short_ns = 10000000;

struct ti_energy {
    ti_energy_source source;
    ti_energy_opts opts;
    ti_meter_env env;
    ti_power_model model;
    ti_meter_set set;
    ti_meter_role *roles; /* [set.n] */
    ti_meter **meters;    /* [source.n_meters] */
    ti_meter_sampler_port *ports;
    ti_meter_sampler *sampler;
    /* The model as a meter: its counter goes up by what the model says. */
    ti_meter_info modelled;
    uint64_t modelled_uj, cpu_ns;
    ti_time modelled_at;
    pthread_mutex_t lock; /* of the members below */
    bool has_lock;
    ti_attribution *accounts;
    uint64_t *begun_ns; /* [n_begun], by handle */
    size_t n_begun;
};

/* --- the model as a meter -------------------------------------------------------------------
 */

static uint64_t cpu_of_process(void)
{
    struct timespec t = {0};
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * UINT64_C(1000000000) + (uint64_t)t.tv_nsec;
}

static uint64_t cpu_now(const ti_energy *e)
{
    return e->opts.cpu_ns ? e->opts.cpu_ns(e->opts.cpu_ctx) : cpu_of_process();
}

static void read_model(void *ctx, ti_time now, ti_reading *out)
{
    ti_energy *e = ctx;
    uint64_t cpu_ns = cpu_now(e), energy_uj = 0, idle_uj = 0;
    if (e->modelled_at.mono_ns > 0 && now.mono_ns > e->modelled_at.mono_ns) {
        uint64_t used_ns = cpu_ns > e->cpu_ns ? cpu_ns - e->cpu_ns : 0;
        ti_power_energy(&e->model, used_ns, now.mono_ns - e->modelled_at.mono_ns, &energy_uj,
                        &idle_uj);
    }
    e->modelled_at = now;
    e->cpu_ns = cpu_ns;
    e->modelled_uj += energy_uj + idle_uj;
    *out = (ti_reading){.time = now, .energy_uj = e->modelled_uj};
}

static void use_model(ti_energy *e)
{
    ti_energy_source *s = &e->source;
    *s = (ti_energy_source){.evidence = TI_EVIDENCE_MODELLED,
                            .n_denied = s->n_denied,
                            .error_permille = e->model.error_permille,
                            .covers = e->model.covers,
                            .idle_known = true,
                            .idle_uw = ti_power_at(&e->model, 0, 1),
                            .idle_by = ti_power_source_name(e->model.source)};
    snprintf(s->meter, sizeof s->meter, "%s", e->model.label);
    e->modelled = (ti_meter_info){.name = "model",
                                  .label = "model",
                                  .evidence = TI_EVIDENCE_MODELLED,
                                  /* Twice what it can say: it is never disbelieved. */
                                  .max_power_uw = 2 * ti_power_at(&e->model, 1, 1) + 1};
}

/* --- meters ---------------------------------------------------------------------------------
 */

/* "powercap package-0 + dram" */
static void name_meters(ti_energy *e)
{
    char *at = e->source.meter;
    size_t left = sizeof e->source.meter;
    const char *kind = "";
    for (size_t i = 0; i < e->source.n_meters; i++) {
        const ti_meter_info *info = ti_meter_of(e->meters[i]);
        const char *own = ti_meter_kind_name(info->kind);
        bool same = strcmp(own, kind) == 0;
        int n = snprintf(at, left, "%s%s%s%s", i ? " + " : "", same ? "" : own, same ? "" : " ",
                         info->label);
        if (n < 0 || (size_t)n >= left) {
            return; /* cut */
        }
        at += n;
        left -= (size_t)n;
        kind = own;
    }
}

/* What the machine draws anyway, over just what the meters hold; a model of anything else says
 * nothing about it. */
static void set_idle(ti_energy *e, const ti_host *host, const ti_hw_table *table,
                     const ti_calibration *calibration)
{
    ti_power_model m;
    ti_power_model_make(&m, host, table, calibration, e->source.covers);
    if (m.covers != e->source.covers && calibration) {
        ti_power_model_make(&m, host, table, NULL, e->source.covers);
    }
    e->source.idle_known = m.covers == e->source.covers;
    e->source.idle_uw = e->source.idle_known ? ti_power_at(&m, 0, 1) : 0;
    e->source.idle_by = e->source.idle_known ? ti_power_source_name(m.source) : "none";
}

static void close_meters(ti_energy *e)
{
    for (size_t i = 0; i < e->source.n_meters; i++) {
        ti_meter_close(e->meters[i]);
    }
    e->source.n_meters = 0;
}

/* Opens what is counted.  One that cannot be opened after all is left out of a second choice,
 * so that nothing is counted in parts: then *again is set. */
static tern_status open_counted(ti_energy *e, ti_selection *selection, bool *again,
                                tern_err *err)
{
    *again = false;
    ti_meter_select(selection, e->roles, e->set.items, e->set.n, e->opts.want);
    for (size_t i = 0; i < e->set.n; i++) {
        if (e->roles[i] != TI_ROLE_COUNTED) {
            continue;
        }
        ti_meter *meter = NULL;
        tern_status status = ti_meter_open(&meter, &e->set.items[i], &e->env, err);
        if (status == TERN_NOMEM) {
            return status;
        }
        if (status != TERN_OK) {
            e->set.items[i].state = TI_METER_BROKEN;
            close_meters(e);
            *again = true;
            return TERN_OK;
        }
        e->ports[e->source.n_meters] = ti_meter_sampler_port_of(meter);
        e->meters[e->source.n_meters++] = meter;
    }
    return TERN_OK;
}

static tern_status find_meters(ti_energy *e, tern_err *err)
{
    ti_selection selection = {0};
    TI_TRY(ti_meter_list(&e->set, &e->env, err));
    e->roles = ti_calloc(e->set.n + 1, sizeof *e->roles);
    e->meters = ti_calloc(e->set.n + 1, sizeof(void *));
    e->ports = ti_calloc(e->set.n + 1, sizeof *e->ports);
    if (!e->roles || !e->meters || !e->ports) {
        return ti_fail_nomem(err, "energy", e->set.n * sizeof *e->ports, "meters");
    }
    for (size_t i = 0; i < e->set.n; i++) {
        e->source.n_denied += e->set.items[i].state == TI_METER_DENIED;
    }
    bool again = true;
    while (again) {
        TI_TRY(open_counted(e, &selection, &again, err));
    }
    if (e->source.n_meters > 0) {
        e->source.evidence = ti_meter_of(e->meters[0])->evidence;
        e->source.covers = selection.covers;
        name_meters(e);
    } else if (e->opts.want != TI_BOUNDARY_OTHER) {
        return ti_fail(err, TERN_UNAVAILABLE, "energy", TI_NO_OFFSET,
                       "no meter of '%s' works here", ti_boundary_name(e->opts.want));
    }
    return TERN_OK;
}

/* --- intervals and requests -----------------------------------------------------------------
 */

static void on_interval(void *ctx, const ti_interval *interval)
{
    ti_energy *e = ctx;
    uint64_t idle_uj = ti_energy_uj_of(e->source.idle_uw, interval->dt_ns);
    pthread_mutex_lock(&e->lock);
    ti_attribution_interval(e->accounts, interval->energy_uj, idle_uj, interval->flags);
    pthread_mutex_unlock(&e->lock);
}

static tern_status note_begin(ti_energy *e, uint32_t id, tern_err *err)
{
    if (id >= e->n_begun) {
        size_t n = 2 * (size_t)id + 16;
        uint64_t *begun = realloc(e->begun_ns, n * sizeof *begun);
        if (!begun) {
            return ti_fail_nomem(err, "energy", n * sizeof *begun, "requests");
        }
        e->begun_ns = begun;
        e->n_begun = n;
    }
    e->begun_ns[id] = ti_time_now().mono_ns;
    return TERN_OK;
}

tern_status ti_energy_begin(ti_energy *e, uint32_t *id, tern_err *err)
{
    uint32_t handle;
    ti_meter_sampler_sample(e->sampler, NULL); /* what was before is not its */
    pthread_mutex_lock(&e->lock);
    tern_status status = ti_attribution_begin(e->accounts, &handle, err);
    if (status == TERN_OK) {
        status = note_begin(e, handle, err);
        if (status == TERN_OK) {
            *id = handle;
        } else {
            ti_share none;
            ti_attribution_end(e->accounts, handle, &none);
        }
    }
    pthread_mutex_unlock(&e->lock);
    return status;
}

void ti_energy_work(ti_energy *e, uint32_t id, uint64_t prefill_tokens, uint64_t decode_tokens)
{
    pthread_mutex_lock(&e->lock);
    ti_attribution_work(e->accounts, id, prefill_tokens, decode_tokens);
    pthread_mutex_unlock(&e->lock);
}

void ti_energy_end(ti_energy *e, uint32_t id, ti_energy_figure *out)
{
    ti_share share;
    ti_meter_sampler_sample(e->sampler, NULL);
    pthread_mutex_lock(&e->lock);
    ti_attribution_end(e->accounts, id, &share);
    uint64_t time_ns = ti_time_now().mono_ns - e->begun_ns[id];
    pthread_mutex_unlock(&e->lock);
    uint32_t flags = share.flags | (e->source.idle_known ? 0 : TI_ENERGY_NO_IDLE);
    flags |= e->source.n_meters > 0 && time_ns < short_ns ? TI_ENERGY_SHORT : 0;
    *out = (ti_energy_figure){.energy_uj = share.energy_uj,
                              .idle_uj = share.idle_uj,
                              .time_ns = time_ns,
                              .evidence = e->source.evidence,
                              .error_permille = e->source.error_permille,
                              .covers = e->source.covers,
                              .flags = flags};
    memcpy(out->meter, e->source.meter, sizeof out->meter);
}

ti_attribution_sum ti_energy_total(ti_energy *e, ti_meter_sampler_sum *sampled)
{
    ti_meter_sampler_sample(e->sampler, sampled);
    pthread_mutex_lock(&e->lock);
    ti_attribution_sum sum = ti_attribution_total(e->accounts);
    pthread_mutex_unlock(&e->lock);
    return sum;
}

uint64_t ti_energy_cost_ns(ti_energy *e)
{
    return ti_meter_sampler_cost_ns(e->sampler);
}

const ti_energy_source *ti_energy_of(const ti_energy *e)
{
    return &e->source;
}

const ti_power_model *ti_energy_model(const ti_energy *e)
{
    return e->source.n_meters > 0 ? NULL : &e->model;
}

/* --- life -----------------------------------------------------------------------------------
 */

/* Chooses between meters and model. */
static tern_status choose_source(ti_energy *e, tern_err *err)
{
    ti_host host;
    ti_hw_table table = {0};
    ti_calibration calibration, *known = NULL;
    if (e->opts.calibration) {
        tern_status status = ti_calibration_load(&calibration, e->opts.calibration, err);
        if (status == TERN_OK) {
            known = &calibration;
        } else if (status != TERN_UNAVAILABLE) {
            return status;
        }
    }
    ti_host_read(&host, e->env.sysroot);
    TI_TRY(ti_hw_table_for(&table, &host, err));
    tern_status status = e->opts.model_only ? TERN_OK : find_meters(e, err);
    if (status == TERN_OK && e->source.n_meters > 0) {
        set_idle(e, &host, &table, known);
    } else if (status == TERN_OK) {
        ti_power_model_make(&e->model, &host, &table, known, e->opts.model_covers);
        use_model(e);
    }
    ti_hw_table_free(&table);
    return status;
}

static tern_status start(ti_energy *e, tern_err *err)
{
    ti_work_weights weights = e->opts.weights;
    if (weights.prefill == 0 && weights.decode == 0) {
        weights = TI_WORK_WEIGHTS_DEFAULT;
    }
    TI_TRY(ti_attribution_create(&e->accounts, weights, err));
    int failed = pthread_mutex_init(&e->lock, NULL);
    if (failed) {
        return ti_fail_errno(err, failed, "energy", "cannot make a lock");
    }
    e->has_lock = true;
    ti_meter_sampler_opts opts = {
        .period_ns = e->opts.period_ns, .on_interval = on_interval, .ctx = e};
    ti_meter_sampler_port model = {.info = &e->modelled, .read = read_model, .ctx = e};
    bool metered = e->source.n_meters > 0;
    TI_TRY(ti_meter_sampler_create(&e->sampler, metered ? e->ports : &model,
                                   metered ? e->source.n_meters : 1, &opts, err));
    return ti_meter_sampler_start(e->sampler, err);
}

tern_status ti_energy_open(ti_energy **out, const ti_energy_opts *opts, tern_err *err)
{
    ti_energy *e = ti_calloc(1, sizeof *e);
    if (!e) {
        return ti_fail_nomem(err, "energy", sizeof *e, "a session");
    }
    e->opts = opts ? *opts : TI_ENERGY_OPTS_DEFAULT;
    e->env = e->opts.env ? *e->opts.env : (ti_meter_env){.sysroot = e->opts.sysroot};
    tern_status status = choose_source(e, err);
    if (status == TERN_OK) {
        status = start(e, err);
    }
    if (status != TERN_OK) {
        ti_energy_close(e);
        return status;
    }
    *out = e;
    return TERN_OK;
}

void ti_energy_close(ti_energy *e)
{
    if (!e) {
        return;
    }
    ti_meter_sampler_destroy(e->sampler);
    close_meters(e);
    ti_attribution_destroy(e->accounts);
    if (e->has_lock) {
        pthread_mutex_destroy(&e->lock);
    }
    ti_meter_set_free(&e->set);
    free(e->roles);
    free(e->meters);
    free(e->ports);
    free(e->begun_ns);
    free(e);
}
