/* SPDX-License-Identifier: Apache-2.0 */
/* Attention: queries and keys are turned, keys and values stored, and every query looks at
 * the keys up to its own.
 *
 * Rows that follow each other in a session are taken together, with all heads that share keys
 * and values: a group converts each key once for sixteen queries and needs no sum across the
 * lanes of a register (kern/vec/group.h).  A row that is alone, as in generation, is divided by
 * heads, so that all threads have work.  Both ways give the same bits.
 *
 * In a layer with a pattern every query has a list of the rows that it looks at: its work is
 * that list and nothing else, whatever came before.  The cache of such a layer is a ring, so
 * the rows of a pass go through it in steps, each stored before it is attended to. */
#include <string.h>

#include "model/forward.h"

static ti_kv_view view(const ti_kv *kv, const void *data, const float *scale, size_t index)
{
    size_t width = kv->type == TERN_KV_F16 ? sizeof(uint16_t) : sizeof(int8_t);
    return (ti_kv_view){.data = (const uint8_t *)data + index * kv->stride * width,
                        .scale = scale ? scale + index : NULL,
                        .stride = kv->stride};
}

/* --- keys and values ---------------------------------------------------------------------- */

/* Puts one head's key or value into the cache. */
static void store_kv(const ti_worker *w, const ti_kv *kv, void *data, float *scale,
                     size_t index, const float *v)
{
    size_t d = w->p->model->config.head_dim;
    if (kv->type == TERN_KV_F16) {
        w->p->kern->to_f16((uint16_t *)data + index * kv->stride, v, d);
        return;
    }
    ti_act act = ti_act_view(&w->own->head, 1, d);
    w->p->kern->quant_token(&act, 0, v);
    memcpy((int8_t *)data + index * kv->stride, act.q, d);
    scale[index] = act.row_scale[0];
}

/* Turns one head of a query or key: norm if the model has one, then rotation. */
static void turn(const ti_worker *w, float *head, const float *norm, const ti_row *row)
{
    const ti_config *c = &w->p->model->config;
    size_t half = c->rope_dim / 2;
    const ti_rope *rope = &row->session->rope;
    if (norm) {
        w->p->kern->rmsnorm(head, head, norm, c->head_dim, c->rms_eps);
    }
    w->p->kern->rope(head, rope->cosine + row->position * half,
                     rope->sine + row->position * half, c->rope_dim, c->rope_interleaved);
}

/* Query or key and value h of row i. */
static void prepare_head(const ti_worker *w, const ti_layer *layer, size_t l, size_t i,
                         size_t h)
{
    const ti_config *c = &w->p->model->config;
    tern_batch *b = w->p->b;
    size_t d = c->head_dim;
    const ti_row *row = &w->p->rows[i];
    if (h < c->n_head) {
        turn(w, b->q + (i * c->n_head + h) * d, layer->q_norm, row);
        return;
    }
    h -= c->n_head;
    const ti_kv *kv = &row->session->kv;
    float *k = b->k + (i * c->n_head_kv + h) * d;
    size_t index = ti_kv_index(kv, l, h) + ti_kv_row(&kv->layers[l], row->position);
    turn(w, k, layer->k_norm, row);
    store_kv(w, kv, kv->k, kv->k_scale, index, k);
    store_kv(w, kv, kv->v, kv->v_scale, index, b->v + (i * c->n_head_kv + h) * d);
}

static void keys_and_values(const ti_worker *w, const ti_layer *layer, size_t l)
{
    const ti_config *c = &w->p->model->config;
    size_t heads = c->n_head + c->n_head_kv;
    for (size_t t = w->id; t < w->p->m * heads; t += w->n) {
        prepare_head(w, layer, l, t / heads, t % heads);
    }
}

/* --- one query ---------------------------------------------------------------------------- */

