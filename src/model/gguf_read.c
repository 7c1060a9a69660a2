/* SPDX-License-Identifier: Apache-2.0 */
/* GGUF: header and keys.
 *
 * Every published hole of this format's readers was a length that was believed: counts and
 * dimensions multiplied without a look at the carry, strings longer than the file, arrays in
 * arrays.  Here a byte can only be had from ti_gguf_take(), which compares with what is left
 * and never adds, and memory is asked for only in proportion to bytes that are there. */
#include <stdlib.h>
#include <string.h>

#include "base/le.h"
#include "base/utf8.h"
#include "model/gguf_parts.h"

enum {
    HEADER_BYTES = 24,
    MIN_KV_BYTES = 8 + 1 + 4 + 1, /* a key of one byte, its type, a value of one byte */
    DEFAULT_ALIGNMENT = 32
};

/* --- taking bytes ---------------------------------------------------------------------- */

tern_status ti_gguf_take(ti_gguf_cursor *c, uint64_t n, const uint8_t **p, const char *what)
{
    if (n > c->size - c->at) {
        if (c->in.len == 0) {
            return ti_fail(c->err, TERN_CORRUPT, "gguf", c->at,
                           "%s at offset %llu is past end of file (%llu)", what,
                           (unsigned long long)c->at, (unsigned long long)c->size);
        }
        return ti_fail(c->err, TERN_CORRUPT, "gguf", c->at,
                       "'%.*s': %s at offset %llu is past end of file (%llu)",
                       TI_GGUF_SHOW(c->in), what, (unsigned long long)c->at,
                       (unsigned long long)c->size);
    }
    *p = c->data + c->at;
    c->at += n;
    return TERN_OK;
}

tern_status ti_gguf_take_u32(ti_gguf_cursor *c, uint32_t *out, const char *what)
{
    const uint8_t *p = NULL;
    TI_TRY(ti_gguf_take(c, 4, &p, what));
    *out = ti_load_u32(p);
    return TERN_OK;
}

tern_status ti_gguf_take_u64(ti_gguf_cursor *c, uint64_t *out, const char *what)
{
    const uint8_t *p = NULL;
    TI_TRY(ti_gguf_take(c, 8, &p, what));
    *out = ti_load_u64(p);
    return TERN_OK;
}

tern_status ti_gguf_take_str(ti_gguf_cursor *c, ti_str *out, uint64_t max, const char *what)
{
    uint64_t len;
    const uint8_t *p = NULL;
    TI_TRY(ti_gguf_take_u64(c, &len, what));
    if (len > c->size - c->at) {
        return ti_gguf_take(c, len, &p, what);
    }
    if (len > max) {
        return ti_fail(c->err, TERN_LIMIT, "gguf", c->at - 8,
                       "'%.*s': %s has %llu bytes, the limit is %llu", TI_GGUF_SHOW(c->in),
                       what, (unsigned long long)len, (unsigned long long)max);
    }
    TI_TRY(ti_gguf_take(c, len, &p, what));
    *out = (ti_str){(const char *)p, (size_t)len};
    return TERN_OK;
}

bool ti_gguf_name_ok(ti_str name)
{
    for (size_t i = 0; i < name.len;) {
        uint32_t code;
        size_t n = ti_utf8_decode(name.data + i, name.len - i, &code);
        /* C0, DEL and C1 */
        if (n == 0 || code < 0x20 || (code >= 0x7f && code < 0xa0)) {
            return false;
        }
        i += n;
    }
    return name.len > 0;
}

int ti_str_compare(ti_str a, ti_str b)
{
    int c = memcmp(a.data, b.data, a.len < b.len ? a.len : b.len);
    return c != 0 ? c : (a.len > b.len) - (a.len < b.len);
}

/* --- keys ------------------------------------------------------------------------------ */

