/* SPDX-License-Identifier: Apache-2.0 */
/* kern/kern.h - the contracts of all kernels.
 *
 * A kernel set (ti_kern) is a table of functions for one level of CPU.  Every entry of every
 * set returns the same bits; what they are is said here, once:
 *
 *  - Integer dot products are exact, in any order: no intermediate result may wrap.
 *  - A float32 sum over n terms has one order: sixteen partial sums, term i added to partial
 *    sum i % 16 in rising i, then a tree: s[l] += s[l+8], then +4, +2, +1.  Vectors are padded
 *    with zeros to a multiple of 16 and the padding is summed like the rest.
 *  - A float32 sum over the 32-column blocks of a row is sequential.
 *  - Multiplication and addition are separate roundings (no fused multiply-add); no libm.
 *
 * Pointers need no alignment beyond their type's unless it is said.  Buffers do not overlap
 * unless it is said.  Sizes are what the caller guarantees: kernels do not check.  No kernel
 * keeps state; all are safe on any number of threads. */
#ifndef TI_KERN_KERN_H
#define TI_KERN_KERN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Columns are padded to this in activations, so that every kernel reads whole vectors. */
enum { TI_K_PAD = 256, TI_BLOCK = 32, TI_LANES = 16, TI_PANEL = 16 };

/* --- operands --------------------------------------------------------------------------- */

/* How the weights of a matrix lie in memory (kern/pack.h has the byte tables). */
typedef enum ti_layout {
    TI_L_F32 = 0, /* rows of float32, padded to 16 columns */
    TI_L_F16,     /* rows of IEEE half, padded to 16 */
    TI_L_BF16,    /* rows of bfloat16, padded to 16 */
    TI_L_T2,      /* ternary, 2 bits, row by row */
    TI_L_T5,      /* ternary, three rows in 5 bits */
    TI_L_G2,      /* 2-bit codes with a scale for 64 columns, 16 rows interleaved */
    TI_L_G4,      /* 4-bit, scale for 32 columns, 16 rows interleaved */
    TI_L_G4M,     /* 4-bit, scale and minimum for 32 */
    TI_L_G8,      /* 8-bit, scale for 32 */
    TI_L_K4,      /* 4-bit, 6-bit scales and minima under two halves for 256 */
    TI_L_K6,      /* 6-bit, 8-bit scales for 16 under one half for 256 */
    TI_L_COUNT
} ti_layout;

/* What the other operand must be. */
typedef enum ti_act_kind {
    TI_ACT_F32 = 0, /* float32 as they are: F32, F16, BF16 */
    TI_ACT_TOKEN,   /* int8 with one scale a row: all ternary layouts (T2, T5, G2) */
    TI_ACT_BLOCK    /* int8 with one scale for 32 columns: G4, G4M, G8, K4, K6 */
} ti_act_kind;

/* A weight matrix, [rows][k], packed. */
typedef struct ti_mat {
    ti_layout layout;
    uint32_t rows, k;
    uint32_t kp;         /* k padded as the layout demands */
    const void *data;    /* on a 64-byte boundary, except F32/F16/BF16 */
    const float *scales; /* [rows], T2 and T5 only */
    uint64_t bytes;      /* of data and scales */
} ti_mat;

/* Input vectors for a matrix product: m of them, of k columns. */
typedef struct ti_act {
    size_t m;           /* rows in use */
    size_t k;           /* columns in use */
    size_t stride;      /* of f, in floats, and of q, in bytes; multiple of TI_K_PAD */
    float *f;           /* [m][stride] float32, zero from k on (TI_ACT_F32) */
    int8_t *q;          /* [m rounded up to 16][stride], zero from k on; in -127..127 */
    float *row_scale;   /* [m] (TI_ACT_TOKEN) */
    int32_t *row_sum;   /* [m] sum of q (TI_ACT_TOKEN) */
    float *block_scale; /* [m][stride / 32]; with TI_ACT_TOKEN all equal to row_scale */
    int32_t *half_sum;  /* [m][stride / 16] sums of q over 16 columns */
} ti_act;

/* Keys or values of one attention head, rows of d numbers padded with zeros to `stride`. */
typedef struct ti_kv_view {
    const void *data;   /* uint16_t halves, or int8_t */
    const float *scale; /* [n] for int8, else NULL */
    size_t stride;      /* numbers from one row to the next, multiple of 16 */
} ti_kv_view;

/* Queries that look at the same keys and values at once: of neighbours in a text, and of heads
 * that share them.  What comes out for one of them does not depend on the others. */
enum { TI_GROUP = 16 };

typedef struct ti_group {
    size_t m, d;                /* queries, 1 .. TI_GROUP, and numbers of each */
    uint32_t n[TI_GROUP];       /* [m] keys that each sees: >= 1, rising, < 2^31 */
    const float *q[TI_GROUP];   /* [m] queries, not padded; or */
    const int8_t *q8[TI_GROUP]; /* [m] queries as int8, d <= 1024, and */
    float qscale[TI_GROUP];     /* [m] what scores are multiplied by */
    float *o[TI_GROUP];         /* [m] results, not padded */
    float *s;                   /* [n[m - 1] rounded up to 16][TI_GROUP] scores, weights */
    float *scratch;             /* ti_group_scratch(d) floats, on a 64-byte boundary */
} ti_group;

