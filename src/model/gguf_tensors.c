/* SPDX-License-Identifier: Apache-2.0 */
/* GGUF: the tensors of a file.
 *
 * Three things here are not in the format's description.  Type 36 (I2_S) has two layouts and
 * nothing that says which.  Type 42 has two block sizes, which only the room that a tensor
 * takes can tell.  And ids of other projects' types collide, so what is refused is refused by
 * all the names it may have. */
#include <stdlib.h>
#include <string.h>

#include "model/gguf_parts.h"
#include "model/i2s.h"

enum { MIN_TENSOR_BYTES = 8 + 1 + 4 + 8 + 4 + 8 };

/* Types that are known, and not read.  ggml's ids; 36-39 are bitnet.cpp's. */
static const struct {
    uint32_t type;
    const char *name;
} refused[] = {
    {6, "Q5_0"},
    {7, "Q5_1"},
    {9, "Q8_1"},
    {10, "Q2_K"},
    {11, "Q3_K"},
    {13, "Q5_K"},
    {15, "Q8_K"},
    {16, "IQ2_XXS"},
    {17, "IQ2_XS"},
    {18, "IQ3_XXS"},
    {19, "IQ1_S"},
    {20, "IQ4_NL"},
    {21, "IQ3_S"},
    {22, "IQ2_S"},
    {23, "IQ4_XS"},
    {29, "IQ1_M"},
    {37, "I8_S of bitnet.cpp"},
    {38, "TL1 of bitnet.cpp, whose tables are made for one model and one CPU"},
    {39, "TL2 of bitnet.cpp or MXFP4 of ggml (they share the id)"},
    {40, "NVFP4"},
    {143, "PTQ1_0 of Prism, which needs Hadamard-rotated activations"},
    {335, "IQ2_BN_R4 of ik_llama.cpp, four rows interleaved"},
};

static tern_status refuse_type(ti_gguf_cursor *c, uint32_t type)
{
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        if (refused[i].type == type) {
            return ti_fail(c->err, TERN_UNSUPPORTED, "gguf", c->at - 4,
                           "tensor '%.*s' has type %u, %s: not supported", TI_GGUF_SHOW(c->in),
                           type, refused[i].name);
        }
    }
    return ti_fail(c->err, TERN_UNSUPPORTED, "gguf", c->at - 4,
                   "tensor '%.*s' has type %u, which is not known", TI_GGUF_SHOW(c->in), type);
}

/* --- directory ------------------------------------------------------------------------- */

static tern_status take_dims(ti_gguf_cursor *c, ti_gguf_tensor *t)
{
    TI_TRY(ti_gguf_take_u32(c, &t->n_dims, "number of dimensions"));
    if (t->n_dims == 0 || t->n_dims > TI_GGUF_MAX_DIMS) {
        return ti_fail(c->err, TERN_CORRUPT, "gguf", c->at - 4,
                       "tensor '%s' has %u dimensions, 1 to %d are possible", t->name,
                       t->n_dims, TI_GGUF_MAX_DIMS);
    }
    uint64_t total = 1;
    for (uint32_t i = 0; i < TI_GGUF_MAX_DIMS; i++) {
        t->dims[i] = 1;
        if (i >= t->n_dims) {
            continue;
        }
        TI_TRY(ti_gguf_take_u64(c, &t->dims[i], "dimension"));
        if (t->dims[i] == 0) {
            return ti_fail(c->err, TERN_CORRUPT, "gguf", c->at - 8,
                           "tensor '%s': dimension %u is 0", t->name, i);
        }
        if (!ti_mul_u64(total, t->dims[i], &total) || total > INT64_MAX) {
            return ti_fail(c->err, TERN_CORRUPT, "gguf", c->at - 8,
                           "tensor '%s' has more than 2^63 weights", t->name);
        }
    }
    t->rows = total / t->dims[0];
    return TERN_OK;
}

