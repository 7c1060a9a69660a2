/* SPDX-License-Identifier: Apache-2.0 */
/* model/synth.h - models with random weights in the shapes of real ones, for measuring and
 * testing.
 *
 * shape         arch          layers  width    ff  heads/kv x dim   vocab  head
 * 2b4t          bitnet-b1.58      30   2560  6912     20/5  x 128  128256  tied
 * falcon3-1b    llama             18   2048  8192      8/4  x 256  131072  own
 * 100m          llama             12    768  2048     12/12 x  64   32000  own
 * tiny-bitnet   bitnet-b1.58       2    256   768      4/2  x  64     320  tied
 * tiny-llama    llama              2    256   768      4/2  x  64     320  own
 * tiny-qwen3    qwen3              2    256   512      4/2  x 128     320  tied
 * tiny-smdr     smdr               2    256   768      4/2  x  64     320  tied
 * smdr-5m       smdr               8    256   768      4/4  x  64    4096  tied
 *
 * 2b4t is Microsoft's BitNet b1.58 2B-4T, falcon3-1b TII's Falcon3-1B-1.58bit.  100m has 85 M
 * weights in matrices and 25 M in the head, 109 M that a token reads.  The smdr shapes have the
 * attention and the gates of opts.smdr.
 *
 * Matrices are s x {-1, 0, +1} with equal shares and s = 1.22/sqrt(n_in) rounded to float16, so
 * that activations keep their size through the layers; matrices of dense types are bell-shaped
 * with deviation 1/sqrt(n_in), like embedding and head.  Norms are between 0.75 and 1.25. Every
 * row depends on the seed, the tensor's place in the file and the row's number only: all
 * ternary types but Q1_0 hold the same weights.
 *
 * The tokenizer is a byte-level BPE: token b is byte b, then a few merges, three special
 * tokens, and "<extra_N>" up to the size of the vocabulary. */
#ifndef TI_MODEL_SYNTH_H
#define TI_MODEL_SYNTH_H

#include "base/err.h"
#include "tern/model.h"

enum { TI_SYNTH_MAX_RADIUS = 1000 };

/* What an smdr shape has (docs/formats/smdr.md); zeros are the defaults. */
typedef struct ti_synth_smdr {
    const char
        *kinds;     /* of the blocks, "torus,full": repeated until all have one; NULL = torus */
    uint32_t n_ctx; /* 0 = 1024 */
    uint32_t radius; /* 0 = 3; the side is the least with G (G - radius) >= n_ctx */
    uint32_t budget; /* 0 = radius^2 + radius + 1; the stride is the torus' side */
    uint32_t sinks;
    uint32_t top_k; /* 0 = all gates */
} ti_synth_smdr;

/* Zero-initialise; zeros are the defaults. */
typedef struct ti_synth_opts {
    uint64_t seed;
    const char *type; /* of the layers' matrices; NULL = "tq2_0" */
    const char *head; /* of output head and embedding; NULL = "q6_k" */
    const char *embd; /* of the embedding; NULL = as the head */
    const char *arch; /* general.architecture and prefix of keys; NULL = the shape's own */
    bool vary_scales; /* another scale for each 256 weights (IQ1_BN, IQ2_BN: each row; I2_S:
                         each tensor) */
    ti_synth_smdr smdr;
    tern_progress_fn progress; /* bytes of tensor data; NULL = none */
    void *progress_user;
} ti_synth_opts;

/* Writes a model to `path`.  Memory: a few MB, whatever the shape.  Cost: about 1 s for a
 * billion ternary weights, 40 s for a billion of Q6_K or Q4_K, and the disk's.
 * Errors: TERN_USAGE (no such shape or type, rows that are no multiple of its block, an option
 * of smdr for another shape),
 * TERN_IO, TERN_NOMEM, TERN_CANCELLED. */
tern_status ti_synth(const char *shape, const char *path, const ti_synth_opts *opts,
                     tern_err *err);

#endif
