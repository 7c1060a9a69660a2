/* SPDX-License-Identifier: Apache-2.0 */
/* model/pack_file.h - files whose matrices lie as the kernels read them.
 *
 * Such a file is a GGUF with tensor types that only tern knows (kern/dtype.h, TI_PACK_...):
 *
 *   general.alignment     64
 *   tern.pack.version     u32, of the layouts of kern/pack.h; another one is refused
 *   tern.pack.tied_head   bool, true when output.weight is the embedding, packed
 *   <stem>.weight         the bytes of a ti_mat: rows and columns are padded
 *   <stem>.row_scale      F32 [rows], beside T2 and T5
 *
 * Matrices of floats, norms, the embedding (rows of it are looked up) and all other keys are
 * as they were.  A packed file is mapped, not copied: it opens at once, and processes that use
 * it share its memory. */
#ifndef TI_MODEL_PACK_FILE_H
#define TI_MODEL_PACK_FILE_H

#include "tern/model.h"

/* Opens the model `in` as tern_model_open() does with these options, which decide on layouts
 * and head, and writes it as it then lies in memory.  The file appears under its name when it
 * is complete; it may replace `in`.
 *   opts  may be NULL; progress counts half for opening, half for writing
 * Memory: that of the opened model.  Cost: opening it, and the disk's.
 * Errors: those of tern_model_open(); TERN_USAGE with vocab_only; TERN_IO; TERN_CANCELLED. */
tern_status ti_pack_file(const char *in, const char *out, const tern_model_opts *opts,
                         tern_err *err);

#endif