/* Bytes of a value of fixed size; 0 for strings and arrays. */
static const uint8_t value_bytes[] = {
    [TI_GGUF_U8] = 1,   [TI_GGUF_I8] = 1,  [TI_GGUF_U16] = 2, [TI_GGUF_I16] = 2,
    [TI_GGUF_U32] = 4,  [TI_GGUF_I32] = 4, [TI_GGUF_F32] = 4, [TI_GGUF_BOOL] = 1,
    [TI_GGUF_U64] = 8,  [TI_GGUF_I64] = 8, [TI_GGUF_F64] = 8, [TI_GGUF_STRING] = 0,
    [TI_GGUF_ARRAY] = 0};

static tern_status take_type(ti_gguf_cursor *c, ti_gguf_type *out)
{
    uint32_t type;
    TI_TRY(ti_gguf_take_u32(c, &type, "type"));
    if (type > TI_GGUF_F64) {
        return ti_fail(c->err, TERN_CORRUPT, "gguf", c->at - 4,
                       "key '%.*s': value type %u does not exist", TI_GGUF_SHOW(c->in), type);
    }
    *out = (ti_gguf_type)type;
    return TERN_OK;
}

/* n values of fixed size.  Booleans are looked at: a C bool that is neither 0 nor 1 is
 * undefined behaviour waiting for its reader. */
static tern_status take_fixed(ti_gguf_cursor *c, ti_gguf_type type, uint64_t n, ti_gguf_kv *kv)
{
    uint64_t bytes;
    if (!ti_mul_u64(n, value_bytes[type], &bytes)) {
        bytes = UINT64_MAX;
    }
    TI_TRY(ti_gguf_take(c, bytes, &kv->data, "value"));
    kv->bytes = bytes;
    for (uint64_t i = 0; type == TI_GGUF_BOOL && i < n; i++) {
        if (kv->data[i] > 1) {
            return ti_fail(c->err, TERN_CORRUPT, "gguf", c->at - bytes + i,
                           "key '%.*s': a truth value is %u", TI_GGUF_SHOW(c->in), kv->data[i]);
        }
    }
    return TERN_OK;
}

static tern_status take_array(ti_gguf_cursor *c, ti_gguf_kv *kv)
{
    TI_TRY(take_type(c, &kv->item_type));
    TI_TRY(ti_gguf_take_u64(c, &kv->n, "array length"));
    if (kv->item_type == TI_GGUF_ARRAY) {
        return ti_fail(c->err, TERN_UNSUPPORTED, "gguf", c->at - 12,
                       "key '%.*s': arrays of arrays are not supported", TI_GGUF_SHOW(c->in));
    }
    if (kv->n > TI_GGUF_MAX_ARRAY_ITEMS) {
        return ti_fail(c->err, TERN_LIMIT, "gguf", c->at - 8,
                       "key '%.*s': array of %llu items, the limit is %llu",
                       TI_GGUF_SHOW(c->in), (unsigned long long)kv->n,
                       (unsigned long long)TI_GGUF_MAX_ARRAY_ITEMS);
    }
    if (kv->item_type != TI_GGUF_STRING) {
        return take_fixed(c, kv->item_type, kv->n, kv);
    }
    uint64_t start = c->at;
    for (uint64_t i = 0; i < kv->n; i++) {
        ti_str item;
        TI_TRY(ti_gguf_take_str(c, &item, TI_GGUF_MAX_STRING_BYTES, "array item"));
    }
    kv->data = c->data + start;
    kv->bytes = c->at - start;
    return TERN_OK;
}

