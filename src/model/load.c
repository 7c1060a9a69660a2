/* SPDX-License-Identifier: Apache-2.0 */
/* Binding tensors to the network and packing them for the kernels.
 *
 * First a plan: each matrix is found, its shape checked, its layout chosen, its place in one
 * region reserved.  Then all threads pack pieces of it, taking the next piece when they are
 * done with one; a piece's pages of the file are given back at once, so that the file and its
 * packed copy are never both in memory.  A matrix that the file already has in the right
 * layout (float, or written by `tern model pack`) is used where it is mapped. */
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "model/load.h"

static const char module[] = "model";

enum { ZERO_CODE = 1, LAST_CODE = 2 }; /* weight + 1 */

static void fail_once(ti_loader *l, tern_status status, const tern_err *err)
{
    int expected = TERN_OK;
    if (atomic_compare_exchange_strong(&l->failed, &expected, (int)status)) {
        l->err = *err;
    }
}

/* Gives the pages of a part of the mapped file back; they can be read again if needed. */
static void drop_pages(const void *data, uint64_t bytes)
{
#ifdef MADV_DONTNEED
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    uintptr_t from = ((uintptr_t)data + page - 1) / page * page;
    uintptr_t to = ((uintptr_t)data + bytes) / page * page;
    if (to > from) {
        (void)madvise((void *)from, to - from, MADV_DONTNEED);
    }
#endif
}

static tern_status check_floats(const ti_job *j, uint64_t r0, uint64_t r1, tern_err *err)
{
    const ti_source *s = &j->src;
    bool good = true;
    if (s->type->type == TI_F32) {
        const uint32_t *p = (const uint32_t *)s->data + r0 * s->k;
        for (uint64_t i = 0; i < (r1 - r0) * s->k; i++) {
            good &= (p[i] & 0x7f800000u) != 0x7f800000u;
        }
    } else {
        uint16_t exponent = s->type->type == TI_F16 ? 0x7c00 : 0x7f80;
        const uint16_t *p = (const uint16_t *)s->data + r0 * s->k;
        for (uint64_t i = 0; i < (r1 - r0) * s->k; i++) {
            good &= (p[i] & exponent) != exponent;
        }
    }
    return good ? TERN_OK
                : ti_fail(err, TERN_CORRUPT, module, j->tensor->offset,
                          "tensor '%s' has elements that are not finite", j->tensor->name);
}

static bool all_ternary(const uint8_t *codes, size_t n)
{
    uint8_t most = 0;
    for (size_t i = 0; i < n; i++) {
        most = codes[i] > most ? codes[i] : most;
    }
    return most <= LAST_CODE;
}

static tern_status repack(const ti_job *j, uint64_t r0, uint64_t r1, tern_err *err)
{
    const ti_mat *from = &j->from;
    size_t grain = ti_layout_grain(j->mat->layout);
    uint8_t *codes = ti_calloc(grain, from->k);
    if (!codes) {
        return ti_fail_nomem(err, module, grain * from->k, "unpacked weights");
    }
    float *scales = (float *)(uintptr_t)j->mat->scales;
    for (uint64_t r = r0; r < r1; r += grain) {
        size_t n = r1 - r < grain ? (size_t)(r1 - r) : grain;
        for (size_t i = 0; i < n; i++) {
            ti_unpack_codes(codes + i * from->k, from, (size_t)r + i);
            scales[r + i] = from->scales[r + i];
        }
        if (!all_ternary(codes, n * from->k)) {
            free(codes);
            return ti_fail(err, TERN_CORRUPT, module, j->tensor->offset,
                           "tensor '%s' is not ternary", j->tensor->name);
        }
        ti_pack_codes(j->mat->layout, (void *)(uintptr_t)j->mat->data, j->mat->kp, codes,
                      from->k, (size_t)r, n);
    }
    free(codes);
    /* T2 in rows, T5 in panels of three: about that part of the data. */
    uint64_t row_bytes = (from->bytes - from->rows * sizeof(float)) / from->rows;
    drop_pages((const uint8_t *)from->data + r0 * row_bytes, (r1 - r0) * row_bytes);
    return TERN_OK;
}

