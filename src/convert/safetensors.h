/* SPDX-License-Identifier: Apache-2.0 */
/* convert/safetensors.h - reading .safetensors files.
 *
 *   offset 0    u64  bytes of the header, little-endian
 *          8    JSON { "name": { "dtype": "BF16", "shape": [rows, columns],
 *                                "data_offsets": [begin, end] }, ...,
 *                      "__metadata__": { string: string } }, padded with spaces at its end
 *          8+n  data; offsets count from here, the last dimension is contiguous
 *
 * The format promises that the tensors cover the data without gaps and without overlaps
 * (huggingface/safetensors, README, "Format"); this reader believes only files that keep it. */
#ifndef TI_CONVERT_SAFETENSORS_H
#define TI_CONVERT_SAFETENSORS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/mem.h"

enum {
    TI_ST_MAX_HEADER_BYTES = 100 * 1000 * 1000, /* the format's own limit */
    TI_ST_MAX_TENSORS = 1 << 18,
    TI_ST_MAX_NAME_BYTES = 511,
    TI_ST_MAX_DIMS = 8
};

typedef enum ti_st_dtype {
    TI_ST_U8 = 0,
    TI_ST_F16,
    TI_ST_BF16,
    TI_ST_F32,
    TI_ST_OTHER /* known and measured, but nothing that a model here is made of */
} ti_st_dtype;

typedef struct ti_st_tensor {
    const char *name;       /* in the arena */
    const char *dtype_name; /* static: "BF16" */
    ti_st_dtype dtype;
    uint32_t n_dims;
    uint64_t dims[TI_ST_MAX_DIMS]; /* unused ones are 1 */
    uint64_t begin;                /* in the data */
    uint64_t offset;               /* in the file */
    uint64_t bytes;
    const uint8_t *data; /* [bytes]; not aligned */
} ti_st_tensor;

typedef struct ti_safetensors {
    ti_st_tensor *tensors; /* sorted by name */
    size_t n;
    ti_arena arena;
} ti_safetensors;

/* Reads the header of a file in memory, which must outlive `out`; free with
 * ti_safetensors_close().  Data is not touched.  Memory: about twice the header.
 * Errors: TERN_CORRUPT, TERN_UNSUPPORTED (a dtype that is unknown), TERN_LIMIT, TERN_NOMEM. */
tern_status ti_safetensors_parse(ti_safetensors *out, const uint8_t *data, uint64_t size,
                                 tern_err *err);

/* Frees the directory.  A zeroed ti_safetensors is allowed. */
void ti_safetensors_close(ti_safetensors *st);

/* Finds a tensor, or NULL.  O(log n). */
const ti_st_tensor *ti_safetensors_find(const ti_safetensors *st, const char *name);

#endif
