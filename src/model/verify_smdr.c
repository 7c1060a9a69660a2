/* SPDX-License-Identifier: Apache-2.0 */
/* What smdr adds to the network in float64, from the definitions in docs/formats/smdr.md:
 * places on the torus and a sort, where the engine has lists and a bisection. */
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "model/verify_parts.h"

static uint64_t distance(uint64_t a, uint64_t b)
{
    return a > b ? a - b : b - a;
}

static bool torus_sees(const ti_attn *a, uint64_t i, uint64_t j)
{
    uint64_t side = a->torus_side, dx = distance(i % side, j % side),
             dy = distance(i / side % side, j / side % side);
    dx = dx < side - dx ? dx : side - dx;
    dy = dy < side - dy ? dy : side - dy;
    return i - j < side * side && dx + dy <= a->torus_radius;
}

static bool strided_sees(const ti_attn *a, uint64_t offset)
{
    uint64_t nearby = (a->key_budget + 1) / 2, far = a->key_budget - nearby;
    uint64_t skipped = (nearby + a->stride - 1) / a->stride; /* multiples that are nearby */
    return offset < nearby || (offset % a->stride == 0 && offset / a->stride < skipped + far);
}

bool ti_ref_sees(const ti_config *c, size_t layer, const uint8_t *random, uint64_t i,
                 uint64_t j)
{
    const ti_attn *a = &c->attn;
    if (j > i) {
        return false;
    }
    switch ((ti_attn_kind)a->kind[layer]) {
    case TI_ATTN_TORUS:
        return j < a->sink_tokens || torus_sees(a, i, j);
    case TI_ATTN_WINDOW:
        return j < a->sink_tokens || i - j < a->key_budget;
    case TI_ATTN_STRIDED:
        return j < a->sink_tokens || strided_sees(a, i - j);
    case TI_ATTN_RANDOM:
        return j < a->sink_tokens || random[i - j];
    default:
        return true;
    }
}

void ti_ref_random_offsets(const ti_config *c, uint8_t *chosen)
{
    uint64_t state = c->attn.random_seed;
    memset(chosen, 0, c->n_ctx);
    chosen[0] = 1;
    for (uint32_t n = 1; n < c->attn.key_budget;) {
        uint64_t o = 1 + ti_splitmix64(&state) % (c->n_ctx - 1);
        n += !chosen[o];
        chosen[o] = 1;
    }
}

typedef struct gate {
    double magnitude;
    size_t index;
} gate;

static int larger_first(const void *left, const void *right)
{
    const gate *a = left, *b = right;
    if (a->magnitude != b->magnitude) {
        return a->magnitude > b->magnitude ? -1 : 1;
    }
    return a->index < b->index ? -1 : 1;
}

tern_status ti_ref_keep_largest(double *x, size_t n, size_t k, tern_err *err)
{
    gate *gates = ti_calloc(n, sizeof *gates);
    if (!gates) {
        return ti_fail_nomem(err, "verify", n * sizeof *gates, "gates in order");
    }
    for (size_t i = 0; i < n; i++) {
        gates[i] = (gate){x[i] < 0.0 ? -x[i] : x[i], i};
    }
    qsort(gates, n, sizeof *gates, larger_first);
    for (size_t i = k; i < n; i++) {
        x[gates[i].index] = 0.0;
    }
    free(gates);
    return TERN_OK;
}
