/* SPDX-License-Identifier: Apache-2.0 */
/* usage: bench_smdr [--rounds N] [--part products|attention|feed-forward] [--json]
 *
 * What ternary weights, attention by a pattern and the largest gates only are worth on one
 * core, each against the best that the tree has without it.  All cases take turns, N rounds
 * (5); in a round the fastest of eight samples counts; a figure is the median of the rounds, a
 * quotient the median of the rounds' quotients.  Time is that of the thread, so that other
 * programs count only for the caches they take. */
#include "bench_smdr.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/buf.h"

void bench_stop(const char *what, const tern_err *err)
{
    fprintf(stderr, "bench_smdr: %s%s%s\n", what, err ? ": " : "", err ? err->message : "");
    exit(70);
}

/* --- cases -------------------------------------------------------------------------------- */

size_t bench_add(bench *b, const char *group, void (*run)(void *ctx), void *ctx,
                 const char *format, ...)
{
    if (b->n_cases == MAX_CASES) {
        bench_stop("too many cases", NULL);
    }
    bench_case *c = &b->cases[b->n_cases];
    *c = (bench_case){.group = group, .run = run, .ctx = ctx};
    va_list args;
    va_start(args, format);
    vsnprintf(c->name, sizeof c->name, format, args);
    va_end(args);
    return b->n_cases++;
}

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* The mean of as many runs as take `least` seconds. */
static double mean_time(const bench_case *c, double least)
{
    size_t n = 0, more = 1;
    double begin = seconds(), passed;
    do {
        for (size_t i = 0; i < more; i++) {
            c->run(c->ctx);
        }
        n += more;
        more = more < 64 ? 2 * more : more;
        passed = seconds() - begin;
    } while (passed < least);
    return passed / (double)n;
}

/* The fastest of a few samples: in the others somebody else had the caches. */
static double fastest(const bench_case *c)
{
    enum { SAMPLES = 8 };
    const double least = 0.005;
    double best = mean_time(c, least);
    for (int i = 1; i < SAMPLES; i++) {
        double time = mean_time(c, least);
        best = time < best ? time : best;
    }
    return best;
}

void bench_measure(bench *b)
{
    for (size_t round = 0; round < b->rounds; round++) {
        for (size_t i = 0; i < b->n_cases; i++) {
            b->cases[i].us[round] = 1e6 * fastest(&b->cases[i]);
        }
        fprintf(stderr, "round %zu of %zu\n", round + 1, b->rounds);
    }
}

