/* SPDX-License-Identifier: Apache-2.0 */
/* tern meter calibrate: two readings of this machine, idle and loaded, for the model.
 *
 * They are typed in (from a plug that shows watts), asked for (the same, with the load made
 * here), or measured by what works on this machine. */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli/cmd.h"
#include "cli/metering.h"
#include "cli/out.h"
#include "cli/places.h"
#include "energy/units.h"

enum {
    THREADS_MAX = 1024,
    SETTLE_S = 2,           /* after the load begins: clocks and fans */
    BUSY_MAX_PERMILLE = 100 /* a machine that does more is not idle */
};

static const uint32_t all_of_it =
    TI_COVERS_PACKAGE | TI_COVERS_DRAM | TI_COVERS_GPU | TI_COVERS_PLATFORM | TI_COVERS_PSU;

typedef struct calibrate_args {
    ti_metering_args metering;
    float idle_watts, full_watts; /* 0 = not given */
    uint32_t seconds;
    bool show, json;
} calibrate_args;

static const calibrate_args defaults = {.metering = TI_METERING_DEFAULT, .seconds = 10};

static const ti_opt opts[] = {
    {.type = TI_OPT_F32,
     .name = "idle-watts",
     .metavar = "W",
     .help = "what the plug shows while the machine does nothing",
     .fallback = "measured, or asked for",
     .min = 0.001,
     .max = 100000,
     .offset = offsetof(calibrate_args, idle_watts)},
    {.type = TI_OPT_F32,
     .name = "full-watts",
     .metavar = "W",
     .help = "what it shows while all processors are busy",
     .fallback = "measured, or asked for",
     .min = 0.001,
     .max = 100000,
     .offset = offsetof(calibrate_args, full_watts)},
    {.type = TI_OPT_U32,
     .name = "seconds",
     .metavar = "N",
     .help = "how long each reading is measured",
     .min = 1,
     .max = 3600,
     .offset = offsetof(calibrate_args, seconds)},
    {.type = TI_OPT_FLAG,
     .name = "show",
     .help = "print the calibration that is kept, and change nothing",
     .offset = offsetof(calibrate_args, show)},
    {.type = TI_OPT_FLAG,
     .name = "json",
     .help = "print it as JSON, schema tern.calibration/1",
     .offset = offsetof(calibrate_args, json)},
    {.type = TI_OPT_CHOICE,
     .name = "boundary",
     .metavar = "WHAT",
     .help = "insist on meters of that; auto takes the widest that add up",
     .choices = "auto|package|psys|system|battery|gpu",
     .words = TI_WORDS_CHOICES,
     .offset = offsetof(calibrate_args, metering.boundary)},
    {.type = TI_OPT_STR,
     .name = "sysroot",
     .metavar = "DIR",
     .help = "read the system's files below DIR",
     .words = TI_WORDS_FILE,
     .offset = offsetof(calibrate_args, metering.sysroot)},
    {0},
};

/* --- a load ---------------------------------------------------------------------------------
 */

typedef struct load {
    pthread_t threads[THREADS_MAX];
    size_t n;
    atomic_bool stop;
    _Atomic uint64_t result; /* so that the work is not left out */
} load;

/* Multiplications and additions, as many as the processor can do at once. */
static void *spin(void *ctx)
{
    enum { LANES = 64, ROUNDS = 4096 };
    load *l = ctx;
    float lane[LANES];
    for (int i = 0; i < LANES; i++) {
        lane[i] = (float)i;
    }
    while (!atomic_load_explicit(&l->stop, memory_order_relaxed)) {
        for (int r = 0; r < ROUNDS; r++) {
            for (int i = 0; i < LANES; i++) {
                lane[i] = lane[i] * 0.999f + 0.5f;
            }
        }
        atomic_fetch_add_explicit(&l->result, lane[7] > 1, memory_order_relaxed);
    }
    return NULL;
}

static void end_load(load *l)
{
    atomic_store(&l->stop, true);
    for (size_t i = 0; i < l->n; i++) {
        pthread_join(l->threads[i], NULL);
    }
    free(l);
}

static tern_status begin_load(load **out, uint32_t threads, tern_err *err)
{
    load *l = ti_calloc(1, sizeof *l);
    if (!l) {
        return ti_fail_nomem(err, "meter", sizeof *l, "a load");
    }
    while (l->n < threads && l->n < THREADS_MAX) {
        int e = pthread_create(&l->threads[l->n], NULL, spin, l);
        if (e != 0) {
            end_load(l);
            return ti_fail_errno(err, e, "meter", "cannot start %u threads", (unsigned)threads);
        }
        l->n++;
    }
    *out = l;
    return TERN_OK;
}