/* Head h of row i: all keys up to its own, or the n that are listed. */
static void attend_alone(const ti_worker *w, size_t l, size_t i, size_t h, const uint32_t *keys,
                         size_t n)
{
    const ti_config *c = &w->p->model->config;
    const ti_kern *kern = w->p->kern;
    const ti_kv *kv = &w->p->rows[i].session->kv;
    size_t d = c->head_dim, at = (i * c->n_head + h) * d;
    size_t index = ti_kv_index(kv, l, h / (c->n_head / c->n_head_kv));
    ti_kv_view k = view(kv, kv->k, kv->k_scale, index), v = view(kv, kv->v, kv->v_scale, index);
    float scale = 1.0f / __builtin_sqrtf((float)d), *s = w->own->scores, *o = w->own->vector;
    const float *q = w->p->b->q + at;
    if (kv->type == TERN_KV_F16) {
        memcpy(o, q, d * sizeof *o);
        memset(o + d, 0, (kv->stride - d) * sizeof *o);
        keys ? kern->qk_list_f16(s, o, k, keys, n, d, scale)
             : kern->qk_f16(s, o, k, n, d, scale);
        kern->softmax(s, n);
        keys ? kern->pv_list_f16(o, s, v, keys, n, d) : kern->pv_f16(o, s, v, n, d);
    } else {
        ti_act act = ti_act_view(&w->own->head, 1, d);
        kern->quant_token(&act, 0, q);
        float by = act.row_scale[0] * scale;
        keys ? kern->qk_list_i8(s, act.q, by, k, keys, n, d)
             : kern->qk_i8(s, act.q, by, k, n, d);
        kern->softmax(s, n);
        keys ? kern->pv_list_i8(o, s, v, keys, n, d) : kern->pv_i8(o, s, v, n, d);
    }
    memcpy(w->p->b->o + at, o, d * sizeof *o);
}

/* --- patterns ----------------------------------------------------------------------------- */

/* Rows of the cache that the query at position p looks at, in rising order of their
 * positions.  Returns their number. */
static size_t list_keys(uint32_t *keys, const ti_pattern *pattern, const ti_kv_layer *layer,
                        uint32_t p)
{
    size_t n = 0;
    uint32_t sinks = p < pattern->sinks ? p + 1 : pattern->sinks;
    for (uint32_t j = 0; j < sinks; j++) {
        keys[n++] = j; /* sinks are not in the ring */
    }
    if (p < pattern->sinks) {
        return n;
    }
    uint32_t list = p % pattern->n_lists, behind = p - pattern->sinks;
    const uint32_t *o = pattern->offsets + pattern->first[list],
                   *end = pattern->offsets + pattern->first[list + 1];
    while (*o > behind) { /* the last is 0 */
        o++;
    }
    bool straight = p < layer->linear; /* no ring */
    uint32_t start = straight ? 0 : layer->linear;
    uint32_t at = straight ? p : (p - start) % layer->ring;
    for (; o < end; o++) {
        keys[n++] = start + (at >= *o ? at - *o : at + layer->ring - *o);
    }
    return n;
}

/* This thread's part of the rows of a step: whole rows, or the heads of a few. */
static void attend_listed(const ti_worker *w, size_t l, const uint32_t *rows, size_t n)
{
    const ti_config *c = &w->p->model->config;
    const ti_pattern *pattern = ti_pattern_of(w->p->model, l);
    size_t begin, end, listed = SIZE_MAX, n_keys = 0;
    ti_pool_share(n * c->n_head, 1, w->id, w->n, &begin, &end);
    for (size_t t = begin; t < end; t++) {
        size_t i = rows[t / c->n_head];
        const ti_row *row = &w->p->rows[i];
        if (i != listed) {
            const ti_kv_layer *layer = &row->session->kv.layers[l];
            n_keys = list_keys(w->own->keys, pattern, layer, row->position);
            listed = i;
        }
        attend_alone(w, l, i, t % c->n_head, w->own->keys, n_keys);
    }
}

static void attend_by_pattern(const ti_worker *w, const ti_layer *layer, size_t l)
{
    const ti_config *c = &w->p->model->config;
    const tern_batch *b = w->p->b;
    size_t heads = c->n_head + c->n_head_kv;
    for (size_t s = 0; s < b->n_steps; s++) {
        const uint32_t *rows = b->order + b->steps[s];
        size_t n = b->steps[s + 1] - b->steps[s];
        for (size_t t = w->id; t < n * heads; t += w->n) {
            prepare_head(w, layer, l, rows[t / heads], t % heads);
        }
        ti_pool_barrier(b->pool);
        attend_listed(w, l, rows, n);
        ti_pool_barrier(b->pool);
    }
}

/* --- groups ------------------------------------------------------------------------------- */

/* What a group is made of: `heads` of those that share keys and values, which are divided into
 * `parts` if they are too many, of up to `rows` rows. */
typedef struct shape {
    size_t share, heads, parts, rows;
} shape;

static shape group_shape(const ti_config *c)
{
    shape s = {.share = c->n_head / c->n_head_kv};
    s.parts = (s.share + TI_GROUP - 1) / TI_GROUP;
    s.heads = (s.share + s.parts - 1) / s.parts;
    s.parts = (s.share + s.heads - 1) / s.heads;
    s.rows = TI_GROUP / s.heads;
    return s;
}

/* Where the rows end that follow `first` in its session. */
static size_t run_end(const ti_row *rows, size_t first, size_t n)
{
    size_t end = first + 1;
    while (end < n && rows[end].session == rows[first].session) {
        end++;
    }
    return end;
}

