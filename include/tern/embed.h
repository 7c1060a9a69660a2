/* SPDX-License-Identifier: Apache-2.0 */
/* tern/embed.h - texts as sparse distributed representations (SDRs).
 *
 * A text becomes 2,048 bits of which 41 (2 %) are on; texts that the model treats alike have
 * bits in common.  Two texts that have nothing to do with each other share 41 * 41 / 2048 = 0.8
 * bits by chance.  The same model file and text give the same bits on every machine.  How the
 * bits are made, exactly: docs/formats/sdr.md. */
#ifndef TERN_EMBED_H
#define TERN_EMBED_H

#include <stddef.h>
#include <stdint.h>

#include "tern/model.h"
#include "tern/session.h"
#include "tern/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Bits of a representation, and how many of them are on. */
#define TERN_SDR_BITS 2048
#define TERN_SDR_ON 41

/* Bit i is bit i % 64 of words[i / 64]. */
typedef struct tern_sdr {
    uint64_t words[TERN_SDR_BITS / 64];
} tern_sdr;

/* A session that reads texts, and the projection of its model's hidden states.  Used by one
 * thread at a time. */
typedef struct tern_embedder tern_embedder;

/* Creates an embedder; destroy it with tern_embedder_destroy().  `opts` as for
 * tern_session_create(), may be NULL.  Memory: that of a session, and 4,096 bytes for each unit
 * of the model's width.
 * Errors: those of tern_session_create(), and TERN_LIMIT for a model over 65,536 wide. */
TERN_API TERN_MUST_USE tern_status tern_embedder_create(tern_embedder **out,
                                                        const tern_model *model,
                                                        const tern_session_opts *opts,
                                                        tern_err *err);

/* Destroys an embedder.  NULL is allowed. */
TERN_API void tern_embedder_destroy(tern_embedder *embedder);

/* Makes the representation of text[len].  A text that is longer than the context is read in
 * windows that do not overlap.  n_tokens receives the number of its tokens, may be NULL.  Cost:
 * one pass over the text without the output head.
 * Errors: TERN_USAGE for a text without tokens; those of tern_model_tokenize() and
 * tern_session_hidden(); `out` is untouched then. */
TERN_API TERN_MUST_USE tern_status tern_embedder_text(tern_embedder *embedder, tern_sdr *out,
                                                      const char *text, size_t len,
                                                      size_t *n_tokens, tern_err *err);

/* Returns how many bits two representations have in common: 0 to 41. */
TERN_API uint32_t tern_sdr_overlap(const tern_sdr *a, const tern_sdr *b);

/* Writes the 41 indices of the bits that are on, rising, into indices[TERN_SDR_ON] and returns
 * their number: less only for an SDR that no embedder made; those beyond 41 are left out. */
TERN_API uint32_t tern_sdr_indices(const tern_sdr *sdr, uint32_t *indices);

#ifdef __cplusplus
}
#endif

#endif
