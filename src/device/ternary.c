/* SPDX-License-Identifier: Apache-2.0 */
#include "device/ternary.h"

#include <math.h>
#include <string.h>

#include "edge_pack.h"

/* round(q (h + 1) / H) - round(q h / H): the part of q that row h has. */
static int8_t share(int32_t q, int32_t h, int32_t rows)
{
    const int32_t size = q < 0 ? -q : q;
    const int32_t part =
        (2 * size * (h + 1) + rows) / (2 * rows) - (2 * size * h + rows) / (2 * rows);
    return (int8_t)(q < 0 ? -part : part);
}

void ti_linear_begin(ti_linear *linear)
{
    double most = 0;
    for (uint32_t i = 0; i < linear->n; i++) {
        double size = fabs(linear->weights[i]);
        most = size > most ? size : most;
    }
    linear->scale = most / linear->rows;
    linear->largest = 1;
    for (uint32_t i = 0; i < linear->n; i++) {
        double q = most > 0 ? linear->weights[i] / linear->scale : 0;
        int32_t level = (int32_t)floor(q + 0.5);
        for (uint32_t h = 0; h < linear->rows; h++) {
            /* Neighbours begin at other rows, so that rows are alike. */
            uint32_t row = (h + i * 5) % linear->rows;
            linear->matrix[row * linear->n + i] =
                share(level, (int32_t)h, (int32_t)linear->rows);
        }
    }
}

void ti_linear_see(ti_linear *linear, const double *x, double *sums)
{
    for (uint32_t h = 0; h < linear->rows; h++) {
        const int8_t *row = linear->matrix + h * linear->n;
        sums[h] = 0;
        for (uint32_t i = 0; i < linear->n; i++) {
            sums[h] += row[i] * x[i];
        }
        linear->largest = fabs(sums[h]) > linear->largest ? fabs(sums[h]) : linear->largest;
    }
}

/* The multiplier and shift of a layer whose outputs are sums times `factor`. */
static void set_factor(struct tern_edge_layer *layer, double factor)
{
    double mult = factor * 4294967296.0;
    while (mult >= 2147483647.0 && layer->shift < TERN_EDGE_MAX_SHIFT) {
        layer->shift++;
        mult /= 2;
    }
    mult = floor(mult + 0.5);
    layer->mult = mult >= 2147483647.0 ? INT32_MAX : mult < 1 ? 1 : (int32_t)mult;
}

tern_status ti_linear_network(const ti_linear *linear, struct tern_edge_net *net,
                              ti_arena *arena, tern_err *err)
{
    const uint32_t n_in = linear->n / linear->taps;
    int8_t ones[TI_LINEAR_ROWS];
    struct tern_edge_layer *layers = ti_arena_calloc(arena, 2, sizeof *layers);
    uint8_t *first = ti_arena_alloc(arena, TERN_EDGE_FC_CODES(linear->n, linear->rows));
    uint8_t *second = ti_arena_alloc(arena, TERN_EDGE_FC_CODES(linear->rows, 1));
    int16_t *bias = ti_arena_calloc(arena, linear->rows + 1, sizeof *bias);
    if (!layers || !first || !second || !bias) {
        ti_arena_free(arena);
        return ti_fail_nomem(err, "edge", TERN_EDGE_FC_CODES(linear->n, linear->rows),
                             "a network");
    }
    memset(ones, 1, sizeof ones);
    tern_edge_pack_fc(linear->matrix, linear->n, linear->rows, first);
    tern_edge_pack_fc(ones, linear->rows, 1, second);
    /* The rows keep at most two binary digits behind the point: more say nothing. */
    double inner = 120 / linear->largest;
    inner = inner > 4 ? 4 : inner;
    layers[0] = (struct tern_edge_layer){.codes = first,
                                         .bias = bias,
                                         .n_in = (uint16_t)n_in,
                                         .n_out = (uint16_t)linear->rows,
                                         .kind = TERN_EDGE_CONV,
                                         .taps = (uint8_t)linear->taps,
                                         .dilation = 1};
    layers[1] = (struct tern_edge_layer){.codes = second,
                                         .bias = bias + linear->rows,
                                         .n_in = (uint16_t)linear->rows,
                                         .n_out = 1,
                                         .kind = TERN_EDGE_FC};
    set_factor(&layers[0], inner);
    set_factor(&layers[1], linear->scale / inner);
    *net = (struct tern_edge_net){layers, 2};
    return TERN_OK;
}

void ti_ternary_zeros(uint8_t *codes, uint32_t n_in, uint32_t n_out)
{
    static const int8_t none[5];
    memset(codes, tern_edge_pack_code(none), TERN_EDGE_FC_CODES(n_in, n_out));
}
