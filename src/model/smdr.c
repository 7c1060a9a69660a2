/* SPDX-License-Identifier: Apache-2.0 */
/* Reading the keys of `smdr`.  A key that says what cannot be, or that is missing where a block
 * needs it, is an error with its name; a key that no block needs is not looked at. */
#include "model/smdr.h"

#include <stdio.h>
#include <string.h>

static const char module[] = "model";

#define KEY(name) "smdr." name

static const char *const kind_names[TI_ATTN_KINDS] = {"full", "torus", "window", "strided",
                                                      "random"};

const char *ti_attn_kind_name(ti_attn_kind kind)
{
    return kind_names[kind];
}

static bool is_text(ti_str s, const char *text)
{
    return s.len == strlen(text) && memcmp(s.data, text, s.len) == 0;
}

/* Length of a text for a message. */
static int some_of(ti_str s)
{
    return (int)(s.len < 64 ? s.len : 64);
}

/* The kinds of the blocks; *used has a bit for each kind that occurs. */
static tern_status read_kinds(ti_config *c, const ti_gguf *gguf, unsigned *used, tern_err *err)
{
    static const char key[] = KEY("attention.kinds");
    const ti_gguf_kv *kv = ti_gguf_find(gguf, key);
    *used = 1u << TI_ATTN_FULL;
    if (!kv) {
        return TERN_OK;
    }
    if (!ti_gguf_is_str_array(kv)) {
        return ti_fail(err, TERN_CORRUPT, module, TI_NO_OFFSET,
                       "key '%s' is not an array of strings", key);
    }
    if (kv->n != c->n_layer) {
        return ti_fail(err, TERN_CORRUPT, module, TI_NO_OFFSET,
                       "key '%s' has %llu kinds for %u blocks", key, (unsigned long long)kv->n,
                       c->n_layer);
    }
    uint64_t cursor = 0;
    ti_str name;
    *used = 0;
    for (uint32_t i = 0; ti_gguf_next_str(kv, &cursor, &name); i++) {
        unsigned kind = 0;
        while (kind < TI_ATTN_KINDS && !is_text(name, kind_names[kind])) {
            kind++;
        }
        if (kind == TI_ATTN_KINDS) {
            return ti_fail(err, TERN_UNSUPPORTED, module, TI_NO_OFFSET,
                           "key '%s': block %u has the unknown kind '%.*s' (full, torus, "
                           "window, strided, random are known)",
                           key, i, some_of(name), name.data);
        }
        c->attn.kind[i] = (uint8_t)kind;
        *used |= 1u << kind;
    }
    return TERN_OK;
}

/* A number of at least `min` and at most `max`. */
static tern_status get(const ti_gguf *gguf, const char *key, bool required, uint32_t min,
                       uint32_t max, uint32_t *out, tern_err *err)
{
    uint32_t value = *out;
    TI_TRY(ti_gguf_get_u32(gguf, key, required, &value, err));
    if (ti_gguf_find(gguf, key) && (value < min || value > max)) {
        return ti_fail(err, TERN_CORRUPT, module, TI_NO_OFFSET,
                       "key '%s' is %u, must be %u to %u", key, value, min, max);
    }
    *out = value;
    return TERN_OK;
}

static tern_status read_torus(ti_config *c, const ti_gguf *gguf, tern_err *err)
{
    static const char side_key[] = KEY("attention.torus_side"),
                      radius_key[] = KEY("attention.torus_radius");
    ti_attn *a = &c->attn;
    TI_TRY(get(gguf, side_key, true, 3, TI_MAX_TORUS_SIDE, &a->torus_side, err));
    uint64_t cells = (uint64_t)a->torus_side * a->torus_side;
    if (cells < c->n_ctx) {
        return ti_fail(
            err, TERN_CORRUPT, module, TI_NO_OFFSET,
            "key '%s' is %u: a torus of %llu places is too small for a context of %u", side_key,
            a->torus_side, (unsigned long long)cells, c->n_ctx);
    }
    TI_TRY(get(gguf, radius_key, true, 1, TI_MAX_TORUS_SIDE, &a->torus_radius, err));
    if (2 * (uint64_t)a->torus_radius + 1 > a->torus_side) {
        return ti_fail(err, TERN_CORRUPT, module, TI_NO_OFFSET,
                       "key '%s' is %u: a neighbourhood of %u meets itself on a torus of side "
                       "%u",
                       radius_key, a->torus_radius, 2 * a->torus_radius + 1, a->torus_side);
    }
    return TERN_OK;
}

static tern_status read_feed_forward(ti_config *c, const ti_gguf *gguf, tern_err *err)
{
    static const char activation_key[] = KEY("feed_forward.activation");
    ti_str activation = {"relu2", 5};
    TI_TRY(get(gguf, KEY("feed_forward.top_k"), false, 1, c->n_ff, &c->top_k, err));
    TI_TRY(ti_gguf_get_str(gguf, activation_key, false, &activation, err));
    c->relu2 = is_text(activation, "relu2");
    if (!c->relu2 && !is_text(activation, "silu")) {
        return ti_fail(err, TERN_UNSUPPORTED, module, TI_NO_OFFSET,
                       "key '%s' is '%.*s' (relu2 and silu are known)", activation_key,
                       some_of(activation), activation.data);
    }
    return TERN_OK;
}

tern_status ti_smdr_read(ti_config *c, const ti_gguf *gguf, tern_err *err)
{
    const unsigned budgeted =
        1u << TI_ATTN_WINDOW | 1u << TI_ATTN_STRIDED | 1u << TI_ATTN_RANDOM;
    ti_attn *a = &c->attn;
    unsigned used;
    TI_TRY(read_kinds(c, gguf, &used, err));
    if (used & 1u << TI_ATTN_TORUS) {
        TI_TRY(read_torus(c, gguf, err));
    }
    if (used & budgeted) {
        TI_TRY(get(gguf, KEY("attention.key_budget"), true, 1, c->n_ctx, &a->key_budget, err));
    }
    if (used & 1u << TI_ATTN_STRIDED) {
        TI_TRY(get(gguf, KEY("attention.stride"), true, 1, TI_MAX_CONTEXT, &a->stride, err));
    }
    if (used & 1u << TI_ATTN_RANDOM) {
        TI_TRY(
            get(gguf, KEY("attention.random_seed"), true, 0, UINT32_MAX, &a->random_seed, err));
    }
    TI_TRY(
        get(gguf, KEY("attention.sink_tokens"), false, 0, c->n_ctx - 1, &a->sink_tokens, err));
    return read_feed_forward(c, gguf, err);
}
