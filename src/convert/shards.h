/* SPDX-License-Identifier: Apache-2.0 */
/* convert/shards.h - the weights of a Hugging Face directory: one .safetensors file, or several
 * with an index that says which tensor is in which. */
#ifndef TI_CONVERT_SHARDS_H
#define TI_CONVERT_SHARDS_H

#include "base/file.h"
#include "convert/safetensors.h"

enum {
    TI_SHARDS_MAX = 512, /* files; each is mapped and kept open */
    TI_SHARDS_MAX_INDEX_BYTES = 1 << 26
};

typedef struct ti_shard {
    char *path; /* in the arena */
    ti_map map;
    ti_safetensors st;
    bool *used; /* [st.n] ti_shards_take() returned it */
} ti_shard;

typedef struct ti_shards {
    ti_shard *items; /* in the arena */
    size_t n;
    ti_arena arena;
} ti_shards;

/* Opens model.safetensors, or the files that model.safetensors.index.json names: plain names,
 * inside the directory.  Every tensor must be in exactly one file, the one that the index has
 * for it.  ti_shards_close() frees.
 * Errors: TERN_IO, TERN_CORRUPT, TERN_UNSUPPORTED (weights of another kind), TERN_LIMIT,
 * TERN_NOMEM. */
tern_status ti_shards_open(ti_shards *out, const char *dir, tern_err *err);

/* Closes all files.  A zeroed ti_shards is allowed. */
void ti_shards_close(ti_shards *s);

/* Finds a tensor, marks it as used and returns it, with its file in *shard; or NULL. */
const ti_st_tensor *ti_shards_take(ti_shards *s, const char *name, const ti_shard **shard);

/* The name of a tensor that nobody has taken, or NULL.  *cursor starts at 0. */
const char *ti_shards_next_unused(const ti_shards *s, size_t *cursor);

#endif
