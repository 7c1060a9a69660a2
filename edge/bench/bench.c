/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Counts instructions on the target: every candidate kernel, the layers of the core, the
 * network ad01, a reading of the detector.  Every result is compared with plain sums first.
 * Prints one line for each figure, "name: count", which edge/bench/run.sh makes a table of.
 */
#include "ad01.h"
#include "board.h"
#include "candidates.h"
#include "edge_pack.h"

/* tern_edge_nn.c once more, compiled with TERN_EDGE_PORTABLE and another prefix. */
void portable_tern_edge_fc_run(const struct tern_edge_layer *layer, const int8_t *in,
                               int8_t *out, uint32_t *scratch);

enum { MOST = 640 * 128, MAX_WIDTH = 640 };

static int8_t weights[MOST], x[MAX_WIDTH];
static uint8_t packed[MOST] __attribute__((aligned(4)));
static int32_t sums[MAX_WIDTH], expected[MAX_WIDTH];
static int16_t no_bias[MAX_WIDTH];
static uint32_t work[8192];

static uint32_t overhead;

static void figure(const char *name, uint32_t count)
{
    board_write(name);
    board_write(": ");
    board_write_u32(count);
    board_write("\n");
}

static void fault(const char *name)
{
    board_write(name);
    board_write(": WRONG\n");
    board_exit(1);
}

/* The counter itself: straight code and a loop of known length must give their length. */
static void check_counter(void)
{
    uint32_t from = board_count();
    uint32_t to = board_count();
    overhead = to - from;
    from = board_count();
    __asm__ volatile(".rept 1000\n\tnop\n\t.endr");
    to = board_count();
    figure("1000 nops", to - from - overhead);
    if (to - from - overhead != 1000) {
        fault("counter");
    }
    uint32_t n = 250000;
    __asm__ volatile("" : "+r"(n)); /* in a register before the count begins */
    from = board_count();
    __asm__ volatile("1: subs %0, %0, #1\n\tbne 1b" : "+r"(n) : : "cc");
    to = board_count();
    figure("loop of 2 * 250000", to - from - overhead);
    if (to - from - overhead - 500000 > 2) { /* a move of n may stand between */
        fault("counter");
    }
}

static void prepare(uint32_t n_in, uint32_t n_out, uint32_t seed)
{
    struct seeded seeded = {seed};
    for (uint32_t i = 0; i < n_in * n_out; i++) {
        weights[i] = (int8_t)((int32_t)(seeded_next(&seeded) % 3) - 1);
    }
    for (uint32_t i = 0; i < n_in; i++) {
        x[i] = (int8_t)((int32_t)(seeded_next(&seeded) & 255) - 128);
    }
    for (uint32_t row = 0; row < n_out; row++) {
        expected[row] = 0;
        for (uint32_t i = 0; i < n_in; i++) {
            expected[row] += weights[row * n_in + i] * x[i];
        }
    }
}

static const uint16_t shapes[3][2] = {{640, 128}, {128, 128}, {128, 640}};

static void report(const char *name, const uint32_t counts[3])
{
    board_write("kernel ");
    board_write(name);
    for (uint32_t s = 0; s < 3; s++) {
        board_write(s == 0 ? ": " : " ");
        board_write_u32(counts[s]);
    }
    board_write("\n");
}

/* Inputs to a byte of five: 128 is filled up to 130. */
static uint32_t width(const struct candidate *c, uint32_t n_in)
{
    return c->bits_x100 == 160 && n_in == 128 ? 130 : n_in;
}

static void measure_candidate(const struct candidate *c)
{
    uint32_t counts[3];
    for (uint32_t s = 0; s < 3; s++) {
        const uint32_t n_out = shapes[s][1];
        /* Buckets take inputs by four and rows by five. */
        const uint32_t n_in =
            c->run == candidate_bucket_run ? shapes[s][0] : width(c, shapes[s][0]);
        prepare(n_in, n_out, 77 + s);
        c->pack(weights, n_in, n_out, packed);
        candidate_decode_table(work);
        const uint32_t from = board_count();
        c->run(packed, x, n_in, n_out, sums, work);
        const uint32_t to = board_count();
        counts[s] = to - from - overhead;
        for (uint32_t i = 0; i < n_out; i++) {
            if (sums[i] != expected[i]) {
                fault(c->name);
            }
        }
    }
    report(c->name, counts);
}

