/* SPDX-License-Identifier: Apache-2.0 */
/* tern meter watch: the machine's power, a line at a time. */
#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "cli/cmd.h"
#include "cli/metering.h"
#include "cli/out.h"
#include "energy/units.h"

enum { INTERVAL_MIN_MS = 100, INTERVAL_MAX_MS = 3600000 };

typedef struct watch_args {
    ti_metering_args metering;
    uint32_t count, interval_ms;
    bool json;
} watch_args;

static const watch_args defaults = {.metering = TI_METERING_DEFAULT, .interval_ms = 1000};

static const ti_opt opts[] = {
    {.type = TI_OPT_U32,
     .name = "count",
     .letter = 'n',
     .metavar = "N",
     .help = "end after N lines",
     .fallback = "0, never",
     .offset = offsetof(watch_args, count)},
    {.type = TI_OPT_U32,
     .name = "interval",
     .metavar = "MS",
     .help = "milliseconds between two lines",
     .min = INTERVAL_MIN_MS,
     .max = INTERVAL_MAX_MS,
     .offset = offsetof(watch_args, interval_ms)},
    {.type = TI_OPT_FLAG,
     .name = "json",
     .help = "print JSON lines, schema tern.meter-watch/1",
     .offset = offsetof(watch_args, json)},
    TI_OPTS_METERING(watch_args, metering),
    {0},
};

static uint64_t cpu_of_machine(void *ctx)
{
    return ti_machine_cpu_ns(ctx);
}

/* Sleeps until a moment of the clock that does not jump; false when a signal came. */
static bool sleep_until(uint64_t mono_ns)
{
    const uint64_t second = 1000000000;
    struct timespec t = {.tv_sec = (time_t)(mono_ns / second),
                         .tv_nsec = (long)(mono_ns % second)};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL) == EINTR) {
        if (ti_interrupted()) {
            return false;
        }
    }
    return ti_interrupted() == 0;
}

/* --- lines ----------------------------------------------------------------------------------
 */

static void print_line(const ti_interval *i, const ti_meter_sampler_sum *sum)
{
    char seconds[TI_FIGURE_MAX], watts[TI_FIGURE_MAX], joules[TI_FIGURE_MAX], words[128];
    ti_energy_flags_text(words, sizeof words, i->flags);
    ti_printf("%12s %12s %12s%s%s\n", ti_human_seconds(seconds, sum->time_ns),
              ti_human_watts(watts, ti_power_uw_of(i->energy_uj, i->dt_ns)),
              ti_human_joules(joules, sum->energy_uj), *words ? "   " : "", words);
}

static tern_status print_json(const ti_energy_source *source, const ti_interval *i,
                              const ti_meter_sampler_sum *sum, tern_err *err)
{
    ti_buf json = {0};
    ti_json_open(&json, NULL, '{');
    ti_json_str(&json, "schema", "tern.meter-watch/1");
    ti_json_uint(&json, "time_ns", sum->time_ns);
    ti_json_uint(&json, "interval_ns", i->dt_ns);
    ti_json_uint(&json, "slept_ns", i->slept_ns);
    ti_json_uint(&json, "energy_uj", i->energy_uj);
    ti_json_uint(&json, "power_uw", ti_power_uw_of(i->energy_uj, i->dt_ns));
    ti_json_uint(&json, "sum_uj", sum->energy_uj);
    ti_json_energy_flags(&json, "flags", i->flags);
    ti_json_energy_source(&json, "source", source);
    ti_json_close(&json, '}');
    tern_status status = ti_print_json(&json, err);
    ti_buf_free(&json);
    return status;
}

static tern_status watch(const watch_args *args, ti_energy *e, tern_err *err)
{
    const ti_energy_source *source = ti_energy_of(e);
    uint64_t step_ns = (uint64_t)args->interval_ms * 1000000;
    ti_meter_sampler_sum before, sum;
    (void)ti_energy_total(e, &before);
    uint64_t next_ns = ti_time_now().mono_ns;
    for (uint32_t n = 0; args->count == 0 || n < args->count; n++) {
        next_ns += step_ns;
        if (!sleep_until(next_ns)) {
            return ti_fail(err, TERN_CANCELLED, "meter", TI_NO_OFFSET, "interrupted");
        }
        (void)ti_energy_total(e, &sum);
        /* The sampler may have looked in between: this is everything since the last line. */
        ti_interval i = {.dt_ns = sum.time_ns - before.time_ns,
                         .slept_ns = sum.slept_ns - before.slept_ns,
                         .energy_uj = sum.energy_uj - before.energy_uj,
                         .flags = sum.recent_flags};
        if (args->json) {
            TI_TRY(print_json(source, &i, &sum, err));
        } else {
            print_line(&i, &sum);
        }
        TI_TRY(ti_out_finish(err)); /* somebody watches; and a pipe that closed ends it */
        before = sum;
    }
    return TERN_OK;
}

static tern_status run(const void *values, const ti_operands *given, tern_err *err)
{
    const watch_args *args = values;
    ti_energy *e = NULL;
    (void)given;
    /* A sysroot is read and never written: passing it as context needs a plain pointer. */
    void *sysroot = (void *)(uintptr_t)args->metering.sysroot;
    ti_interrupt_catch();
    TI_TRY(ti_metering_open(&e, &args->metering, TI_METERING_CALIBRATED, cpu_of_machine,
                            sysroot, err));
    if (!args->json) {
        ti_buf text = {0};
        ti_add_evidence(&text, ti_energy_of(e));
        ti_note("%s", text.failed ? "" : text.data);
        ti_buf_free(&text);
        ti_printf("%s%12s %12s %12s%s\n", ti_bold(), "time", "power", "energy", ti_plain());
    }
    tern_status status = watch(args, e, err);
    ti_energy_close(e);
    return status;
}

const ti_command ti_cmd_meter_watch = {
    .name = "meter watch",
    .summary = "print the machine's power, a line a second",
    .description =
        "Prints the time since the start, the mean power since the last line and the "
        "energy since the start, until it is interrupted.  Without a meter the power "
        "is modelled from the CPU time of all processes; the first line says so.",
    .examples = "tern meter watch\n"
                "tern meter watch -n 60 --json > power.jsonl",
    .opts = opts,
    .defaults = &defaults,
    .size = sizeof defaults,
    .run = run,
};
