/* SPDX-License-Identifier: Apache-2.0 */
/* convert/sources.h - the converters behind ti_convert(); private to the folder.
 *
 * Each fills a writer with keys and tensors, up to the point where ti_gguf_writer_finish()
 * makes it a file.  Errors are those of ti_convert(). */
#ifndef TI_CONVERT_SOURCES_H
#define TI_CONVERT_SOURCES_H

#include "convert/convert.h"
#include "convert/emit.h"
#include "convert/hf_config.h"
#include "convert/tokjson.h"

/* Sizes that every architecture's keys have. */
typedef struct ti_arch_keys {
    const char *arch; /* prefix of the keys */
    uint32_t n_vocab, n_ctx, n_embd, n_layer, n_ff, n_head, n_head_kv, head_dim;
    double rope_base, rms_eps;
} ti_arch_keys;

/* Puts general.architecture and general.name (from the option, or the last part of `in`). */
void ti_put_general(ti_gguf_writer *w, const char *arch, const char *in,
                    const ti_convert_opts *opts);

/* Puts the keys of an architecture and those that say how tensors are kept. */
void ti_put_arch(ti_gguf_writer *w, const ti_arch_keys *k, const ti_out_types *types);

/* A llama2.c checkpoint. */
tern_status ti_convert_llama2c(ti_gguf_writer *w, const char *in, const ti_convert_opts *opts,
                               tern_err *err);

/* A Hugging Face directory. */
tern_status ti_convert_hf(ti_gguf_writer *w, const char *in, const ti_convert_opts *opts,
                          tern_err *err);

/* A tokenizer.json. */
tern_status ti_convert_vocab(ti_gguf_writer *w, const char *in, const ti_convert_opts *opts,
                             tern_err *err);

/* Reads a tokenizer.json and what is beside it (tokenizer_config.json, chat_template.jinja)
 * into the arena.  n_vocab as for ti_tokjson_read(). */
tern_status ti_tokjson_load(ti_tokjson *out, ti_arena *arena, const char *path,
                            uint32_t n_vocab, tern_err *err);

enum { TI_CONFIG_MAX_BYTES = 1 << 24 /* of a config.json or tokenizer_config.json */ };

#endif
