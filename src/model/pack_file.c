/* SPDX-License-Identifier: Apache-2.0 */
/* Writing a model as it lies in memory.
 *
 * Tensors keep the order of the file that was opened, with two changes: a matrix takes its row
 * scales with it, and a head that is the embedding packed differently comes last, under the
 * name that a head of its own has.  Scales of matrices (`.scale`, `.row_scale`) are in the row
 * scales already.  The first pass announces, the second writes; both walk the same list. */
#include "model/pack_file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/load.h"

static const char module[] = "pack";

enum { CHUNK_BYTES = 4 << 20, ALIGNMENT = 64 };

/* One tensor of the new file. */
typedef struct part {
    char name[TI_GGUF_MAX_NAME_BYTES + 16];
    uint32_t type, n_dims;
    uint64_t dims[TI_GGUF_MAX_DIMS];
    const void *data;
    uint64_t bytes;
} part;

typedef struct packer {
    tern_model *model;
    const tern_model_opts *opts;
    ti_gguf_writer *writer;
    ti_mat_slot *slots; /* sorted by name */
    size_t n_slots;
    part *parts;
    size_t n_parts;
    bool tied; /* the head becomes a tensor of its own */
    uint64_t total, done;
} packer;

/* --- progress ----------------------------------------------------------------------------- */

/* Opening counts weights and writing counts bytes; together they are two halves of this. */
enum { HALF = 1 << 20 };

static bool report(const packer *p, uint64_t half, uint64_t done, uint64_t total)
{
    uint64_t part_done = total > 0 ? (uint64_t)((double)done / (double)total * HALF) : HALF;
    return !p->opts->progress ||
           p->opts->progress(p->opts->progress_user, half * HALF + part_done, 2 * HALF);
}

static bool opening(void *user, uint64_t done, uint64_t total)
{
    return report(user, 0, done, total);
}

/* --- the list of tensors ------------------------------------------------------------------ */

static uint32_t packed_type(ti_layout layout)
{
    for (uint32_t type = TI_PACK_FIRST; ti_type_info_of(type); type++) {
        ti_layout of_type;
        if (ti_load_packed_layout((ti_type)type, &of_type) && of_type == layout) {
            return type;
        }
    }
    TI_ASSERT(!"a packed layout");
    return 0;
}

static bool ends_with(const char *text, const char *end)
{
    size_t n = strlen(text), m = strlen(end);
    return n >= m && strcmp(text + n - m, end) == 0;
}

static int compare_slots(const void *a, const void *b)
{
    return strcmp(((const ti_mat_slot *)a)->name, ((const ti_mat_slot *)b)->name);
}

static const ti_mat *matrix_of(const packer *p, const char *name)
{
    size_t low = 0, high = p->n_slots;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = strcmp(name, p->slots[middle].name);
        if (order == 0) {
            return p->slots[middle].mat;
        }
        *(order < 0 ? &high : &low) = order < 0 ? middle : middle + 1;
    }
    return NULL;
}

static part *add(packer *p, uint32_t type, const void *data, uint64_t bytes)
{
    part *t = &p->parts[p->n_parts++];
    t->type = type;
    t->data = data;
    t->bytes = bytes;
    p->total += bytes;
    return t;
}

static void add_copy(packer *p, const ti_gguf_tensor *t)
{
    uint32_t type = (uint32_t)t->type->type;
    part *copy = add(p, type == TI_I2_S_ARM ? TI_I2_S : type, t->data, t->bytes);
    snprintf(copy->name, sizeof copy->name, "%s", t->name);
    copy->n_dims = t->n_dims;
    memcpy(copy->dims, t->dims, sizeof copy->dims);
}

static void add_matrix(packer *p, const char *name, const ti_mat *mat)
{
    uint32_t kp;
    part *t = add(p, packed_type(mat->layout), mat->data,
                  ti_pack_bytes(mat->layout, mat->rows, mat->k, &kp));
    snprintf(t->name, sizeof t->name, "%s", name);
    t->n_dims = 2;
    t->dims[0] = mat->k;
    t->dims[1] = mat->rows;
    if (ti_load_has_scales(mat->layout)) {
        part *s = add(p, TI_F32, mat->scales, mat->rows * sizeof(float));
        snprintf(s->name, sizeof s->name, "%.*srow_scale",
                 (int)(strlen(name) - strlen("weight")), name);
        s->n_dims = 1;
        s->dims[0] = mat->rows;
    }
}

