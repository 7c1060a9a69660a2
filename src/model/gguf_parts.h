/* SPDX-License-Identifier: Apache-2.0 */
/* model/gguf_parts.h - what the files of the GGUF reader share. */
#ifndef TI_MODEL_GGUF_PARTS_H
#define TI_MODEL_GGUF_PARTS_H

#include "model/gguf.h"

/* A place in the file.  All reading goes through ti_gguf_take(). */
typedef struct ti_gguf_cursor {
    const uint8_t *data;
    uint64_t size, at;
    ti_str in; /* the key or tensor that is being read, for messages */
    tern_err *err;
} ti_gguf_cursor;

/* Names in messages are cut there. */
enum { TI_GGUF_SHOWN_BYTES = 80 };

/* A name for %.*s. */
#define TI_GGUF_SHOW(str) \
    (int)((str).len < TI_GGUF_SHOWN_BYTES ? (str).len : TI_GGUF_SHOWN_BYTES), (str).data

/* Returns `n` bytes and moves on, or fails and says that `what` ends past the file. */
tern_status ti_gguf_take(ti_gguf_cursor *c, uint64_t n, const uint8_t **p, const char *what);

/* Reads numbers. */
tern_status ti_gguf_take_u32(ti_gguf_cursor *c, uint32_t *out, const char *what);
tern_status ti_gguf_take_u64(ti_gguf_cursor *c, uint64_t *out, const char *what);

/* Reads a string of at most `max` bytes. */
tern_status ti_gguf_take_str(ti_gguf_cursor *c, ti_str *out, uint64_t max, const char *what);

/* True when a name is not empty, is UTF-8 and has no control characters. */
bool ti_gguf_name_ok(ti_str name);

/* Reads and checks the n tensors of the directory; keys have been read.  Leaves the cursor at
 * the directory's end.  Data is not looked at; ti_gguf_place_tensors() does that. */
tern_status ti_gguf_read_tensors(ti_gguf *g, ti_gguf_cursor *c, uint64_t n);

/* Settles ambiguous types, sizes and places of all tensors: `start` is where the data begins.
 */
tern_status ti_gguf_place_tensors(ti_gguf *g, uint64_t start, const ti_gguf_opts *opts,
                                  tern_err *err);

/* Orders strings by bytes, then length. */
int ti_str_compare(ti_str a, ti_str b);

#endif