/* --- measured -------------------------------------------------------------------------------
 */

static tern_status wait_s(uint32_t seconds, tern_err *err)
{
    struct timespec t = {.tv_sec = seconds};
    while (clock_nanosleep(CLOCK_MONOTONIC, 0, &t, &t) == EINTR) {
        if (ti_interrupted()) {
            break;
        }
    }
    return ti_interrupted() ? ti_fail(err, TERN_CANCELLED, "meter", TI_NO_OFFSET, "interrupted")
                            : TERN_OK;
}

/* Mean power over some seconds; *busy_permille is the share of the processors in use. */
static tern_status measure(ti_energy *e, const calibrate_args *args, uint32_t threads,
                           uint64_t *power_uw, uint64_t *busy_permille, tern_err *err)
{
    ti_meter_sampler_sum a, b;
    const char *sysroot = args->metering.sysroot;
    uint64_t cpu_ns = ti_machine_cpu_ns(sysroot);
    (void)ti_energy_total(e, &a);
    TI_TRY(wait_s(args->seconds, err));
    (void)ti_energy_total(e, &b);
    cpu_ns = ti_machine_cpu_ns(sysroot) - cpu_ns;
    if (b.n_flagged > a.n_flagged) {
        return ti_fail(err, TERN_UNAVAILABLE, "meter", TI_NO_OFFSET,
                       "the meter could not be read all the time");
    }
    uint64_t time_ns = b.time_ns - a.time_ns;
    *power_uw = ti_power_uw_of(b.energy_uj - a.energy_uj, time_ns);
    *busy_permille = time_ns ? ti_mul_div(cpu_ns, 1000, time_ns) / threads : 0;
    return TERN_OK;
}

static tern_status by_meter(ti_calibration *c, const calibrate_args *args, ti_energy *e,
                            tern_err *err)
{
    uint64_t busy = 0;
    load *l = NULL;
    const ti_energy_source *source = ti_energy_of(e);
    ti_note("idle, %u s: please leave the machine alone", (unsigned)args->seconds);
    TI_TRY(measure(e, args, c->threads, &c->idle_uw, &busy, err));
    if (busy > BUSY_MAX_PERMILLE) {
        ti_hint("end what is running, and call it again");
        return ti_fail(err, TERN_UNAVAILABLE, "meter", TI_NO_OFFSET,
                       "the machine was not idle: %.0f %% of its processors were busy",
                       (double)busy / 10);
    }
    ti_note("loaded, %u s: %u threads", (unsigned)args->seconds, (unsigned)c->threads);
    TI_TRY(begin_load(&l, c->threads, err));
    tern_status status = wait_s(SETTLE_S, err);
    if (status == TERN_OK) {
        status = measure(e, args, c->threads, &c->full_uw, &busy, err);
    }
    end_load(l);
    c->covers = source->covers;
    c->evidence = TI_EVIDENCE_MEASURED;
    snprintf(c->meter, sizeof c->meter, "%.*s", (int)sizeof c->meter - 1, source->meter);
    return status;
}

/* --- typed in -------------------------------------------------------------------------------
 */

static tern_status ask(uint64_t *power_uw, const char *what, tern_err *err)
{
    char line[64], *end;
    fprintf(stderr, "%s: watts that the plug shows? ", what);
    fflush(stderr);
    if (!fgets(line, sizeof line, stdin)) {
        return ti_fail(err, ti_interrupted() ? TERN_CANCELLED : TERN_USAGE, "meter",
                       TI_NO_OFFSET, "no watts were given");
    }
    double watts = strtod(line, &end);
    end += strspn(end, " \tWw\r\n");
    if (end == line || *end || !(watts > 0) || !(watts <= 100000)) {
        return ti_fail(err, TERN_USAGE, "meter", TI_NO_OFFSET, "'%.*s' are no watts",
                       (int)strcspn(line, "\r\n"), line);
    }
    *power_uw = (uint64_t)(watts * 1e6 + 0.5);
    return TERN_OK;
}

static tern_status by_asking(ti_calibration *c, tern_err *err)
{
    load *l = NULL;
    TI_TRY(ask(&c->idle_uw, "idle (end what is running, wait a little)", err));
    TI_TRY(begin_load(&l, c->threads, err));
    tern_status status = ask(&c->full_uw, "loaded (wait until it settles)", err);
    end_load(l);
    return status;
}

static void by_hand(ti_calibration *c, const calibrate_args *args)
{
    c->idle_uw = (uint64_t)((double)args->idle_watts * 1e6 + 0.5);
    c->full_uw = (uint64_t)((double)args->full_watts * 1e6 + 0.5);
}

