/* SPDX-License-Identifier: Apache-2.0 */
/* The network in float64, once more and as simply as it can be said: model/arch.h has the
 * formulas.  All tokens of a text go through a layer together, so that a row of weights is
 * converted once for all of them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/detmath.h"
#include "model/verify_parts.h"

static const char module[] = "verify";

/* Everything is [n tokens][width]. */
typedef struct network {
    const ti_ref *ref;
    const ti_config *c;
    const tern_token *tokens;
    size_t n, q_dim, kv_dim;
    double *x;           /* residual stream */
    double *a, *rounded; /* input of matrices; the same in int8 steps */
    double *q, *k, *v, *o;
    double *gate, *up, *y;
    double *scores;    /* [n] */
    uint8_t *random;   /* [n_ctx] offsets of random patterns, or NULL */
    ti_row_room *room; /* [threads], for the widest row */
    uint64_t done, total;
} network;

/* --- small things ------------------------------------------------------------------------- */

static double square_root(double x)
{
    return x > 0.0 ? __builtin_sqrt(x) : 0.0;
}

static double nearest_even(double x)
{
    const double magic = 6755399441055744.0; /* 1.5 * 2^52: adding it leaves no fraction */
    volatile double sum = x + magic;
    return sum - magic;
}

static double to_half_and_back(double x)
{
    const double most = 65504.0;
    x = x > most ? most : x < -most ? -most : x;
    return (double)ti_f16_to_f32(ti_f32_to_f16((float)x));
}

static double magnitude(double x)
{
    return x < 0.0 ? -x : x;
}

/* Eight sums side by side, which compilers turn into vectors. */
static double dot(const float *w, const double *x, size_t n)
{
    enum { LANES = 8 };
    double s[LANES] = {0};
    size_t i = 0;
    for (; i + LANES <= n; i += LANES) {
        for (size_t l = 0; l < LANES; l++) {
            s[l] += (double)w[i + l] * x[i + l];
        }
    }
    for (; i < n; i++) {
        s[0] += (double)w[i] * x[i];
    }
    return ((s[0] + s[1]) + (s[2] + s[3])) + ((s[4] + s[5]) + (s[6] + s[7]));
}

/* --- weights ------------------------------------------------------------------------------ */

static tern_status find_rows(const network *net, const char *name, uint64_t k, uint64_t rows,
                             ti_rows *out, tern_err *err)
{
    const ti_gguf_tensor *t = ti_gguf_tensor_find(net->ref->gguf, name);
    if (!t || t->dims[0] != k || t->rows != rows) {
        return ti_fail(err, TERN_CORRUPT, module, TI_NO_OFFSET,
                       "tensor '%s' is missing or has another shape", name);
    }
    return ti_rows_open(out, net->ref->gguf, t, err);
}

static void layer_name(char name[64], size_t layer, const char *part)
{
    snprintf(name, 64, "blk.%zu.%s.weight", layer, part);
}

/* y[i] = x[i] / rms(x[i]) * w, for vectors of k numbers. */
static tern_status norm(network *net, double *y, const double *x, size_t vectors, size_t k,
                        const char *name, tern_err *err)
{
    ti_rows w;
    TI_TRY(find_rows(net, name, k, 1, &w, err));
    ti_rows_get(&w, 0, &net->room[0]);
    const float *weight = net->room[0].values;
    for (size_t i = 0; i < vectors; i++, x += k, y += k) {
        double sum = 0.0;
        for (size_t c = 0; c < k; c++) {
            sum += x[c] * x[c];
        }
        double scale = 1.0 / square_root(sum / (double)k + (double)net->c->rms_eps);
        for (size_t c = 0; c < k; c++) {
            y[c] = x[c] * scale * (double)weight[c];
        }
    }
    return TERN_OK;
}

static bool has_sub_norm(const network *net, const char *name)
{
    return net->c->sub_norms &&
           (!net->c->may_lack_norms || ti_gguf_tensor_find(net->ref->gguf, name));
}

