/* SPDX-License-Identifier: Apache-2.0 */
/* model/gguf.h - reading and writing GGUF files, versions 2 and 3, little-endian.
 *
 *   offset 0   "GGUF"                       magic
 *          4   u32 version                  2 or 3
 *          8   u64 n_tensors
 *         16   u64 n_kv
 *         24   n_kv x { string key; u32 type; value }
 *              n_tensors x { string name; u32 n_dims; u64 dims[n_dims]; u32 type; u64 offset }
 *              padding to general.alignment (32 unless the key says otherwise)
 *              tensor data, each at a multiple of the alignment from here
 *   string = u64 length, bytes.  array = u32 element type, u64 count, elements.
 *
 * The file is mapped and nothing in it is believed before it was checked: every length against
 * the bytes that are left, every product for wrap, every tensor against the end of the file and
 * against its neighbours.  The directory is built in an arena; strings and arrays stay where
 * they are in the map. */
#ifndef TI_MODEL_GGUF_H
#define TI_MODEL_GGUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/str.h"
#include "kern/dtype.h"

typedef enum ti_gguf_type {
    TI_GGUF_U8 = 0,
    TI_GGUF_I8,
    TI_GGUF_U16,
    TI_GGUF_I16,
    TI_GGUF_U32,
    TI_GGUF_I32,
    TI_GGUF_F32,
    TI_GGUF_BOOL,
    TI_GGUF_STRING,
    TI_GGUF_ARRAY,
    TI_GGUF_U64,
    TI_GGUF_I64,
    TI_GGUF_F64
} ti_gguf_type;

enum {
    TI_GGUF_MAX_KV = 1 << 16,
    TI_GGUF_MAX_TENSORS = 1 << 16,
    TI_GGUF_MAX_KEY_BYTES = 65535,
    TI_GGUF_MAX_NAME_BYTES = 255,
    TI_GGUF_MAX_DIMS = 4,
    TI_GGUF_MAX_ALIGNMENT = 1 << 20
};
#define TI_GGUF_MAX_STRING_BYTES ((uint64_t)1 << 28)
#define TI_GGUF_MAX_ARRAY_ITEMS ((uint64_t)1 << 26)

typedef struct ti_gguf_kv {
    ti_str key;
    ti_gguf_type type;      /* of the value */
    ti_gguf_type item_type; /* of the items, when type is TI_GGUF_ARRAY */
    uint64_t n;             /* items of an array, else 1 */
    const uint8_t *data;    /* the value, or the first item, in the file */
    uint64_t bytes;         /* of value or items together */
} ti_gguf_kv;

typedef struct ti_gguf_tensor {
    const char *name;         /* NUL-terminated copy in the arena; no control characters */
    const ti_type_info *type; /* never NULL */
    uint32_t n_dims;
    uint64_t dims[TI_GGUF_MAX_DIMS]; /* dims[0] = weights in a row; unused ones are 1 */
    uint64_t rows;                   /* product of dims[1..] */
    uint64_t offset;                 /* absolute, in the file */
    const uint8_t *data;             /* [bytes]; NULL with opts.directory_only */
    uint64_t bytes;
} ti_gguf_tensor;

typedef struct ti_gguf {
    const uint8_t *data; /* the whole file */
    uint64_t size;
    uint32_t version;
    uint64_t alignment;
    ti_gguf_kv *kv; /* sorted by key */
    size_t n_kv;
    ti_gguf_tensor *tensors; /* in the order of the file's directory */
    size_t n_tensors;
    uint32_t *by_name; /* indices into tensors, sorted by name */
    ti_map map;        /* when opened from a path */
    ti_arena arena;
} ti_gguf;

/* How ambiguous tensor types are to be read; zero = detect, and refuse when not certain.
 *
 * I2_S: the bytes of both layouts look alike.  The layout is known when the file has the key
 * TI_GGUF_KEY_I2S_LAYOUT, or when the weights' own structure gives it away (model/i2s.h).
 * Type 42: a layout is known when its size, and not the other's, fills the room of every such
 * tensor up to the next one.  Tensors with blocks of 128 get the type PQ2_0.
 * Packed types (TI_PACK_FIRST and up): `bytes` is the room up to the next tensor or the end of
 * the file, padding included; the packer checks that it is enough. */
typedef struct ti_gguf_opts {
    int i2s;             /* 0 detect, 1 x86 (128/32), 2 ARM (64/16) */
    uint32_t q2_0_group; /* 0 detect from the tensors' extents, 64, 128 */
    bool directory_only; /* do not require that tensor data is in the file (vocab-only); nothing
                            is detected: I2_S and Q2_0 stay as they are, `data` is NULL */
} ti_gguf_opts;

/* "x86" or "arm": how the I2_S tensors of a file are laid out.  Whoever writes I2_S with
 * ti_i2s_encode() puts it. */
#define TI_GGUF_KEY_I2S_LAYOUT "tern.i2s_layout"

/* Reads the directory of a mapped file.  ti_gguf_close() frees it.  opts may be NULL.
 * Errors: TERN_IO, TERN_CORRUPT, TERN_UNSUPPORTED, TERN_LIMIT, TERN_NOMEM; with offset and the
 * key's or tensor's name; TERN_USAGE for an option that has no such value. */
