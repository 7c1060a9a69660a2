/* SPDX-License-Identifier: Apache-2.0 */
/* The figures of `tern claims` that take no time: sizes, pairs, shares of a token's work. */
#include "base/detmath.h"
#include "base/mem.h"
#include "cli/claims.h"
#include "kern/pack.h"
#include "model/smdr.h"

/* The note's example: 100 million weights; as a matrix 12,207 x 8,192, 100.0 million too. */
enum { ROWS = 12207, COLUMNS = 8192, MILLION = 1000000 };
#define WEIGHTS UINT64_C(100000000)

/* Shapes of the only public code that goes by the name (mdr-rust, model.rs).  Its vocabulary of
 * 32,000 is part of the work of a token. */
typedef struct shape {
    uint64_t width, hidden, layers, context;
} shape;

static const shape small = {256, 1024, 6, 512}, large = {2048, 8192, 24, 4096};
enum { VOCABULARY = 32000 };

static tern_status give(uint64_t *milli, double value)
{
    *milli = (uint64_t)(value * 1000.0 + 0.5);
    return TERN_OK;
}

/* --- weights ------------------------------------------------------------------------------ */

tern_status ti_count_bits(uint64_t *milli, tern_err *err)
{
    (void)err;
    return give(milli, ti_log(3.0) / ti_log(2.0));
}

tern_status ti_count_mb_fp32(uint64_t *milli, tern_err *err)
{
    (void)err;
    return give(milli, (double)(WEIGHTS * sizeof(float)) / MILLION);
}

tern_status ti_count_mb_int8(uint64_t *milli, tern_err *err)
{
    (void)err;
    return give(milli, (double)(WEIGHTS * sizeof(int8_t)) / MILLION);
}

tern_status ti_count_mb_packed(uint64_t *milli, tern_err *err)
{
    (void)err;
    uint32_t padded;
    return give(milli, (double)ti_pack_bytes(TI_L_T5, ROWS, COLUMNS, &padded) / MILLION);
}

tern_status ti_count_times_packed(uint64_t *milli, tern_err *err)
{
    (void)err;
    uint32_t padded;
    double bytes = (double)ti_pack_bytes(TI_L_T5, ROWS, COLUMNS, &padded);
    return give(milli, (double)ROWS * COLUMNS * sizeof(float) / bytes);
}

/* --- quotients and products of what is printed -------------------------------------------- */

tern_status ti_count_gpu_to_cpu(uint64_t *milli, tern_err *err)
{
    (void)err;
    return give(milli, 300.0 / 15.0);
}

tern_status ti_count_python_to_rust(uint64_t *milli, tern_err *err)
{
    (void)err;
    return give(milli, 100.0 / 3.0);
}

tern_status ti_count_product(uint64_t *milli, tern_err *err)
{
    (void)err;
    return give(milli, 10.0 * 15.0 * 3.0 * 25.0 * 2.0);
}

tern_status ti_count_cortex_mj(uint64_t *milli, tern_err *err)
{
    (void)err;
    return give(milli, 10.0 * 0.1); /* ms x W */
}

/* --- pairs -------------------------------------------------------------------------------- */

/* Causal pairs of n positions that the engine keeps on a torus of that side, radius 2; and the
 * keys of a query that has all its neighbours behind it. */
static tern_status engine_pairs(uint64_t *pairs, uint64_t *ball, uint32_t n, uint32_t side,
                                tern_err *err)
{
    ti_config c = {.n_ctx = n, .attn = {.torus_side = side, .torus_radius = 2}};
    ti_arena arena = {0};
    ti_pattern p;
    tern_status status = ti_pattern_build(&p, &c, TI_ATTN_TORUS, &arena, err);
    uint64_t kept = 0;
    for (uint32_t i = 0; status == TERN_OK && i < n; i++) {
        uint32_t list = i % p.n_lists;
        for (uint32_t at = p.first[list]; at < p.first[list + 1]; at++) {
            kept += p.offsets[at] <= i;
        }
    }
    if (status == TERN_OK) {
        *pairs = kept;
        *ball = p.most_keys;
    }
    ti_arena_free(&arena);
    return status;
}

static uint64_t wrapped(uint64_t a, uint64_t b, uint64_t side)
{
    uint64_t d = a > b ? a - b : b - a;
    return d < side - d ? d : side - d;
}

/* The same where positions share the places of a torus that is too small for them, by the
 * note's own formula.  The engine refuses such a file. */
