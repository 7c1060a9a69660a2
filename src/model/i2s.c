/* SPDX-License-Identifier: Apache-2.0 */
/* The statistics behind model/i2s.h. */
#include "model/i2s.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/le.h"

enum {
    MAX_LAYERS = 8,  /* looked at before giving up */
    MAX_ROWS = 2048, /* of a matrix: enough for a share to be known to about 1 % */
    GROUP = 128,     /* both layouts permute within it */
    MAX_WIDTH = 1 << 20
};

/* A channel's matrix or norm by rows, and the matrix that has it as a column. */
static const struct {
    const char *rows, *columns;
} pairs[] = {
    {"ffn_gate", "ffn_down"},         {"ffn_up", "ffn_down"},    {"ffn_sub_norm", "ffn_down"},
    {"attn_sub_norm", "attn_output"}, {"attn_v", "attn_output"}, {"ffn_down", "ffn_gate"},
    {"ffn_down", "ffn_up"},           {"ffn_norm", "ffn_gate"},  {"ffn_norm", "ffn_up"},
    {"attn_output", "attn_q"},        {"attn_output", "attn_v"}, {"attn_norm", "attn_q"},
    {"attn_norm", "attn_v"},
};

enum { N_PAIRS = sizeof pairs / sizeof pairs[0] };

static const ti_gguf_tensor *find(const ti_gguf *g, int layer, const char *part)
{
    char name[64];
    snprintf(name, sizeof name, "blk.%d.%s.weight", layer, part);
    return ti_gguf_tensor_find(g, name);
}

/* One bit for each of the four weights of a byte that is not zero, at the low bit of its pair:
 * the code of zero is 1. */
static inline unsigned nonzero(unsigned byte)
{
    unsigned x = byte ^ 0x55;
    return (x | x >> 1) & 0x55;
}

/* What is known of each channel in its own order: the share of non-zero weights of each row of
 * an I2_S matrix, or the entries of an F32 norm.  Returns false when the tensor is neither. */
static bool row_values(float *out, const ti_gguf_tensor *t, uint64_t n)
{
    if (t->type->type == TI_F32 && t->rows == 1 && t->dims[0] == n) {
        for (uint64_t i = 0; i < n; i++) {
            out[i] = ti_load_f32(t->data + 4 * i);
        }
        return true;
    }
    if (t->type->type != TI_I2_S || t->rows != n || t->dims[0] % GROUP != 0) {
        return false;
    }
    uint64_t bytes = t->dims[0] / 4;
    for (uint64_t r = 0; r < n; r++) {
        uint64_t count = 0;
        for (uint64_t b = 0; b < bytes; b++) {
            unsigned nz = nonzero(t->data[r * bytes + b]);
            count += (nz & 1) + (nz >> 2 & 1) + (nz >> 4 & 1) + (nz >> 6 & 1);
        }
        out[r] = (float)count / (float)t->dims[0];
    }
    return true;
}

/* How many weights are not zero at each place of a row; place 4 * byte + pair, highest pair
 * first.  Which column a place is depends on the layout. */
static void place_values(float *out, const ti_gguf_tensor *t)
{
    uint64_t bytes = t->dims[0] / 4;
    uint64_t step = t->rows / MAX_ROWS + 1;
    for (uint64_t i = 0; i < t->dims[0]; i++) {
        out[i] = 0;
    }
    for (uint64_t r = 0; r < t->rows; r += step) {
        for (uint64_t b = 0; b < bytes; b++) {
            unsigned nz = nonzero(t->data[r * bytes + b]);
            for (unsigned p = 0; p < 4; p++) {
                out[4 * b + p] += (float)(nz >> (6 - 2 * p) & 1);
            }
        }
    }
}

static uint64_t column_of(uint64_t place, uint64_t group_bytes)
{
    uint64_t byte = place / 4, pair = place % 4;
    return byte / group_bytes * (4 * group_bytes) + pair * group_bytes + byte % group_bytes;
}

