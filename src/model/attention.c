/* SPDX-License-Identifier: Apache-2.0 */
/* Attention: queries and keys are turned, keys and values stored, and every query looks at
 * the keys up to its own.
 *
 * Rows that follow each other in a session are taken together, with all heads that share keys
 * and values: a group converts each key once for sixteen queries and needs no sum across the
 * lanes of a register (kern/vec/group.h).  A row that is alone, as in generation, is divided by
 * heads, so that all threads have work.  Both ways give the same bits. */
#include <string.h>

#include "model/forward.h"

static size_t kv_index(const ti_kv *kv, const ti_config *c, size_t layer, size_t head)
{
    return (layer * c->n_head_kv + head) * kv->n_ctx;
}

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

void ti_keys_and_values(const ti_worker *w, const ti_layer *layer, size_t l)
{
    const ti_config *c = &w->p->model->config;
    tern_batch *b = w->p->b;
    size_t heads = c->n_head + c->n_head_kv, d = c->head_dim;
    for (size_t t = w->id; t < w->p->m * heads; t += w->n) {
        size_t i = t / heads, h = t % heads;
        const ti_row *row = &w->p->rows[i];
        if (h < c->n_head) {
            turn(w, b->q + (i * c->n_head + h) * d, layer->q_norm, row);
            continue;
        }
        h -= c->n_head;
        const ti_kv *kv = &row->session->kv;
        float *k = b->k + (i * c->n_head_kv + h) * d;
        size_t index = kv_index(kv, c, l, h) + row->position;
        turn(w, k, layer->k_norm, row);
        store_kv(w, kv, kv->k, kv->k_scale, index, k);
        store_kv(w, kv, kv->v, kv->v_scale, index, b->v + (i * c->n_head_kv + h) * d);
    }
}

/* --- one query ---------------------------------------------------------------------------- */

/* Head h of row i. */
static void attend_alone(const ti_worker *w, size_t l, size_t i, size_t h)
{
    const ti_config *c = &w->p->model->config;
    const ti_kern *kern = w->p->kern;
    const ti_row *row = &w->p->rows[i];
    const ti_kv *kv = &row->session->kv;
    size_t d = c->head_dim, n = (size_t)row->position + 1, at = (i * c->n_head + h) * d;
    size_t index = kv_index(kv, c, l, h / (c->n_head / c->n_head_kv));
    ti_kv_view k = view(kv, kv->k, kv->k_scale, index), v = view(kv, kv->v, kv->v_scale, index);
    float scale = 1.0f / __builtin_sqrtf((float)d), *s = w->own->scores, *o = w->own->vector;
    const float *q = w->p->b->q + at;
    if (kv->type == TERN_KV_F16) {
        memcpy(o, q, d * sizeof *o);
        memset(o + d, 0, (kv->stride - d) * sizeof *o);
        kern->qk_f16(s, o, k, n, d, scale);
        kern->softmax(s, n);
        kern->pv_f16(o, s, v, n, d);
    } else {
        ti_act act = ti_act_view(&w->own->head, 1, d);
        kern->quant_token(&act, 0, q);
        kern->qk_i8(s, act.q, act.row_scale[0] * scale, k, n, d);
        kern->softmax(s, n);
        kern->pv_i8(o, s, v, n, d);
    }
    memcpy(w->p->b->o + at, o, d * sizeof *o);
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

void ti_attention_plan(tern_batch *b, const ti_row *rows, size_t n)
{
    /* A group costs as much as about five queries alone, however few it has (measured). */
    enum { WORTH = 6 };
    shape s = group_shape(&b->model->config);
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
    size_t d = c->head_dim, index = kv_index(kv, c, l, h / (c->n_head / c->n_head_kv));
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

void ti_attend(const ti_worker *w, size_t l, size_t counter)
{
    const ti_config *c = &w->p->model->config;
    const tern_batch *b = w->p->b;
    shape s = group_shape(c);
    size_t n = b->n_groups * c->n_head_kv * s.parts, task;
    for (size_t t = w->id; t < b->n_alone * c->n_head; t += w->n) {
        attend_alone(w, l, b->alone[t / c->n_head], t % c->n_head);
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