typedef void fc_function(const struct tern_edge_layer *, const int8_t *, int8_t *, uint32_t *);

/* The core's layer, which requantises too: with a scale of 1/4 and no bias. */
static void measure_core(const char *name, fc_function *run)
{
    static int8_t out[MAX_WIDTH];
    uint32_t counts[3];
    for (uint32_t s = 0; s < 3; s++) {
        const uint32_t n_in = shapes[s][0], n_out = shapes[s][1];
        prepare(n_in, n_out, 77 + s);
        tern_edge_pack_fc(weights, n_in, n_out, packed);
        const struct tern_edge_layer layer = {.codes = packed,
                                              .bias = no_bias,
                                              .mult = 0x40000000,
                                              .n_in = (uint16_t)n_in,
                                              .n_out = (uint16_t)n_out};
        const uint32_t from = board_count();
        run(&layer, x, out, work);
        const uint32_t to = board_count();
        counts[s] = to - from - overhead;
        for (uint32_t i = 0; i < n_out; i++) {
            /* floor(sum / 4 + 1/2) without negative numbers in the division */
            int32_t want = (int32_t)(((uint32_t)expected[i] + 2u + 0x400000u) / 4u) - 0x100000;
            want = want < -128 ? -128 : want > 127 ? 127 : want;
            if (out[i] != want) {
                fault(name);
            }
        }
    }
    report(name, counts);
}

static uint8_t ad01_codes[AD01_CODES];
static int16_t ad01_bias[AD01_BIASES];

/* Not inlined: so the instructions around the call are the same every time. */
__attribute__((noinline)) static uint32_t count_net(const struct tern_edge_net *net,
                                                    int8_t *out)
{
    const uint32_t from = board_count();
    tern_edge_net_run(net, x, out, NULL, work);
    return board_count() - from - overhead;
}

static void measure_ad01(void)
{
    static struct tern_edge_layer layers[AD01_LAYERS];
    static int8_t out[640];
    make_ad01(layers, ad01_codes, ad01_bias);
    const struct tern_edge_net net = {layers, AD01_LAYERS};
    struct tern_edge_size size;
    if (!tern_edge_net_check(&net, &size) || size.codes > sizeof ad01_codes ||
        size.scratch * 4 > sizeof work) {
        fault("ad01");
    }
    struct seeded seeded = {4711};
    for (uint32_t i = 0; i < 640; i++) {
        x[i] = (int8_t)((int32_t)(seeded_next(&seeded) & 255) - 128);
    }
    const uint32_t count = count_net(&net, out);
    if (count_net(&net, out) != count) {
        fault("ad01: two runs");
    }
    board_stack_paint();
    tern_edge_net_run(&net, x, out, NULL, work);
    const size_t stack = board_stack_used();
    figure("ad01 macs", size.macs);
    figure("ad01 instructions", count);
    figure("ad01 bytes of codes", (uint32_t)size.codes);
    figure("ad01 bytes of biases", (uint32_t)size.bias);
    figure("ad01 bytes of layers", sizeof layers);
    figure("ad01 bytes of input and output", 1280);
    figure("ad01 bytes of scratch", (uint32_t)size.scratch * 4);
    figure("ad01 bytes of stack", (uint32_t)stack);
    uint32_t hash = 2166136261u;
    for (uint32_t i = 0; i < 640; i++) {
        hash = (hash ^ (uint8_t)out[i]) * 16777619u;
    }
    figure("ad01 hash of the output", hash);
}

