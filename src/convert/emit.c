/* SPDX-License-Identifier: Apache-2.0 */
/* All arithmetic is in float32 with fixed order (the mean in double), so that the same input
 * gives the same file on every machine. */
#include "convert/emit.h"

#include <stdlib.h>
#include <string.h>

#include "base/le.h"
#include "base/mem.h"

static const char MODULE[] = "convert";

static const float HALF_MAX = 65504.0f;      /* largest finite binary16 */
static const float HALF_MIN = 6.1035156e-5f; /* smallest normal binary16, 2^-14 */
static const float BF16_MAX = 3.3895e38f;    /* just under the largest finite bfloat16 */
static const double ABSMEAN_MIN = 1e-5; /* as in training, so that an empty tensor has one */
static const uint32_t EXPONENT = 0x7f800000; /* all ones in a float32: not finite */

enum { PROGRESS_ROWS = 64 /* between two calls */ };

/* Where a conversion is. */
typedef struct emitter {
    ti_gguf_writer *w;
    float *row;     /* one row, decoded */
    uint8_t *codes; /* one row of trits */
    uint8_t *bytes; /* one row, encoded, with the tail of I2_S */
    uint64_t done, total;
    tern_progress_fn progress;
    void *user;
    tern_err *err;
} emitter;

/* --- choosing types ---------------------------------------------------------------------- */

/* What can be written, with the number that general.file_type has for it (llama.cpp's
 * llama_ftype; 40 is Microsoft's for I2_S). */
static const struct {
    ti_type type;
    uint32_t file_type;
} writable[] = {
    {TI_F32, 0},   {TI_F16, 1},   {TI_Q4_0, 2},   {TI_Q4_1, 3},   {TI_Q8_0, 7},  {TI_Q4_K, 14},
    {TI_Q6_K, 18}, {TI_BF16, 32}, {TI_TQ1_0, 36}, {TI_TQ2_0, 37}, {TI_I2_S, 40},
};

static const ti_type_info *writable_by_name(const char *name, uint32_t *file_type)
{
    const ti_type_info *info = ti_type_by_name(name);
    for (size_t i = 0; info && i < sizeof writable / sizeof writable[0]; i++) {
        if (writable[i].type == info->type) {
            *file_type = writable[i].file_type;
            return info;
        }
    }
    return NULL;
}

tern_status ti_out_types_choose(ti_out_types *out, const char *type, const char *head,
                                ti_type fallback, tern_err *err)
{
    ti_out_types t = {0};
    uint32_t unused;
    const char *name = type ? type : ti_type_info_of(fallback)->name;
    t.matrix = writable_by_name(name, &t.file_type);
    if (!t.matrix) {
        return ti_fail(err, TERN_USAGE, MODULE, TI_NO_OFFSET,
                       "'%s' is no type that can be written: f32, f16, bf16, q8_0, q4_0, q4_1, "
                       "q6_k, q4_k, tq2_0, tq1_0, i2_s",
                       name);
    }
    name = head ? head : t.matrix->ternary ? "F16" : t.matrix->name;
    t.head = writable_by_name(name, &unused);
    if (!t.head || t.head->ternary) {
        return ti_fail(err, TERN_USAGE, MODULE, TI_NO_OFFSET,
                       "'%s' is no type for embedding and head: f32, f16, bf16, q8_0, q4_0, "
                       "q4_1, q6_k, q4_k",
                       name);
    }
    *out = t;
    return TERN_OK;
}

/* --- reading rows ------------------------------------------------------------------------ */

/* Hugging Face's Llama rotates element i of a head with element i + half; GGUF's llama rotates
 * neighbours.  Row 2i+j of a head here is row i + j*half there (llama.cpp,
 * conversion/llama.py, permute). */
static uint64_t source_row(const ti_out_tensor *t, uint64_t row)
{
    if (t->rope_dim == 0) {
        return row;
    }
    uint64_t in_head = row % t->rope_dim;
    return row - in_head + in_head / 2 + (in_head % 2) * (t->rope_dim / 2);
}

static tern_status bad_row(const emitter *e, const ti_out_tensor *t, uint64_t row,
                           const char *what)
{
    return ti_fail(e->err, TERN_CORRUPT, MODULE, t->offset, "tensor '%.120s': row %llu %s",
                   t->source, (unsigned long long)row, what);
}

