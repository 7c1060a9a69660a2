/* SPDX-License-Identifier: Apache-2.0 */
/* usage: bench_answer MODEL [ROUNDS [TOKENS [THREADS]]]
 *
 * What receipts and traces add to the time of an answer.  One session generates; the trace is
 * on for some tokens and off for the next ones, in turns of a few tokens, so that whatever else
 * happens on the machine happens to both.  Receipts are timed by the clock around what `tern
 * run` does for them, and left where it leaves them.  Medians and quartiles of the rounds. With
 * one thread, times are CPU times, which other work on the machine disturbs less.
 * Built on request only: ninja bench_answer. */
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "cli/receipts.h"
#include "tern/tern.h"

enum { ROUNDS_MAX = 99, TOKENS_MAX = 4096, PROMPT = 16, TURN = 2, SHORT = 20 };

static const ti_session_args session_args = {.ctx = 0};
static const ti_opt_list no_stops = {.n = 0};
static clockid_t clock_used = CLOCK_MONOTONIC;

typedef struct bench {
    ti_model_args model_args;
    tern_model *model;
    tern_session *session;
    tern_token prompt[PROMPT];
    uint32_t n_layer, tokens;
    size_t rounds;
    uint64_t prompt_ns;
} bench;

static void stop(const tern_err *err)
{
    fprintf(stderr, "bench_answer: %s: %s\n", err->module, err->message);
    exit(1);
}

static void must(tern_status status, const tern_err *err)
{
    if (status != TERN_OK) {
        stop(err);
    }
}