/* Columns [c0, c1) of down become rows of down_t. */
static tern_status transpose(const ti_job *j, uint64_t c0, uint64_t c1, tern_err *err)
{
    const ti_source *s = &j->src;
    size_t n = (size_t)(c1 - c0), rows = (size_t)s->rows;
    uint8_t *codes = ti_calloc(n, rows), *row = ti_calloc(s->k, 1);
    float *scales = ti_calloc(n, sizeof *scales);
    tern_status status = TERN_OK;
    if (!codes || !row || !scales) {
        status = ti_fail_nomem(err, module, (uint64_t)n * rows, "a transposed matrix");
        goto out;
    }
    for (size_t r = 0; r < rows; r++) {
        uint32_t scale_run = 0;
        const uint8_t *run = row;
        if (j->from.data) {
            ti_unpack_codes(row, &j->from, r);
            run = row + c0;
            scales[0] = 1.0f;
            scale_run = (uint32_t)n;
        }
        bool good = j->from.data ? all_ternary(run, n)
                                 : ti_type_to_trits(row, scales, &scale_run, s->type, s->data,
                                                    s->k, s->rows, r, c0, n);
        if (!good) {
            status = ti_fail(err, TERN_CORRUPT, module, j->tensor->offset,
                             "tensor '%s' is not ternary", j->tensor->name);
            goto out;
        }
        for (size_t c = 0; c < n; c++) {
            /* Behind a scale of zero all weights are zero, whatever the codes say. */
            codes[c * rows + r] = scales[c / scale_run] == 0.0f ? ZERO_CODE : run[c];
        }
    }
    ti_pack_codes(TI_L_T2, (void *)(uintptr_t)j->mat->data, j->mat->kp, codes, rows, (size_t)c0,
                  n);
out:
    free(codes);
    free(row);
    free(scales);
    return status;
}

static tern_status do_piece(const ti_job *j, size_t piece, uint64_t *weights, tern_err *err)
{
    uint64_t rows = j->kind == TI_JOB_TRANSPOSE ? j->src.k : j->src.rows;
    uint64_t r0 = piece * j->piece_rows;
    uint64_t r1 = rows - r0 < j->piece_rows ? rows : r0 + j->piece_rows;
    *weights = (r1 - r0) * (j->kind == TI_JOB_TRANSPOSE ? j->src.rows : j->src.k);
    float *scales = (float *)(uintptr_t)j->mat->scales;
    switch (j->kind) {
    case TI_JOB_CHECK:
        return check_floats(j, r0, r1, err);
    case TI_JOB_REPACK:
        return repack(j, r0, r1, err);
    case TI_JOB_TRANSPOSE:
        return transpose(j, r0, r1, err);
    case TI_JOB_PACK:
        break;
    }
    TI_TRY(ti_pack_rows(j->mat->layout, (void *)(uintptr_t)j->mat->data, scales, &j->src, r0,
                        r1, err));
    for (uint64_t r = r0; scales && j->factor != 1.0f && r < r1; r++) {
        scales[r] *= j->factor;
    }
    uint64_t row_bytes = j->tensor->bytes / j->src.rows;
    drop_pages((const uint8_t *)j->src.data + r0 * row_bytes, (r1 - r0) * row_bytes);
    return TERN_OK;
}

static void work(void *ctx, uint32_t id, uint32_t n)
{
    ti_loader *l = ctx;
    (void)n;
    size_t at = 0; /* jobs are in the order of their pieces */
    for (;;) {
        size_t piece = atomic_fetch_add(&l->next, 1);
        if (piece >= l->n_pieces || atomic_load(&l->failed) != TERN_OK) {
            return;
        }
        while (piece >= l->jobs[at].first_piece + l->jobs[at].n_pieces) {
            at++;
        }
        uint64_t weights = 0;
        tern_err err;
        tern_status status =
            do_piece(&l->jobs[at], piece - l->jobs[at].first_piece, &weights, &err);
        uint64_t done = atomic_fetch_add(&l->done_weights, weights) + weights;
        if (status == TERN_OK && id == 0 && l->opts->progress &&
            !l->opts->progress(l->opts->progress_user, done, l->total_weights)) {
            status =
                ti_fail(&err, TERN_CANCELLED, module, TI_NO_OFFSET, "loading was cancelled");
        }
        if (status != TERN_OK) {
            fail_once(l, status, &err);
        }
    }
}

