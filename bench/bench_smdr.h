/* SPDX-License-Identifier: Apache-2.0 */
/* What the parts of bench_smdr share: cases that are timed in turns, several rounds of them. */
#ifndef BENCH_SMDR_H
#define BENCH_SMDR_H

#include <stdbool.h>
#include <stddef.h>

#include "model/forward.h"

enum { MAX_ROUNDS = 31, MAX_CASES = 96 };

/* One thing that is timed. */
typedef struct bench_case {
    const char *group; /* heading of the table */
    char name[64];
    void (*run)(void *ctx); /* once */
    void *ctx;
    double us[MAX_ROUNDS];
} bench_case;

typedef struct bench {
    bench_case cases[MAX_CASES];
    size_t n_cases, rounds;
} bench;

/* Ends the program with a message. */
void bench_stop(const char *what, const tern_err *err);

/* Adds a case; the name is printed from a format.  Returns its number. */
size_t bench_add(bench *b, const char *group, void (*run)(void *ctx), void *ctx,
                 const char *format, ...) TI_PRINTF(5, 6);

/* Runs all cases, one after the other, as often as there are rounds. */
void bench_measure(bench *b);

/* Median of a case, microseconds; of the quotient of two cases, round by round. */
double bench_us(const bench *b, size_t i);
double bench_ratio(const bench *b, size_t slow, size_t fast);

/* A packed matrix-vector product: of ternary, int8 and float32 weights (products.c). */
void bench_products(bench *b, const ti_kern *kern);

/* The same product by the loop of the first design note (seed.c). */
void bench_seed_loop(bench *b);

/* Layers of networks with one row (layers.c): attention at several lengths; the feed-forward
 * with some of its gates; both sparse products alone. */
void bench_attention(bench *b);
void bench_feed_forward(bench *b, const ti_kern *kern);

/* What the cases say about the goals, after bench_measure(). */
typedef struct bench_goal {
    char what[96];
    double value, goal;
    bool at_most; /* else at least */
} bench_goal;

enum { MAX_GOALS = 24 };
size_t bench_product_goals(const bench *b, bench_goal *goals);
size_t bench_attention_goals(const bench *b, bench_goal *goals);
size_t bench_feed_forward_goals(const bench *b, bench_goal *goals);

#endif
