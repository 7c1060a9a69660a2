/* SPDX-License-Identifier: Apache-2.0 */
/* convert/emit.h - tensors of one file becoming tensors of a GGUF file.
 *
 * A converter describes every tensor it wants (where its numbers are, what they are, what they
 * shall become) and hands over the list; rows are read, checked and written one at a time, so
 * that the memory needed is two rows whatever the model's size.
 *
 * How weights become ternary:
 *   trits    the source has codes and one scale for the tensor: nothing is decided here
 *   absmean  full-precision weights of a network trained to be ternary (BitNet b1.58, arXiv
 *            2402.17764): scale = mean |w|, at least 1e-5; code = w / scale rounded to the
 *            nearest of -1, 0, +1
 *   exact    other weights may be written as a ternary type only if they are ternary already:
 *            one magnitude in the tensor (I2_S) or in each block (TQ1_0, TQ2_0) */
#ifndef TI_CONVERT_EMIT_H
#define TI_CONVERT_EMIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/file.h"
#include "kern/dtype.h"
#include "model/gguf.h"
#include "tern/model.h"

typedef enum ti_src_type {
    TI_SRC_F32 = 0,
    TI_SRC_F16,
    TI_SRC_BF16,
    TI_SRC_TRITS /* [rows/4][k] bytes: bits 2i, 2i+1 of a byte of row r are the code (0, 1, 2)
                    of row r + i * rows/4 */
} ti_src_type;

enum { TI_OUT_NAME_BYTES = 64 };

/* One tensor: what is to be read, and as what it is to be written. */
typedef struct ti_out_tensor {
    char name[TI_OUT_NAME_BYTES]; /* in the GGUF file */
    const ti_type_info *type;     /* in the GGUF file */
    uint32_t n_dims;              /* in the GGUF file: 1 (k, with rows 1) or 2 */

    const char *source; /* the tensor's name in the input, for messages */
    ti_src_type src;
    const uint8_t *data;  /* rows x k little-endian numbers, row-major; not aligned */
    uint64_t rows, k;     /* of the matrix, also when it is packed */
    uint64_t offset;      /* of the data in its file, for messages */
    uint64_t rope_dim;    /* 0, or the width of a head whose rows are to be reordered from
                             (first half, second half) to pairs */
    float scale;          /* TI_SRC_TRITS: weight = scale x (code - 1) */
    bool absmean;         /* full-precision weights of a ternary network */
    const ti_map *map;    /* what `data` is in, or NULL: checked before it is read */
    const char *map_path; /* for messages */
} ti_out_tensor;

/* Which types a conversion writes. */
typedef struct ti_out_types {
    const ti_type_info *matrix; /* the matrices inside the blocks */
    const ti_type_info *head;   /* token embedding and output head */
    uint32_t file_type;         /* general.file_type */
} ti_out_types;

/* Chooses the types by name (case ignored); NULL for `type` means `fallback`; NULL for `head`
 * means the type of the matrices, or F16 when that is ternary.
 * Errors: TERN_USAGE for a name that is no type that can be written. */
tern_status ti_out_types_choose(ti_out_types *out, const char *type, const char *head,
                                ti_type fallback, tern_err *err);

/* Announces the tensors, writes header and data.  Keys must have been put before;
 * ti_gguf_writer_finish() is left to the caller.
 * Errors: TERN_CORRUPT (a number that is not finite, a code 3), TERN_UNSUPPORTED (rows that
 * the type cannot hold, weights that are not ternary or too large for half precision),
 * TERN_LIMIT, TERN_IO, TERN_NOMEM, TERN_CANCELLED; with the source tensor's name. */
tern_status ti_emit(ti_gguf_writer *w, const ti_out_tensor *tensors, size_t n,
                    tern_progress_fn progress, void *progress_user, tern_err *err);

#endif