/* As ti_kern.quant_token has it: 127 steps to the largest magnitude of each vector. */
static void round_inputs(network *net, const double *x, size_t k)
{
    const double steps = 127.0, smallest = 0x1p-120;
    double *r = net->rounded;
    for (size_t i = 0; i < net->n; i++, x += k, r += k) {
        double most = 0.0;
        for (size_t c = 0; c < k; c++) {
            most = magnitude(x[c]) > most ? magnitude(x[c]) : most;
        }
        for (size_t c = 0; c < k; c++) {
            r[c] = most < smallest ? 0.0 : nearest_even(x[c] * (steps / most)) * (most / steps);
        }
    }
}

typedef struct product {
    const network *net;
    const ti_rows *rows;
    const double *x;
    double *y;
    size_t n;
} product;

static void multiply_share(void *ctx, uint32_t id, uint32_t threads)
{
    const product *p = ctx;
    ti_row_room *room = &p->net->room[id];
    size_t k = (size_t)p->rows->tensor->dims[0], rows = (size_t)p->rows->tensor->rows;
    for (size_t r = id; r < rows; r += threads) {
        ti_rows_get(p->rows, r, room);
        for (size_t i = 0; i < p->n; i++) {
            p->y[i * rows + r] = dot(room->values, p->x + i * k, k);
        }
    }
}

/* y = W x; net->rounded are the same inputs in steps. */
static tern_status multiply(network *net, double *y, const double *x, size_t k, size_t rows,
                            const char *name, tern_err *err)
{
    ti_rows w;
    TI_TRY(find_rows(net, name, k, rows, &w, err));
    product p = {net, &w, w.ternary ? net->rounded : x, y, net->n};
    ti_pool_run(net->ref->pool, multiply_share, &p);
    net->done += (uint64_t)k * rows;
    return ti_verify_step(net->ref->opts, net->ref->phase, net->done, net->total, err);
}

/* The same for a matrix of a layer. */
static tern_status multiply_in(network *net, double *y, const double *x, size_t k, size_t rows,
                               size_t layer, const char *part, tern_err *err)
{
    char name[64];
    layer_name(name, layer, part);
    return multiply(net, y, x, k, rows, name, err);
}

static void add_to_stream(network *net)
{
    for (size_t i = 0; i < net->n * net->c->n_embd; i++) {
        net->x[i] += net->y[i];
    }
}

/* --- attention ---------------------------------------------------------------------------- */

/* Turns the leading rope_dim numbers of each head by angles that grow with the position. */
static tern_status rotate(network *net, double *v, size_t heads, tern_err *err)
{
    const ti_config *c = net->c;
    const ti_gguf *gguf = net->ref->gguf;
    size_t half = c->rope_dim / 2;
    const float *factors = NULL;
    if (ti_gguf_tensor_find(gguf, "rope_freqs.weight")) {
        ti_rows rows;
        TI_TRY(find_rows(net, "rope_freqs.weight", half, 1, &rows, err));
        ti_rows_get(&rows, 0, &net->room[0]);
        factors = net->room[0].values;
    }
    for (size_t j = 0; j < half; j++) {
        double frequency =
            ti_exp(-(double)(2 * j) / (double)c->rope_dim * ti_log((double)c->rope_base));
        frequency /= factors ? (double)factors[j] : 1.0;
        size_t first = c->rope_interleaved ? 2 * j : j;
        size_t second = c->rope_interleaved ? 2 * j + 1 : j + half;
        for (size_t i = 0; i < net->n; i++) {
            double sine, cosine;
            ti_sincos((double)i * frequency, &sine, &cosine);
            for (size_t h = 0; h < heads; h++) {
                double *head = v + (i * heads + h) * c->head_dim;
                double a = head[first], b = head[second];
                head[first] = a * cosine - b * sine;
                head[second] = a * sine + b * cosine;
            }
        }
    }
    return TERN_OK;
}

static void attend(network *net, size_t layer, size_t i, size_t h)
{
    const ti_config *c = net->c;
    size_t d = c->head_dim, kv = h / (c->n_head / c->n_head_kv) * d;
    const double *q = net->q + i * net->q_dim + h * d;
    double *o = net->o + i * net->q_dim + h * d, *s = net->scores, most = 0.0, sum = 0.0;
    const double unseen = -1e300;
    bool first = true;
    for (size_t j = 0; j <= i; j++) {
        s[j] = 0.0;
        for (size_t e = 0; e < d; e++) {
            s[j] += q[e] * net->k[j * net->kv_dim + kv + e];
        }
        s[j] /= square_root((double)d);
        bool seen = ti_ref_sees(c, layer, net->random, i, j);
        s[j] = seen ? s[j] : unseen;
        most = seen && (first || s[j] > most) ? s[j] : most;
        first = first && !seen;
    }
    for (size_t j = 0; j <= i; j++) {
        s[j] = s[j] > unseen ? ti_exp(s[j] - most) : 0.0;
        sum += s[j];
    }
    memset(o, 0, d * sizeof *o);
    for (size_t j = 0; j <= i; j++) {
        for (size_t e = 0; e < d; e++) {
            o[e] += s[j] / sum * net->v[j * net->kv_dim + kv + e];
        }
    }
}