static tern_status take_kv(ti_gguf_cursor *c, ti_gguf_kv *kv)
{
    c->in = (ti_str){0};
    uint64_t at = c->at;
    TI_TRY(ti_gguf_take_str(c, &kv->key, TI_GGUF_MAX_KEY_BYTES, "key"));
    if (!ti_gguf_name_ok(kv->key)) {
        return ti_fail(c->err, TERN_CORRUPT, "gguf", at,
                       "key '%.*s' is empty, no UTF-8, or has control characters",
                       TI_GGUF_SHOW(kv->key));
    }
    c->in = kv->key;
    TI_TRY(take_type(c, &kv->type));
    kv->item_type = kv->type;
    kv->n = 1;
    if (kv->type == TI_GGUF_ARRAY) {
        return take_array(c, kv);
    }
    if (kv->type == TI_GGUF_STRING) {
        ti_str text;
        TI_TRY(ti_gguf_take_str(c, &text, TI_GGUF_MAX_STRING_BYTES, "value"));
        kv->data = (const uint8_t *)text.data;
        kv->bytes = text.len;
        return TERN_OK;
    }
    return take_fixed(c, kv->type, 1, kv);
}

static int compare_keys(const void *a, const void *b)
{
    return ti_str_compare(((const ti_gguf_kv *)a)->key, ((const ti_gguf_kv *)b)->key);
}

/* Weights of these files fit only activations that went through a sign flip and a Hadamard
 * transform.  Read without, they load well and answer with noise. */
static const char rotation_prefix[] = "prism.hadamard.";

static tern_status check_keys(const ti_gguf *g, tern_err *err)
{
    for (size_t i = 0; i < g->n_kv; i++) {
        ti_str key = g->kv[i].key;
        uint64_t at = (uint64_t)(g->kv[i].data - g->data);
        if (i > 0 && ti_str_compare(g->kv[i - 1].key, key) == 0) {
            return ti_fail(err, TERN_CORRUPT, "gguf", at, "key '%.*s' appears twice",
                           TI_GGUF_SHOW(key));
        }
        if (key.len >= sizeof rotation_prefix - 1 &&
            memcmp(key.data, rotation_prefix, sizeof rotation_prefix - 1) == 0) {
            return ti_fail(err, TERN_UNSUPPORTED, "gguf", at,
                           "key '%.*s': this model needs Hadamard-rotated activations, which "
                           "tern does not compute",
                           TI_GGUF_SHOW(key));
        }
    }
    return TERN_OK;
}

static tern_status read_keys(ti_gguf *g, ti_gguf_cursor *c, uint64_t n)
{
    if (n > TI_GGUF_MAX_KV) {
        return ti_fail(c->err, TERN_LIMIT, "gguf", 16, "%llu keys, the limit is %d",
                       (unsigned long long)n, TI_GGUF_MAX_KV);
    }
    if (n > (c->size - c->at) / MIN_KV_BYTES) {
        return ti_fail(c->err, TERN_CORRUPT, "gguf", 16,
                       "%llu keys do not fit in a file of %llu bytes", (unsigned long long)n,
                       (unsigned long long)c->size);
    }
    g->kv = ti_arena_calloc(&g->arena, (size_t)n, sizeof *g->kv);
    if (!g->kv) {
        return ti_fail_nomem(c->err, "gguf", n * sizeof *g->kv, "keys");
    }
    g->n_kv = (size_t)n;
    for (size_t i = 0; i < g->n_kv; i++) {
        TI_TRY(take_kv(c, &g->kv[i]));
    }
    c->in = (ti_str){0};
    qsort(g->kv, g->n_kv, sizeof *g->kv, compare_keys);
    return check_keys(g, c->err);
}

/* --- header ---------------------------------------------------------------------------- */

static tern_status check_magic(const ti_gguf *g, tern_err *err)
{
    if (g->size < HEADER_BYTES) {
        return ti_fail(err, TERN_CORRUPT, "gguf", 0,
                       "file of %llu bytes is too short for a GGUF header",
                       (unsigned long long)g->size);
    }
    if (memcmp(g->data, "GGUF", 4) != 0) {
        return ti_fail(err, TERN_CORRUPT, "gguf", 0, "not a GGUF file: it begins with '%.4s'",
                       (const char *)g->data);
    }
    uint32_t version = ti_load_u32(g->data + 4);
    if (version == 2 || version == 3) {
        return TERN_OK;
    }
    if (version == 2u << 24 || version == 3u << 24) {
        return ti_fail(err, TERN_UNSUPPORTED, "gguf", 4, "big-endian GGUF is not supported");
    }
    return ti_fail(err, TERN_UNSUPPORTED, "gguf", 4,
                   "GGUF version %u is not supported, only 2 and 3", version);
}

