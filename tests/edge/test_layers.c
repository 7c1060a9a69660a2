/* SPDX-License-Identifier: Apache-2.0 */
/* Layers and networks against plain sums in 64 bits. */
#include "edge_pack.h"
#include "edge_tests.h"
#include "tern_edge.h"

enum { MOST_WEIGHTS = 33 * 640, MOST_IN = 4090, MOST_OUT = 640 };
static int8_t weights[MOST_WEIGHTS];
static uint8_t codes[8192];
static int8_t input[MOST_IN + 10];
static int8_t output[MOST_OUT + 8];
static int16_t bias[MOST_OUT];
static uint32_t scratch[2048];

static int8_t expect(int64_t sum, const struct tern_edge_layer *layer)
{
    const int64_t product = sum * (1 << layer->shift) * layer->mult + (INT64_C(1) << 31);
    const int64_t unit = INT64_C(1) << 32;
    int64_t v = product / unit;
    v -= product % unit < 0;
    const int64_t low = layer->relu ? 0 : -128;
    return (int8_t)(v < low ? low : v > 127 ? 127 : v);
}

static int64_t plain_sum(const int8_t *w, const int8_t *x, uint32_t n)
{
    int64_t sum = 0;
    for (uint32_t i = 0; i < n; i++) {
        sum += w[i] * x[i];
    }
    return sum;
}

/* Runs the layer in n_in, n_out, mult, shift, relu over weights, input and bias. */
static void fc_case(struct tern_edge_layer layer)
{
    tern_edge_pack_fc(weights, layer.n_in, layer.n_out, codes);
    layer.codes = codes;
    layer.bias = bias;
    const struct tern_edge_net net = {&layer, 1};
    struct tern_edge_size size = {0};
    CHECK(tern_edge_net_check(&net, &size));
    CHECK(size.scratch == TERN_EDGE_FC_WORDS(layer.n_in, layer.n_out));
    CHECK(size.codes == TERN_EDGE_FC_CODES(layer.n_in, layer.n_out));
    CHECK(size.scratch < sizeof scratch / 4);
    edge_fill(scratch, 0xa5, sizeof scratch);
    edge_fill(output, 0x5a, sizeof output);
    tern_edge_fc_run(&layer, input, output, scratch);
    int good = 1;
    for (uint32_t row = 0; row < layer.n_out; row++) {
        const int64_t sum = plain_sum(weights + row * layer.n_in, input, layer.n_in);
        good &= output[row] == expect(sum + bias[row], &layer);
        edge_see((uint8_t)output[row]);
    }
    CHECK(good);
    CHECK(output[layer.n_out] == 0x5a);
    CHECK(scratch[size.scratch] == 0xa5a5a5a5u);
}

static void random_case(uint32_t n_in, uint32_t n_out)
{
    for (uint32_t i = 0; i < n_in * n_out; i++) {
        weights[i] = (int8_t)((int32_t)(edge_random() % 3) - 1);
    }
    for (uint32_t i = 0; i < sizeof input; i++) {
        input[i] = (int8_t)((int32_t)(edge_random() & 255) - 128);
    }
    for (uint32_t i = 0; i < n_out; i++) {
        bias[i] = (int16_t)((int32_t)(edge_random() & 2047) - 1024);
    }
    fc_case((struct tern_edge_layer){.n_in = (uint16_t)n_in,
                                     .n_out = (uint16_t)n_out,
                                     .mult = (int32_t)(edge_random() >> 4) + 1,
                                     .shift = (uint8_t)(edge_random() % 3),
                                     .relu = (uint8_t)(edge_random() % 2)});
}