static tern_status attention(network *net, size_t layer, tern_err *err)
{
    const ti_config *c = net->c;
    size_t n_embd = c->n_embd;
    char name[64];
    layer_name(name, layer, "attn_norm");
    TI_TRY(norm(net, net->a, net->x, net->n, n_embd, name, err));
    round_inputs(net, net->a, n_embd);
    TI_TRY(multiply_in(net, net->q, net->a, n_embd, net->q_dim, layer, "attn_q", err));
    TI_TRY(multiply_in(net, net->k, net->a, n_embd, net->kv_dim, layer, "attn_k", err));
    TI_TRY(multiply_in(net, net->v, net->a, n_embd, net->kv_dim, layer, "attn_v", err));
    if (c->qk_norms) {
        layer_name(name, layer, "attn_q_norm");
        TI_TRY(norm(net, net->q, net->q, net->n * c->n_head, c->head_dim, name, err));
        layer_name(name, layer, "attn_k_norm");
        TI_TRY(norm(net, net->k, net->k, net->n * c->n_head_kv, c->head_dim, name, err));
    }
    TI_TRY(rotate(net, net->q, c->n_head, err));
    TI_TRY(rotate(net, net->k, c->n_head_kv, err));
    for (size_t i = 0; i < net->n * net->kv_dim; i++) {
        net->k[i] = to_half_and_back(net->k[i]);
        net->v[i] = to_half_and_back(net->v[i]);
    }
    for (size_t i = 0; i < net->n; i++) {
        for (size_t h = 0; h < c->n_head; h++) {
            attend(net, layer, i, h);
        }
    }
    layer_name(name, layer, "attn_sub_norm");
    if (has_sub_norm(net, name)) {
        TI_TRY(norm(net, net->o, net->o, net->n, net->q_dim, name, err));
    }
    round_inputs(net, net->o, net->q_dim);
    TI_TRY(multiply_in(net, net->y, net->o, net->q_dim, n_embd, layer, "attn_output", err));
    add_to_stream(net);
    return TERN_OK;
}

/* --- the rest ----------------------------------------------------------------------------- */

static tern_status feed_forward(network *net, size_t layer, tern_err *err)
{
    const ti_config *c = net->c;
    bool relu2 = c->relu2 != net->ref->other_activation;
    char name[64];
    layer_name(name, layer, "ffn_norm");
    TI_TRY(norm(net, net->a, net->x, net->n, c->n_embd, name, err));
    round_inputs(net, net->a, c->n_embd);
    TI_TRY(multiply_in(net, net->gate, net->a, c->n_embd, c->n_ff, layer, "ffn_gate", err));
    TI_TRY(multiply_in(net, net->up, net->a, c->n_embd, c->n_ff, layer, "ffn_up", err));
    for (size_t i = 0; i < net->n * c->n_ff; i++) {
        double g = net->gate[i];
        net->gate[i] = relu2 ? (g > 0.0 ? g * g : 0.0) : g / (1.0 + ti_exp(-g));
    }
    for (size_t i = 0; i < net->n && c->top_k > 0; i++) {
        TI_TRY(ti_ref_keep_largest(net->gate + i * c->n_ff, c->n_ff, c->top_k, err));
    }
    for (size_t i = 0; i < net->n * c->n_ff; i++) {
        net->gate[i] *= net->up[i];
    }
    layer_name(name, layer, "ffn_sub_norm");
    if (has_sub_norm(net, name)) {
        TI_TRY(norm(net, net->gate, net->gate, net->n, c->n_ff, name, err));
    }
    round_inputs(net, net->gate, c->n_ff);
    TI_TRY(multiply_in(net, net->y, net->gate, c->n_ff, c->n_embd, layer, "ffn_down", err));
    add_to_stream(net);
    return TERN_OK;
}

