/* SPDX-License-Identifier: Apache-2.0 */
/* device/cost.h - what a model takes on a Cortex-M4: flash, memory, instructions; and,
 * modelled, cycles and energy.
 *
 * Instructions are an upper estimate from the shapes: constants below were fitted to exact
 * counts (edge/bench/cost.c under QEMU, gcc 12.2 -O2), and tests/edge/target.sh fails when a
 * count is above the estimate or more than 8 % below it.  Cycles are 1.404 an instruction, as
 * the manual's cycles of the network ad01 come to (edge/bench/cycles.sh); energy is 279 to 322
 * pJ a cycle, as published boards come to.  Neither was measured here. */
#ifndef TI_DEVICE_COST_H
#define TI_DEVICE_COST_H

#include <stdint.h>

#include "tern_edge.h"

enum {
    TI_COST_STEP = 311,          /* instructions of a reading without a network, at most */
    TI_COST_PREDICT = 140,       /* more of them for what a network is given */
    TI_COST_CYCLES_MILLI = 1404, /* cycles of 1,000 instructions, modelled */
    TI_COST_PJ_LOW = 279,        /* picojoules a cycle, derived from published boards */
    TI_COST_PJ_HIGH = 322,
    TI_COST_CODE = 8516,       /* bytes of both C files, gcc 12.2 -O2 -mcpu=cortex-m4; also
                                  without a network, which the detector could be given */
    TI_COST_LAYER = 24,        /* bytes of struct tern_edge_layer there */
    TI_COST_CONFIG = 24,       /* of struct tern_edge_config */
    TI_COST_NET = 8,           /* of struct tern_edge_net */
    TI_COST_STACK = 320,       /* bytes, at most; measured are 200 to 300 */
    TI_COST_FLASH_MAX = 16384, /* what a model for a meter may take */
    TI_COST_RAM_MAX = 4096,
    TI_COST_INSTRUCTIONS_MAX = 20000
};

typedef struct ti_cost {
    uint32_t instructions;                /* a reading, at most */
    uint32_t cycles;                      /* modelled */
    double energy_low_uj, energy_high_uj; /* modelled */
    uint32_t macs;
    uint32_t flash_code;
    uint32_t flash_weights; /* of weights, biases, layers and settings, bytes */
    uint32_t ram_state, ram_history, ram_scratch, ram_stack;
} ti_cost;

/* Instructions of a network of this one layer, tern_edge_net_run() included. */
uint32_t ti_cost_layer(const struct tern_edge_layer *layer);

/* The cost of a detector with a network, or without one (NULL).  The network must be good. */
void ti_cost_of(ti_cost *out, const struct tern_edge_net *net);

#endif