static void test_fully_connected(void)
{
    static const uint16_t ins[] = {1,  2,  4,  5,   6,   9,   10,  11,  19,
                                   20, 49, 50, 128, 249, 250, 251, 500, 640};
    static const uint16_t outs[] = {1, 2, 7, 8, 9, 15, 16, 17, 31, 32, 33};
    for (uint32_t i = 0; i < sizeof ins / sizeof ins[0]; i++) {
        for (uint32_t o = 0; o < sizeof outs / sizeof outs[0]; o++) {
            random_case(ins[i], outs[o]);
        }
    }
    random_case(33, 640);
    random_case(4090, 5);
}

/* All weights, inputs and biases at their ends, with the largest shift and multiplier. */
static void test_extremes(void)
{
    static const uint16_t ins[] = {10, 250, 251, 4090};
    static const int8_t ends[] = {-128, 127};
    for (uint32_t i = 0; i < sizeof ins / sizeof ins[0]; i++) {
        for (uint32_t e = 0; e < 8; e++) {
            edge_fill(input, ends[e & 1], sizeof input);
            for (uint32_t j = 0; j < ins[i] * 4u; j++) {
                weights[j] = e & 2 ? 1 : -1;
            }
            for (uint32_t j = 0; j < 4; j++) {
                bias[j] = e & 4 ? INT16_MAX : INT16_MIN;
            }
            struct tern_edge_layer layer = {
                .n_in = ins[i], .n_out = 4, .mult = INT32_MAX, .shift = TERN_EDGE_MAX_SHIFT};
            fc_case(layer);
            /* And where the result is inside of int8: sums up to 2^19.1 to 127. */
            layer.shift = 0;
            layer.mult = 900000;
            fc_case(layer);
            /* Neighbours that borrow from each other: rows of opposite signs in one word. */
            for (uint32_t j = 0; j < ins[i] * 4u; j++) {
                weights[j] = (j / ins[i]) & 1 ? 1 : -1;
            }
            fc_case(layer);
        }
    }
}

/* Rounding: floor(x + 1/2), also of negative halves. */
static void test_rounding(void)
{
    for (int32_t v = -300; v <= 300; v++) {
        weights[0] = 0;
        bias[0] = (int16_t)v;
        const struct tern_edge_layer layer = {
            .n_in = 1, .n_out = 1, .mult = 0x40000000, .shift = 1};
        fc_case(layer); /* v / 2 */
        const int32_t want = v >= 0 ? (v + 1) / 2 : -(-v / 2);
        CHECK(output[0] == (want < -128 ? -128 : want > 127 ? 127 : want));
    }
}

static void test_codes(void)
{
    /* Every five weights have a byte of their own, and the check knows exactly these bytes. */
    uint8_t seen[2][256];
    uint32_t n = 0;
    edge_fill(seen, 0, sizeof seen);
    for (uint32_t v = 0; v < 243; v++) {
        int8_t five[5];
        uint32_t rest = v;
        for (uint32_t k = 0; k < 5; k++) {
            five[k] = (int8_t)((int32_t)(rest % 3) - 1);
            rest /= 3;
        }
        uint8_t depthwise;
        tern_edge_pack_depthwise(five, 1, 5, &depthwise);
        seen[0][tern_edge_pack_code(five)] = 1;
        seen[1][depthwise] = 1;
    }
    for (uint32_t code = 0; code < 256; code++) {
        uint8_t fc[16] = {(uint8_t)code};
        const uint8_t dw = (uint8_t)code;
        const struct tern_edge_layer layers[2] = {
            {.codes = fc, .bias = bias, .mult = 1, .n_in = 5, .n_out = 1},
            {.codes = &dw,
             .bias = bias,
             .mult = 1,
             .n_in = 1,
             .n_out = 1,
             .kind = TERN_EDGE_DEPTHWISE,
             .taps = 5,
             .dilation = 1}};
        const struct tern_edge_net nets[2] = {{&layers[0], 1}, {&layers[1], 1}};
        CHECK(tern_edge_net_check(&nets[0], NULL) == seen[0][code]);
        CHECK(tern_edge_net_check(&nets[1], NULL) == seen[1][code]);
        n += seen[0][code] + (uint32_t)seen[1][code];
    }
    CHECK(n == 2 * 243);
    edge_see(n);
}

