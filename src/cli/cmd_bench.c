/* SPDX-License-Identifier: Apache-2.0 */
/* Measures reading a prompt and generating, against what the machine can do at most.
 *
 * The ceilings (bytes a second from memory, int8 multiply-accumulates a second) are measured
 * before and after each repetition: a machine that is shared or hot is then slow in both.  The
 * larger of the two counts, so that a fraction is never flattered, and the median of the
 * fractions is the result.
 *
 * Prompt: random tokens, empty cache, all tokens but the last without the output head; its
 * multiplications are counted accordingly.  Generation: from one token on, each token one
 * forward pass and one choice. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/pool.h"
#include "cli/cmd.h"
#include "cli/common.h"
#include "cli/machine.h"
#include "cli/out.h"
#include "cli/synth.h"
#include "kern/ceiling.h"

enum { REPS_MAX = 1000, TOKENS_MAX = 65536, WARM_UP_TOKENS = 8 };

typedef struct bench_args {
    ti_model_args model;
    uint32_t kv, chunk;
    const char *synth;
    ti_synth_args made;
    uint32_t prompt, generate, reps;
    uint64_t seed;
    bool json;
} bench_args;

static const bench_args defaults = {
    .prompt = 512, .generate = 128, .reps = 5, .seed = 1, .made = {.seed = 1}};

static const ti_opt opts[] = {
    TI_OPT_MODEL(bench_args, model),
    {.type = TI_OPT_STR,
     .name = "synth",
     .metavar = "SHAPE",
     .help = "measure a model with random weights of that shape; it is made once and kept in "
             "the cache",
     .choices = TI_SYNTH_SHAPES,
     .words = TI_WORDS_CHOICES,
     .offset = offsetof(bench_args, synth)},
    TI_OPTS_SYNTH(bench_args, made, "type", "synth-head", "synth-seed"),
    {.type = TI_OPT_U32,
     .name = "prompt",
     .letter = 'p',
     .metavar = "N",
     .help = "tokens of the prompt; 0 leaves it out",
     .max = TOKENS_MAX,
     .offset = offsetof(bench_args, prompt)},
    {.type = TI_OPT_U32,
     .name = "generate",
     .letter = 'g',
     .metavar = "N",
     .help = "tokens to generate; 0 leaves it out",
     .max = TOKENS_MAX,
     .offset = offsetof(bench_args, generate)},
    {.type = TI_OPT_U32,
     .name = "reps",
     .letter = 'r',
     .metavar = "N",
     .help = "how often to measure; the median is the result",
     .min = 1,
     .max = REPS_MAX,
     .offset = offsetof(bench_args, reps)},
    {.type = TI_OPT_U64,
     .name = "seed",
     .metavar = "N",
     .help = "start of the sequence of random tokens",
     .offset = offsetof(bench_args, seed)},
    {.type = TI_OPT_FLAG,
     .name = "json",
     .help = "print one JSON document, schema tern.bench/1",
     .offset = offsetof(bench_args, json)},
    {.type = TI_OPT_HEADING, .help = "Engine"},
    TI_OPTS_ENGINE(bench_args, model),
    {.type = TI_OPT_CHOICE,
     .name = "kv",
     .metavar = "TYPE",
     .help = "how keys and values are kept",
     .choices = "f16|i8",
     .words = TI_WORDS_CHOICES,
     .offset = offsetof(bench_args, kv)},
    {.type = TI_OPT_U32,
     .name = "chunk",
     .metavar = "N",
     .help = "prompt tokens read together",
     .fallback = "512",
     .max = TOKENS_MAX,
     .offset = offsetof(bench_args, chunk)},
    TI_OPTS_READING(bench_args, model),
    {0},
};

/* What each repetition gave. */
typedef struct series {
    /* sorted when they are summed up */
    double tokens_per_s[REPS_MAX], fraction[REPS_MAX], cpu_s_per_token[REPS_MAX];
    size_t n;
} series;

typedef struct rates {
    double median, min, max; /* tokens a second */
    double fraction;         /* of the ceiling: the median */
    double cpu_s_per_token;  /* of all threads together: the median */
} rates;

/* What something took. */
typedef struct took {
    double wall_s, cpu_s;
} took;

typedef struct bench {
    const bench_args *args;
    tern_model *model;
    tern_session *session;
    tern_model_desc desc;
    tern_token *tokens; /* random, enough for the prompt */
    uint32_t threads;
    double load_s;
    uint64_t load_peak_bytes, resident_bytes; /* of the process */
    series prompt, generate;
    ti_ceilings low, high; /* of all measurements */
} bench;

/* --- measuring ------------------------------------------------------------------------------
 */

