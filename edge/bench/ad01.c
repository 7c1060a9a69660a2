/* SPDX-License-Identifier: Apache-2.0 */
#include "ad01.h"

#include "edge_pack.h"

uint32_t seeded_next(struct seeded *seeded)
{
    uint32_t s = seeded->state;
    s ^= s << 13;
    s ^= s >> 17;
    s ^= s << 5;
    seeded->state = s;
    return s;
}

struct shape {
    uint16_t n_in, n_out;
    uint8_t kind, taps, dilation, relu;
    int32_t mult; /* so that values of this width spread over int8 */
};

/* Five random weights of a row from column `from` on; zeros outside of the matrix. */
static uint8_t random_code(struct seeded *seeded, uint32_t row, uint32_t n_out, uint32_t from,
                           uint32_t n_in)
{
    int8_t five[5];
    for (uint32_t k = 0; k < 5; k++) {
        const int8_t weight = (int8_t)((int32_t)(seeded_next(seeded) % 3) - 1);
        five[k] = row < n_out && from + k < n_in ? weight : (int8_t)0;
    }
    return tern_edge_pack_code(five);
}

/* The weights are drawn in the order of the codes, so that no unpacked matrix is needed. */
static uint8_t *random_fc(struct seeded *seeded, uint32_t n_in, uint32_t n_out, uint8_t *codes)
{
    for (uint32_t first = 0; first < n_in; first += 10) {
        for (uint32_t block = 0; block < n_out; block += 8) {
            for (uint32_t i = 0; i < 16; i++) {
                *codes++ = random_code(seeded, block + i % 8, n_out, first + i / 8 * 5, n_in);
            }
        }
    }
    return codes;
}

static uint8_t *random_depthwise(struct seeded *seeded, uint32_t n, uint32_t taps,
                                 uint8_t *codes)
{
    for (uint32_t channel = 0; channel < n; channel++) {
        int8_t weights[TERN_EDGE_MAX_TAPS];
        for (uint32_t k = 0; k < taps; k++) {
            weights[k] = (int8_t)((int32_t)(seeded_next(seeded) % 3) - 1);
        }
        tern_edge_pack_depthwise(weights, 1, taps, codes);
        codes += TERN_EDGE_DW_CODES(1, taps);
    }
    return codes;
}

static void make(const struct shape *shapes, uint32_t n, struct tern_edge_layer *layers,
                 uint8_t *codes, int16_t *bias)
{
    struct seeded seeded = {20261122};
    for (uint32_t i = 0; i < n; i++) {
        const struct shape *s = &shapes[i];
        const uint32_t width =
            s->kind == TERN_EDGE_CONV ? s->n_in * (uint32_t)s->taps : s->n_in;
        layers[i] = (struct tern_edge_layer){.codes = codes,
                                             .bias = bias,
                                             .mult = s->mult,
                                             .n_in = s->n_in,
                                             .n_out = s->n_out,
                                             .kind = s->kind,
                                             .relu = s->relu,
                                             .taps = s->taps,
                                             .dilation = s->dilation};
        codes = s->kind == TERN_EDGE_DEPTHWISE
                    ? random_depthwise(&seeded, s->n_out, s->taps, codes)
                    : random_fc(&seeded, width, s->n_out, codes);
        for (uint32_t j = 0; j < s->n_out; j++) {
            *bias++ = (int16_t)((int32_t)(seeded_next(&seeded) % 401) - 200);
        }
    }
}

void make_ad01(struct tern_edge_layer layers[AD01_LAYERS], uint8_t *codes, int16_t *bias)
{
    enum { WIDE = 0x08000000, MIDDLE = 0x18000000, NARROW = 0x40000000 };
    static const struct shape shapes[AD01_LAYERS] = {
        {640, 128, TERN_EDGE_FC, 0, 0, 1, WIDE},   {128, 128, TERN_EDGE_FC, 0, 0, 1, MIDDLE},
        {128, 128, TERN_EDGE_FC, 0, 0, 1, MIDDLE}, {128, 128, TERN_EDGE_FC, 0, 0, 1, MIDDLE},
        {128, 8, TERN_EDGE_FC, 0, 0, 1, MIDDLE},   {8, 128, TERN_EDGE_FC, 0, 0, 1, NARROW},
        {128, 128, TERN_EDGE_FC, 0, 0, 1, MIDDLE}, {128, 128, TERN_EDGE_FC, 0, 0, 1, MIDDLE},
        {128, 128, TERN_EDGE_FC, 0, 0, 1, MIDDLE}, {128, 640, TERN_EDGE_FC, 0, 0, 0, MIDDLE}};
    make(shapes, AD01_LAYERS, layers, codes, bias);
}

void make_meter(struct tern_edge_layer layers[METER_LAYERS], uint8_t *codes, int16_t *bias)
{
    enum { SUM = 0x30000000, TAPS = 0x60000000 };
    static const struct shape shapes[METER_LAYERS] = {
        {8, 24, TERN_EDGE_CONV, 5, 1, 1, SUM},
        {24, 24, TERN_EDGE_DEPTHWISE, 5, 2, 1, TAPS},
        {24, 24, TERN_EDGE_FC, 0, 0, 1, SUM},
        {24, 24, TERN_EDGE_DEPTHWISE, 5, 5, 1, TAPS},
        {24, 24, TERN_EDGE_FC, 0, 0, 1, SUM},
        {24, 8, TERN_EDGE_FC, 0, 0, 1, SUM},
        {8, 8, TERN_EDGE_DEPTHWISE, 4, 24, 1, TAPS},
        {8, 8, TERN_EDGE_FC, 0, 0, 1, SUM},
        {8, 1, TERN_EDGE_FC, 0, 0, 0, SUM}};
    make(shapes, METER_LAYERS, layers, codes, bias);
}