static int rising(const void *left, const void *right)
{
    double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

static double median(const double *values, size_t n)
{
    double sorted[MAX_ROUNDS];
    memcpy(sorted, values, n * sizeof *values);
    qsort(sorted, n, sizeof *sorted, rising);
    return n % 2 ? sorted[n / 2] : (sorted[n / 2 - 1] + sorted[n / 2]) / 2;
}

double bench_us(const bench *b, size_t i)
{
    return median(b->cases[i].us, b->rounds);
}

double bench_ratio(const bench *b, size_t slow, size_t fast)
{
    double ratios[MAX_ROUNDS];
    for (size_t r = 0; r < b->rounds; r++) {
        ratios[r] = b->cases[slow].us[r] / b->cases[fast].us[r];
    }
    return median(ratios, b->rounds);
}

/* --- what is printed ---------------------------------------------------------------------- */

static bool is_reached(const bench_goal *g)
{
    return g->at_most ? g->value <= g->goal : g->value >= g->goal;
}

static void range(const bench *b, size_t i, double *least, double *most)
{
    double sorted[MAX_ROUNDS];
    memcpy(sorted, b->cases[i].us, b->rounds * sizeof *sorted);
    qsort(sorted, b->rounds, sizeof *sorted, rising);
    *least = sorted[0];
    *most = sorted[b->rounds - 1];
}

static void print_table(const bench *b, const bench_goal *goals, size_t n_goals,
                        const ti_kern *kern)
{
    printf("kernels: %s; %zu rounds; microseconds of one core, median (least to most)\n",
           kern->name, b->rounds);
    for (size_t i = 0; i < b->n_cases; i++) {
        const bench_case *c = &b->cases[i];
        double least, most;
        if (i == 0 || strcmp(c->group, b->cases[i - 1].group) != 0) {
            printf("\n%s\n", c->group);
        }
        range(b, i, &least, &most);
        printf("  %-46s %10.2f  (%.2f to %.2f)\n", c->name, bench_us(b, i), least, most);
    }
    printf("\ngoals\n");
    for (size_t i = 0; i < n_goals; i++) {
        printf("  %-66s %7.2f  %s %5.2f  %s\n", goals[i].what, goals[i].value,
               goals[i].at_most ? "at most " : "at least", goals[i].goal,
               is_reached(&goals[i]) ? "reached" : "MISSED");
    }
}

static void print_json(const bench *b, const bench_goal *goals, size_t n_goals,
                       const ti_kern *kern)
{
    ti_buf json = {0};
    ti_json_open(&json, NULL, '{');
    ti_json_str(&json, "schema", "tern.bench-smdr/1");
    ti_json_str(&json, "kernels", kern->name);
    ti_json_uint(&json, "rounds", b->rounds);
    ti_json_open(&json, "cases", '[');
    for (size_t i = 0; i < b->n_cases; i++) {
        double least, most;
        range(b, i, &least, &most);
        ti_json_open(&json, NULL, '{');
        ti_json_str(&json, "group", b->cases[i].group);
        ti_json_str(&json, "name", b->cases[i].name);
        ti_json_num(&json, "us", bench_us(b, i), 6);
        ti_json_num(&json, "least", least, 6);
        ti_json_num(&json, "most", most, 6);
        ti_json_close(&json, '}');
    }
    ti_json_close(&json, ']');
    ti_json_open(&json, "goals", '[');
    for (size_t i = 0; i < n_goals; i++) {
        ti_json_open(&json, NULL, '{');
        ti_json_str(&json, "what", goals[i].what);
        ti_json_num(&json, "value", goals[i].value, 4);
        ti_json_num(&json, goals[i].at_most ? "at_most" : "at_least", goals[i].goal, 4);
        ti_json_bool(&json, "reached", is_reached(&goals[i]));
        ti_json_close(&json, '}');
    }
    ti_json_close(&json, ']');
    ti_json_close(&json, '}');
    if (json.failed) {
        bench_stop("no memory", NULL);
    }
    printf("%.*s\n", (int)json.len, json.data);
    ti_buf_free(&json);
}

int main(int argc, char **argv)
{
    static bench b = {.rounds = 5};
    static bench_goal goals[MAX_GOALS];
    const char *part = "";
    bool json = false;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--json") == 0) {
            json = true;
        } else if (strcmp(argv[i], "--rounds") == 0 && i + 1 < argc) {
            b.rounds = strtoul(argv[++i], NULL, 10);
        } else if (strcmp(argv[i], "--part") == 0 && i + 1 < argc) {
            part = argv[++i];
        } else {
            bench_stop("usage: bench_smdr [--rounds N] [--part NAME] [--json]", NULL);
        }
    }
    if (b.rounds < 1 || b.rounds > MAX_ROUNDS) {
        bench_stop("--rounds: 1 to 31", NULL);
    }
    const ti_kern *kern = ti_kern_select(NULL);
    if (!kern) {
        bench_stop("TERN_CPU names no kernel set of this CPU", NULL);
    }
    bool products = strstr("products", part), attention = strstr("attention", part),
         feed_forward = strstr("feed-forward", part);
    if (products) {
        bench_products(&b, kern);
        bench_seed_loop(&b);
    }
    if (attention) {
        bench_attention(&b);
    }
    if (feed_forward) {
        bench_feed_forward(&b, kern);
    }
    bench_measure(&b);
    size_t n = products ? bench_product_goals(&b, goals) : 0;
    n += attention ? bench_attention_goals(&b, goals + n) : 0;
    n += feed_forward ? bench_feed_forward_goals(&b, goals + n) : 0;
    (json ? print_json : print_table)(&b, goals, n, kern);
    return 0;
}