/* xorshift64*: which tokens they are does not matter, only that they are always the same. */
static uint64_t next_random(uint64_t *state)
{
    uint64_t x = *state;
    x ^= x >> 12;
    x ^= x << 25;
    x ^= x >> 27;
    *state = x;
    return x * UINT64_C(0x2545F4914F6CDD1D);
}

static tern_status make_tokens(bench *b, tern_err *err)
{
    uint64_t state = b->args->seed * 2 + 1; /* never 0 */
    size_t n = b->args->prompt + WARM_UP_TOKENS;
    b->tokens = malloc(n * sizeof *b->tokens);
    if (!b->tokens) {
        return ti_fail_nomem(err, "bench", n * sizeof *b->tokens, "tokens");
    }
    for (size_t i = 0; i < n; i++) {
        b->tokens[i] = (tern_token)((next_random(&state) >> 33) % b->desc.n_vocab);
    }
    return TERN_OK;
}

static tern_status interrupted(tern_err *err)
{
    return ti_interrupted() ? ti_fail(err, TERN_CANCELLED, "bench", TI_NO_OFFSET, "interrupted")
                            : TERN_OK;
}

static took now(void)
{
    struct timespec cpu;
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu);
    return (took){.wall_s = (double)ti_now_ns() / 1e9,
                  .cpu_s = (double)cpu.tv_sec + (double)cpu.tv_nsec / 1e9};
}

static took since(took start)
{
    took end = now();
    return (took){.wall_s = end.wall_s - start.wall_s, .cpu_s = end.cpu_s - start.cpu_s};
}

static tern_status read_prompt(bench *b, size_t n, took *time, tern_err *err)
{
    TI_TRY(tern_session_truncate(b->session, 0, err));
    took start = now();
    TI_TRY(tern_session_feed(b->session, b->tokens, n, err));
    *time = since(start);
    return interrupted(err);
}

/* The first choice needs no forward pass: it is not part of the time. */
static tern_status generate(bench *b, size_t n, took *time, tern_err *err)
{
    tern_token token;
    TI_TRY(tern_session_truncate(b->session, 0, err));
    TI_TRY(tern_session_feed(b->session, b->tokens, 1, err));
    TI_TRY(tern_session_next(b->session, &token, err));
    took start = now();
    for (size_t i = 0; i < n; i++) {
        TI_TRY(tern_session_next(b->session, &token, err));
        TI_TRY(interrupted(err));
    }
    *time = since(start);
    return TERN_OK;
}

static double larger(double a, double b)
{
    return a > b ? a : b;
}

static double smaller(double a, double b)
{
    return a < b ? a : b;
}

static tern_status measure_ceilings(bench *b, ti_ceilings *out, tern_err *err)
{
    const ti_kern *kern = ti_kern_select(b->desc.kernel);
    TI_ASSERT(kern); /* the model has it from there */
    TI_TRY(ti_ceiling_measure(out, b->threads, kern, err));
    if (!b->high.mac_instruction) {
        b->low = b->high = *out;
    }
    b->low.read_bytes_per_s = smaller(b->low.read_bytes_per_s, out->read_bytes_per_s);
    b->low.int8_mac_per_s = smaller(b->low.int8_mac_per_s, out->int8_mac_per_s);
    b->high.read_bytes_per_s = larger(b->high.read_bytes_per_s, out->read_bytes_per_s);
    b->high.int8_mac_per_s = larger(b->high.int8_mac_per_s, out->int8_mac_per_s);
    return TERN_OK;
}

/* Multiply-accumulates of one prompt token: the head works for the last token only. */
static double prompt_macs(const bench *b)
{
    double head = (double)b->desc.n_vocab * b->desc.n_embd;
    double body = (double)b->desc.macs_per_token - head;
    return body + head / (b->args->prompt ? b->args->prompt : 1);
}

/* One repetition's rate, and what part of the ceiling the units of each token are. */
static void add_rate(series *s, uint32_t tokens, took time, double units, double ceiling)
{
    double rate = tokens / larger(time.wall_s, 1e-9);
    s->tokens_per_s[s->n] = rate;
    s->cpu_s_per_token[s->n] = time.cpu_s / (tokens ? tokens : 1);
    s->fraction[s->n++] = rate * units / ceiling;
}