static tern_status list_parts(packer *p, tern_err *err)
{
    const ti_gguf *gguf = &p->model->gguf;
    size_t most = 2 * gguf->n_tensors + 2;
    p->parts = ti_calloc(most, sizeof *p->parts);
    if (!p->parts) {
        return ti_fail_nomem(err, module, most * sizeof *p->parts, "a list of tensors");
    }
    for (size_t i = 0; i < gguf->n_tensors; i++) {
        const ti_gguf_tensor *t = &gguf->tensors[i];
        const ti_mat *mat = matrix_of(p, t->name);
        if (mat && t != p->model->token_embd && mat->layout > TI_L_BF16) {
            add_matrix(p, t->name, mat);
        } else if (!ends_with(t->name, ".scale") && !ends_with(t->name, ".row_scale")) {
            add_copy(p, t);
        }
    }
    p->tied = matrix_of(p, p->model->token_embd->name) && p->model->head.layout > TI_L_BF16;
    if (p->tied) {
        add_matrix(p, "output.weight", &p->model->head);
    }
    return TERN_OK;
}

/* --- keys and data ------------------------------------------------------------------------ */

static bool is_key(const ti_gguf_kv *kv, const char *name)
{
    return kv->key.len == strlen(name) && memcmp(kv->key.data, name, kv->key.len) == 0;
}

static void put_keys(const packer *p)
{
    const ti_gguf *gguf = &p->model->gguf;
    bool was_tied = false;
    (void)ti_gguf_get_bool(gguf, TI_KEY_PACK_TIED, false, &was_tied, NULL);
    for (size_t i = 0; i < gguf->n_kv; i++) {
        const ti_gguf_kv *kv = &gguf->kv[i];
        /* An alignment may be of another integer type, which the writer does not take. */
        if (!is_key(kv, "general.alignment") && !is_key(kv, TI_KEY_PACK_VERSION) &&
            !is_key(kv, TI_KEY_PACK_TIED)) {
            ti_gguf_put_copy(p->writer, kv);
        }
    }
    for (size_t i = 0; i < gguf->n_tensors; i++) {
        ti_type type = gguf->tensors[i].type->type;
        if (type == TI_I2_S || type == TI_I2_S_ARM) {
            ti_gguf_put_str(p->writer, TI_GGUF_KEY_I2S_LAYOUT, type == TI_I2_S ? "x86" : "arm",
                            3);
        }
    }
    ti_gguf_put_u32(p->writer, "general.alignment", ALIGNMENT);
    ti_gguf_put_u32(p->writer, TI_KEY_PACK_VERSION, TI_PACK_VERSION);
    ti_gguf_put_bool(p->writer, TI_KEY_PACK_TIED, p->tied || was_tied);
}

static tern_status write_part(packer *p, const part *t, tern_err *err)
{
    for (uint64_t at = 0; at < t->bytes;) {
        uint64_t n = t->bytes - at < CHUNK_BYTES ? t->bytes - at : CHUNK_BYTES;
        TI_TRY(ti_gguf_write_data(p->writer, (const uint8_t *)t->data + at, n, err));
        at += n;
        p->done += n;
        if (!report(p, 1, p->done, p->total)) {
            return ti_fail(err, TERN_CANCELLED, module, TI_NO_OFFSET, "packing was cancelled");
        }
    }
    return TERN_OK;
}

static tern_status write_file(packer *p, const char *out, tern_err *err)
{
    TI_TRY(ti_map_check(&p->model->gguf.map, p->model->path, err));
    TI_TRY(ti_gguf_writer_create(&p->writer, out, err));
    put_keys(p);
    for (size_t i = 0; i < p->n_parts; i++) {
        const part *t = &p->parts[i];
        TI_TRY(
            ti_gguf_add_tensor(p->writer, t->name, t->type, t->dims, t->n_dims, t->bytes, err));
    }
    TI_TRY(ti_gguf_begin_data(p->writer, err));
    for (size_t i = 0; i < p->n_parts; i++) {
        TI_TRY(write_part(p, &p->parts[i], err));
    }
    return ti_gguf_writer_finish(p->writer, err);
}

static tern_status pack(packer *p, const char *out, tern_err *err)
{
    size_t n = (size_t)TI_SLOTS_PER_LAYER * p->model->config.n_layer + 1;
    p->slots = ti_calloc(n, sizeof *p->slots);
    if (!p->slots) {
        return ti_fail_nomem(err, module, n * sizeof *p->slots, "the list of matrices");
    }
    p->n_slots = ti_weights_slots(p->model, p->slots);
    qsort(p->slots, p->n_slots, sizeof *p->slots, compare_slots);
    TI_TRY(list_parts(p, err));
    return write_file(p, out, err);
}

tern_status ti_pack_file(const char *in, const char *out, const tern_model_opts *opts,
                         tern_err *err)
{
    tern_model_opts with = opts ? *opts : (tern_model_opts){0};
    if (with.vocab_only) {
        return ti_fail(err, TERN_USAGE, module, TI_NO_OFFSET,
                       "a vocabulary alone cannot be packed");
    }
    packer p = {.opts = opts ? opts : &(tern_model_opts){0}};
    with.progress = opening;
    with.progress_user = &p;
    TI_TRY(tern_model_open(&p.model, in, &with, err));
    tern_status status = pack(&p, out, err);
    ti_gguf_writer_destroy(p.writer);
    tern_model_close(p.model);
    free(p.slots);
    free(p.parts);
    return status;
}
