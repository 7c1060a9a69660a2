/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What layers of many shapes cost: a line for each, "kind n_in n_out taps dilation relu
 * instructions", for who has a formula to compare.  Networks of one layer, with the call of
 * tern_edge_net_run() in it.
 */
#include "ad01.h"
#include "board.h"
#include "edge_pack.h"

enum { MOST_IN = 640, MOST_OUT = 128, MOST_CODES = 64 * 2 * 128, MOST_HISTORY = 4096 };

struct cost_shape {
    uint16_t n_in, n_out;
    uint8_t kind, taps, dilation, relu;
};

static const struct cost_shape shapes[] = {
    {1, 1, TERN_EDGE_FC, 0, 0, 0},           {8, 1, TERN_EDGE_FC, 0, 0, 0},
    {10, 8, TERN_EDGE_FC, 0, 0, 0},          {10, 8, TERN_EDGE_FC, 0, 0, 1},
    {10, 16, TERN_EDGE_FC, 0, 0, 0},         {20, 16, TERN_EDGE_FC, 0, 0, 1},
    {24, 24, TERN_EDGE_FC, 0, 0, 1},         {24, 8, TERN_EDGE_FC, 0, 0, 1},
    {40, 32, TERN_EDGE_FC, 0, 0, 1},         {47, 31, TERN_EDGE_FC, 0, 0, 0},
    {64, 64, TERN_EDGE_FC, 0, 0, 1},         {128, 8, TERN_EDGE_FC, 0, 0, 1},
    {8, 128, TERN_EDGE_FC, 0, 0, 1},         {128, 128, TERN_EDGE_FC, 0, 0, 1},
    {250, 24, TERN_EDGE_FC, 0, 0, 1},        {251, 24, TERN_EDGE_FC, 0, 0, 1},
    {640, 128, TERN_EDGE_FC, 0, 0, 1},       {640, 33, TERN_EDGE_FC, 0, 0, 0},
    {8, 8, TERN_EDGE_CONV, 1, 1, 0},         {8, 16, TERN_EDGE_CONV, 5, 1, 0},
    {8, 24, TERN_EDGE_CONV, 5, 1, 1},        {8, 16, TERN_EDGE_CONV, 3, 2, 1},
    {7, 13, TERN_EDGE_CONV, 15, 1, 0},       {16, 16, TERN_EDGE_CONV, 4, 24, 1},
    {24, 24, TERN_EDGE_DEPTHWISE, 5, 2, 1},  {24, 24, TERN_EDGE_DEPTHWISE, 5, 5, 0},
    {8, 8, TERN_EDGE_DEPTHWISE, 4, 24, 1},   {8, 8, TERN_EDGE_DEPTHWISE, 1, 1, 1},
    {32, 32, TERN_EDGE_DEPTHWISE, 15, 7, 1}, {13, 13, TERN_EDGE_DEPTHWISE, 6, 3, 1},
};

static uint8_t codes[MOST_CODES];
static int16_t bias[MOST_OUT];
static int8_t x[MOST_IN], y[MOST_OUT], history[MOST_HISTORY], five[MOST_IN];
static uint32_t work[1024];

/* Not inlined: so the instructions around the call are the same every time. */
__attribute__((noinline)) static uint32_t count_net(const struct tern_edge_net *net,
                                                    uint32_t overhead)
{
    const uint32_t from = board_count();
    tern_edge_net_run(net, x, y, history, work);
    return board_count() - from - overhead;
}

static void number(uint32_t value, const char *after)
{
    board_write_u32(value);
    board_write(after);
}

static int measure(const struct cost_shape *s, uint32_t overhead)
{
    struct tern_edge_layer layer = {.codes = codes,
                                    .bias = bias,
                                    .mult = 0x10000000,
                                    .n_in = s->n_in,
                                    .n_out = s->n_out,
                                    .kind = s->kind,
                                    .relu = s->relu,
                                    .taps = s->taps,
                                    .dilation = s->dilation};
    const struct tern_edge_net net = {&layer, 1};
    struct tern_edge_size size;
    const uint32_t width = s->kind == TERN_EDGE_CONV ? (uint32_t)s->n_in * s->taps : s->n_in;
    struct seeded seeded = {20261122};
    if (s->kind == TERN_EDGE_DEPTHWISE) {
        tern_edge_pack_depthwise(five, s->n_out, s->taps, codes); /* zeros */
    } else {
        const size_t n = TERN_EDGE_FC_CODES(width, s->n_out);
        for (size_t i = 0; i < n; i++) { /* sums of x0..x2 of half 0, any plane */
            codes[i] = (uint8_t)(seeded_next(&seeded) % 126);
        }
    }
    if (!tern_edge_net_check(&net, &size) || size.history > sizeof history ||
        size.scratch > sizeof work / sizeof *work) {
        return 1;
    }
    tern_edge_net_reset(&net, history);
    uint32_t most = 0;
    const uint32_t steps = s->kind == TERN_EDGE_FC ? 1 : 64; /* the ring turns over */
    for (uint32_t i = 0; i < steps; i++) {
        const uint32_t count = count_net(&net, overhead);
        most = count > most ? count : most;
    }
    number(s->kind, " ");
    number(s->n_in, " ");
    number(s->n_out, " ");
    number(s->taps, " ");
    number(s->dilation, " ");
    number(s->relu, " ");
    number(most, "\n");
    return 0;
}

int main(void)
{
    int bad = 0;
    board_count_start();
    const uint32_t begin = board_count();
    const uint32_t overhead = board_count() - begin;
    for (uint32_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        bad |= measure(&shapes[i], overhead);
    }
    return bad;
}
