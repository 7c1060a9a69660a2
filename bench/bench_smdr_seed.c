/* SPDX-License-Identifier: Apache-2.0 */
/* The loop that the project's first design note calls optimal: one int8 a weight, a branch for
 * each of them, no multiplication.  Written after its description as plain C, so that it can be
 * timed beside the kernels: branches on random weights are mispredicted, and a chain of float
 * additions waits for each one. */
#include <stdlib.h>

#include "base/rng.h"
#include "bench_smdr.h"

enum { SIDE = 2048 };

typedef struct branches {
    int8_t *weights; /* [SIDE][SIDE] */
    float *x, *y;
} branches;

static void multiply(void *ctx)
{
    branches *b = ctx;
    for (size_t r = 0; r < SIDE; r++) {
        const int8_t *row = b->weights + r * SIDE;
        float sum = 0.0f;
        for (size_t c = 0; c < SIDE; c++) {
            switch (row[c]) {
            case 1:
                sum += b->x[c];
                break;
            case -1:
                sum -= b->x[c];
                break;
            default:
                break;
            }
        }
        b->y[r] = sum;
    }
}

void bench_seed_loop(bench *b)
{
    static branches loop;
    loop = (branches){.weights = malloc((size_t)SIDE * SIDE),
                      .x = malloc(SIDE * sizeof(float)),
                      .y = malloc(SIDE * sizeof(float))};
    if (!loop.weights || !loop.x || !loop.y) {
        bench_stop("no memory", NULL);
    }
    ti_rng rng;
    ti_rng_seed(&rng, 5);
    for (size_t i = 0; i < (size_t)SIDE * SIDE; i++) {
        loop.weights[i] = (int8_t)((int)(ti_rng_next(&rng) % 3) - 1);
    }
    for (size_t i = 0; i < SIDE; i++) {
        loop.x[i] = 2.0f * ti_rng_unit(&rng) - 1.0f;
    }
    bench_add(b, "one vector times 2048 x 2048", multiply, &loop,
              "the seed's loop, a branch a weight, %.1f MB", (double)SIDE * SIDE / 1e6);
}
