/* SPDX-License-Identifier: Apache-2.0 */
/* GGUF: writing.
 *
 * Keys and directory are small and kept in memory until begin_data; tensor data is streamed.
 * The file gets its name only in finish (base/file.h), so a writer that stops half-way leaves
 * nothing behind. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/file.h"
#include "base/le.h"
#include "model/gguf_parts.h"

enum { VERSION = 3, DEFAULT_ALIGNMENT = 32 };

typedef struct written_kv {
    char *key;
    ti_buf value; /* type and value as the file has them */
} written_kv;

typedef struct written_tensor {
    char *name;
    uint32_t type, n_dims;
    uint64_t dims[TI_GGUF_MAX_DIMS];
    uint64_t bytes;
} written_tensor;

struct ti_gguf_writer {
    ti_out out;
    written_kv *kv;
    size_t n_kv, cap_kv;
    written_tensor *tensors;
    size_t n_tensors, cap_tensors;
    uint64_t alignment;
    uint64_t total; /* bytes of all tensors with the largest padding there can be */
    size_t current; /* tensor whose data is being written */
    uint64_t done;  /* bytes of it that have been written */
    bool in_data;   /* directory is written */
    bool failed;    /* an allocation failed in one of the ti_gguf_put functions */
};

tern_status ti_gguf_writer_create(ti_gguf_writer **out, const char *path, tern_err *err)
{
    ti_gguf_writer *w = ti_calloc(1, sizeof *w);
    if (!w) {
        return ti_fail_nomem(err, "gguf", sizeof *w, "a writer");
    }
    tern_status status = ti_out_open(&w->out, path, err);
    if (status != TERN_OK) {
        free(w);
        return status;
    }
    *out = w;
    return TERN_OK;
}

void ti_gguf_writer_destroy(ti_gguf_writer *w)
{
    if (!w) {
        return;
    }
    ti_out_abandon(&w->out);
    for (size_t i = 0; i < w->n_kv; i++) {
        free(w->kv[i].key);
        ti_buf_free(&w->kv[i].value);
    }
    for (size_t i = 0; i < w->n_tensors; i++) {
        free(w->tensors[i].name);
    }
    free(w->kv);
    free(w->tensors);
    free(w);
}

/* Makes room for one more item of `size` bytes in a growing array. */
static bool grow(void *array, size_t n, size_t *cap, size_t size)
{
    if (n < *cap) {
        return true;
    }
    size_t more = *cap ? *cap * 2 : 32, bytes;
    void *old, *grown;
    memcpy(&old, array, sizeof old); /* `array` is the address of a pointer to anything */
    if (!ti_mul_size(more, size, &bytes) || !(grown = realloc(old, bytes))) {
        return false;
    }
    memcpy(array, &grown, sizeof grown);
    *cap = more;
    return true;
}

static char *copy_text(const char *text)
{
    size_t bytes = strlen(text) + 1;
    char *copy = malloc(bytes);
    return copy ? memcpy(copy, text, bytes) : NULL;
}

/* --- keys ------------------------------------------------------------------------------ */

static written_kv *find_kv(ti_gguf_writer *w, const char *key)
{
    for (size_t i = 0; i < w->n_kv; i++) {
        if (strcmp(w->kv[i].key, key) == 0) {
            return &w->kv[i];
        }
    }
    return NULL;
}

static void add_u32(ti_buf *b, uint32_t v)
{
    uint8_t bytes[4];
    ti_store_u32(bytes, v);
    ti_buf_add(b, bytes, sizeof bytes);
}

static void add_u64(ti_buf *b, uint64_t v)
{
    uint8_t bytes[8];
    ti_store_u64(bytes, v);
    ti_buf_add(b, bytes, sizeof bytes);
}

static void add_str(ti_buf *b, const char *text, size_t len)
{
    add_u64(b, len);
    ti_buf_add(b, text, len);
}

/* The empty value of a key, with its type written; NULL after a failed allocation. */
static ti_buf *value_of(ti_gguf_writer *w, const char *key, ti_gguf_type type)
{
    TI_ASSERT(!w->in_data);
    TI_ASSERT(ti_gguf_name_ok((ti_str){key, strlen(key)}));
    TI_ASSERT(strlen(key) <= TI_GGUF_MAX_KEY_BYTES);
    written_kv *kv = find_kv(w, key);
    if (!kv) {
        char *copy = copy_text(key);
        if (!copy || !grow(&w->kv, w->n_kv, &w->cap_kv, sizeof *w->kv)) {
            free(copy);
            w->failed = true;
            return NULL;
        }
        kv = &w->kv[w->n_kv++];
        *kv = (written_kv){.key = copy};
    }
    ti_buf_clear(&kv->value);
    add_u32(&kv->value, (uint32_t)type);
    return &kv->value;
}

