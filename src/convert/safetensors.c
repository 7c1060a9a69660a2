/* SPDX-License-Identifier: Apache-2.0 */
/* The header is read into a tree that lives only while the directory is built.  Sizes are
 * checked in three steps: each tensor's shape against its extent, all extents against each
 * other, and their end against the end of the file. */
#include "convert/safetensors.h"

#include <stdlib.h>
#include <string.h>

#include "base/jval.h"
#include "base/le.h"

static const char MODULE[] = "safetensors";

enum { LENGTH_BYTES = 8, SHOWN = 120 /* of a name in a message */ };

/* Numbers of the header stay exact in the tree up to 18 digits; no file is longer. */
#define MAX_OFFSET ((uint64_t)1 << 56)

static const struct {
    const char *name;
    ti_st_dtype dtype;
    uint32_t bytes;
} dtypes[] = {
    {"BF16", TI_ST_BF16, 2},     {"F16", TI_ST_F16, 2},       {"F32", TI_ST_F32, 4},
    {"U8", TI_ST_U8, 1},         {"BOOL", TI_ST_OTHER, 1},    {"I8", TI_ST_OTHER, 1},
    {"F8_E4M3", TI_ST_OTHER, 1}, {"F8_E5M2", TI_ST_OTHER, 1}, {"I16", TI_ST_OTHER, 2},
    {"U16", TI_ST_OTHER, 2},     {"I32", TI_ST_OTHER, 4},     {"U32", TI_ST_OTHER, 4},
    {"F64", TI_ST_OTHER, 8},     {"I64", TI_ST_OTHER, 8},     {"U64", TI_ST_OTHER, 8},
    {"F8_E8M0", TI_ST_OTHER, 1},
};

/* What a failure is told about. */
typedef struct context {
    const uint8_t *data; /* after the header */
    uint64_t data_bytes;
    uint64_t data_at; /* its offset in the file */
    tern_err *err;
} context;

static tern_status bad(const context *c, uint64_t at, const char *name, const char *what)
{
    return ti_fail(c->err, TERN_CORRUPT, MODULE, LENGTH_BYTES + at, "tensor '%.*s': %s", SHOWN,
                   name, what);
}

static tern_status read_dtype(const context *c, ti_st_tensor *t, const ti_jval *v,
                              uint32_t *item_bytes)
{
    if (!v || v->type != TI_JSTR) {
        return bad(c, v ? v->at : 0, t->name, "no dtype");
    }
    for (size_t i = 0; i < sizeof dtypes / sizeof dtypes[0]; i++) {
        if (ti_jval_is(v, dtypes[i].name)) {
            t->dtype = dtypes[i].dtype;
            t->dtype_name = dtypes[i].name;
            *item_bytes = dtypes[i].bytes;
            return TERN_OK;
        }
    }
    int shown = v->u.str.len < 32 ? (int)v->u.str.len : 32;
    return ti_fail(c->err, TERN_UNSUPPORTED, MODULE, LENGTH_BYTES + v->at,
                   "tensor '%.*s': dtype '%.*s' is unknown", SHOWN, t->name, shown,
                   v->u.str.data);
}

/* Reads the shape and multiplies it out. */
static tern_status read_shape(const context *c, ti_st_tensor *t, const ti_jval *v,
                              uint64_t *items)
{
    if (!v || v->type != TI_JARRAY) {
        return bad(c, v ? v->at : 0, t->name, "no shape");
    }
    if (v->n > TI_ST_MAX_DIMS) {
        return ti_fail(c->err, TERN_LIMIT, MODULE, LENGTH_BYTES + v->at,
                       "tensor '%.*s': %u dimensions, the limit is %d", SHOWN, t->name, v->n,
                       TI_ST_MAX_DIMS);
    }
    t->n_dims = v->n;
    *items = 1;
    for (uint32_t i = 0; i < TI_ST_MAX_DIMS; i++) {
        t->dims[i] = 1;
        if (i < v->n && !ti_jval_uint(&v->u.items[i], MAX_OFFSET, &t->dims[i])) {
            return bad(c, v->u.items[i].at, t->name, "a dimension is no count");
        }
        if (!ti_mul_u64(*items, t->dims[i], items)) {
            return bad(c, v->at, t->name, "the dimensions are too large");
        }
    }
    return TERN_OK;
}

