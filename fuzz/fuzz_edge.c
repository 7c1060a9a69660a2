/* SPDX-License-Identifier: Apache-2.0 */
/* Networks of the edge core from any bytes: what tern_edge_net_check() lets through runs inside
 * of the memory that it asks for, and readings of any kind keep the detector in its bounds. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "edge_pack.h"
#include "tern_edge.h"

enum { LAYERS = 4, MOST_CODES = 1 << 16, MOST_MEMORY = 1 << 20, STEPS = 3 };

typedef struct input {
    const uint8_t *data;
    size_t size;
} input;

/* The next byte; 0 at the end. */
static uint8_t byte(input *in)
{
    if (in->size == 0) {
        return 0;
    }
    in->size--;
    return *in->data++;
}

static uint32_t word(input *in)
{
    uint32_t w = 0;
    for (int i = 0; i < 4; i++) {
        w = w << 8 | byte(in);
    }
    return w;
}

/* Room for the codes that the shape asks for, or NULL for too many. */
static uint8_t *make_codes(const struct tern_edge_layer *layer, input *in)
{
    const size_t n_in =
        layer->kind == TERN_EDGE_CONV ? (size_t)layer->n_in * layer->taps : layer->n_in;
    const size_t n = layer->kind == TERN_EDGE_DEPTHWISE
                         ? TERN_EDGE_DW_CODES(layer->n_out, layer->taps)
                         : TERN_EDGE_FC_CODES(n_in, layer->n_out);
    uint8_t *codes = n <= MOST_CODES ? malloc(n ? n : 1) : NULL;
    if (!codes) {
        return NULL;
    }
    const uint8_t way = byte(in); /* bytes as they come, or such as packing makes */
    for (size_t i = 0; i < n; i++) {
        int8_t five[5];
        uint8_t value = byte(in);
        if (way & 1) {
            for (int k = 0; k < 5; k++, value /= 3) {
                five[k] = (int8_t)(value % 3 - 1);
            }
            if (layer->kind == TERN_EDGE_DEPTHWISE) {
                tern_edge_pack_depthwise(five, 1, 5, &value);
            } else {
                value = tern_edge_pack_code(five);
            }
        }
        codes[i] = value;
    }
    return codes;
}

static void readings(const struct tern_edge_net *net, int8_t *history, uint32_t *scratch,
                     input *in)
{
    const struct tern_edge_config config = {.max_value = (int32_t)word(in),
                                            .min_deviation = (int32_t)word(in),
                                            .interval_s = word(in),
                                            .budget = word(in),
                                            .frozen_limit = byte(in),
                                            .warm_up = byte(in),
                                            .hold = byte(in),
                                            .adapt = byte(in),
                                            .two_way = byte(in)};
    struct tern_edge_meter meter;
    struct tern_edge_result result;
    if (!tern_edge_meter_init(&meter, &config, net, history, scratch)) {
        return;
    }
    while (in->size > 0) {
        const uint32_t time = byte(in) & 1 ? meter.last_time + word(in) % 100000 : word(in);
        tern_edge_meter_step(&meter, time, (int32_t)word(in), &result);
        if (result.score < 0 || result.score > 16383 || result.threshold > 16384) {
            abort();
        }
    }
}

/* Everything has exactly the size that was asked for: the sanitizer sees a byte more. */
static void use(const struct tern_edge_net *net, const struct tern_edge_size *size, input *in)
{
    const struct tern_edge_layer *first = &net->layers[0];
    const struct tern_edge_layer *last = &net->layers[net->n_layers - 1];
    if (size->history > MOST_MEMORY || size->scratch > MOST_MEMORY) {
        return;
    }
    int8_t *history = malloc(size->history ? size->history : 1);
    uint32_t *scratch = malloc(size->scratch ? size->scratch * sizeof *scratch : 1);
    int8_t *from = malloc(first->n_in), *to = malloc(last->n_out);
    if (history && scratch && from && to) {
        tern_edge_net_reset(net, history);
        for (int step = 0; step < STEPS; step++) {
            for (size_t i = 0; i < first->n_in; i++) {
                from[i] = (int8_t)(byte(in) - 128);
            }
            tern_edge_net_run(net, from, to, history, scratch);
        }
        readings(net, history, scratch, in);
    }
    free(history);
    free(scratch);
    free(from);
    free(to);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const int16_t bias[TERN_EDGE_MAX_OUT];
    input in = {data, size};
    struct tern_edge_layer layers[LAYERS];
    uint8_t *codes[LAYERS] = {NULL};
    const uint32_t n = byte(&in) % (LAYERS + 1);
    uint32_t made = 0;
    for (; made < n; made++) {
        struct tern_edge_layer *layer = &layers[made];
        memset(layer, 0, sizeof *layer);
        layer->kind = byte(&in) & 3;
        layer->shift = byte(&in) & 15;
        layer->relu = byte(&in) & 1;
        layer->taps = byte(&in) & 31;
        layer->dilation = byte(&in);
        layer->n_in = made > 0 ? layers[made - 1].n_out : (uint16_t)(word(&in) >> 20);
        layer->n_out =
            layer->kind == TERN_EDGE_DEPTHWISE ? layer->n_in : (uint16_t)(word(&in) >> 20);
        layer->mult = (int32_t)word(&in);
        layer->bias = bias;
        layer->codes = codes[made] = make_codes(layer, &in);
        if (!codes[made]) {
            break;
        }
    }
    const struct tern_edge_net net = {layers, made};
    struct tern_edge_size needs;
    if (tern_edge_net_check(&net, &needs)) {
        use(&net, &needs, &in);
    } else {
        readings(NULL, NULL, NULL, &in);
    }
    for (uint32_t i = 0; i < LAYERS; i++) {
        free(codes[i]);
    }
    return 0;
}