static ti_buf *array_of(ti_gguf_writer *w, const char *key, ti_gguf_type item, size_t n)
{
    ti_buf *b = value_of(w, key, TI_GGUF_ARRAY);
    if (b) {
        add_u32(b, (uint32_t)item);
        add_u64(b, n);
    }
    return b;
}

void ti_gguf_put_u32(ti_gguf_writer *w, const char *key, uint32_t value)
{
    ti_buf *b = value_of(w, key, TI_GGUF_U32);
    if (b) {
        add_u32(b, value);
    }
}

void ti_gguf_put_i32(ti_gguf_writer *w, const char *key, int32_t value)
{
    ti_buf *b = value_of(w, key, TI_GGUF_I32);
    if (b) {
        add_u32(b, (uint32_t)value);
    }
}

void ti_gguf_put_u64(ti_gguf_writer *w, const char *key, uint64_t value)
{
    ti_buf *b = value_of(w, key, TI_GGUF_U64);
    if (b) {
        add_u64(b, value);
    }
}

void ti_gguf_put_f32(ti_gguf_writer *w, const char *key, float value)
{
    ti_buf *b = value_of(w, key, TI_GGUF_F32);
    if (b) {
        add_u32(b, ti_float_bits(value));
    }
}

void ti_gguf_put_bool(ti_gguf_writer *w, const char *key, bool value)
{
    ti_buf *b = value_of(w, key, TI_GGUF_BOOL);
    if (b) {
        ti_buf_addc(b, value ? 1 : 0);
    }
}

void ti_gguf_put_str(ti_gguf_writer *w, const char *key, const char *text, size_t len)
{
    ti_buf *b = value_of(w, key, TI_GGUF_STRING);
    if (b) {
        add_str(b, text, len);
    }
}

void ti_gguf_put_strs(ti_gguf_writer *w, const char *key, const ti_str *items, size_t n)
{
    ti_buf *b = array_of(w, key, TI_GGUF_STRING, n);
    for (size_t i = 0; b && i < n; i++) {
        add_str(b, items[i].data, items[i].len);
    }
}

void ti_gguf_put_i32s(ti_gguf_writer *w, const char *key, const int32_t *items, size_t n)
{
    ti_buf *b = array_of(w, key, TI_GGUF_I32, n);
    for (size_t i = 0; b && i < n; i++) {
        add_u32(b, (uint32_t)items[i]);
    }
}

void ti_gguf_put_f32s(ti_gguf_writer *w, const char *key, const float *items, size_t n)
{
    ti_buf *b = array_of(w, key, TI_GGUF_F32, n);
    for (size_t i = 0; b && i < n; i++) {
        add_u32(b, ti_float_bits(items[i]));
    }
}

void ti_gguf_put_copy(ti_gguf_writer *w, const ti_gguf_kv *kv)
{
    char *key = malloc(kv->key.len + 1);
    if (!key) {
        w->failed = true;
        return;
    }
    memcpy(key, kv->key.data, kv->key.len);
    key[kv->key.len] = '\0';
    ti_buf *b = kv->type == TI_GGUF_ARRAY ? array_of(w, key, kv->item_type, (size_t)kv->n)
                                          : value_of(w, key, kv->type);
    free(key);
    if (b && kv->type == TI_GGUF_STRING) {
        add_u64(b, kv->bytes);
    }
    if (b) {
        ti_buf_add(b, kv->data, (size_t)kv->bytes);
    }
}

/* --- tensors ----------------------------------------------------------------------------- */