static tern_status read_extent(const context *c, ti_st_tensor *t, const ti_jval *v)
{
    uint64_t begin, end;
    if (!v || v->type != TI_JARRAY || v->n != 2 ||
        !ti_jval_uint(&v->u.items[0], MAX_OFFSET, &begin) ||
        !ti_jval_uint(&v->u.items[1], MAX_OFFSET, &end)) {
        return bad(c, v ? v->at : 0, t->name, "no data_offsets");
    }
    if (begin > end) {
        return bad(c, v->at, t->name, "data_offsets end before they begin");
    }
    if (end > c->data_bytes) {
        return ti_fail(c->err, TERN_CORRUPT, MODULE, LENGTH_BYTES + v->at,
                       "tensor '%.*s': its data ends at %llu, past the end of the data (%llu)",
                       SHOWN, t->name, (unsigned long long)end,
                       (unsigned long long)c->data_bytes);
    }
    t->begin = begin;
    t->bytes = end - begin;
    t->offset = c->data_at + begin;
    t->data = c->data + begin;
    return TERN_OK;
}

static tern_status read_tensor(const context *c, ti_st_tensor *t, const ti_jval *v)
{
    uint64_t items = 0, bytes;
    uint32_t item_bytes = 0;
    if (v->type != TI_JOBJECT || v->n != 3) {
        return bad(c, v->at, t->name, "not dtype, shape and data_offsets");
    }
    TI_TRY(read_dtype(c, t, ti_jval_get(v, "dtype"), &item_bytes));
    TI_TRY(read_shape(c, t, ti_jval_get(v, "shape"), &items));
    TI_TRY(read_extent(c, t, ti_jval_get(v, "data_offsets")));
    if (!ti_mul_u64(items, item_bytes, &bytes) || bytes != t->bytes) {
        return ti_fail(c->err, TERN_CORRUPT, MODULE, LENGTH_BYTES + v->at,
                       "tensor '%.*s': its shape needs another size than its %llu bytes of "
                       "data",
                       SHOWN, t->name, (unsigned long long)t->bytes);
    }
    return TERN_OK;
}

static tern_status check_metadata(const context *c, const ti_jval *v)
{
    bool ok = v->type == TI_JOBJECT;
    for (uint32_t i = 0; ok && i < v->n; i++) {
        ok = v->u.members[i].value.type == TI_JSTR;
    }
    return ok ? TERN_OK
              : ti_fail(c->err, TERN_CORRUPT, MODULE, LENGTH_BYTES + v->at,
                        "__metadata__ is not made of strings");
}

static int by_extent(const void *a, const void *b)
{
    const ti_st_tensor *x = a, *y = b;
    if (x->begin != y->begin) {
        return x->begin < y->begin ? -1 : 1;
    }
    return (x->bytes > y->bytes) - (x->bytes < y->bytes); /* empty ones first */
}

static int by_name(const void *a, const void *b)
{
    const ti_st_tensor *x = a, *y = b;
    return strcmp(x->name, y->name);
}

/* Neither gaps nor overlaps; sorts the tensors by name in the end. */
static tern_status check_cover(const context *c, ti_safetensors *st)
{
    uint64_t at = 0;
    if (st->n > 0) {
        qsort(st->tensors, st->n, sizeof *st->tensors, by_extent);
    }
    for (size_t i = 0; i < st->n; i++) {
        const ti_st_tensor *t = &st->tensors[i];
        if (t->begin != at) {
            return ti_fail(c->err, TERN_CORRUPT, MODULE, t->offset,
                           "tensor '%.*s': begins at %llu of the data, %s at %llu", SHOWN,
                           t->name, (unsigned long long)t->begin,
                           t->begin < at ? "inside the one before, which ends"
                                         : "after a gap that begins",
                           (unsigned long long)at);
        }
        at += t->bytes;
    }
    if (at != c->data_bytes) {
        return ti_fail(c->err, TERN_CORRUPT, MODULE, c->data_at + at,
                       "the last %llu bytes of the file belong to no tensor",
                       (unsigned long long)(c->data_bytes - at));
    }
    if (st->n > 0) {
        qsort(st->tensors, st->n, sizeof *st->tensors, by_name);
    }
    return TERN_OK;
}