/* ------------------------------------------------------------------ temporal layers */

enum { STEPS = 90, CHANNELS = 6 };
static int8_t past[STEPS][CHANNELS];
static int8_t history[2048];

static int8_t past_at(uint32_t step, uint32_t back, uint32_t channel)
{
    return step >= back ? past[step - back][channel] : (int8_t)0;
}

static void temporal_case(uint8_t kind, uint8_t taps, uint8_t dilation)
{
    const uint32_t n_out = kind == TERN_EDGE_CONV ? 11 : CHANNELS;
    const uint32_t per_row = kind == TERN_EDGE_CONV ? taps * (uint32_t)CHANNELS : taps;
    for (uint32_t i = 0; i < per_row * n_out; i++) {
        weights[i] = (int8_t)((int32_t)(edge_random() % 3) - 1);
    }
    if (kind == TERN_EDGE_CONV) {
        tern_edge_pack_fc(weights, per_row, n_out, codes);
    } else {
        tern_edge_pack_depthwise(weights, n_out, taps, codes);
    }
    const struct tern_edge_layer layer = {.codes = codes,
                                          .bias = bias,
                                          .mult = 0x30000000,
                                          .n_in = CHANNELS,
                                          .n_out = (uint16_t)n_out,
                                          .kind = kind,
                                          .shift = 1,
                                          .relu = taps & 1,
                                          .taps = taps,
                                          .dilation = dilation};
    const struct tern_edge_net net = {&layer, 1};
    struct tern_edge_size size;
    CHECK(tern_edge_net_check(&net, &size));
    CHECK(size.history == 2 + CHANNELS * ((taps - 1u) * dilation + 1u));
    CHECK(size.history <= sizeof history);
    edge_fill(history, 0x33, sizeof history);
    tern_edge_net_reset(&net, history);
    int good = 1;
    for (uint32_t step = 0; step < STEPS; step++) {
        for (uint32_t c = 0; c < CHANNELS; c++) {
            past[step][c] = (int8_t)((int32_t)(edge_random() & 255) - 128);
        }
        tern_edge_net_run(&net, past[step], output, history, scratch);
        for (uint32_t row = 0; row < n_out; row++) {
            int64_t sum = bias[row];
            for (uint32_t i = 0; i < per_row; i++) {
                const uint32_t tap = kind == TERN_EDGE_CONV ? i / CHANNELS : i;
                const uint32_t channel = kind == TERN_EDGE_CONV ? i % CHANNELS : row;
                sum += weights[row * per_row + i] * past_at(step, tap * dilation, channel);
            }
            good &= output[row] == expect(sum, &layer);
            edge_see((uint8_t)output[row]);
        }
    }
    CHECK(good);
    CHECK(history[size.history] == 0x33);
}

static void test_temporal(void)
{
    for (uint8_t taps = 1; taps <= TERN_EDGE_MAX_TAPS; taps++) {
        for (uint8_t dilation = 1; dilation <= 20; dilation = (uint8_t)(dilation * 3 - 1)) {
            temporal_case(TERN_EDGE_DEPTHWISE, taps, dilation);
            temporal_case(TERN_EDGE_CONV, taps, dilation);
        }
    }
    temporal_case(TERN_EDGE_DEPTHWISE, 2, 255);
}

static uint8_t ad01_codes[AD01_CODES];
static int16_t ad01_bias[AD01_BIASES];