static tern_status check_tensor(const char *name, uint32_t type, const uint64_t *dims,
                                uint32_t n_dims, uint64_t bytes, tern_err *err)
{
    size_t len = strlen(name);
    const ti_type_info *info = ti_type_info_of(type);
    if (len > TI_GGUF_MAX_NAME_BYTES || !ti_gguf_name_ok((ti_str){name, len})) {
        return ti_fail(err, TERN_USAGE, "gguf", TI_NO_OFFSET, "no tensor may be named '%s'",
                       name);
    }
    if (!info || type == TI_I2_S_ARM || n_dims == 0 || n_dims > TI_GGUF_MAX_DIMS) {
        return ti_fail(err, TERN_USAGE, "gguf", TI_NO_OFFSET,
                       "tensor '%s': type %u with %u dimensions cannot be written", name, type,
                       n_dims);
    }
    uint64_t rows = 1, want = bytes, total;
    for (uint32_t i = 1; i < n_dims; i++) {
        if (!ti_mul_u64(rows, dims[i], &rows)) {
            rows = 0;
        }
    }
    bool sized = type >= TI_PACK_FIRST || ti_type_tensor_bytes(info, dims[0], rows, &want);
    if (!sized || !ti_mul_u64(rows, dims[0], &total) || total == 0 || total > INT64_MAX ||
        bytes == 0 || bytes != want) {
        return ti_fail(err, TERN_USAGE, "gguf", TI_NO_OFFSET,
                       "tensor '%s': %llu bytes are not a %s tensor of %u dimensions", name,
                       (unsigned long long)bytes, info->name, n_dims);
    }
    return TERN_OK;
}

tern_status ti_gguf_add_tensor(ti_gguf_writer *w, const char *name, uint32_t type,
                               const uint64_t *dims, uint32_t n_dims, uint64_t bytes,
                               tern_err *err)
{
    TI_ASSERT(!w->in_data);
    TI_TRY(check_tensor(name, type, dims, n_dims, bytes, err));
    uint64_t total;
    if (!ti_add_u64(w->total, bytes, &total) || total > INT64_MAX - TI_GGUF_MAX_ALIGNMENT) {
        return ti_fail(err, TERN_LIMIT, "gguf", TI_NO_OFFSET,
                       "tensor '%s' makes the file larger than 2^63 bytes", name);
    }
    char *copy = copy_text(name);
    if (!copy || !grow(&w->tensors, w->n_tensors, &w->cap_tensors, sizeof *w->tensors)) {
        free(copy);
        return ti_fail_nomem(err, "gguf", sizeof *w->tensors, "a tensor");
    }
    written_tensor *t = &w->tensors[w->n_tensors++];
    *t = (written_tensor){.name = copy, .type = type, .n_dims = n_dims, .bytes = bytes};
    memcpy(t->dims, dims, n_dims * sizeof *dims);
    w->total = total + TI_GGUF_MAX_ALIGNMENT;
    return TERN_OK;
}

/* A u32 key general.alignment that was put, as a writer's own files have it. */
static tern_status set_alignment(ti_gguf_writer *w, tern_err *err)
{
    const written_kv *kv = find_kv(w, "general.alignment");
    w->alignment = DEFAULT_ALIGNMENT;
    if (!kv) {
        return TERN_OK;
    }
    uint32_t value = 0;
    if (kv->value.len == 8 && ti_load_u32(kv->value.data) == TI_GGUF_U32) {
        value = ti_load_u32(kv->value.data + 4);
    }
    if (value == 0 || (value & (value - 1)) != 0 || value > TI_GGUF_MAX_ALIGNMENT) {
        return ti_fail(err, TERN_USAGE, "gguf", TI_NO_OFFSET,
                       "general.alignment must be a u32, a power of two, at most %d",
                       TI_GGUF_MAX_ALIGNMENT);
    }
    w->alignment = value;
    return TERN_OK;
}

static int compare_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static tern_status check_unique(const ti_gguf_writer *w, tern_err *err)
{
    char **names = ti_calloc(w->n_tensors, sizeof *names);
    if (!names) {
        return ti_fail_nomem(err, "gguf", w->n_tensors * sizeof *names, "tensor names");
    }
    for (size_t i = 0; i < w->n_tensors; i++) {
        names[i] = w->tensors[i].name;
    }
    qsort(names, w->n_tensors, sizeof *names, compare_text);
    tern_status status = TERN_OK;
    for (size_t i = 1; i < w->n_tensors && status == TERN_OK; i++) {
        if (strcmp(names[i - 1], names[i]) == 0) {
            status = ti_fail(err, TERN_USAGE, "gguf", TI_NO_OFFSET,
                             "tensor '%s' was added twice", names[i]);
        }
    }
    free(names);
    return status;
}