static tern_status read_alignment(ti_gguf *g, tern_err *err)
{
    uint32_t alignment = DEFAULT_ALIGNMENT;
    TI_TRY(ti_gguf_get_u32(g, "general.alignment", false, &alignment, err));
    if (alignment == 0 || (alignment & (alignment - 1)) != 0) {
        return ti_fail(err, TERN_CORRUPT, "gguf", TI_NO_OFFSET,
                       "general.alignment %u is not a power of two", alignment);
    }
    if (alignment > TI_GGUF_MAX_ALIGNMENT) {
        return ti_fail(err, TERN_LIMIT, "gguf", TI_NO_OFFSET,
                       "general.alignment %u, the limit is %d", alignment,
                       TI_GGUF_MAX_ALIGNMENT);
    }
    g->alignment = alignment;
    return TERN_OK;
}

static tern_status read_all(ti_gguf *g, const ti_gguf_opts *opts, tern_err *err)
{
    TI_TRY(check_magic(g, err));
    ti_gguf_cursor c = {.data = g->data, .size = g->size, .at = HEADER_BYTES, .err = err};
    g->version = ti_load_u32(g->data + 4);
    TI_TRY(read_keys(g, &c, ti_load_u64(g->data + 16)));
    TI_TRY(read_alignment(g, err));
    TI_TRY(ti_gguf_read_tensors(g, &c, ti_load_u64(g->data + 8)));
    /* cannot wrap: the size of a file is below 2^63 */
    uint64_t start = (c.at + g->alignment - 1) & ~(g->alignment - 1);
    return ti_gguf_place_tensors(g, start, opts, err);
}

tern_status ti_gguf_parse(ti_gguf *out, const void *data, uint64_t size,
                          const ti_gguf_opts *opts, tern_err *err)
{
    static const ti_gguf_opts defaults = {0};
    opts = opts ? opts : &defaults;
    bool group_ok = opts->q2_0_group == 0 || opts->q2_0_group == 64 || opts->q2_0_group == 128;
    if (opts->i2s < 0 || opts->i2s > 2 || !group_ok) {
        return ti_fail(err, TERN_USAGE, "gguf", TI_NO_OFFSET,
                       "no such layout of I2_S (%d) or block of type 42 (%u)", opts->i2s,
                       opts->q2_0_group);
    }
    if (size > INT64_MAX) {
        return ti_fail(err, TERN_LIMIT, "gguf", TI_NO_OFFSET, "file of %llu bytes",
                       (unsigned long long)size);
    }
    ti_gguf g = {.data = data, .size = size, .map = {.fd = -1}};
    tern_status status = read_all(&g, opts, err);
    if (status != TERN_OK) {
        ti_arena_free(&g.arena);
        return status;
    }
    *out = g;
    return TERN_OK;
}

tern_status ti_gguf_open(ti_gguf *out, const char *path, const ti_gguf_opts *opts,
                         tern_err *err)
{
    ti_map map;
    TI_TRY(ti_map_open(&map, path, err));
    tern_status status = ti_gguf_parse(out, map.data, map.size, opts, err);
    if (status != TERN_OK) {
        ti_map_close(&map);
        return status;
    }
    out->map = map;
    return TERN_OK;
}

void ti_gguf_close(ti_gguf *gguf)
{
    ti_arena_free(&gguf->arena);
    ti_map_close(&gguf->map);
    *gguf = (ti_gguf){.map = {.fd = -1}};
}