/* Centres the values, cuts what lies more than three deviations away, so that no single channel
 * decides, and centres again.  Returns the sum of squares; 0 when there is no variation. */
static double standardise(float *v, uint64_t n)
{
    double squares = 0;
    for (int pass = 0; pass < 2; pass++) {
        double mean = 0;
        for (uint64_t i = 0; i < n; i++) {
            mean += (double)v[i];
        }
        mean /= (double)n;
        squares = 0;
        for (uint64_t i = 0; i < n; i++) {
            v[i] = (float)((double)v[i] - mean);
            squares += (double)v[i] * (double)v[i];
        }
        double limit_squared = 9 * squares / (double)n;
        for (uint64_t i = 0; i < n && pass == 0; i++) {
            while ((double)v[i] * (double)v[i] > limit_squared) {
                v[i] *= 0.9f;
            }
        }
    }
    return squares > 0 && squares - squares == 0 ? squares : 0;
}

/* n/2 times the squared correlation of the channels with the places, read in one layout. */
static double likeness(const float *channels, const float *places, uint64_t n, double norm,
                       uint64_t group_bytes)
{
    double sum = 0;
    for (uint64_t i = 0; i < n; i++) {
        sum += (double)channels[column_of(i, group_bytes)] * (double)places[i];
    }
    return (double)n / 2 * (sum * sum / norm);
}

/* Evidence of one pair: positive for x86, negative for ARM; 0 when it has none. */
static tern_status weigh_pair(const ti_gguf_tensor *rows, const ti_gguf_tensor *columns,
                              double *evidence, tern_err *err)
{
    uint64_t n = columns->dims[0];
    *evidence = 0;
    if (columns->type->type != TI_I2_S || n % GROUP != 0 || n > MAX_WIDTH) {
        return TERN_OK;
    }
    float *channels = ti_calloc(n, 2 * sizeof *channels);
    if (!channels) {
        return ti_fail_nomem(err, "gguf", n * 2 * sizeof *channels, "the layout of I2_S");
    }
    float *places = channels + n;
    if (row_values(channels, rows, n)) {
        place_values(places, columns);
        double norm = standardise(channels, n) * standardise(places, n);
        if (norm > 0) {
            *evidence = likeness(channels, places, n, norm, 32) -
                        likeness(channels, places, n, norm, 16);
        }
    }
    free(channels);
    return TERN_OK;
}

/* Without structure the evidence of a pair scatters around zero with a deviation of about one.
 * Certain means: six deviations of the sum, 30 beyond that, and little that contradicts. */
static int decide(double for_x86, double for_arm, unsigned n_pairs)
{
    double more = for_x86 > for_arm ? for_x86 : for_arm;
    double less = for_x86 > for_arm ? for_arm : for_x86;
    double beyond = more - less - 30;
    if (beyond <= 0 || beyond * beyond < 36.0 * n_pairs || more < 4 * less) {
        return TI_I2S_UNKNOWN;
    }
    return for_x86 > for_arm ? TI_I2S_X86 : TI_I2S_ARM;
}

tern_status ti_i2s_detect(const ti_gguf *g, int *layout, tern_err *err)
{
    double for_x86 = 0, for_arm = 0;
    unsigned n_pairs = 0;
    *layout = TI_I2S_UNKNOWN;
    for (int layer = 0; layer < MAX_LAYERS; layer++) {
        for (int i = 0; i < N_PAIRS; i++) {
            const ti_gguf_tensor *rows = find(g, layer, pairs[i].rows);
            const ti_gguf_tensor *columns = find(g, layer, pairs[i].columns);
            if (!rows || !columns) {
                continue;
            }
            double evidence;
            TI_TRY(weigh_pair(rows, columns, &evidence, err));
            *(evidence > 0 ? &for_x86 : &for_arm) += evidence > 0 ? evidence : -evidence;
            n_pairs++;
        }
        *layout = decide(for_x86, for_arm, n_pairs);
        if (*layout != TI_I2S_UNKNOWN) {
            break;
        }
    }
    return TERN_OK;
}