static uint64_t shared_pairs(uint64_t n, uint64_t side)
{
    uint64_t kept = 0;
    for (uint64_t i = 0; i < n; i++) {
        for (uint64_t j = 0; j <= i; j++) {
            kept += wrapped(i % side, j % side, side) +
                        wrapped(i / side % side, j / side % side, side) <=
                    2;
        }
    }
    return kept;
}

static double causal(uint64_t n)
{
    uint64_t pairs = n * (n + 1) / 2;
    return (double)pairs;
}

tern_status ti_count_ball(uint64_t *milli, tern_err *err)
{
    uint64_t pairs, ball;
    TI_TRY(engine_pairs(&pairs, &ball, 1024, 32, err));
    return give(milli, (double)ball);
}

tern_status ti_count_all_pairs(uint64_t *milli, tern_err *err)
{
    (void)err;
    return give(milli, 1024.0 * 1024.0);
}

tern_status ti_count_ball_pairs(uint64_t *milli, tern_err *err)
{
    uint64_t pairs, ball;
    TI_TRY(engine_pairs(&pairs, &ball, 1024, 32, err));
    return give(milli, 1024.0 * (double)ball);
}

tern_status ti_count_fewer_side12(uint64_t *milli, tern_err *err)
{
    (void)err;
    return give(milli, causal(1024) / (double)shared_pairs(1024, 12));
}

tern_status ti_count_fewer_side32(uint64_t *milli, tern_err *err)
{
    uint64_t pairs, ball;
    TI_TRY(engine_pairs(&pairs, &ball, 1024, 32, err));
    return give(milli, causal(1024) / (double)pairs);
}

tern_status ti_count_growth_side12(uint64_t *milli, tern_err *err)
{
    (void)err;
    return give(milli, (double)shared_pairs(2048, 12) / (double)shared_pairs(1024, 12));
}

tern_status ti_count_growth_root(uint64_t *milli, tern_err *err)
{
    uint64_t twice, once, ball;
    TI_TRY(engine_pairs(&twice, &ball, 2048, 46, err));
    TI_TRY(engine_pairs(&once, &ball, 1024, 32, err));
    return give(milli, (double)twice / (double)once);
}

tern_status ti_count_fewer_512(uint64_t *milli, tern_err *err)
{
    (void)err;
    return give(milli, causal(512) / (double)shared_pairs(512, 12));
}

/* --- a whole token ------------------------------------------------------------------------ */

/* Multiply-adds of a token in the middle of its context: projections, feed-forward, head,
 * attention (a key and a value for each of the context / 2 positions behind it). */
typedef struct work {
    double projections, feed_forward, head, attention;
} work;

static work of_token(const shape *s)
{
    double w = (double)s->width, layers = (double)s->layers;
    return (work){.projections = 4 * w * w * layers,
                  .feed_forward = 2 * w * (double)s->hidden * layers,
                  .head = w * VOCABULARY,
                  .attention = 2 * w * (double)s->context / 2 * layers};
}

/* How many times fewer there are when a part of the feed-forward and of attention is left. */
static double fewer(const shape *s, double feed_forward, double attention)
{
    work k = of_token(s);
    double before = k.projections + k.feed_forward + k.head + k.attention;
    double after =
        k.projections + k.feed_forward * feed_forward + k.head + k.attention * attention;
    return before / after;
}

tern_status ti_count_token_torus(uint64_t *milli, tern_err *err)
{
    (void)err;
    double left = (double)shared_pairs(small.context, 12) / causal(small.context);
    return give(milli, fewer(&small, 1, left));
}

tern_status ti_count_token_sparse_small(uint64_t *milli, tern_err *err)
{
    (void)err;
    return give(milli, fewer(&small, 0.02, 1));
}

tern_status ti_count_token_sparse_large(uint64_t *milli, tern_err *err)
{
    (void)err;
    return give(milli, fewer(&large, 0.02, 1));
}

tern_status ti_count_token_both_large(uint64_t *milli, tern_err *err)
{
    uint64_t pairs, ball;
    TI_TRY(engine_pairs(&pairs, &ball, (uint32_t)large.context, 64, err));
    return give(milli, fewer(&large, 0.02, (double)pairs / causal(large.context)));
}

tern_status ti_count_attention_products(uint64_t *milli, tern_err *err)
{
    (void)err;
    return give(milli, of_token(&small).attention / 1000);
}