static tern_status take_tensor(ti_gguf *g, ti_gguf_cursor *c, ti_gguf_tensor *t)
{
    ti_str name;
    c->in = (ti_str){0};
    uint64_t at = c->at;
    TI_TRY(ti_gguf_take_str(c, &name, TI_GGUF_MAX_NAME_BYTES, "tensor name"));
    if (!ti_gguf_name_ok(name)) {
        return ti_fail(c->err, TERN_CORRUPT, "gguf", at,
                       "tensor name '%.*s' is empty, no UTF-8, or has control characters",
                       TI_GGUF_SHOW(name));
    }
    c->in = name;
    t->name = ti_arena_strndup(&g->arena, name.data, name.len);
    if (!t->name) {
        return ti_fail_nomem(c->err, "gguf", name.len + 1, "a tensor's name");
    }
    TI_TRY(take_dims(c, t));
    uint32_t type;
    TI_TRY(ti_gguf_take_u32(c, &type, "type"));
    t->type = ti_type_info_of(type);
    if (!t->type || type == TI_I2_S_ARM) { /* that id is of this program, not of files */
        return refuse_type(c, type);
    }
    return ti_gguf_take_u64(c, &t->offset, "offset");
}

/* A key to sort tensors by, and which tensor it belongs to. */
typedef struct entry {
    const char *name;
    uint64_t offset;
    uint32_t index;
} entry;

static int compare_names(const void *a, const void *b)
{
    return strcmp(((const entry *)a)->name, ((const entry *)b)->name);
}

static int compare_offsets(const void *a, const void *b)
{
    const entry *x = a, *y = b;
    if (x->offset != y->offset) {
        return x->offset < y->offset ? -1 : 1;
    }
    return (x->index > y->index) - (x->index < y->index);
}

/* All tensors in the order of `compare`; free() it.  NULL when there is no memory. */
static entry *sorted(const ti_gguf *g, int (*compare)(const void *, const void *))
{
    entry *entries = ti_calloc(g->n_tensors, sizeof *entries);
    if (!entries) {
        return NULL;
    }
    for (size_t i = 0; i < g->n_tensors; i++) {
        const ti_gguf_tensor *t = &g->tensors[i];
        entries[i] = (entry){t->name, t->offset, (uint32_t)i};
    }
    qsort(entries, g->n_tensors, sizeof *entries, compare);
    return entries;
}

static tern_status index_names(ti_gguf *g, tern_err *err)
{
    g->by_name = ti_arena_calloc(&g->arena, g->n_tensors, sizeof *g->by_name);
    entry *entries = g->by_name ? sorted(g, compare_names) : NULL;
    if (!entries) {
        return ti_fail_nomem(err, "gguf", g->n_tensors * sizeof(entry), "the index of tensors");
    }
    tern_status status = TERN_OK;
    for (size_t i = 0; i < g->n_tensors && status == TERN_OK; i++) {
        g->by_name[i] = entries[i].index;
        if (i > 0 && strcmp(entries[i - 1].name, entries[i].name) == 0) {
            status = ti_fail(err, TERN_CORRUPT, "gguf", TI_NO_OFFSET,
                             "tensor '%s' appears twice", entries[i].name);
        }
    }
    free(entries);
    return status;
}

tern_status ti_gguf_read_tensors(ti_gguf *g, ti_gguf_cursor *c, uint64_t n)
{
    if (n > TI_GGUF_MAX_TENSORS) {
        return ti_fail(c->err, TERN_LIMIT, "gguf", 8, "%llu tensors, the limit is %d",
                       (unsigned long long)n, TI_GGUF_MAX_TENSORS);
    }
    if (n > (c->size - c->at) / MIN_TENSOR_BYTES) {
        return ti_fail(c->err, TERN_CORRUPT, "gguf", 8,
                       "%llu tensors do not fit in a file of %llu bytes", (unsigned long long)n,
                       (unsigned long long)c->size);
    }
    g->tensors = ti_arena_calloc(&g->arena, (size_t)n, sizeof *g->tensors);
    if (!g->tensors) {
        return ti_fail_nomem(c->err, "gguf", n * sizeof *g->tensors, "tensors");
    }
    g->n_tensors = (size_t)n;
    for (size_t i = 0; i < g->n_tensors; i++) {
        TI_TRY(take_tensor(g, c, &g->tensors[i]));
    }
    return index_names(g, c->err);
}

/* --- places ------------------------------------------------------------------------------
 * `room` of a tensor: bytes from its offset to the next tensor, or to the end of the file. */

