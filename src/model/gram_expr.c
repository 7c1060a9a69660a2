/* SPDX-License-Identifier: Apache-2.0 */
/* Expressions: what grammars are built from. */
#include <stdlib.h>
#include <string.h>

#include "model/grammar.h"

enum { SURROGATE_FIRST = 0xd800, SURROGATE_LAST = 0xdfff, CODE_LAST = 0x10ffff };

static ti_gexpr *new_expr(ti_gbuild *b, int kind)
{
    /* Stands for every one that could not be had; nobody writes to it. */
    static const ti_gexpr nothing = {.kind = TI_GX_TEXT};
    ti_gexpr *x = ti_arena_alloc(&b->arena, sizeof *x);
    if (!x) {
        b->failed = true;
        return (ti_gexpr *)(uintptr_t)&nothing;
    }
    x->kind = kind;
    return x;
}

ti_gexpr *ti_gx_text(ti_gbuild *b, const char *text, size_t len)
{
    ti_gexpr *x = new_expr(b, TI_GX_TEXT);
    char *copy = ti_arena_strndup(&b->arena, text, len);
    if (b->failed || !copy) {
        b->failed = true;
        return x;
    }
    x->text = (ti_str){copy, len};
    return x;
}

ti_gexpr *ti_gx_lit(ti_gbuild *b, const char *text)
{
    return ti_gx_text(b, text, strlen(text));
}

ti_gexpr *ti_gx_rule(ti_gbuild *b, uint32_t rule)
{
    ti_gexpr *x = new_expr(b, TI_GX_RULE);
    if (!b->failed) {
        x->min = rule;
    }
    return x;
}

ti_gexpr *ti_gx_list(ti_gbuild *b, int kind)
{
    return new_expr(b, kind);
}

void ti_gx_add(ti_gbuild *b, ti_gexpr *list, ti_gexpr *part)
{
    if (!b->failed) {
        part->sibling = list->first;
        list->first = part;
    }
}

ti_gexpr *ti_gx_repeat(ti_gbuild *b, ti_gexpr *part, uint32_t min, uint32_t max)
{
    ti_gexpr *x = new_expr(b, TI_GX_REPEAT);
    if (!b->failed) {
        x->first = part;
        x->min = min;
        x->max = max;
    }
    return x;
}

/* --- sets --------------------------------------------------------------------------------- */

static int by_start(const void *a, const void *b)
{
    const ti_grange *x = a, *y = b;
    return x->lo != y->lo ? (x->lo < y->lo ? -1 : 1) : 0;
}

/* Sorted and apart. */
static size_t tidy(ti_grange *r, size_t n)
{
    size_t kept = 0;
    qsort(r, n, sizeof *r, by_start);
    for (size_t i = 0; i < n; i++) {
        if (kept > 0 && r[i].lo <= r[kept - 1].hi) {
            r[kept - 1].hi = r[i].hi > r[kept - 1].hi ? r[i].hi : r[kept - 1].hi;
        } else {
            r[kept++] = r[i];
        }
    }
    return kept;
}

/* What lies between the ranges, without U+0000. */
static size_t invert(ti_grange *out, const ti_grange *r, size_t n)
{
    size_t kept = 0;
    uint32_t from = 1;
    for (size_t i = 0; i < n; i++) {
        if (r[i].lo > from) {
            out[kept++] = (ti_grange){from, r[i].lo - 1};
        }
        from = r[i].hi + 1 > from ? r[i].hi + 1 : from;
    }
    if (from <= CODE_LAST) {
        out[kept++] = (ti_grange){from, CODE_LAST};
    }
    return kept;
}

static size_t without_surrogates(ti_grange *out, const ti_grange *r, size_t n)
{
    size_t kept = 0;
    for (size_t i = 0; i < n; i++) {
        uint32_t low = r[i].hi < SURROGATE_FIRST - 1 ? r[i].hi : SURROGATE_FIRST - 1;
        uint32_t high = r[i].lo > SURROGATE_LAST + 1 ? r[i].lo : SURROGATE_LAST + 1;
        if (r[i].lo <= low) {
            out[kept++] = (ti_grange){r[i].lo, low};
        }
        if (high <= r[i].hi) {
            out[kept++] = (ti_grange){high, r[i].hi};
        }
    }
    return kept;
}

ti_gexpr *ti_gx_set(ti_gbuild *b, const ti_grange *ranges, size_t n, bool negated)
{
    ti_gexpr *x = new_expr(b, TI_GX_SET);
    size_t cap = 2 * n + 3;
    ti_grange *work = ti_arena_calloc(&b->arena, cap, sizeof *work);
    ti_grange *other = ti_arena_calloc(&b->arena, cap, sizeof *other);
    if (b->failed || !work || !other) {
        b->failed = true;
        return x;
    }
    if (n > 0) {
        memcpy(work, ranges, n * sizeof *work);
    }
    size_t kept = tidy(work, n);
    if (negated) {
        kept = invert(other, work, kept);
        ti_grange *swap = work;
        work = other;
        other = swap;
    }
    x->n = without_surrogates(other, work, kept);
    x->ranges = other;
    return x;
}

/* --- rules -------------------------------------------------------------------------------- */

uint32_t ti_grule_new(ti_gbuild *b, const char *name, size_t len, uint64_t at)
{
    if (b->n_rules == TI_GRAMMAR_MAX_RULES) {
        b->too_many = true;
        return 0;
    }
    if (b->n_rules == b->cap_rules) {
        size_t cap = b->cap_rules ? 2 * b->cap_rules : 32;
        ti_grule *rules = realloc(b->rules, cap * sizeof *rules);
        if (!rules) {
            b->failed = true;
            return 0;
        }
        b->rules = rules;
        b->cap_rules = cap;
    }
    char *copy = ti_arena_strndup(&b->arena, name, len);
    if (!copy) {
        b->failed = true;
        return 0;
    }
    b->rules[b->n_rules] = (ti_grule){.name = copy, .at = at};
    return (uint32_t)b->n_rules++;
}

void ti_gbuild_free(ti_gbuild *b)
{
    free(b->rules);
    ti_arena_free(&b->arena);
    *b = (ti_gbuild){0};
}
