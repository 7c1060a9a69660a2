/* SPDX-License-Identifier: Apache-2.0 */
/* Patterns of attention as lists of offsets, made once for a model.
 *
 * On a torus of side G the place of position p is (p % G, p / G % G).  The key at distance o
 * behind a query in column x is o columns back, and as many rows up as the walk crosses the
 * left edge: both depend on x and o alone, so that G lists say it for every position. */
#include <stdlib.h>

#include "base/rng.h"
#include "model/smdr.h"

static const char module[] = "model";

/* Offsets of one pattern, of all its lists: 64 MB. */
enum { MAX_OFFSETS = 1 << 24 };

/* A list while it is made. */
typedef struct list {
    uint32_t *to;
    size_t n;
} list;

static void put(list *l, uint64_t offset, uint32_t n_ctx)
{
    if (offset < n_ctx) { /* the others never find a key */
        l->to[l->n++] = (uint32_t)offset;
    }
}

static int by_falling(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? 1 : x > y ? -1 : 0;
}

/* Neighbours of column x, a cell of the ball each: dx columns and dy rows away. */
static void torus_list(list *l, const ti_config *c, uint32_t x)
{
    int64_t side = c->attn.torus_side, r = c->attn.torus_radius, cells = side * side;
    size_t first = l->n;
    for (int64_t dy = -r; dy <= r; dy++) {
        int64_t wide = r - (dy < 0 ? -dy : dy);
        for (int64_t dx = -wide; dx <= wide; dx++) {
            int64_t column = ((int64_t)x + dx + side) % side;
            int64_t back = (int64_t)x - column - dy * side; /* on the unrolled torus */
            put(l, (uint64_t)((back + cells) % cells), c->n_ctx);
        }
    }
    qsort(l->to + first, l->n - first, sizeof *l->to, by_falling);
}

/* Child et al. 2019 with a fixed budget: half of it nearby, the rest at multiples of a stride
 * beyond.  A window is the same with all of it nearby. */
static void strided_list(list *l, const ti_config *c, uint64_t near_by)
{
    uint64_t stride = c->attn.stride, far = c->attn.key_budget - near_by;
    uint64_t first = far > 0 ? (near_by + stride - 1) / stride : 0;
    for (uint64_t i = far; i-- > 0;) {
        put(l, (first + i) * stride, c->n_ctx);
    }
    for (uint64_t o = near_by; o-- > 0;) {
        put(l, o, c->n_ctx);
    }
}

static tern_status random_list(list *l, const ti_config *c, tern_err *err)
{
    enum { BITS = 64 };
    size_t words = c->n_ctx / BITS + 1;
    uint64_t *chosen = ti_calloc(words, sizeof *chosen), state = c->attn.random_seed;
    if (!chosen) {
        return ti_fail_nomem(err, module, words * sizeof *chosen, "random offsets");
    }
    chosen[0] = 1; /* itself */
    for (uint32_t n = 1; n < c->attn.key_budget;) {
        uint64_t o = 1 + ti_splitmix64(&state) % (c->n_ctx - 1), bit = 1ull << o % BITS;
        n += (chosen[o / BITS] & bit) == 0;
        chosen[o / BITS] |= bit;
    }
    for (uint64_t o = c->n_ctx; o-- > 0;) {
        if (chosen[o / BITS] >> o % BITS & 1) {
            put(l, o, c->n_ctx);
        }
    }
    free(chosen);
    return TERN_OK;
}

static tern_status check_size(const ti_config *c, ti_attn_kind kind, uint64_t *most,
                              tern_err *err)
{
    uint64_t r = c->attn.torus_radius;
    bool torus = kind == TI_ATTN_TORUS;
    uint64_t each = torus ? 2 * r * r + 2 * r + 1 : c->attn.key_budget;
    *most = torus ? each * c->attn.torus_side : each;
    if (*most > MAX_OFFSETS) {
        return ti_fail(err, TERN_LIMIT, module, TI_NO_OFFSET,
                       "key 'smdr.attention.%s': %llu offsets of keys, at most %d",
                       torus ? "torus_radius" : "key_budget", (unsigned long long)*most,
                       MAX_OFFSETS);
    }
    return TERN_OK;
}

tern_status ti_pattern_build(ti_pattern *out, const ti_config *c, ti_attn_kind kind,
                             ti_arena *arena, tern_err *err)
{
    ti_pattern p = {.n_lists = 1, .most_keys = c->n_ctx};
    if (kind == TI_ATTN_FULL) {
        *out = p;
        return TERN_OK;
    }
    uint64_t most;
    TI_TRY(check_size(c, kind, &most, err));
    p.n_lists = kind == TI_ATTN_TORUS ? c->attn.torus_side : 1;
    p.sinks = c->attn.sink_tokens;
    uint32_t *first = ti_arena_calloc(arena, (size_t)p.n_lists + 1, sizeof *first);
    list all = {.to = ti_arena_calloc(arena, (size_t)most, sizeof *all.to)};
    if (!first || !all.to) {
        return ti_fail_nomem(err, module, most * sizeof *all.to, "a pattern of attention");
    }
    uint32_t longest = 0;
    for (uint32_t i = 0; i < p.n_lists; i++) {
        if (kind == TI_ATTN_TORUS) {
            torus_list(&all, c, i);
        } else if (kind == TI_ATTN_RANDOM) {
            TI_TRY(random_list(&all, c, err));
        } else {
            uint64_t budget = c->attn.key_budget;
            strided_list(&all, c, kind == TI_ATTN_WINDOW ? budget : (budget + 1) / 2);
        }
        first[i + 1] = (uint32_t)all.n;
        longest = first[i + 1] - first[i] > longest ? first[i + 1] - first[i] : longest;
    }
    p.first = first;
    p.offsets = all.to;
    uint64_t keys = (uint64_t)longest + p.sinks;
    p.most_keys = keys < c->n_ctx ? (uint32_t)keys : c->n_ctx;
    *out = p;
    return TERN_OK;
}

uint32_t ti_pattern_reach(const ti_pattern *p, uint32_t n_ctx)
{
    uint32_t most = 0;
    if (!p->first) {
        return n_ctx;
    }
    for (uint32_t i = 0; i < p->n_lists && i < n_ctx; i++) {
        uint32_t at = p->first[i];
        uint32_t last = n_ctx - 1 - (n_ctx - 1 - i) % p->n_lists; /* position with this list */
        while (p->offsets[at] > last) {                           /* ends at 0 */
            at++;
        }
        most = p->offsets[at] > most ? p->offsets[at] : most;
    }
    return most + 1;
}
