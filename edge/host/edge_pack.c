/* SPDX-License-Identifier: Apache-2.0 */
#include "edge_pack.h"

/* Slot and half of the weights (a, b, c) of x0..x2, at 9 (a + 1) + 3 (b + 1) + (c + 1); the
 * opposite pattern has the same slot in the other half.  The order is that of the registers in
 * build_table(): 0, a; b, c; b-c, b+c; a+b, a+c; a-b, a-c; a+b-c, a+b+c; a-b+c, a-b-c. */
static const int8_t patterns[14][3] = {
    {0, 0, 0}, {1, 0, 0},  {0, 1, 0},  {0, 0, 1},  {0, 1, -1}, {0, 1, 1},  {1, 1, 0},
    {1, 0, 1}, {1, -1, 0}, {1, 0, -1}, {1, 1, -1}, {1, 1, 1},  {1, -1, 1}, {1, -1, -1}};
static const int8_t planes[9][2] = {{1, 1}, {0, 1},  {-1, 1}, {-1, 0}, {0, 0},
                                    {1, 0}, {1, -1}, {0, -1}, {-1, -1}};

uint8_t tern_edge_pack_code(const int8_t *weights)
{
    uint32_t plane = 0;
    while (plane < 8u && (planes[plane][0] != weights[3] || planes[plane][1] != weights[4])) {
        plane++;
    }
    for (uint32_t code = 0; code < 28u; code++) {
        const int8_t *p = patterns[code % 14u];
        const int32_t sign = code < 14u ? 1 : -1;
        if (sign * p[0] == weights[0] && sign * p[1] == weights[1] &&
            sign * p[2] == weights[2]) {
            return (uint8_t)((code / 14u) * 126u + plane * 14u + code % 14u);
        }
    }
    return 0;
}

void tern_edge_pack_fc(const int8_t *weights, uint32_t n_in, uint32_t n_out, uint8_t *codes)
{
    const uint32_t rows = (uint32_t)TERN_EDGE_ROWS(n_out);
    for (uint32_t first = 0; first < n_in; first += 10u) {
        for (uint32_t block = 0; block < rows; block += 8u) {
            for (uint32_t i = 0; i < 16u; i++) {
                const uint32_t row = block + i % 8u;
                const uint32_t from = first + (i / 8u) * 5u;
                int8_t five[5];
                for (uint32_t k = 0; k < 5u; k++) {
                    const int inside = row < n_out && from + k < n_in;
                    five[k] = inside ? weights[(size_t)row * n_in + from + k] : (int8_t)0;
                }
                *codes++ = tern_edge_pack_code(five);
            }
        }
    }
}

void tern_edge_pack_depthwise(const int8_t *weights, uint32_t n_out, uint32_t taps,
                              uint8_t *codes)
{
    for (uint32_t row = 0; row < n_out; row++) {
        for (uint32_t first = 0; first < taps; first += 5u) {
            uint32_t value = 0;
            for (uint32_t k = first; k < first + 5u; k++) {
                const int32_t weight = k < taps ? weights[(size_t)row * taps + k] : 0;
                value = value * 3u + (uint32_t)(weight + 1);
            }
            *codes++ = (uint8_t)((value * 256u + 242u) / 243u);
        }
    }
}
