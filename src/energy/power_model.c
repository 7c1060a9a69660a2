/* SPDX-License-Identifier: Apache-2.0 */
#include "energy/power_model.h"

#include <stdio.h>
#include <string.h>

#include "base/detmath.h"
#include "energy/units.h"

static const double exponent = 0.7;

enum {
    /* Ends of CodeCarbon's law for the whole processor, 0.1 and 1.0 of its design power. */
    IDLE_OF_TDP_PERMILLE = 100,
    /* CodeCarbon's figure for a processor that it does not know. */
    DEFAULT_THREAD_UW = 4000000,
    /* Cloud Carbon Footprint: 0.000392 kWh for a GB and hour. */
    MEMORY_UW_PER_MB = 392,
    /* Middle of 0.85 and 0.92; half their distance is its error. */
    PSU_PERMILLE = 885,
    PSU_ERROR_PERMILLE = 40
};

static const uint32_t server_covers =
    TI_COVERS_PACKAGE | TI_COVERS_DRAM | TI_COVERS_PLATFORM | TI_COVERS_PSU;

const char *ti_power_source_name(ti_power_source source)
{
    static const char *const names[TI_POWER_SOURCES] = {"calibrated", "tdp", "server",
                                                        "default"};
    return (unsigned)source < TI_POWER_SOURCES ? names[source] : "?";
}

bool ti_calibration_fits(const ti_calibration *calibration, const ti_host *host)
{
    return calibration->threads == host->threads && strcmp(calibration->cpu, host->cpu) == 0;
}

/* --- the two ends ---------------------------------------------------------------------------
 */

static void ends_from_calibration(ti_power_model *m, const ti_calibration *c)
{
    m->source = TI_POWER_CALIBRATED;
    m->idle_uw = c->idle_uw;
    m->full_uw = c->full_uw;
    m->covers = c->covers;
    m->error_permille = TI_POWER_ERROR_CALIBRATED;
    snprintf(m->label, sizeof m->label, "cpu-time u^0.7, calibrated by %s", c->meter);
}

static void ends_from_tdp(ti_power_model *m, const ti_hw_cpu *cpu, uint32_t packages)
{
    m->source = TI_POWER_TDP;
    m->full_uw = (uint64_t)cpu->tdp_mw * 1000 * packages;
    m->idle_uw = m->full_uw * IDLE_OF_TDP_PERMILLE / 1000;
    m->covers = TI_COVERS_PACKAGE;
    m->error_permille = TI_POWER_ERROR_TDP;
    snprintf(m->label, sizeof m->label, "cpu-time u^0.7, %llu W design power (%.*s)",
             (unsigned long long)(m->full_uw / 1000000), (int)cpu->name.len, cpu->name.data);
}

static void ends_from_server(ti_power_model *m, const ti_hw_server *s, uint32_t threads)
{
    m->source = TI_POWER_SERVER;
    m->full_uw = (uint64_t)s->full_uw * threads;
    m->idle_uw = (uint64_t)s->idle_uw * threads;
    m->covers = server_covers;
    m->error_permille = TI_POWER_ERROR_SERVER;
    snprintf(m->label, sizeof m->label, "cpu-time u^0.7, %.2f W a thread of servers (%.*s)",
             s->full_uw / 1e6, (int)s->name.len, s->name.data);
}

static void ends_from_default(ti_power_model *m, uint32_t threads)
{
    m->source = TI_POWER_DEFAULT;
    m->full_uw = (uint64_t)DEFAULT_THREAD_UW * threads;
    m->idle_uw = m->full_uw * IDLE_OF_TDP_PERMILLE / 1000;
    m->covers = TI_COVERS_PACKAGE;
    m->error_permille = TI_POWER_ERROR_DEFAULT;
    snprintf(m->label, sizeof m->label, "cpu-time u^0.7, unknown processor, %u W a thread",
             DEFAULT_THREAD_UW / 1000000u);
}

/* A virtual machine has a part of a processor, and its name does not say how large a part:
 * there watts a thread are taken. */
static void choose_ends(ti_power_model *m, const ti_host *host, const ti_hw_table *table,
                        const ti_calibration *calibration)
{
    const ti_hw_cpu *cpu = table && !host->virtual_machine ? ti_hw_find_cpu(table, host) : NULL;
    const ti_hw_server *server = table ? ti_hw_find_server(table, host) : NULL;
    if (calibration && ti_calibration_fits(calibration, host)) {
        ends_from_calibration(m, calibration);
    } else if (cpu) {
        ends_from_tdp(m, cpu, host->packages);
    } else if (server) {
        ends_from_server(m, server, host->threads);
    } else {
        ends_from_default(m, host->threads);
    }
}

void ti_power_model_make(ti_power_model *out, const ti_host *host, const ti_hw_table *table,
                         const ti_calibration *calibration, uint32_t want)
{
    ti_power_model m = {.threads = host->threads ? host->threads : 1, .psu_permille = 1000};
    choose_ends(&m, host, table, calibration);
    if ((want & TI_COVERS_DRAM) && !(m.covers & TI_COVERS_DRAM)) {
        m.memory_uw = ti_mul_div(host->memory_bytes, MEMORY_UW_PER_MB, 1000000);
        m.covers |= TI_COVERS_DRAM;
    }
    if ((want & TI_COVERS_PSU) && !(m.covers & TI_COVERS_PSU)) {
        m.psu_permille = PSU_PERMILLE;
        m.error_permille += PSU_ERROR_PERMILLE;
        m.covers |= TI_COVERS_PSU;
    }
    *out = m;
}

/* --- power and energy ----------------------------------------------------------------------
 */

/* u^0.7 in [0, 1], in double operations that are rounded the same everywhere. */
static double curve(uint64_t busy_ns, uint64_t available_ns)
{
    if (busy_ns == 0 || available_ns == 0) {
        return 0;
    }
    if (busy_ns >= available_ns) {
        return 1;
    }
    double c = ti_exp(exponent * ti_log((double)busy_ns / (double)available_ns));
    return c < 1 ? c : 1;
}

/* With the losses of the power supply. */
static uint64_t at_the_plug(const ti_power_model *m, uint64_t power_uw)
{
    return ti_mul_div(power_uw, 1000, m->psu_permille);
}

uint64_t ti_power_at(const ti_power_model *model, uint64_t busy_ns, uint64_t available_ns)
{
    TI_ASSERT(model->idle_uw <= model->full_uw && model->psu_permille > 0);
    double span = (double)(model->full_uw - model->idle_uw);
    uint64_t above = (uint64_t)(span * curve(busy_ns, available_ns) + 0.5);
    return at_the_plug(model, model->idle_uw + model->memory_uw + above);
}

void ti_power_energy(const ti_power_model *model, uint64_t cpu_ns, uint64_t dt_ns,
                     uint64_t *energy_uj, uint64_t *idle_uj)
{
    uint64_t available = 0;
    if (!ti_mul_u64(dt_ns, model->threads, &available)) {
        available = UINT64_MAX; /* 584 years of threads */
    }
    uint64_t all = ti_energy_uj_of(ti_power_at(model, cpu_ns, available), dt_ns);
    uint64_t idle = ti_energy_uj_of(ti_power_at(model, 0, available), dt_ns);
    *energy_uj = all - idle;
    *idle_uj = idle;
}