static tern_status place_and_work(ti_loader *l, tern_err *err)
{
    tern_model *model = l->model;
    if (l->n_pieces == 0) {
        return TERN_OK;
    }
    if (l->bytes > 0) {
        model->packed = ti_alloc_pages(l->bytes);
        if (!model->packed) {
            return ti_fail_nomem(err, module, l->bytes, "packed weights");
        }
        model->packed_bytes = l->bytes;
    }
    for (size_t i = 0; i < l->n_jobs; i++) {
        ti_job *j = &l->jobs[i];
        if (j->kind != TI_JOB_CHECK) {
            j->mat->data = (uint8_t *)model->packed + j->at;
            if (ti_load_has_scales(j->mat->layout)) {
                j->mat->scales = (float *)(void *)((uint8_t *)model->packed + j->scales_at);
            }
        }
    }
    ti_pool *pool = NULL;
    TI_TRY(ti_pool_create(&pool, l->opts->threads, err));
    ti_pool_run(pool, work, l);
    ti_pool_destroy(pool);
    tern_status status = (tern_status)atomic_load(&l->failed);
    if (status != TERN_OK && err) {
        *err = l->err;
    }
    return status;
}

/* A file that has packed matrices says which version of the layouts they are in. */
static tern_status check_version(const ti_gguf *gguf, tern_err *err)
{
    uint32_t version = TI_PACK_VERSION;
    bool packed = false;
    for (size_t i = 0; i < gguf->n_tensors; i++) {
        packed = packed || gguf->tensors[i].type->type >= TI_PACK_FIRST;
    }
    TI_TRY(ti_gguf_get_u32(gguf, TI_KEY_PACK_VERSION, packed, &version, err));
    if (version != TI_PACK_VERSION) {
        return ti_fail(err, TERN_UNSUPPORTED, module, TI_NO_OFFSET,
                       "key '%s' is %u, and this tern reads %d: pack the model again",
                       TI_KEY_PACK_VERSION, version, TI_PACK_VERSION);
    }
    return TERN_OK;
}

tern_status ti_weights_load(tern_model *model, const tern_model_opts *opts, tern_err *err)
{
    const ti_config *c = &model->config;
    const ti_gguf_tensor *embd = NULL;
    TI_TRY(check_version(&model->gguf, err));
    TI_TRY(ti_load_find(&model->gguf, "token_embd.weight", c->n_embd, c->n_vocab, &embd, err));
    if (!embd->type->decodable) {
        return ti_fail(err, TERN_UNSUPPORTED, module, embd->offset,
                       "tensor 'token_embd.weight': type %s is not supported here",
                       embd->type->name);
    }
    model->token_embd = embd;
    size_t max_slots = (size_t)TI_SLOTS_PER_LAYER * c->n_layer + 1;
    model->layers = ti_arena_calloc(&model->arena, c->n_layer, sizeof *model->layers);
    ti_mat_slot *slots = ti_calloc(max_slots, sizeof *slots);
    ti_loader l = {.model = model, .opts = opts};
    l.jobs = ti_calloc(max_slots + c->n_layer, sizeof *l.jobs);
    tern_status status = TERN_OK;
    if (!model->layers || !slots || !l.jobs) {
        status = ti_fail_nomem(err, module, max_slots * sizeof *l.jobs, "the list of matrices");
        goto out;
    }
    size_t n_slots = ti_weights_slots(model, slots);
    if ((status = ti_load_vectors(model, err)) != TERN_OK ||
        (status = ti_load_refuse_unused(model, err)) != TERN_OK ||
        (status = ti_load_plan(&l, slots, n_slots, err)) != TERN_OK) {
        goto out;
    }
    status = place_and_work(&l, err);
out:
    free(slots);
    free(l.jobs);
    return status;
}