/* --- the command ----------------------------------------------------------------------------
 */

/* Meters that work, or NULL: then somebody has to type.  An earlier calibration plays no part.
 */
static tern_status open_meters(ti_energy **out, const calibrate_args *args, tern_err *err)
{
    ti_energy *e = NULL;
    TI_TRY(ti_metering_open(&e, &args->metering, TI_METERING_PLAIN, NULL, NULL, err));
    if (ti_energy_of(e)->n_meters == 0) {
        ti_energy_close(e);
        e = NULL;
    }
    *out = e;
    return TERN_OK;
}

static tern_status take_readings(ti_calibration *c, const calibrate_args *args, tern_err *err)
{
    bool idle = args->idle_watts > 0, full = args->full_watts > 0;
    ti_energy *e = NULL;
    c->covers = all_of_it;
    c->evidence = TI_EVIDENCE_DECLARED;
    memcpy(c->meter, "wall plug", sizeof "wall plug");
    if (idle != full) {
        return ti_fail(err, TERN_USAGE, "meter", TI_NO_OFFSET,
                       "--idle-watts and --full-watts belong together");
    }
    if (idle) {
        by_hand(c, args);
        return TERN_OK;
    }
    TI_TRY(open_meters(&e, args, err));
    if (e) {
        tern_status status = by_meter(c, args, e, err);
        ti_energy_close(e);
        return status;
    }
    if (isatty(STDIN_FILENO) == 1) {
        return by_asking(c, err);
    }
    ti_hint("read a plug that shows watts, and give --idle-watts W --full-watts W");
    return ti_fail(err, TERN_UNAVAILABLE, "meter", TI_NO_OFFSET, "no meter works here");
}

static tern_status print(const ti_calibration *c, const char *file, bool json, tern_err *err)
{
    char idle[TI_FIGURE_MAX], full[TI_FIGURE_MAX];
    if (json) {
        ti_buf text = {0};
        ti_calibration_print(&text, c);
        if (text.failed) {
            return ti_fail_nomem(err, "meter", 0, "a document");
        }
        ti_print(text.data);
        ti_buf_free(&text);
        return TERN_OK;
    }
    ti_printf("  idle     %12s\n  loaded   %12s\n", ti_human_watts(idle, c->idle_uw),
              ti_human_watts(full, c->full_uw));
    ti_printf("  evidence %s (%s)\n  machine  %s, %u threads\n  file     %s\n",
              ti_evidence_name(c->evidence), c->meter, *c->cpu ? c->cpu : "unknown processor",
              (unsigned)c->threads, file);
    return TERN_OK;
}

static tern_status keep(const ti_calibration *c, const char *file, tern_err *err)
{
    char *directory = strdup(file);
    if (!directory) {
        return ti_fail_nomem(err, "meter", strlen(file), "a path");
    }
    *strrchr(directory, '/') = '\0';
    tern_status status = ti_make_private_directory(directory, err);
    free(directory);
    TI_TRY(status);
    return ti_calibration_store(c, file, err);
}

static tern_status run(const void *values, const ti_operands *given, tern_err *err)
{
    const calibrate_args *args = values;
    ti_calibration c = {0};
    ti_host host;
    char *file = NULL;
    (void)given;
    ti_interrupt_catch();
    TI_TRY(ti_metering_file(&file, err));
    ti_host_read(&host, args->metering.sysroot);
    memcpy(c.cpu, host.cpu, sizeof c.cpu);
    c.threads = host.threads;
    c.time_s = (uint64_t)time(NULL);
    tern_status status =
        args->show ? ti_calibration_load(&c, file, err) : take_readings(&c, args, err);
    if (status == TERN_OK && !args->show) {
        status = keep(&c, file, err);
    }
    if (status == TERN_OK) {
        status = print(&c, file, args->json, err);
    }
    free(file);
    return status;
}

const ti_command ti_cmd_meter_calibrate = {
    .name = "meter calibrate",
    .summary = "take the two readings that the model of power needs",
    .description =
        "Keeps what this machine draws idle and with all processors busy.  With them the model "
        "errs by about 15 %, without by about 35 %; and what a meter counts can be divided "
        "into "
        "idle and work.\n\n"
        "The readings are given as options, or measured where a meter works (the machine has "
        "to "
        "be left alone for that), or else asked for: a plug that shows watts is enough.",
    .examples = "tern meter calibrate --idle-watts 9.5 --full-watts 71\n"
                "tern meter calibrate --seconds 30\n"
                "tern meter calibrate --show",
    .opts = opts,
    .defaults = &defaults,
    .size = sizeof defaults,
    .run = run,
};
