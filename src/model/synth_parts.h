/* SPDX-License-Identifier: Apache-2.0 */
/* model/synth_parts.h - what the files of ti_synth() share. */
#ifndef TI_MODEL_SYNTH_PARTS_H
#define TI_MODEL_SYNTH_PARTS_H

#include "model/gguf.h"

/* Puts the tokenizer.ggml.* keys of a byte-level BPE of n_vocab tokens (at least 320) with the
 * pre-tokenizer `pre`.  Errors: TERN_NOMEM. */
tern_status ti_synth_vocab(ti_gguf_writer *w, uint32_t n_vocab, const char *pre, tern_err *err);

#endif