static void test_ad01(void)
{
    static struct tern_edge_layer layers[AD01_LAYERS];
    make_ad01(layers, ad01_codes, ad01_bias);
    const struct tern_edge_net net = {layers, AD01_LAYERS};
    struct tern_edge_size size = {0};
    CHECK(tern_edge_net_check(&net, &size));
    CHECK(size.macs == 264192);
    CHECK(size.codes <= AD01_CODES);
    CHECK(size.codes * 80 <= size.macs * 17); /* 1.7 bits */
    CHECK(size.history == 0);
    uint32_t spread = 0;
    for (uint32_t run = 0; run < 3; run++) {
        for (uint32_t i = 0; i < 640; i++) {
            input[i] = (int8_t)((int32_t)(edge_random() & 255) - 128);
        }
        tern_edge_net_run(&net, input, output, NULL, scratch);
        for (uint32_t i = 0; i < 640; i++) {
            edge_see((uint8_t)output[i]);
            spread += output[i] != output[0];
        }
    }
    CHECK(spread > 1000); /* the hash is not one of a network that says nothing */
}

static void test_refused_networks(void)
{
    struct tern_edge_layer two[2] = {
        {.codes = codes, .bias = bias, .mult = 1, .n_in = 10, .n_out = 8},
        {.codes = codes, .bias = bias, .mult = 1, .n_in = 8, .n_out = 8}};
    const struct tern_edge_net net = {two, 2};
    struct tern_edge_size size, untouched;
    edge_fill(codes, 0, sizeof codes);
    edge_fill(&size, 7, sizeof size);
    edge_fill(&untouched, 7, sizeof untouched);
    CHECK(tern_edge_net_check(&net, NULL));
#define REFUSED(change)                                   \
    do {                                                  \
        const struct tern_edge_layer kept = two[1];       \
        change;                                           \
        CHECK(!tern_edge_net_check(&net, &size));         \
        CHECK(edge_same(&size, &untouched, sizeof size)); \
        two[1] = kept;                                    \
    } while (0)
    REFUSED(two[1].codes = NULL);
    REFUSED(two[1].bias = NULL);
    REFUSED(two[1].mult = 0);
    REFUSED(two[1].mult = -1);
    REFUSED(two[1].n_in = 9);
    REFUSED(two[1].n_in = 0);
    REFUSED(two[1].n_out = 0);
    REFUSED(two[1].n_out = TERN_EDGE_MAX_OUT + 1);
    REFUSED(two[1].kind = TERN_EDGE_N_KINDS);
    REFUSED(two[1].shift = TERN_EDGE_MAX_SHIFT + 1);
    REFUSED(two[1].taps = 1);
    REFUSED(two[1].dilation = 1);
    REFUSED(two[1].kind = TERN_EDGE_CONV);
    REFUSED((two[1].kind = TERN_EDGE_CONV, two[1].taps = 16, two[1].dilation = 1));
    REFUSED((two[1].kind = TERN_EDGE_CONV, two[1].taps = 2));
    REFUSED((two[1].kind = TERN_EDGE_DEPTHWISE, two[1].taps = 2, two[1].dilation = 1,
             two[1].n_out = 7));
    REFUSED(codes[15] = 255);
    codes[15] = 0;
#undef REFUSED
    CHECK(tern_edge_net_check(&net, NULL));
    CHECK(!tern_edge_net_check(NULL, NULL));
    CHECK(!tern_edge_net_check(&(struct tern_edge_net){NULL, 1}, NULL));
    CHECK(!tern_edge_net_check(&(struct tern_edge_net){two, 0}, NULL));
    CHECK(!tern_edge_net_check(&(struct tern_edge_net){two, TERN_EDGE_MAX_LAYERS + 1}, NULL));
    two[0].n_in = TERN_EDGE_MAX_IN + 1;
    CHECK(!tern_edge_net_check(&net, NULL));
    edge_see(1);
}

const struct edge_test edge_layer_tests[] = {
    {"fully connected", test_fully_connected, 3720463558u},
    {"extremes", test_extremes, 3008691413u},
    {"rounding", test_rounding, 1210222377u},
    {"codes", test_codes, 1661586201u},
    {"temporal", test_temporal, 1570566679u},
    {"ad01", test_ad01, 2538353336u},
    {"refused networks", test_refused_networks, 67918732u},
    {NULL, NULL, 0},
};
