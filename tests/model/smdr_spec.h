/* SPDX-License-Identifier: Apache-2.0 */
/* smdr_spec.h - the small network that tests of smdr begin with.  Included after engine.h. */
#ifndef TESTS_MODEL_SMDR_SPEC_H
#define TESTS_MODEL_SMDR_SPEC_H

#include "engine.h"

enum { N = 190, CONTEXT = 256 };

#define SMALL                                                                                  \
    .arch = "smdr", .type = "iq2_bn", .embd = "q8_0", .n_layer = 2, .n_embd = 64, .n_ff = 128, \
    .n_head = 2, .n_head_kv = 1, .head_dim = 32, .n_ctx = CONTEXT

/* The logits after N tokens. */
static inline uint64_t spec_hash(const tiny_spec *spec, const tern_model_opts *opts)
{
    tern_token tokens[N];
    tiny_tokens(tokens, N, 9);
    tern_model *model = open_spec(spec, opts);
    uint64_t h = hash_of(model, TERN_KV_F16, tokens, N);
    tern_model_close(model);
    return h;
}

#endif