static uint64_t padding(const ti_gguf_writer *w, uint64_t at)
{
    return (w->alignment - at % w->alignment) % w->alignment;
}

/* Header, keys, directory and the padding after it. */
static void build_head(const ti_gguf_writer *w, ti_buf *b)
{
    ti_buf_adds(b, "GGUF");
    add_u32(b, VERSION);
    add_u64(b, w->n_tensors);
    add_u64(b, w->n_kv);
    for (size_t i = 0; i < w->n_kv; i++) {
        add_str(b, w->kv[i].key, strlen(w->kv[i].key));
        ti_buf_add(b, w->kv[i].value.data, w->kv[i].value.len);
    }
    uint64_t offset = 0;
    for (size_t i = 0; i < w->n_tensors; i++) {
        const written_tensor *t = &w->tensors[i];
        add_str(b, t->name, strlen(t->name));
        add_u32(b, t->n_dims);
        for (uint32_t d = 0; d < t->n_dims; d++) {
            add_u64(b, t->dims[d]);
        }
        add_u32(b, t->type);
        add_u64(b, offset);
        offset += t->bytes + padding(w, t->bytes);
    }
    for (uint64_t n = padding(w, b->len); n > 0; n--) {
        ti_buf_addc(b, 0);
    }
}

static tern_status put_bytes(ti_gguf_writer *w, const void *data, uint64_t bytes, tern_err *err)
{
    if (bytes > 0 && fwrite(data, 1, (size_t)bytes, w->out.stream) != bytes) {
        return ti_fail_errno(err, errno, "gguf", "cannot write '%s'", w->out.path);
    }
    return TERN_OK;
}

tern_status ti_gguf_begin_data(ti_gguf_writer *w, tern_err *err)
{
    TI_ASSERT(!w->in_data);
    bool failed = w->failed;
    for (size_t i = 0; i < w->n_kv; i++) {
        failed = failed || w->kv[i].value.failed;
    }
    if (failed) {
        return ti_fail_nomem(err, "gguf", 0, "keys");
    }
    if (w->n_kv > TI_GGUF_MAX_KV || w->n_tensors > TI_GGUF_MAX_TENSORS) {
        return ti_fail(err, TERN_LIMIT, "gguf", TI_NO_OFFSET, "%zu keys and %zu tensors",
                       w->n_kv, w->n_tensors);
    }
    TI_TRY(set_alignment(w, err));
    TI_TRY(check_unique(w, err));
    ti_buf head = {0};
    build_head(w, &head);
    tern_status status = head.failed ? ti_fail_nomem(err, "gguf", head.len, "the directory")
                                     : put_bytes(w, head.data, head.len, err);
    ti_buf_free(&head);
    w->in_data = status == TERN_OK;
    return status;
}

tern_status ti_gguf_write_data(ti_gguf_writer *w, const void *data, uint64_t bytes,
                               tern_err *err)
{
    static const uint8_t zeros[256] = {0};
    TI_ASSERT(w->in_data);
    if (w->current >= w->n_tensors || bytes > w->tensors[w->current].bytes - w->done) {
        return ti_fail(err, TERN_USAGE, "gguf", TI_NO_OFFSET,
                       "%llu bytes more than the announced tensors have",
                       (unsigned long long)bytes);
    }
    TI_TRY(put_bytes(w, data, bytes, err));
    w->done += bytes;
    uint64_t all = w->tensors[w->current].bytes;
    if (w->done < all) {
        return TERN_OK;
    }
    for (uint64_t n = padding(w, all); n > 0;) {
        uint64_t part = n < sizeof zeros ? n : sizeof zeros;
        TI_TRY(put_bytes(w, zeros, part, err));
        n -= part;
    }
    w->current++;
    w->done = 0;
    return TERN_OK;
}

tern_status ti_gguf_writer_finish(ti_gguf_writer *w, tern_err *err)
{
    TI_ASSERT(w->in_data);
    if (w->current < w->n_tensors) {
        return ti_fail(err, TERN_USAGE, "gguf", TI_NO_OFFSET,
                       "tensor '%s' has %llu of its %llu bytes", w->tensors[w->current].name,
                       (unsigned long long)w->done,
                       (unsigned long long)w->tensors[w->current].bytes);
    }
    return ti_out_commit(&w->out, err);
}