static tern_status resolve_offsets(ti_gguf *g, uint64_t start, tern_err *err)
{
    for (size_t i = 0; i < g->n_tensors; i++) {
        ti_gguf_tensor *t = &g->tensors[i];
        if (t->offset % g->alignment != 0) {
            return ti_fail(err, TERN_CORRUPT, "gguf", TI_NO_OFFSET,
                           "tensor '%s': offset %llu is not a multiple of %llu", t->name,
                           (unsigned long long)t->offset, (unsigned long long)g->alignment);
        }
        if (!ti_add_u64(t->offset, start, &t->offset)) {
            return ti_fail(err, TERN_CORRUPT, "gguf", TI_NO_OFFSET,
                           "tensor '%s': offset %llu is past end of file (%llu)", t->name,
                           (unsigned long long)t->offset, (unsigned long long)g->size);
        }
    }
    return TERN_OK;
}

static uint64_t room_at(const ti_gguf *g, const entry *by_offset, size_t i)
{
    uint64_t offset = by_offset[i].offset;
    uint64_t end = i + 1 < g->n_tensors ? by_offset[i + 1].offset : g->size;
    return end > offset ? end - offset : 0;
}

/* True when a tensor of that type would fill its room up to the padding. */
static bool fills(const ti_gguf *g, const ti_gguf_tensor *t, ti_type type, uint64_t room)
{
    uint64_t bytes;
    return ti_type_tensor_bytes(ti_type_info_of(type), t->dims[0], t->rows, &bytes) &&
           bytes <= room && room - bytes < g->alignment;
}

/* Reads type 42 with blocks of 64 or of 128, for the whole file. */
static tern_status settle_q2_0(ti_gguf *g, const entry *by_offset, uint32_t group,
                               tern_err *err)
{
    const ti_gguf_tensor *first = NULL;
    bool fits64 = true, fits128 = true;
    for (size_t i = 0; i < g->n_tensors; i++) {
        const ti_gguf_tensor *t = &g->tensors[by_offset[i].index];
        if (t->type->type == TI_Q2_0) {
            uint64_t room = room_at(g, by_offset, i);
            first = first ? first : t;
            fits64 = fits64 && fills(g, t, TI_Q2_0, room);
            fits128 = fits128 && fills(g, t, TI_PQ2_0, room);
        }
    }
    if (!first) {
        return TERN_OK;
    }
    if (group == 0 && fits64 == fits128) {
        return ti_fail(err, TERN_UNSUPPORTED, "gguf", first->offset,
                       "tensor '%s' has type 42, used for blocks of 64 and of 128 weights, and "
                       "%s fits this file: choose with --q2-0-group 64 or 128",
                       first->name, fits64 ? "either" : "neither");
    }
    if (group == 128 || (group == 0 && fits128)) {
        for (size_t i = 0; i < g->n_tensors; i++) {
            if (g->tensors[i].type->type == TI_Q2_0) {
                g->tensors[i].type = ti_type_info_of(TI_PQ2_0);
            }
        }
    }
    return TERN_OK;
}

/* Bytes of a tensor.  Both layouts of I2_S have the same size; the one with the smaller groups
 * is asked, so that the choice of layout can come later. */
static tern_status size_of(ti_gguf_tensor *t, uint64_t room, tern_err *err)
{
    if (t->type->type >= TI_PACK_FIRST) {
        t->bytes = room;
        return TERN_OK;
    }
    const ti_type_info *type =
        t->type->type == TI_I2_S ? ti_type_info_of(TI_I2_S_ARM) : t->type;
    if (t->dims[0] % type->block != 0) {
        return ti_fail(err, TERN_CORRUPT, "gguf", t->offset,
                       "tensor '%s': rows of %llu weights are no multiple of %s's block of %u",
                       t->name, (unsigned long long)t->dims[0], t->type->name, type->block);
    }
    if (!ti_type_tensor_bytes(type, t->dims[0], t->rows, &t->bytes)) {
        return ti_fail(err, TERN_CORRUPT, "gguf", t->offset,
                       "tensor '%s' has more than 2^64 bytes", t->name);
    }
    return TERN_OK;
}

static tern_status check_room(const ti_gguf *g, const ti_gguf_tensor *t, uint64_t room,
                              const ti_gguf_tensor *next, tern_err *err)
{
    if (t->offset >= g->size) {
        return ti_fail(err, TERN_CORRUPT, "gguf", t->offset,
                       "tensor '%s': offset %llu is past end of file (%llu)", t->name,
                       (unsigned long long)t->offset, (unsigned long long)g->size);
    }
    if (t->bytes > g->size - t->offset) {
        return ti_fail(err, TERN_CORRUPT, "gguf", t->offset,
                       "tensor '%s': %llu bytes at offset %llu end past end of file (%llu)",
                       t->name, (unsigned long long)t->bytes, (unsigned long long)t->offset,
                       (unsigned long long)g->size);
    }
    if (t->bytes > room || room == 0) {
        return ti_fail(err, TERN_CORRUPT, "gguf", t->offset, "tensors '%s' and '%s' overlap",
                       t->name, next ? next->name : "");
    }
    return TERN_OK;
}