static tern_status repeat(bench *b, ti_progress *progress, tern_err *err)
{
    const bench_args *a = b->args;
    took prompt = {0}, answer = {0};
    ti_ceilings before, after;
    TI_TRY(read_prompt(b, WARM_UP_TOKENS, &prompt, err));
    TI_TRY(generate(b, WARM_UP_TOKENS, &answer, err));
    TI_TRY(measure_ceilings(b, &before, err));
    for (uint32_t r = 0; r < a->reps; r++, before = after) {
        if (a->prompt) {
            TI_TRY(read_prompt(b, a->prompt, &prompt, err));
        }
        (void)ti_progress_step(progress, 2 * r + 1, 2 * (uint64_t)a->reps);
        if (a->generate) {
            TI_TRY(generate(b, a->generate, &answer, err));
        }
        (void)ti_progress_step(progress, 2 * r + 2, 2 * (uint64_t)a->reps);
        b->resident_bytes = ti_resident_memory();
        TI_TRY(measure_ceilings(b, &after, err));
        add_rate(&b->prompt, a->prompt, prompt, prompt_macs(b),
                 larger(before.int8_mac_per_s, after.int8_mac_per_s));
        add_rate(&b->generate, a->generate, answer, (double)b->desc.bytes_per_token,
                 larger(before.read_bytes_per_s, after.read_bytes_per_s));
    }
    return TERN_OK;
}

static tern_status measure(bench *b, tern_err *err)
{
    ti_progress progress;
    ti_progress_begin(&progress, "measuring", "parts");
    tern_status status = repeat(b, &progress, err);
    ti_progress_end(&progress);
    return status;
}

/* --- figures --------------------------------------------------------------------------------
 */

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *v, size_t n)
{
    qsort(v, n, sizeof *v, by_value);
    return (v[(n - 1) / 2] + v[n / 2]) / 2;
}

static rates rates_of(series *s)
{
    if (s->n == 0) {
        return (rates){0};
    }
    double middle = median(s->tokens_per_s, s->n);
    return (rates){.median = middle,
                   .min = s->tokens_per_s[0],
                   .max = s->tokens_per_s[s->n - 1],
                   .fraction = median(s->fraction, s->n),
                   .cpu_s_per_token = median(s->cpu_s_per_token, s->n)};
}

static void json_rates(ti_buf *json, const char *key, uint32_t tokens, rates r,
                       const char *fraction_key)
{
    if (!tokens) {
        return;
    }
    ti_json_open(json, key, '{');
    ti_json_uint(json, "tokens", tokens);
    ti_json_num(json, "tokens_per_s", r.median, 6);
    ti_json_num(json, "min", r.min, 6);
    ti_json_num(json, "max", r.max, 6);
    ti_json_num(json, fraction_key, r.fraction, 4);
    ti_json_num(json, "cpu_s_per_token", r.cpu_s_per_token, 4);
    ti_json_close(json, '}');
}

static void json_ceilings(ti_buf *json, const char *key, const ti_ceilings *c)
{
    ti_json_open(json, key, '{');
    ti_json_num(json, "read_bytes_per_s", c->read_bytes_per_s, 6);
    ti_json_num(json, "int8_mac_per_s", c->int8_mac_per_s, 6);
    ti_json_close(json, '}');
}

static tern_status print_document(bench *b, rates prompt, rates gen, tern_err *err)
{
    ti_machine machine;
    ti_buf json = {0};
    ti_machine_look(&machine);
    ti_json_open(&json, NULL, '{');
    ti_json_str(&json, "schema", "tern.bench/1");
    ti_json_model(&json, &b->desc);
    ti_json_str(&json, "cpu", machine.cpu);
    ti_json_str(&json, "kernel", b->desc.kernel);
    ti_json_uint(&json, "threads", b->threads);
    ti_json_str(&json, "kv", b->args->kv ? "i8" : "f16");
    ti_json_uint(&json, "reps", b->args->reps);
    ti_json_uint(&json, "seed", b->args->seed);
    json_rates(&json, "prompt", b->args->prompt, prompt, "peak_fraction");
    json_rates(&json, "generate", b->args->generate, gen, "bandwidth_fraction");
    ti_json_uint(&json, "bytes_per_token", b->desc.bytes_per_token);
    ti_json_uint(&json, "macs_per_token", b->desc.macs_per_token);
    ti_json_open(&json, "ceilings", '{');
    ti_json_num(&json, "read_bytes_per_s", b->high.read_bytes_per_s, 6);
    ti_json_num(&json, "int8_mac_per_s", b->high.int8_mac_per_s, 6);
    ti_json_str(&json, "mac_instruction", b->high.mac_instruction);
    json_ceilings(&json, "lowest", &b->low);
    json_ceilings(&json, "highest", &b->high);
    ti_json_close(&json, '}');
    ti_json_num(&json, "load_s", b->load_s, 4);
    ti_json_uint(&json, "session_bytes", tern_session_bytes(b->session));
    ti_json_open(&json, "process", '{');
    ti_json_uint(&json, "load_peak_bytes", b->load_peak_bytes);
    ti_json_uint(&json, "resident_bytes", b->resident_bytes);
    ti_json_close(&json, '}');
    ti_json_close(&json, '}');
    tern_status status = ti_print_json(&json, err);
    ti_buf_free(&json);
    return status;
}