/* How many floats of scratch a group needs. */
static inline size_t ti_group_scratch(size_t d)
{
    return 2 * (size_t)TI_GROUP * ((d + TI_LANES - 1) / TI_LANES * TI_LANES);
}

/* --- the table --------------------------------------------------------------------------- */

/* y[i * ldy + r] = sum over c of W[r][c] * x[i][c], for rows r0 <= r < r1 and all i < x->m.
 *   r0       multiple of ti_layout_grain(); r1 too, or w->rows
 *   scratch  ti_matmul_scratch() bytes, on a 64-byte boundary, one for each thread
 *
 * T2, T5   y = (float)I * (w.scales[r] * x.row_scale[i]),  I = sum of (code - 1) * q, exact
 * G2       acc = acc + (d * xs) * (float)I  for each 32 columns; I = sum (code-1) q
 * G4       the same, I = sum (code - 8) * q
 * G8       the same, I = sum (code - 128) * q
 * K6       the same with I = sc0 * I0 + sc1 * I1 over the two halves, I = sum (code - 32) q
 * G4M      acc = (acc + (d * xs) * (float)I) + m * (xs * (float)sum q), I = sum code * q
 * K4       acc = (acc + ((d*sc) * xs) * (float)I) - (dmin*mn) * (xs * (float)sum q)
 *          with d, dmin, m as float32 of the stored half, xs = x.block_scale
 * F32...   the float32 sum of W[r][c] * x.f[c] over the padded columns */
typedef void (*ti_matmul_fn)(float *y, size_t ldy, const ti_mat *w, const ti_act *x, size_t r0,
                             size_t r1, void *scratch);

/* Decides kernel levels, in rising order on each architecture. */
typedef enum ti_isa {
    TI_ISA_SCALAR = 0,
    TI_ISA_AVX2,    /* + FMA-free use of F16C */
    TI_ISA_AVXVNNI, /* 256-bit dot products */
    TI_ISA_AVX512,  /* F, BW, VL, DQ, VBMI, VNNI (Ice Lake, Zen 4 and later) */
    TI_ISA_AMX,     /* AVX512 and int8 tiles */
    TI_ISA_NEON,    /* ARMv8.0 */
    TI_ISA_DOTPROD, /* ARMv8.2 dot product */
    TI_ISA_COUNT
} ti_isa;

