/* SPDX-License-Identifier: Apache-2.0 */
/* model/load.h - what the two halves of loading share: the plan (model/load_plan.c) says which
 * matrix goes where in which layout, the work (model/load.c) packs it. */
#ifndef TI_MODEL_LOAD_H
#define TI_MODEL_LOAD_H

#include <stdatomic.h>

#include "model/weights.h"

enum { TI_SLOTS_PER_LAYER = 7 };

/* In files with packed matrices: which version of the layouts of kern/pack.h they have, and
 * whether the head is there although the model has none of its own. */
#define TI_KEY_PACK_VERSION "tern.pack.version"
#define TI_KEY_PACK_TIED "tern.pack.tied_head"
enum { TI_PACK_VERSION = 1 };

typedef enum ti_job_kind {
    TI_JOB_PACK,      /* from the file's type */
    TI_JOB_REPACK,    /* from the other packed ternary layout */
    TI_JOB_TRANSPOSE, /* down_t */
    TI_JOB_CHECK      /* floats used in place: must be finite */
} ti_job_kind;

typedef struct ti_job {
    ti_job_kind kind;
    const ti_gguf_tensor *tensor;
    ti_source src;
    ti_mat from; /* where it lies packed in the file; data NULL when it does not */
    ti_mat *mat;
    size_t at, scales_at; /* places in the region */
    float factor;         /* of all scales: an extra `.scale` tensor */
    size_t piece_rows, first_piece, n_pieces;
} ti_job;

typedef struct ti_loader {
    tern_model *model;
    const tern_model_opts *opts;
    ti_job *jobs;
    size_t n_jobs, n_pieces, bytes;
    uint64_t total_weights;
    atomic_size_t next;
    atomic_uint_fast64_t done_weights;
    atomic_int failed; /* a tern_status; the first failure wins */
    tern_err err;
} ti_loader;

/* Loads norms and rotation factors into the model's arena. */
tern_status ti_load_vectors(tern_model *model, tern_err *err);

/* Refuses a file with a tensor that the network does not use: a bias or a norm that is
 * silently left out makes another model of it. */
tern_status ti_load_refuse_unused(const tern_model *model, tern_err *err);

/* Finds a tensor and checks its shape.  Errors: TERN_CORRUPT. */
tern_status ti_load_find(const ti_gguf *gguf, const char *name, uint64_t k, uint64_t rows,
                         const ti_gguf_tensor **out, tern_err *err);

/* Fills loader->jobs (room for n_slots + n_layer) and binds what needs no work. */
tern_status ti_load_plan(ti_loader *l, const ti_mat_slot *slots, size_t n_slots, tern_err *err);

/* Finds the packed layout that a tensor type is; false for types of other programs. */
bool ti_load_packed_layout(ti_type type, ti_layout *layout);

/* Fills in a matrix that lies packed in the file, its row scales included.
 * Errors: TERN_CORRUPT. */
tern_status ti_load_bind_packed(const ti_gguf *gguf, ti_mat *mat, const ti_gguf_tensor *t,
                                ti_layout layout, tern_err *err);

/* Finds the factor of all scales of a matrix: its tensor "<stem>.scale" of one number, 1 where
 * there is none.  Errors: TERN_CORRUPT, TERN_UNSUPPORTED. */
tern_status ti_load_extra_scale(const ti_gguf *gguf, const ti_gguf_tensor *t, float *factor,
                                tern_err *err);

/* Whether a layout has row scales of its own. */
static inline bool ti_load_has_scales(ti_layout layout)
{
    return layout == TI_L_T2 || layout == TI_L_T5;
}

#endif