static uint64_t time_ns(void)
{
    struct timespec t;
    clock_gettime(clock_used, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Sorts; "0.95 % (0.91 to 1.02)". */
static void print_shares(const char *what, double *shares, size_t n, double goal)
{
    enum { PERCENT = 100 };
    qsort(shares, n, sizeof *shares, by_value);
    printf("%s: %.2f %% (quartiles %.2f and %.2f, %zu rounds), goal %.0f %%: %s\n", what,
           PERCENT * shares[n / 2], PERCENT * shares[n / 4], PERCENT * shares[n - 1 - n / 4], n,
           PERCENT * goal, shares[n / 2] < goal ? "reached" : "NOT REACHED");
}

static void read_prompt(bench *b)
{
    tern_err err;
    uint64_t start = time_ns();
    must(tern_session_truncate(b->session, 0, &err), &err);
    must(tern_session_feed(b->session, b->prompt, PROMPT, &err), &err);
    b->prompt_ns = time_ns() - start;
}

static uint64_t generate(bench *b, uint32_t n)
{
    tern_err err;
    tern_token token;
    uint64_t start = time_ns();
    for (uint32_t i = 0; i < n; i++) {
        must(tern_session_next(b->session, &token, &err), &err);
    }
    return time_ns() - start;
}

/* The share that the trace adds to generation, its part of the root included: the median over
 * pairs of turns with and without, the order changing from pair to pair. */
static double trace_share(bench *b, size_t round)
{
    static const uint8_t salt[TI_SALT] = {1};
    static double ratio[TOKENS_MAX];
    tern_err err;
    ti_trace trace = {0};
    uint8_t root[TI_SHA256];
    uint64_t without_ns = 0;
    size_t n = 0;
    must(ti_trace_init(&trace, salt, PROMPT + b->tokens, b->n_layer, &err), &err);
    read_prompt(b);
    (void)generate(b, TURN); /* the first token is chosen without a pass */
    for (uint32_t at = TURN; at + 2 * TURN <= b->tokens; at += 2 * TURN) {
        uint64_t ns[2];
        for (size_t half = 0; half < 2; half++) {
            size_t with = (half + n + round) % 2;
            tern_session_set_trace(b->session, with ? ti_trace_row : NULL, &trace);
            ns[with] = generate(b, TURN);
        }
        without_ns += ns[0];
        ratio[n++] = (double)ns[1] / (double)ns[0] - 1;
    }
    tern_session_set_trace(b->session, NULL, NULL);
    uint64_t start = time_ns();
    ti_trace_root(&trace, (uint32_t)n * TURN, root); /* of as many as were traced */
    double root_share = (double)(time_ns() - start) / (double)without_ns;
    ti_trace_free(&trace);
    qsort(ratio, n, sizeof *ratio, by_value);
    return ratio[n / 2] + root_share;
}

/* The share of a receipt in an answer of n tokens, as `tern run` makes both. */
static double receipt_share(bench *b, uint32_t n, uint64_t *receipt_ns, uint64_t *answer_ns)
{
    static const ti_receipt_args args = {0};
    tern_err err;
    ti_answer answer = {.first = PROMPT, .n_tokens = n, .stop = TI_STOP_LENGTH};
    ti_receipt_facts facts = {.model = b->model,
                              .session = b->session,
                              .model_args = &b->model_args,
                              .session_args = &session_args,
                              .stops = &no_stops,
                              .answer = &answer,
                              .n_input = PROMPT,
                              .n_fed = PROMPT,
                              .max_tokens = n};
    ti_receipt_job job;
    ti_buf_adds(&answer.text, "an answer of usual length would stand here");
    uint64_t start = time_ns();
    must(ti_receipt_begin(&job, &args, &b->model_args, &err), &err);
    must(ti_receipt_watch(&job, b->model, &session_args, b->session, &err), &err);
    uint64_t spent = time_ns() - start;
    read_prompt(b);
    answer.generate_ns = generate(b, n);
    facts.prompt_ns = b->prompt_ns;
    start = time_ns();
    must(ti_receipt_finish(&job, &facts, &err), &err);
    if (!job.receipt.id[0]) {
        exit(1); /* a warning said why */
    }
    ti_receipt_end(&job);
    *receipt_ns = spent + (time_ns() - start);
    *answer_ns = answer.generate_ns + b->prompt_ns;
    ti_buf_free(&answer.text);
    return (double)*receipt_ns / (double)*answer_ns;
}

static void bench_receipts(bench *b, uint32_t n)
{
    double shares[ROUNDS_MAX], ms[ROUNDS_MAX], answers[ROUNDS_MAX];
    char what[96];
    uint64_t receipt_ns, answer_ns;
    (void)receipt_share(b, 1, &receipt_ns, &answer_ns); /* makes key, digest and directory */
    for (size_t i = 0; i < b->rounds; i++) {
        shares[i] = receipt_share(b, n, &receipt_ns, &answer_ns);
        ms[i] = (double)receipt_ns / 1e6;
        answers[i] = (double)answer_ns / 1e6;
    }
    qsort(ms, b->rounds, sizeof *ms, by_value);
    qsort(answers, b->rounds, sizeof *answers, by_value);
    snprintf(what, sizeof what, "a receipt, %.2f ms, of %u + %u tokens in %.0f ms",
             ms[b->rounds / 2], (unsigned)PROMPT, (unsigned)n, answers[b->rounds / 2]);
    print_shares(what, shares, b->rounds, 0.01);
}

static void bench_trace(bench *b)
{
    double shares[ROUNDS_MAX];
    for (size_t i = 0; i < b->rounds; i++) {
        shares[i] = trace_share(b, i);
    }
    print_shares("a trace, of generation", shares, b->rounds, 0.03);
}

int main(int argc, char **argv)
{
    tern_err err;
    tern_model_desc desc;
    const tern_sampler_opts greedy = {.temperature = 0};
    if (argc < 2) {
        fprintf(stderr, "usage: bench_answer MODEL [ROUNDS [TOKENS [THREADS]]]\n");
        return 2;
    }
    long rounds = argc > 2 ? strtol(argv[2], NULL, 10) : 9;
    long tokens = argc > 3 ? strtol(argv[3], NULL, 10) : 128;
    bench b = {.model_args.model = argv[1],
               .rounds = rounds < 1 || rounds > ROUNDS_MAX ? 9 : (size_t)rounds,
               .tokens = tokens < SHORT || tokens > TOKENS_MAX ? 128 : (uint32_t)tokens};
    b.model_args.threads = argc > 4 ? (uint32_t)strtoul(argv[4], NULL, 10) : 0;
    clock_used = b.model_args.threads == 1 ? CLOCK_PROCESS_CPUTIME_ID : CLOCK_MONOTONIC;
    if (sodium_init() < 0) {
        return 1;
    }
    (void)setvbuf(stdout, NULL, _IOLBF, 0); /* so that nothing is lost when it is cut short */
    must(ti_open_model(&b.model, &b.model_args, &err), &err);
    must(ti_open_session(&b.session, b.model, &b.model_args, &session_args, &greedy, &err),
         &err);
    tern_model_describe(b.model, &desc);
    b.n_layer = desc.n_layer;
    for (int i = 0; i < PROMPT; i++) {
        b.prompt[i] = (tern_token)((uint32_t)(i + 1) * 37 % desc.n_vocab);
    }
    printf("%s: %u layers of %u, %s, %s\n", desc.name, (unsigned)desc.n_layer,
           (unsigned)desc.n_embd, desc.kernel,
           clock_used == CLOCK_MONOTONIC ? "by the clock" : "CPU time of one thread");
    bench_trace(&b);
    bench_receipts(&b, SHORT);
    bench_receipts(&b, b.tokens);
    tern_session_destroy(b.session);
    tern_model_close(b.model);
    return 0;
}