static tern_status read_directory(const context *c, ti_safetensors *st, const ti_jval *root)
{
    if (root->type != TI_JOBJECT) {
        return ti_fail(c->err, TERN_CORRUPT, MODULE, LENGTH_BYTES, "the header is no object");
    }
    if (root->n > TI_ST_MAX_TENSORS) {
        return ti_fail(c->err, TERN_LIMIT, MODULE, LENGTH_BYTES, "%u tensors, the limit is %d",
                       root->n, TI_ST_MAX_TENSORS);
    }
    st->tensors = ti_arena_calloc(&st->arena, root->n, sizeof *st->tensors);
    if (!st->tensors) {
        return ti_fail_nomem(c->err, MODULE, root->n * sizeof *st->tensors, "tensors");
    }
    for (uint32_t i = 0; i < root->n; i++) {
        const ti_jmember *m = &root->u.members[i];
        if (m->key.len == 12 && memcmp(m->key.data, "__metadata__", 12) == 0) {
            TI_TRY(check_metadata(c, &m->value));
            continue;
        }
        if (m->key.len == 0 || m->key.len > TI_ST_MAX_NAME_BYTES) {
            return ti_fail(c->err, TERN_LIMIT, MODULE, LENGTH_BYTES + m->value.at,
                           "a tensor's name has %zu bytes", m->key.len);
        }
        ti_st_tensor *t = &st->tensors[st->n];
        t->name = ti_arena_strndup(&st->arena, m->key.data, m->key.len);
        if (!t->name) {
            return ti_fail_nomem(c->err, MODULE, m->key.len, "a name");
        }
        TI_TRY(read_tensor(c, t, &m->value));
        st->n++;
    }
    return check_cover(c, st);
}

tern_status ti_safetensors_parse(ti_safetensors *out, const uint8_t *data, uint64_t size,
                                 tern_err *err)
{
    uint64_t header = size < LENGTH_BYTES ? 0 : ti_load_u64(data);
    if (size < LENGTH_BYTES || header > size - LENGTH_BYTES) {
        return ti_fail(err, TERN_CORRUPT, MODULE, 0,
                       "a header of %llu bytes does not fit into a file of %llu",
                       (unsigned long long)header, (unsigned long long)size);
    }
    if (header > TI_ST_MAX_HEADER_BYTES) {
        return ti_fail(err, TERN_LIMIT, MODULE, 0, "a header of %llu bytes, the limit is %d",
                       (unsigned long long)header, TI_ST_MAX_HEADER_BYTES);
    }
    context c = {.data_at = LENGTH_BYTES + header, .err = err};
    c.data = data + c.data_at;
    c.data_bytes = size - c.data_at;
    ti_arena tree = {0};
    ti_safetensors st = {0};
    ti_jval root;
    tern_status status = ti_jval_parse(&root, &tree, (const char *)data + LENGTH_BYTES,
                                       (size_t)header, MODULE, err);
    if (status == TERN_OK) {
        status = read_directory(&c, &st, &root);
    }
    ti_arena_free(&tree);
    if (status != TERN_OK) {
        ti_safetensors_close(&st);
        return status;
    }
    *out = st;
    return TERN_OK;
}

void ti_safetensors_close(ti_safetensors *st)
{
    ti_arena_free(&st->arena);
    *st = (ti_safetensors){0};
}

const ti_st_tensor *ti_safetensors_find(const ti_safetensors *st, const char *name)
{
    ti_st_tensor wanted = {.name = name};
    return st->n ? bsearch(&wanted, st->tensors, st->n, sizeof wanted, by_name) : NULL;
}