static void measure_meter(int with_net)
{
    static struct tern_edge_layer layers[METER_LAYERS];
    static int8_t history[4096];
    static struct tern_edge_meter meter;
    static const struct tern_edge_config config = {.max_value = 1000000,
                                                   .min_deviation = 16,
                                                   .interval_s = 3600,
                                                   .budget = 720,
                                                   .frozen_limit = 12,
                                                   .warm_up = 336,
                                                   .hold = 24,
                                                   .adapt = 4};
    make_meter(layers, packed, no_bias);
    const struct tern_edge_net net = {layers, METER_LAYERS};
    struct tern_edge_size size = {0};
    if (!tern_edge_net_check(&net, &size) || size.history > sizeof history ||
        !tern_edge_meter_init(&meter, &config, with_net ? &net : NULL, history, work)) {
        fault("meter");
    }
    struct seeded seeded = {99};
    struct tern_edge_result result;
    uint32_t most = 0, total = 0, hash = 2166136261u;
    const uint32_t n = 1000;
    size_t stack = 0;
    for (uint32_t i = 0; i < n; i++) {
        /* Days that differ from nights, noise, and now and then a reading far off. */
        const uint32_t noise = seeded_next(&seeded);
        const int32_t value = (int32_t)(200 + (i % 24 > 6 ? 900 : 0) + noise % 300 +
                                        (noise >> 8 & 127 ? 0 : 20000));
        if (i == 500) {
            board_stack_paint();
        }
        const uint32_t from = board_count();
        tern_edge_meter_step(&meter, 1700000000u + 3600u * i, value, &result);
        const uint32_t count = board_count() - from - overhead;
        if (i == 500) {
            stack = board_stack_used();
        }
        most = count > most ? count : most;
        total += count;
        hash = (hash ^ (uint32_t)result.score ^ result.status << 16) * 16777619u;
    }
    const char *const names[2][6] = {
        {"meter without network: most instructions of a reading",
         "meter without network: mean instructions of a reading",
         "meter without network: bytes of flash for weights and layers",
         "meter without network: bytes of RAM", "meter without network: bytes of stack",
         "meter without network: hash of the scores"},
        {"meter: most instructions of a reading", "meter: mean instructions of a reading",
         "meter: bytes of flash for weights and layers", "meter: bytes of RAM",
         "meter: bytes of stack", "meter: hash of the scores"}};
    const char *const *name = names[with_net != 0];
    figure(name[0], most);
    figure(name[1], total / n);
    figure(name[2], with_net ? (uint32_t)(size.codes + size.bias + sizeof layers) : 0);
    figure(name[3], (uint32_t)(sizeof meter + sizeof result +
                               (with_net ? size.history + size.scratch * 4 : 0)));
    figure(name[4], (uint32_t)stack);
    figure(name[5], hash);
    if (with_net) {
        figure("meter: macs", size.macs);
    }
}

/* The watch and the level, with the readings of measure_meter(). */
static void measure_watch(void)
{
    static struct tern_edge_watch watch;
    static struct tern_edge_level level;
    static const struct tern_edge_watch_config config = {
        .max_value = 1000000, .threshold = 2000, .warm_up = 336};
    if (!tern_edge_watch_init(&watch, &config)) {
        fault("watch");
    }
    struct seeded seeded = {99};
    struct tern_edge_watch_result result;
    uint32_t most = 0, total = 0, most_level = 0, hash = 2166136261u;
    const uint32_t n = 1000;
    size_t stack = 0;
    for (uint32_t i = 0; i < n; i++) {
        const uint32_t noise = seeded_next(&seeded);
        const int32_t value = (int32_t)(200 + (i % 24 > 6 ? 900 : 0) + noise % 300 +
                                        (noise >> 8 & 127 ? 0 : 20000));
        if (i == 500) {
            board_stack_paint();
        }
        uint32_t from = board_count();
        tern_edge_watch_step(&watch, 1700000000u + 3600u * i, value, &result);
        uint32_t count = board_count() - from - overhead;
        if (i == 500) {
            stack = board_stack_used();
        }
        most = count > most ? count : most;
        total += count;
        from = board_count();
        const int32_t z = tern_edge_level_step(&level, value, 5, 9, 16);
        count = board_count() - from - overhead;
        most_level = count > most_level ? count : most_level;
        hash = (hash ^ (uint32_t)result.surprise ^ (uint32_t)z << 16) * 16777619u;
    }
    figure("watch: most instructions of a reading", most);
    figure("watch: mean instructions of a reading", total / n);
    figure("watch: bytes of RAM", (uint32_t)(sizeof watch + sizeof result));
    figure("watch: bytes of stack", (uint32_t)stack);
    figure("level: most instructions of a reading", most_level);
    figure("level: bytes of RAM", sizeof level);
    figure("watch and level: hash of the scores", hash);
}

int main(void)
{
    board_count_start();
    check_counter();
    for (uint32_t i = 0; i < n_candidates; i++) {
        measure_candidate(&candidates[i]);
    }
    measure_core("tables of sums, 5 inputs, C", portable_tern_edge_fc_run);
    measure_core("tables of sums, 5 inputs, DSP", tern_edge_fc_run);
    measure_ad01();
    measure_meter(0);
    measure_meter(1);
    measure_watch();
    return 0;
}
