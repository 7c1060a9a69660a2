/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/metering.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/out.h"
#include "cli/places.h"

static const uint64_t ns_per_s = 1000000000;

tern_status ti_metering_file(char **out, tern_err *err)
{
    return ti_place_path(out, TI_PLACE_CONFIG, "meter.json", err);
}

tern_status ti_metering_open(ti_energy **out, const ti_metering_args *args,
                             ti_metering_mode mode, uint64_t (*cpu_ns)(void *ctx), void *ctx,
                             tern_err *err)
{
    static const ti_boundary wants[] = {TI_BOUNDARY_OTHER,   TI_BOUNDARY_PACKAGE,
                                        TI_BOUNDARY_PSYS,    TI_BOUNDARY_SYSTEM,
                                        TI_BOUNDARY_BATTERY, TI_BOUNDARY_GPU};
    static const uint32_t terms[] = {0, TI_COVERS_DRAM, TI_COVERS_DRAM | TI_COVERS_PSU};
    char *file = NULL;
    tern_err ignored;
    ti_energy_opts opts = {.sysroot = args->sysroot,
                           .model_only = args->model,
                           .want = wants[args->boundary],
                           .model_covers = terms[args->terms],
                           .cpu_ns = cpu_ns,
                           .cpu_ctx = ctx};
    /* Without a home there is no calibration; that is no error. */
    if (mode == TI_METERING_CALIBRATED && ti_metering_file(&file, &ignored) == TERN_OK) {
        opts.calibration = file;
    }
    tern_status status = ti_energy_open(out, &opts, err);
    if (status == TERN_CORRUPT || status == TERN_UNSUPPORTED) {
        ti_hint("'tern meter calibrate' replaces it: %s", file ? file : "");
    } else if (status == TERN_UNAVAILABLE) {
        ti_hint("without --boundary the best meter is taken, or the model");
    }
    free(file);
    return status;
}

uint64_t ti_machine_cpu_ns(const char *sysroot)
{
    /* user, nice, system, idle, iowait, irq, softirq, steal; guests are in user and nice. */
    enum { FIELDS = 8, IDLE = 3, IOWAIT = 4, STEAL = 7 };
    char line[512];
    uint64_t busy = 0;
    long ticks = sysconf(_SC_CLK_TCK);
    ti_buf path = {0};
    ti_buf_addf(&path, "%s/proc/stat", sysroot ? sysroot : "");
    FILE *f = path.failed ? NULL : fopen(path.data, "re");
    if (f && ticks > 0 && fgets(line, sizeof line, f) && strncmp(line, "cpu ", 4) == 0) {
        char *at = line + 4;
        for (int i = 0; i < FIELDS; i++) {
            uint64_t n = strtoull(at, &at, 10);
            busy += i == IDLE || i == IOWAIT || i == STEAL ? 0 : n;
        }
    }
    if (f) {
        fclose(f);
    }
    ti_buf_free(&path);
    return ticks > 0 && busy < UINT64_MAX / ns_per_s ? busy * ns_per_s / (uint64_t)ticks : 0;
}

/* --- figures --------------------------------------------------------------------------------
 */

const char *ti_human_joules(char *out, uint64_t energy_uj)
{
    double uj = (double)energy_uj;
    if (uj < 1e3) {
        snprintf(out, TI_FIGURE_MAX, "%.0f uJ", uj);
    } else if (uj < 1e6) {
        snprintf(out, TI_FIGURE_MAX, "%.1f mJ", uj / 1e3);
    } else if (uj < 1e10) {
        snprintf(out, TI_FIGURE_MAX, "%.2f J", uj / 1e6);
    } else {
        snprintf(out, TI_FIGURE_MAX, "%.2f kJ", uj / 1e9);
    }
    return out;
}

const char *ti_human_watts(char *out, uint64_t power_uw)
{
    snprintf(out, TI_FIGURE_MAX, "%.2f W", (double)power_uw / 1e6);
    return out;
}

const char *ti_human_seconds(char *out, uint64_t time_ns)
{
    snprintf(out, TI_FIGURE_MAX, "%.3f s", (double)time_ns / 1e9);
    return out;
}

void ti_add_evidence(ti_buf *out, const ti_energy_source *source)
{
    ti_buf_adds(out, ti_evidence_name(source->evidence));
    if (source->error_permille > 0) {
        ti_buf_addf(out, " \302\261%.0f %%", source->error_permille / 10.0);
    }
    ti_buf_addf(out, " (%s)", source->meter);
}

void ti_json_energy_source(ti_buf *json, const char *key, const ti_energy_source *source)
{
    ti_json_open(json, key, '{');
    ti_json_str(json, "evidence", ti_evidence_name(source->evidence));
    ti_json_str(json, "meter", source->meter);
    ti_json_uint(json, "error_permille", source->error_permille);
    ti_json_covers(json, "covers", source->covers);
    ti_json_uint(json, "idle_uw", source->idle_uw);
    ti_json_str(json, "idle_by", source->idle_by);
    ti_json_uint(json, "denied_meters", source->n_denied);
    ti_json_close(json, '}');
}