tern_status ti_gguf_open(ti_gguf *out, const char *path, const ti_gguf_opts *opts,
                         tern_err *err);

/* The same for bytes in memory, which must outlive `out`. */
tern_status ti_gguf_parse(ti_gguf *out, const void *data, uint64_t size,
                          const ti_gguf_opts *opts, tern_err *err);

/* Frees the directory and the map.  A zeroed ti_gguf is allowed. */
void ti_gguf_close(ti_gguf *gguf);

/* Finds a key (NUL-terminated), or NULL. */
const ti_gguf_kv *ti_gguf_find(const ti_gguf *gguf, const char *key);

/* Finds a tensor, or NULL. */
const ti_gguf_tensor *ti_gguf_tensor_find(const ti_gguf *gguf, const char *name);

/* Typed values.  Absent key: *out is untouched and TERN_OK is returned when `required` is
 * false, else TERN_CORRUPT.  Any integer type is accepted for an integer if the value fits; any
 * float type for a float.  A key of another type is TERN_CORRUPT.  Floats must be finite. */
tern_status ti_gguf_get_u32(const ti_gguf *gguf, const char *key, bool required, uint32_t *out,
                            tern_err *err);
tern_status ti_gguf_get_f32(const ti_gguf *gguf, const char *key, bool required, float *out,
                            tern_err *err);
tern_status ti_gguf_get_bool(const ti_gguf *gguf, const char *key, bool required, bool *out,
                             tern_err *err);
tern_status ti_gguf_get_str(const ti_gguf *gguf, const char *key, bool required, ti_str *out,
                            tern_err *err);

/* Walks over an array of strings: start with *cursor = 0; each call returns the next item.
 * Returns false at the end.  kv->type must be an array of strings. */
bool ti_gguf_next_str(const ti_gguf_kv *kv, uint64_t *cursor, ti_str *out);

/* Item i of an array of integers, or of floats; i < kv->n and the type were checked by the
 * caller (ti_gguf_is_int_array and so on). */
bool ti_gguf_is_int_array(const ti_gguf_kv *kv);
bool ti_gguf_is_float_array(const ti_gguf_kv *kv);
bool ti_gguf_is_str_array(const ti_gguf_kv *kv);
int64_t ti_gguf_int_at(const ti_gguf_kv *kv, uint64_t i);
double ti_gguf_float_at(const ti_gguf_kv *kv, uint64_t i);

/* --- writing ---------------------------------------------------------------------------- */

/* Writes a GGUF v3 file: first all keys, then all tensors' directory entries, then their data
 * in the same order, streamed. */
typedef struct ti_gguf_writer ti_gguf_writer;

/* Starts a file beside `path`.  Errors: TERN_IO, TERN_NOMEM. */
tern_status ti_gguf_writer_create(ti_gguf_writer **out, const char *path, tern_err *err);

/* Removes what was written if ti_gguf_writer_finish() was not called or failed.  NULL is
 * allowed. */
void ti_gguf_writer_destroy(ti_gguf_writer *w);

/* Keys; a repeated key replaces.  Allocation failures are reported by _begin_data.  A u32 key
 * general.alignment sets the alignment (a power of two); 32 without it. */
void ti_gguf_put_u32(ti_gguf_writer *w, const char *key, uint32_t value);
void ti_gguf_put_i32(ti_gguf_writer *w, const char *key, int32_t value);
void ti_gguf_put_u64(ti_gguf_writer *w, const char *key, uint64_t value);
void ti_gguf_put_f32(ti_gguf_writer *w, const char *key, float value);
void ti_gguf_put_bool(ti_gguf_writer *w, const char *key, bool value);
void ti_gguf_put_str(ti_gguf_writer *w, const char *key, const char *text, size_t len);
void ti_gguf_put_strs(ti_gguf_writer *w, const char *key, const ti_str *items, size_t n);
void ti_gguf_put_i32s(ti_gguf_writer *w, const char *key, const int32_t *items, size_t n);
void ti_gguf_put_f32s(ti_gguf_writer *w, const char *key, const float *items, size_t n);

/* Copies a key with its value from another file. */
void ti_gguf_put_copy(ti_gguf_writer *w, const ti_gguf_kv *kv);

/* Announces a tensor: `bytes` is checked against the type unless the type is one of tern's
 * packed ones. */
tern_status ti_gguf_add_tensor(ti_gguf_writer *w, const char *name, uint32_t type,
                               const uint64_t *dims, uint32_t n_dims, uint64_t bytes,
                               tern_err *err);

/* Writes header and directory; after it no key and no tensor can be added. */
tern_status ti_gguf_begin_data(ti_gguf_writer *w, tern_err *err);

/* Appends bytes to the current tensor's data; tensors follow each other in the order in which
 * they were announced, padding is added between them.  A call may not cross tensors. */
tern_status ti_gguf_write_data(ti_gguf_writer *w, const void *data, uint64_t bytes,
                               tern_err *err);

/* Checks that all data was written, syncs, and gives the file its name. */
tern_status ti_gguf_writer_finish(ti_gguf_writer *w, tern_err *err);

#endif