/* Decodes a row of floats; returns the largest magnitude in *top. */
static tern_status read_floats(emitter *e, const ti_out_tensor *t, uint64_t row, float *top)
{
    uint64_t from = source_row(t, row);
    uint64_t item = t->src == TI_SRC_F32 ? 4 : 2;
    const uint8_t *p = t->data + from * t->k * item;
    uint32_t bits, largest = 0;
    for (uint64_t i = 0; i < t->k; i++, p += item) {
        float f = t->src == TI_SRC_F32   ? ti_load_f32(p)
                  : t->src == TI_SRC_F16 ? ti_f16_to_f32(ti_load_u16(p))
                                         : ti_bf16_to_f32(ti_load_u16(p));
        e->row[i] = f;
        bits = ti_float_bits(f) & 0x7fffffff; /* magnitudes order like their bits */
        largest = bits > largest ? bits : largest;
    }
    if (largest >= EXPONENT) {
        return bad_row(e, t, from, "has a number that is not finite");
    }
    *top = ti_bits_float(largest);
    return TERN_OK;
}

static tern_status read_codes(emitter *e, const ti_out_tensor *t, uint64_t row)
{
    uint64_t from = source_row(t, row), quarter = t->rows / 4;
    unsigned shift = (unsigned)(2 * (from / quarter));
    const uint8_t *p = t->data + from % quarter * t->k;
    unsigned all = 0;
    for (uint64_t i = 0; i < t->k; i++) {
        unsigned code = (unsigned)p[i] >> shift & 3;
        all |= code & code >> 1; /* 1 only for code 3 */
        e->codes[i] = (uint8_t)code;
    }
    return all ? bad_row(e, t, from, "has a code that is not -1, 0 or 1") : TERN_OK;
}

/* --- writing rows ------------------------------------------------------------------------ */

static void codes_to_floats(emitter *e, const ti_out_tensor *t, float scale)
{
    const float value[3] = {-scale, 0.0f, scale};
    for (uint64_t i = 0; i < t->k; i++) {
        e->row[i] = value[e->codes[i]];
    }
}

static tern_status too_large(const emitter *e, const ti_out_tensor *t, float top)
{
    return ti_fail(e->err, TERN_UNSUPPORTED, MODULE, t->offset,
                   "tensor '%.120s': %g is too large for %s; choose f32", t->source,
                   (double)top, t->type->name);
}

/* Encodes e->row; `top` is its largest magnitude.  Every type but F32 and BF16 keeps its
 * numbers or its scales in half precision. */
static tern_status write_floats(emitter *e, const ti_out_tensor *t, float top)
{
    ti_type type = t->type->type;
    if (type != TI_F32 && top > (type == TI_BF16 ? BF16_MAX : HALF_MAX)) {
        return too_large(e, t, top);
    }
    uint64_t bytes = 0;
    bool ok = ti_type_tensor_bytes(t->type, t->k, 1, &bytes) &&
              ti_type_from_f32(e->bytes, t->type, e->row, t->k);
    TI_ASSERT(ok); /* the type was chosen from the writable ones, its size was announced */
    return ti_gguf_write_data(e->w, e->bytes, bytes, e->err);
}

/* Encodes e->codes as one row of I2_S; the tail with the scale follows the last row. */
static tern_status write_i2s(emitter *e, const ti_out_tensor *t, uint64_t row, float scale)
{
    ti_i2s_encode(e->bytes, e->codes, t->k, 1, scale);
    uint64_t tail = row + 1 == t->rows ? t->type->tensor_bytes : 0;
    return ti_gguf_write_data(e->w, e->bytes, t->k / 4 + tail, e->err);
}

/* The scale of a ternary block is all that the block has: it must not lose bits to being
 * subnormal in half precision. */
static tern_status check_block_scale(const emitter *e, const ti_out_tensor *t, float scale)
{
    if (t->type->ternary && scale > 0 && scale < HALF_MIN) {
        return ti_fail(e->err, TERN_UNSUPPORTED, MODULE, t->offset,
                       "tensor '%.120s': scale %g is too small for %s; choose i2_s", t->source,
                       (double)scale, t->type->name);
    }
    return TERN_OK;
}

