/* SPDX-License-Identifier: Apache-2.0 */
/* model/i2s.h - which of its two layouts an I2_S file was written in.
 *
 * The layouts are permutations of each other inside groups of 128 weights, so no tensor alone
 * can tell.  Two together can: a trained network gives each channel its own share of non-zero
 * weights, and a channel that is a row of one matrix (rows are the same in both layouts), or an
 * entry of a norm, is a column of the next.  Read in the right layout the columns of ffn_down
 * go with the rows of ffn_gate and ffn_up, those of attn_q with the rows of attn_output, and so
 * on; in the wrong one three of four columns are misplaced and the likeness falls.
 *
 * For each pair half of n r^2 is a log-likelihood; the difference between the two readings is
 * summed over pairs and layers until it is beyond doubt.  Untrained (random) weights have no
 * such structure, and the answer is "unknown". */
#ifndef TI_MODEL_I2S_H
#define TI_MODEL_I2S_H

#include "model/gguf.h"

/* Values of ti_gguf_opts.i2s and of tern_i2s_layout. */
enum { TI_I2S_UNKNOWN = 0, TI_I2S_X86 = 1, TI_I2S_ARM = 2 };

/* Sets *layout to the layout of the file's I2_S tensors, or TI_I2S_UNKNOWN when the weights do
 * not tell.  The tensors' places have been checked.  Cost: reads parts of at most eight layers,
 * in practice of one (some 10 ms).  Errors: TERN_NOMEM. */
tern_status ti_i2s_detect(const ti_gguf *g, int *layout, tern_err *err);

#endif