/* Step s has the rows s * TI_KV_STEP and on of each session. */
static void plan_steps(tern_batch *b, const ti_row *rows, size_t n)
{
    uint32_t used = 0;
    b->n_steps = 0;
    for (size_t s = 0; used < n; s++) {
        b->steps[b->n_steps++] = used;
        for (size_t i = 0, end; i < n; i = end) {
            end = run_end(rows, i, n);
            size_t from = i + s * TI_KV_STEP;
            for (size_t r = from; r < end && r < from + TI_KV_STEP; r++) {
                b->order[used++] = (uint32_t)r;
            }
        }
    }
    b->steps[b->n_steps] = used;
}

void ti_attention_plan(tern_batch *b, const ti_row *rows, size_t n)
{
    /* A group costs as much as about five queries alone, however few it has (measured). */
    enum { WORTH = 6 };
    shape s = group_shape(&b->model->config);
    plan_steps(b, rows, n);
    b->n_groups = 0;
    b->n_alone = 0;
    for (size_t i = 0; i < n;) {
        size_t end = run_end(rows, i, n);
        bool single = end - i == 1;
        while (i < end) {
            size_t length = end - i < s.rows ? end - i : s.rows;
            if (!single && length * s.heads >= WORTH) {
                b->groups[b->n_groups++] = (ti_span){(uint32_t)i, (uint32_t)length};
                i += length;
            } else {
                b->alone[b->n_alone++] = (uint32_t)i++;
            }
        }
    }
}

/* `heads` heads from h on, of the rows of a span. */
static void attend_group(const ti_worker *w, size_t l, ti_span span, size_t h, size_t heads)
{
    const ti_config *c = &w->p->model->config;
    const ti_kern *kern = w->p->kern;
    const ti_kv *kv = &w->p->rows[span.first].session->kv;
    size_t d = c->head_dim, index = ti_kv_index(kv, l, h / (c->n_head / c->n_head_kv));
    ti_kv_view k = view(kv, kv->k, kv->k_scale, index), v = view(kv, kv->v, kv->v_scale, index);
    float scale = 1.0f / __builtin_sqrtf((float)d);
    ti_group g = {.m = span.n * heads, .d = d, .s = w->own->scores, .scratch = w->own->group};
    ti_act act = ti_act_view(&w->own->head, g.m, d);
    for (size_t i = 0; i < g.m; i++) {
        size_t row = span.first + i / heads, at = (row * c->n_head + h + i % heads) * d;
        g.n[i] = w->p->rows[row].position + 1;
        g.q[i] = w->p->b->q + at;
        g.o[i] = w->p->b->o + at;
        if (kv->type == TERN_KV_I8) {
            kern->quant_token(&act, i, g.q[i]);
            g.q8[i] = act.q + i * act.stride;
            g.qscale[i] = act.row_scale[i] * scale;
        }
    }
    if (kv->type == TERN_KV_F16) {
        kern->group_qk_f16(&g, k, scale);
        kern->group_softmax(&g);
        kern->group_pv_f16(&g, v);
    } else {
        kern->group_qk_i8(&g, k);
        kern->group_softmax(&g);
        kern->group_pv_i8(&g, v);
    }
}

static void attend_to_all(const ti_worker *w, size_t l, size_t counter)
{
    const ti_config *c = &w->p->model->config;
    const tern_batch *b = w->p->b;
    shape s = group_shape(c);
    size_t n = b->n_groups * c->n_head_kv * s.parts, task;
    for (size_t t = w->id; t < b->n_alone * c->n_head; t += w->n) {
        uint32_t row = b->alone[t / c->n_head];
        attend_alone(w, l, row, t % c->n_head, NULL, (size_t)w->p->rows[row].position + 1);
    }
    /* One head after the other, so that its keys and values stay in the cache; the rows that
     * see most first, so that no thread begins a long task when the others are done. */
    while (ti_take_piece(w, counter, n, &task)) {
        size_t part = task / b->n_groups, first = part % s.parts * s.heads;
        size_t heads = s.share - first < s.heads ? s.share - first : s.heads;
        attend_group(w, l, b->groups[b->n_groups - 1 - task % b->n_groups],
                     part / s.parts * s.share + first, heads);
    }
}

void ti_attend(const ti_worker *w, const ti_layer *layer, size_t l, size_t counter)
{
    if (ti_pattern_of(w->p->model, l)->first) {
        attend_by_pattern(w, layer, l);
        return;
    }
    keys_and_values(w, layer, l);
    ti_pool_barrier(w->p->b->pool);
    attend_to_all(w, l, counter);
    ti_pool_barrier(w->p->b->pool);
}