static tern_status through(network *net, double *logits, tern_err *err)
{
    const ti_config *c = net->c;
    ti_rows embedding;
    TI_TRY(find_rows(net, "token_embd.weight", c->n_embd, c->n_vocab, &embedding, err));
    for (size_t i = 0; i < net->n; i++) {
        ti_rows_get(&embedding, (uint64_t)net->tokens[i], &net->room[0]);
        for (size_t j = 0; j < c->n_embd; j++) {
            double off = j % 2 ? net->ref->disturbance : -net->ref->disturbance;
            net->x[i * c->n_embd + j] = (double)net->room[0].values[j] * (1.0 + off);
        }
    }
    for (size_t layer = 0; layer < c->n_layer; layer++) {
        TI_TRY(attention(net, layer, err));
        TI_TRY(feed_forward(net, layer, err));
    }
    TI_TRY(norm(net, net->a, net->x, net->n, c->n_embd, "output_norm.weight", err));
    round_inputs(net, net->a, c->n_embd);
    bool own = ti_gguf_tensor_find(net->ref->gguf, "output.weight") != NULL;
    return multiply(net, logits, net->a, c->n_embd, c->n_vocab,
                    own ? "output.weight" : "token_embd.weight", err);
}

static double *vectors(ti_arena *arena, size_t n, size_t width)
{
    size_t all;
    return ti_mul_size(n, width, &all) ? ti_arena_calloc(arena, all, sizeof(double)) : NULL;
}

static bool make_room(network *net, ti_arena *arena)
{
    const ti_config *c = net->c;
    size_t n = net->n, widest = net->q_dim > c->n_ff ? net->q_dim : c->n_ff;
    widest = widest > c->n_embd ? widest : c->n_embd;
    net->x = vectors(arena, n, c->n_embd);
    net->a = vectors(arena, n, c->n_embd);
    net->y = vectors(arena, n, c->n_embd);
    net->rounded = vectors(arena, n, widest);
    net->q = vectors(arena, n, net->q_dim);
    net->o = vectors(arena, n, net->q_dim);
    net->k = vectors(arena, n, net->kv_dim);
    net->v = vectors(arena, n, net->kv_dim);
    net->gate = vectors(arena, n, c->n_ff);
    net->up = vectors(arena, n, c->n_ff);
    net->scores = vectors(arena, n, 1);
    for (uint32_t l = 0; l < c->n_layer && !net->random; l++) {
        if (c->attn.kind[l] == TI_ATTN_RANDOM) {
            net->random = ti_arena_alloc(arena, c->n_ctx);
            if (!net->random) {
                return false;
            }
            ti_ref_random_offsets(c, net->random);
        }
    }
    uint32_t threads = ti_pool_threads(net->ref->pool);
    net->room = ti_calloc(threads, sizeof *net->room);
    bool good = net->x && net->a && net->y && net->rounded && net->q && net->o && net->k &&
                net->v && net->gate && net->up && net->scores && net->room;
    for (uint32_t t = 0; good && t < threads; t++) {
        good = ti_row_room_new(&net->room[t], widest);
    }
    return good;
}

tern_status ti_ref_logits(double *logits, const ti_ref *ref, const tern_token *tokens, size_t n,
                          tern_err *err)
{
    const ti_config *c = ref->config;
    ti_arena arena = {0};
    network net = {.ref = ref,
                   .c = c,
                   .tokens = tokens,
                   .n = n,
                   .q_dim = (size_t)c->n_head * c->head_dim,
                   .kv_dim = (size_t)c->n_head_kv * c->head_dim};
    uint64_t per_layer = (2 * (uint64_t)net.q_dim + 2 * net.kv_dim + 3 * (uint64_t)c->n_ff);
    net.total = c->n_embd * (per_layer * c->n_layer + c->n_vocab);
    tern_status status =
        make_room(&net, &arena)
            ? through(&net, logits, err)
            : ti_fail_nomem(err, module, n * c->n_ff * sizeof(double), "the reference");
    for (uint32_t t = 0; net.room && t < ti_pool_threads(ref->pool); t++) {
        ti_row_room_free(&net.room[t]);
    }
    free(net.room);
    ti_arena_free(&arena);
    return status;
}