typedef struct ti_kern {
    const char *name; /* as in TERN_CPU */
    ti_isa isa;
    ti_layout ternary; /* the layout that is faster here: TI_L_T2 or TI_L_T5 */

    ti_matmul_fn matmul[TI_L_COUNT];

    /* Row `i` of x from float32: x->q (padding zeroed), row_scale, row_sum, block_scale and
     * half_sum.  scale = max|f| / 127 and q = f * (127 / max|f|) rounded half to even; scale
     * and q are 0 when max|f| < 2^-120; q is 0 and scale NaN when it is over 2^120 or NaN. */
    void (*quant_token)(ti_act *x, size_t i, const float *f);

    /* The same for each block of 32 columns: scale, q, half_sum. */
    void (*quant_block)(ti_act *x, size_t i, const float *f);

    /* The same with 16 bits, as two rows: v = f * (32384 / max|f|) rounded half to even is
     * 254 * high + low with both in -127..127; row 2i is `high` with scale 254 * s, row 2i + 1
     * `low` with scale s = max|f| / 32384.  The sum of the two rows' products is the product.
     */
    void (*quant_block16)(ti_act *x, size_t i, const float *f);

    /* y[c] = (x[c] * s) * w[c], s = 1 / sqrt(sum(x^2) / n + eps).  y may be x.  n >= 1; x, w
     * are not padded: the tail is summed as if it were followed by zeros. */
    void (*rmsnorm)(float *y, const float *x, const float *w, size_t n, float eps);

    /* x += y */
    void (*add)(float *x, const float *y, size_t n);

    /* g = relu(g)^2 * u, with +0 wherever g <= 0. */
    void (*relu2_mul)(float *g, const float *u, size_t n);

    /* g = g / (1 + exp(-g)) * u */
    void (*silu_mul)(float *g, const float *u, size_t n);

    /* The same in two steps, for networks that keep only some of the gates: g = relu(g)^2 or
     * g / (1 + exp(-g)), then u = a * u with +0 wherever a is 0.  The product has the bits that
     * relu2_mul and silu_mul give. */
    void (*relu2)(float *g, size_t n);
    void (*silu)(float *g, size_t n);
    void (*gate)(float *u, const float *a, size_t n);

    /* Lists the indices, rising, of the k elements of largest magnitude (1 <= k <= n) that are
     * not zero; of equal ones the first.  Returns how many there are: k, or fewer if fewer are
     * not zero.  A NaN is larger than any number.  `list` has room for n + 1. */
    size_t (*top_k)(uint32_t *list, const float *a, size_t n, size_t k);

    /* In place: x = exp(x - max x) / sum, and 0 for all elements when n is 0. */
    void (*softmax)(float *x, size_t n);

    /* Rotary embedding of one head: pairs (x[2i], x[2i+1]) when `interleaved`, else
     * (x[i], x[i + n/2]), i < n/2, by the angle with cosine c[i] and sine s[i]:
     * (a*c - b*s, a*s + b*c). */
    void (*rope)(float *x, const float *c, const float *s, size_t n, bool interleaved);

    /* out[c] = half of x[c], rounded to nearest even, saturating at +-65504. */
    void (*to_f16)(uint16_t *out, const float *x, size_t n);

    /* Attention scores: s[j] = (sum over c of q[c] * k[j][c]) * scale, j < n.
     *   q  [d padded to 16 with zeros] */
    void (*qk_f16)(float *s, const float *q, ti_kv_view k, size_t n, size_t d, float scale);

    /* The same with int8: s[j] = (float)(q . k[j]) * (qscale * k.scale[j]); q is int8. */
    void (*qk_i8)(float *s, const int8_t *q, float qscale, ti_kv_view k, size_t n, size_t d);

    /* Mixes values: o[c] = sum over j of p[j] * v[j][c], sequential in j, c < d padded to 16;
     * int8: of (p[j] * v.scale[j]) * (float)v[j][c]. */
    void (*pv_f16)(float *o, const float *p, ti_kv_view v, size_t n, size_t d);
    void (*pv_i8)(float *o, const float *p, ti_kv_view v, size_t n, size_t d);

    /* The same for listed rows of keys and values: row rows[j] in place of row j. */
    void (*qk_list_f16)(float *s, const float *q, ti_kv_view k, const uint32_t *rows, size_t n,
                        size_t d, float scale);
    void (*qk_list_i8)(float *s, const int8_t *q, float qscale, ti_kv_view k,
                       const uint32_t *rows, size_t n, size_t d);
    void (*pv_list_f16)(float *o, const float *p, ti_kv_view v, const uint32_t *rows, size_t n,
                        size_t d);
    void (*pv_list_i8)(float *o, const float *p, ti_kv_view v, const uint32_t *rows, size_t n,
                       size_t d);

    /* The three steps for the queries of a group.  The score or weight of query i and key
     * j < g->n[i] is g->s[j * TI_GROUP + i]; the rest of g->s is for the kernels. */
    void (*group_qk_f16)(const ti_group *g, ti_kv_view k, float scale);
    void (*group_qk_i8)(const ti_group *g, ti_kv_view k);
    void (*group_softmax)(const ti_group *g);
    void (*group_pv_f16)(const ti_group *g, ti_kv_view v);
    void (*group_pv_i8)(const ti_group *g, ti_kv_view v);

    /* Exact sparsity: T2 rows r of the list only, y as matmul; one input vector (x->m == 1). */
    void (*t2_rows)(float *y, const ti_mat *w, const ti_act *x, const uint32_t *rows, size_t n);

    /* Exact sparsity: acc[r] += sum over listed columns c of (code - 1) * x->q[c], r0 <= r <
     * r1, from a matrix that was packed transposed (T2 of the transpose: its row c is column
     * c). One input vector.  r0, r1 are multiples of 256; acc has wt->kp elements, of which
     * those from wt->k on are not meaningful. */
    void (*t2_cols)(int32_t *acc, const ti_mat *wt, const int8_t *q, const uint32_t *cols,
                    size_t n, size_t r0, size_t r1);
} ti_kern;

/* Returns the set of a level, or NULL when this build or this CPU has it not. */
const ti_kern *ti_kern_get(ti_isa isa);

/* Returns the set with that name if the CPU has it.  NULL = the environment's TERN_CPU, or the
 * set that the measured policy prefers (kern/table.c says why).  Returns NULL when there is no
 * such set, or it is not for this CPU. */
const ti_kern *ti_kern_select(const char *name);

/* Returns a comma-separated list of the names that this CPU has.  Static. */
const char *ti_kern_names(void);

/* Returns a space-separated list of the CPU features that matter here and are present.
 * Static. */
const char *ti_cpu_features(void);

/* Input kind, row grain and name of a layout. */
ti_act_kind ti_layout_act(ti_layout layout);
size_t ti_layout_grain(ti_layout layout);
const char *ti_layout_name(ti_layout layout);

/* Scratch of one thread for products of m input vectors with up to kp columns. */
size_t ti_matmul_scratch(size_t m, size_t kp);

/* The sets, for table.c. */
void ti_kern_init_scalar(ti_kern *k);
#if defined(__x86_64__)
void ti_kern_init_avx2(ti_kern *k);
void ti_kern_init_avxvnni(ti_kern *k);
void ti_kern_init_avx512(ti_kern *k);
void ti_kern_init_amx(ti_kern *k);
#elif defined(__aarch64__)
void ti_kern_init_neon(ti_kern *k);
void ti_kern_init_dotprod(ti_kern *k);
#endif

#endif