/* One row whose codes are known. */
static tern_status write_codes(emitter *e, const ti_out_tensor *t, uint64_t row, float scale)
{
    if (t->type->type == TI_I2_S) {
        return write_i2s(e, t, row, scale);
    }
    TI_TRY(check_block_scale(e, t, scale));
    codes_to_floats(e, t, scale);
    return write_floats(e, t, scale);
}

/* --- weights becoming ternary ------------------------------------------------------------ */

/* The mean magnitude of a tensor, in the order of the file. */
static tern_status absmean(emitter *e, const ti_out_tensor *t, float *scale)
{
    double sum = 0;
    float top;
    for (uint64_t row = 0; row < t->rows; row++) {
        TI_TRY(read_floats(e, t, row, &top));
        for (uint64_t i = 0; i < t->k; i++) {
            sum += (double)ti_bits_float(ti_float_bits(e->row[i]) & 0x7fffffff);
        }
    }
    double mean = sum / ((double)t->rows * (double)t->k);
    *scale = (float)(mean > ABSMEAN_MIN ? mean : ABSMEAN_MIN);
    return TERN_OK;
}

/* Nearest of -1, 0, 1, halves to even as in training: 0.5 is 0. */
static void round_to_codes(emitter *e, const ti_out_tensor *t, float scale)
{
    float inverse = 1.0f / scale;
    for (uint64_t i = 0; i < t->k; i++) {
        float q = e->row[i] * inverse;
        e->codes[i] = q > 0.5f ? 2 : q < -0.5f ? 0 : 1;
    }
}

static tern_status not_ternary(const emitter *e, const ti_out_tensor *t, uint64_t row)
{
    return ti_fail(e->err, TERN_UNSUPPORTED, MODULE, t->offset,
                   "tensor '%.120s': row %llu is not ternary, so it cannot be %s; choose "
                   "q8_0 or f16",
                   t->source, (unsigned long long)row, t->type->name);
}

/* Requires that run [first, first + n) of the row has only 0 and +-scale. */
static bool run_is_ternary(const emitter *e, uint64_t first, uint64_t n, float scale)
{
    for (uint64_t i = first; i < first + n; i++) {
        float f = e->row[i];
        if (f != 0.0f && f != scale && f != -scale) {
            return false;
        }
    }
    return true;
}

/* A float tensor that is to be I2_S: its one magnitude is the largest. */
static tern_status exact_i2s(emitter *e, const ti_out_tensor *t)
{
    float scale = 0, top;
    for (uint64_t row = 0; row < t->rows; row++) {
        TI_TRY(read_floats(e, t, row, &top));
        scale = top > scale ? top : scale;
    }
    scale = scale > 0 ? scale : 1.0f; /* all weights are zero: any scale says so */
    for (uint64_t row = 0; row < t->rows; row++) {
        TI_TRY(read_floats(e, t, row, &top));
        if (!run_is_ternary(e, 0, t->k, scale)) {
            return not_ternary(e, t, row);
        }
        for (uint64_t i = 0; i < t->k; i++) {
            e->codes[i] = (uint8_t)(1 + (e->row[i] > 0) - (e->row[i] < 0));
        }
        TI_TRY(write_i2s(e, t, row, scale));
    }
    return TERN_OK;
}

/* A row of floats that is to be TQ1_0 or TQ2_0: one magnitude in each block. */
static tern_status check_blocks(const emitter *e, const ti_out_tensor *t, uint64_t row)
{
    for (uint64_t at = 0; at < t->k; at += t->type->block) {
        float scale = 0;
        for (uint64_t i = at; i < at + t->type->block; i++) {
            float magnitude = e->row[i] < 0 ? -e->row[i] : e->row[i];
            scale = magnitude > scale ? magnitude : scale;
        }
        if (!run_is_ternary(e, at, t->type->block, scale)) {
            return not_ternary(e, t, row);
        }
        TI_TRY(check_block_scale(e, t, scale));
    }
    return TERN_OK;
}

/* --- tensors ----------------------------------------------------------------------------- */

static tern_status report(emitter *e, const ti_out_tensor *t, uint64_t row)
{
    if (!e->progress || row % PROGRESS_ROWS != 0) {
        return TERN_OK;
    }
    if (!e->progress(e->user, e->done + row * t->k, e->total)) {
        return ti_fail(e->err, TERN_CANCELLED, MODULE, TI_NO_OFFSET, "conversion cancelled");
    }
    return TERN_OK;
}

