/* SPDX-License-Identifier: Apache-2.0 */
#include "device/cost.h"

enum {
    PAIR = 10, /* inputs to a pass */
    BLOCK = 8, /* rows to a block */
    /* A fully connected layer: once; each pass: two tables; a pass that is not full. */
    FC_ONCE = 128,
    FC_PASS = 346,
    FC_REST = 66,
    FC_TWO_BLOCKS = 102, /* a pass over 16 rows */
    FC_BLOCK = 50,       /* over 8 */
    FC_TWO_ROWS = 22,    /* bias, requantisation and clamp of two rows */
    FC_ROW = 14,
    FC_CHUNK = 56, /* over 250 inputs: each part of 250, its blocks, its rows */
    FC_CHUNK_BLOCK = 51,
    FC_CHUNK_ROW = 11,
    CONV_ONCE = 29,
    CONV_TAP = 40,
    COPY_FOUR = 10,
    COPY_ONE = 4,
    PUSH_FOUR = 33,
    DW_ONCE = 124,
    DW_TAP = 10,
    DW_CHANNEL = 26,
    DW_BYTE = 16,
    DW_WEIGHT = 7
};

static uint32_t fc_cost(uint32_t n_in, uint32_t n_out)
{
    const uint32_t blocks = (n_out + BLOCK - 1) / BLOCK;
    const uint32_t chunks = (n_in + TERN_EDGE_CHUNK - 1) / TERN_EDGE_CHUNK;
    const uint32_t passes = (n_in + PAIR - 1) / PAIR; /* a chunk is 25 of them */
    uint32_t cost =
        FC_ONCE + passes * (FC_PASS + blocks / 2 * FC_TWO_BLOCKS + blocks % 2 * FC_BLOCK);
    cost += n_in % PAIR ? FC_REST : 0;
    if (chunks > 1) {
        return cost + chunks * (FC_CHUNK + blocks * FC_CHUNK_BLOCK) + n_out * FC_CHUNK_ROW;
    }
    return cost + n_out / 2 * FC_TWO_ROWS + n_out % 2 * FC_ROW;
}

uint32_t ti_cost_layer(const struct tern_edge_layer *layer)
{
    const uint32_t n_in = layer->n_in, n_out = layer->n_out, taps = layer->taps;
    if (layer->kind == TERN_EDGE_CONV) {
        return fc_cost(n_in * taps, n_out) + CONV_ONCE + n_in / 4 * PUSH_FOUR +
               taps * (CONV_TAP + n_in / 4 * COPY_FOUR + n_in % 4 * COPY_ONE);
    }
    if (layer->kind == TERN_EDGE_DEPTHWISE) {
        return DW_ONCE + taps * DW_TAP +
               n_out * (DW_CHANNEL + (taps + 4) / 5 * DW_BYTE + taps * DW_WEIGHT);
    }
    return fc_cost(n_in, n_out);
}

/* Pointers have 4 bytes there. */
static uint32_t size_there(size_t here, size_t pointers)
{
    return (uint32_t)(here - pointers * (sizeof(void *) - 4));
}

void ti_cost_of(ti_cost *out, const struct tern_edge_net *net)
{
    struct tern_edge_size size = {0};
    ti_cost cost = {.instructions = TI_COST_STEP,
                    .flash_code = TI_COST_CODE,
                    .flash_weights = TI_COST_CONFIG,
                    .ram_state = size_there(sizeof(struct tern_edge_meter), 4) +
                                 (uint32_t)sizeof(struct tern_edge_result),
                    .ram_stack = TI_COST_STACK};
    if (net && tern_edge_net_check(net, &size)) {
        cost.instructions += TI_COST_PREDICT;
        for (uint32_t i = 0; i < net->n_layers; i++) {
            cost.instructions += ti_cost_layer(&net->layers[i]);
        }
        cost.macs = size.macs;
        cost.flash_weights +=
            (uint32_t)(size.codes + size.bias) + TI_COST_NET + net->n_layers * TI_COST_LAYER;
        cost.ram_history = (uint32_t)size.history;
        cost.ram_scratch = (uint32_t)(size.scratch * 4);
    }
    cost.cycles = (uint32_t)((uint64_t)cost.instructions * TI_COST_CYCLES_MILLI / 1000);
    cost.energy_low_uj = cost.cycles * 1e-6 * TI_COST_PJ_LOW;
    cost.energy_high_uj = cost.cycles * 1e-6 * TI_COST_PJ_HIGH;
    *out = cost;
}