static void print_rates(const char *what, uint32_t tokens, rates r, const char *of)
{
    if (tokens) {
        ti_printf("%-9s %6u tokens  %s%9.1f tokens/s%s  (%.1f to %.1f)  %5.1f %% of %s\n", what,
                  (unsigned)tokens, ti_bold(), r.median, ti_plain(), r.min, r.max,
                  r.fraction * 100, of);
    }
}

static void print_lines(bench *b, rates prompt, rates gen)
{
    char file[32], token[32], resident[32], low[32], high[32];
    const tern_model_desc *d = &b->desc;
    ti_printf("%s, %s, %s as %s, file %s, resident %s, loaded in %.2f s\n",
              *d->name ? d->name : "(no name)", d->architecture, d->weight_type, d->layout,
              ti_human_bytes(file, sizeof file, d->file_bytes),
              ti_human_bytes(resident, sizeof resident, d->resident_bytes), b->load_s);
    ti_printf("%u threads, kernels %s, median of %u; %s a token\n", (unsigned)b->threads,
              d->kernel, (unsigned)b->args->reps,
              ti_human_bytes(token, sizeof token, d->bytes_per_token));
    print_rates("prompt", b->args->prompt, prompt, "int8 peak");
    print_rates("generate", b->args->generate, gen, "memory bandwidth");
    ti_printf("ceilings  %s/s to %s/s read from memory, "
              "%.3g to %.3g int8 multiply-accumulates/s (%s)\n",
              ti_human_bytes(low, sizeof low, (uint64_t)b->low.read_bytes_per_s),
              ti_human_bytes(high, sizeof high, (uint64_t)b->high.read_bytes_per_s),
              b->low.int8_mac_per_s, b->high.int8_mac_per_s, b->high.mac_instruction);
}

/* --- the command -----------------------------------------------------------------------------
 */

/* Tokens that the longest part holds: generation has one before and one more than it counts. */
static uint32_t context_needed(const bench_args *args)
{
    uint32_t n = WARM_UP_TOKENS + 2;
    n = args->prompt > n ? args->prompt : n;
    return args->generate + 2 > n ? args->generate + 2 : n;
}

static tern_status open_all(bench *b, tern_err *err)
{
    ti_model_args model = b->args->model;
    char *made = NULL;
    if (b->args->synth) {
        TI_TRY(ti_synth_cached(&made, b->args->synth, &b->args->made, err));
        model.model = made;
    }
    uint64_t start = ti_now_ns();
    tern_status status = ti_open_model(&b->model, &model, err);
    b->load_s = (double)(ti_now_ns() - start) / 1e9;
    b->load_peak_bytes = ti_peak_memory();
    free(made);
    TI_TRY(status);
    tern_model_describe(b->model, &b->desc);
    b->threads = model.threads ? model.threads : ti_cpu_count();
    ti_session_args session = {
        .ctx = context_needed(b->args), .kv = b->args->kv, .chunk = b->args->chunk};
    tern_sampler_opts greedy = {0};
    TI_TRY(ti_open_session(&b->session, b->model, &model, &session, &greedy, err));
    return make_tokens(b, err);
}

static tern_status run(const void *values, const ti_operands *given, tern_err *err)
{
    (void)given;
    bench *b = calloc(1, sizeof *b);
    if (!b) {
        return ti_fail_nomem(err, "bench", sizeof *b, "figures");
    }
    b->args = values;
    ti_interrupt_catch();
    tern_status status = open_all(b, err);
    if (status == TERN_OK) {
        status = measure(b, err);
    }
    if (status == TERN_OK) {
        rates prompt = rates_of(&b->prompt);
        rates gen = rates_of(&b->generate);
        if (b->args->json) {
            status = print_document(b, prompt, gen, err);
        } else {
            print_lines(b, prompt, gen);
        }
    }
    free(b->tokens);
    tern_session_destroy(b->session);
    tern_model_close(b->model);
    free(b);
    return status;
}

const ti_command ti_cmd_bench = {
    .name = "bench",
    .summary = "measure speed, against what the machine can do at most",
    .description =
        "Measures how fast a model reads a prompt and generates, and compares both with "
        "ceilings measured in the same run: generation with the bytes a second that memory "
        "gives, the prompt with the int8 multiply-accumulates a second that the processor "
        "does.",
    .examples = "tern bench\n"
                "tern bench --synth 2b4t --threads 2 --json",
    .opts = opts,
    .defaults = &defaults,
    .size = sizeof defaults,
    .run = run,
};