static tern_status place_all(ti_gguf *g, const entry *by_offset, const ti_gguf_opts *opts,
                             tern_err *err)
{
    if (!opts->directory_only) {
        TI_TRY(settle_q2_0(g, by_offset, opts->q2_0_group, err));
    }
    for (size_t i = 0; i < g->n_tensors; i++) {
        ti_gguf_tensor *t = &g->tensors[by_offset[i].index];
        uint64_t room = room_at(g, by_offset, i);
        TI_TRY(size_of(t, room, err));
        if (opts->directory_only) {
            continue; /* without data: it may not be there, and its type is not settled */
        }
        const ti_gguf_tensor *next =
            i + 1 < g->n_tensors ? &g->tensors[by_offset[i + 1].index] : NULL;
        TI_TRY(check_room(g, t, room, next, err));
        t->data = g->data + t->offset;
    }
    return TERN_OK;
}

/* --- I2_S ------------------------------------------------------------------------------ */

static tern_status i2s_layout(const ti_gguf *g, const ti_gguf_tensor *first, int *layout,
                              tern_err *err)
{
    ti_str text = {0};
    TI_TRY(ti_gguf_get_str(g, TI_GGUF_KEY_I2S_LAYOUT, false, &text, err));
    if (text.data) {
        bool x86 = text.len == 3 && memcmp(text.data, "x86", 3) == 0;
        bool arm = text.len == 3 && memcmp(text.data, "arm", 3) == 0;
        if (!x86 && !arm) {
            return ti_fail(err, TERN_CORRUPT, "gguf", TI_NO_OFFSET,
                           "key '%s' is '%.*s', neither x86 nor arm", TI_GGUF_KEY_I2S_LAYOUT,
                           TI_GGUF_SHOW(text));
        }
        *layout = x86 ? TI_I2S_X86 : TI_I2S_ARM;
        return TERN_OK;
    }
    TI_TRY(ti_i2s_detect(g, layout, err));
    if (*layout == TI_I2S_UNKNOWN) {
        return ti_fail(err, TERN_UNSUPPORTED, "gguf", first->offset,
                       "tensor '%s' is I2_S, written in one layout on x86 and in another on "
                       "ARM, and its weights do not tell which: choose with --i2s x86 or "
                       "--i2s arm",
                       first->name);
    }
    return TERN_OK;
}

static tern_status settle_i2s(ti_gguf *g, int layout, tern_err *err)
{
    for (size_t i = 0; i < g->n_tensors; i++) {
        ti_gguf_tensor *t = &g->tensors[i];
        if (t->type->type != TI_I2_S) {
            continue;
        }
        if (layout == TI_I2S_UNKNOWN) {
            TI_TRY(i2s_layout(g, t, &layout, err));
        }
        if (layout == TI_I2S_ARM) {
            t->type = ti_type_info_of(TI_I2_S_ARM);
        }
        if (t->dims[0] % t->type->block != 0) {
            return ti_fail(err, TERN_CORRUPT, "gguf", t->offset,
                           "tensor '%s': rows of %llu weights are no multiple of %u, the group "
                           "of I2_S on x86",
                           t->name, (unsigned long long)t->dims[0], t->type->block);
        }
    }
    return TERN_OK;
}

tern_status ti_gguf_place_tensors(ti_gguf *g, uint64_t start, const ti_gguf_opts *opts,
                                  tern_err *err)
{
    TI_TRY(resolve_offsets(g, start, err));
    entry *by_offset = sorted(g, compare_offsets);
    if (!by_offset) {
        return ti_fail_nomem(err, "gguf", g->n_tensors * sizeof(entry), "the order of tensors");
    }
    tern_status status = place_all(g, by_offset, opts, err);
    free(by_offset);
    if (status == TERN_OK && !opts->directory_only) {
        status = settle_i2s(g, opts->i2s, err);
    }
    return status;
}