static tern_status write_tensor(emitter *e, const ti_out_tensor *t)
{
    bool ternary = t->absmean || t->src == TI_SRC_TRITS;
    float scale = t->scale, top;
    if (!ternary && t->type->type == TI_I2_S) {
        return exact_i2s(e, t);
    }
    if (t->absmean) {
        TI_TRY(absmean(e, t, &scale));
    }
    for (uint64_t row = 0; row < t->rows; row++) {
        TI_TRY(report(e, t, row));
        if (t->src == TI_SRC_TRITS) {
            TI_TRY(read_codes(e, t, row));
        } else {
            TI_TRY(read_floats(e, t, row, &top));
        }
        if (t->absmean) {
            round_to_codes(e, t, scale);
        }
        if (ternary) {
            TI_TRY(write_codes(e, t, row, scale));
            continue;
        }
        if (t->type->ternary) {
            TI_TRY(check_blocks(e, t, row));
        }
        TI_TRY(write_floats(e, t, top));
    }
    return TERN_OK;
}

/* Announces a tensor and remembers the sizes that its rows need. */
static tern_status announce(emitter *e, const ti_out_tensor *t, uint64_t *row_items,
                            uint64_t *row_bytes)
{
    TI_ASSERT(t->rows > 0 && t->k > 0 && (t->rope_dim == 0 || t->rows % t->rope_dim == 0));
    TI_ASSERT(t->src != TI_SRC_TRITS || t->rows % 4 == 0);
    uint64_t bytes, one, dims[2] = {t->k, t->rows};
    if (!ti_type_tensor_bytes(t->type, t->k, t->rows, &bytes) ||
        !ti_type_tensor_bytes(t->type, t->k, 1, &one)) {
        return ti_fail(e->err, TERN_UNSUPPORTED, MODULE, t->offset,
                       "tensor '%.120s': rows of %llu weights cannot be %s, which needs a "
                       "multiple of %u",
                       t->source, (unsigned long long)t->k, t->type->name, t->type->block);
    }
    *row_items = t->k > *row_items ? t->k : *row_items;
    *row_bytes = one > *row_bytes ? one : *row_bytes;
    e->total += t->rows * t->k;
    return ti_gguf_add_tensor(e->w, t->name, (uint32_t)t->type->type, dims, t->n_dims, bytes,
                              e->err);
}

static tern_status allocate(emitter *e, uint64_t row_items, uint64_t row_bytes)
{
    e->row = ti_calloc(row_items, sizeof *e->row);
    e->codes = ti_calloc(row_items, 1);
    e->bytes = ti_calloc(row_bytes, 1);
    if (!e->row || !e->codes || !e->bytes) {
        return ti_fail_nomem(e->err, MODULE, row_items * (sizeof *e->row + 1) + row_bytes,
                             "rows");
    }
    return TERN_OK;
}

static tern_status run(emitter *e, const ti_out_tensor *tensors, size_t n)
{
    uint64_t row_items = 1, row_bytes = 1;
    for (size_t i = 0; i < n; i++) {
        TI_TRY(announce(e, &tensors[i], &row_items, &row_bytes));
    }
    TI_TRY(allocate(e, row_items, row_bytes));
    TI_TRY(ti_gguf_begin_data(e->w, e->err));
    for (size_t i = 0; i < n; i++) {
        const ti_out_tensor *t = &tensors[i];
        if (t->map) {
            TI_TRY(ti_map_check(t->map, t->map_path, e->err));
        }
        TI_TRY(write_tensor(e, t));
        e->done += t->rows * t->k;
    }
    if (e->progress && !e->progress(e->user, e->done, e->total)) {
        return ti_fail(e->err, TERN_CANCELLED, MODULE, TI_NO_OFFSET, "conversion cancelled");
    }
    return TERN_OK;
}

tern_status ti_emit(ti_gguf_writer *w, const ti_out_tensor *tensors, size_t n,
                    tern_progress_fn progress, void *progress_user, tern_err *err)
{
    emitter e = {.w = w, .progress = progress, .user = progress_user, .err = err};
    tern_status status = run(&e, tensors, n);
    free(e.row);
    free(e.codes);
    free(e.bytes);
    return status;
}
