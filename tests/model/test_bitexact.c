/* SPDX-License-Identifier: Apache-2.0 */
/* One hash for each model: the same bits from every kernel set, number of threads, chunk of the
 * prompt, batch, packing and compiler, with exact sparsity and without.
 *
 * The hashes are in the table below, so that a build for another machine or by another compiler
 * is compared with all others by running it.  They change only when the arithmetic changes on
 * purpose; then `test_bitexact --print` gives the new ones.
 *
 *   test_bitexact [--quick] [--print] [MODEL ...]
 *
 * --quick makes fewer runs, for emulators and builds without optimisation.  TERN_CPU=name tries
 * that set alone.  On an x86 CPU with AVX-512 but without AMX, "amx" runs in an emulator of its
 * instructions.  No library of tests is needed: the program runs under qemu as it is. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/weights.h"
#include "tiny.h"

#if defined(__x86_64__) && defined(__linux__)
#include "../kern/amx_emu.h"
#include "kern/cpu.h"
#define CAN_EMULATE_AMX 1
#else
#define CAN_EMULATE_AMX 0
#endif

enum {
    MAX_PROMPT = 530,
    PROMPT = 24,   /* three chunks of 7 and a rest */
    LONG = 190,    /* three steps of 64 of a ring, and three chunks of 64, less a few */
    STEPS = 4,     /* single tokens after the prompt */
    MAX_BATCH = 8, /* sessions in a step */
    FEW_SESSIONS = 3,
    BATCH_ROWS = 64
};

typedef struct config {
    const char *name;
    tiny_spec spec;
    tern_kv_type kv;
    tern_act_mode act;
    const char *head; /* of tern_model_opts */
    uint32_t prompt;  /* tokens; 0 = PROMPT */
    uint64_t hash;
} config;

/* clang-format off */
#define BITNET(layers) .arch = "bitnet-b1.58", .n_layer = layers
#define LLAMA .arch = "llama", .n_layer = 1
#define QWEN3(layers) .arch = "qwen3", .n_layer = layers
#define SMDR(layers) .arch = "smdr", .n_layer = layers
#define HEADS(n, kv, d) .n_head = n, .n_head_kv = kv, .head_dim = d
#define WIDTHS(embd, ff) .n_embd = embd, .n_ff = ff

static const config configs[] = {
    {"bitnet-tq2_0", {BITNET(2), WIDTHS(256, 512), HEADS(4, 2, 64), .type = "tq2_0", .embd = "q6_k"},
     .hash = 0x8ecd4f8a3496faac},
    {"bitnet-tq2_0-kv8", {BITNET(1), WIDTHS(256, 512), HEADS(4, 2, 64), .type = "tq2_0", .embd = "q4_k"},
     .kv = TERN_KV_I8, .hash = 0xb35a785d65b8d4c8},
    {"bitnet-i2_s", {BITNET(2), WIDTHS(128, 384), HEADS(4, 1, 32), .type = "i2_s", .embd = "f16"},
     .hash = 0x61637c2dd758a57a},
    {"bitnet-q6_k", {BITNET(1), WIDTHS(256, 256), HEADS(2, 2, 128), .type = "q6_k", .embd = "q6_k"},
     .hash = 0x1a41aa291acb9cc8},
    {"bitnet-f32", {BITNET(2), WIDTHS(40, 108), HEADS(5, 5, 8), .type = "f32", .embd = "f32"},
     .hash = 0x55f8f5af051b15b8},
    {"llama-tq1_0-blocks", {LLAMA, WIDTHS(256, 256), HEADS(4, 2, 64), .type = "tq1_0", .embd = "q8_0",
     .head = "q6_k", .vary_scales = true}, .hash = 0x1ff9a0a8cd88471d},
    {"llama-iq2_bn", {LLAMA, WIDTHS(192, 320), HEADS(3, 3, 64), .type = "iq2_bn", .embd = "q8_0",
     .head = "q8_0", .vary_scales = true, .rope_factors = true, .rope_dim = 32}, .hash = 0xe6a42811059cfdd2},
    {"llama-q1_0", {LLAMA, WIDTHS(128, 256), HEADS(2, 1, 64), .type = "q1_0", .embd = "bf16",
     .head = "bf16", .tensor_scale = true}, .hash = 0x205932a84108f072},
    {"llama-q2_0-long", {LLAMA, WIDTHS(64, 128), HEADS(2, 1, 32), .type = "q2_0", .embd = "q4_0",
     .n_ctx = 640}, .prompt = MAX_PROMPT, .hash = 0x9e6a2c1412ea2753},
    {"llama-q4_0", {LLAMA, WIDTHS(96, 160), HEADS(3, 1, 32), .type = "q4_0", .embd = "q4_0",
     .head = "q8_0"}, .hash = 0xb628fe682cc72452},
    {"llama-q4_0-act8", {LLAMA, WIDTHS(96, 160), HEADS(3, 1, 32), .type = "q4_0", .embd = "q4_0",
     .head = "q8_0"}, .act = TERN_ACT_8, .hash = 0xd8f814570ac49f81},
    {"llama-q8_0-act8-kv8", {LLAMA, WIDTHS(96, 224), HEADS(3, 1, 32), .type = "q8_0", .embd = "q8_0",
     .head = "f16"}, .act = TERN_ACT_8, .kv = TERN_KV_I8, .hash = 0x731f472745653e7e},
    {"llama-f16", {LLAMA, WIDTHS(48, 116), HEADS(3, 3, 16), .type = "f16", .embd = "f16", .norm = "f16"},
     .hash = 0x95a3f7ec73510d0d},
    {"llama-mixed", {LLAMA, WIDTHS(128, 256), HEADS(2, 2, 64), .type = "tq2_0", .embd = "q8_0",
     .types = {"pq2_0", "i2_s", "iq2_bn", "q8_0", "q4_0", "q4_1", "q6_k"}}, .head = "q4_0",
     .hash = 0x0991ac7fa1ea1dba},
    {"qwen3-iq1_bn", {QWEN3(2), WIDTHS(192, 448), HEADS(3, 1, 128), .type = "iq1_bn", .embd = "q4_0",
     .head = "q4_1"}, .hash = 0x755122b671496bd1},
    {"qwen3-q4_1", {QWEN3(2), WIDTHS(96, 160), HEADS(2, 1, 64), .type = "q4_1", .embd = "q4_1"},
     .hash = 0xd5e8a28e61e833db},
    {"qwen3-q4_k", {QWEN3(1), WIDTHS(256, 256), HEADS(2, 1, 128), .type = "q4_k", .embd = "q4_k"},
     .hash = 0xa92514f3c724f358},
    {"qwen3-q4_k-act8", {QWEN3(1), WIDTHS(256, 256), HEADS(2, 1, 128), .type = "q4_k", .embd = "q4_k",
     .head = "q6_k"}, .act = TERN_ACT_8, .hash = 0x4a52a2b90f2506af},
    {"qwen3-q8_0", {QWEN3(2), WIDTHS(64, 96), HEADS(2, 1, 32), .type = "q8_0", .embd = "q8_0"},
     .hash = 0x0835a5f7caba8120},
    {"qwen3-bf16-kv8", {QWEN3(2), WIDTHS(48, 100), HEADS(3, 1, 24), .type = "bf16", .embd = "bf16",
     .head = "f32"}, .kv = TERN_KV_I8, .hash = 0x1d3e263408b39475},
    /* Rings that go round several times, longer than a step of 64; all kinds, both caches. */
    {"smdr-torus", {SMDR(2), WIDTHS(256, 256), HEADS(4, 2, 64), .type = "tq2_0", .embd = "q6_k",
     .n_ctx = 320, .smdr = {.kinds = "torus,torus", .side = 20, .radius = 3, .top_k = 25}},
     .prompt = LONG, .hash = 0xc7bbb7e7f5664002},
    {"smdr-torus-round-kv8", {SMDR(3), WIDTHS(64, 128), HEADS(2, 1, 32), .type = "iq2_bn",
     .embd = "q8_0", .n_ctx = 200, .smdr = {.kinds = "torus,full,torus", .side = 15, .radius = 7,
     .sinks = 3}}, .kv = TERN_KV_I8, .prompt = LONG, .hash = 0xb1db54ce001d304a},
    {"smdr-window", {SMDR(2), WIDTHS(128, 256), HEADS(4, 1, 32), .type = "iq1_bn", .embd = "q8_0",
     .n_ctx = 640, .smdr = {.kinds = "window,full", .budget = 13, .sinks = 2, .top_k = 40,
     .activation = "silu"}}, .prompt = LONG, .hash = 0x67b163703fa023f7},
    {"smdr-strided-kv8", {SMDR(2), WIDTHS(96, 224), HEADS(3, 1, 32), .type = "q8_0", .embd = "q8_0",
     .n_ctx = 640, .smdr = {.kinds = "strided,window", .budget = 21, .stride = 17, .top_k = 30,
     .bare = true}}, .kv = TERN_KV_I8, .prompt = LONG, .hash = 0xb6dbc93ad4a48b85},
    {"smdr-random", {SMDR(2), WIDTHS(48, 116), HEADS(3, 3, 16), .type = "f32", .embd = "f32",
     .n_ctx = 300, .smdr = {.kinds = "random,random", .budget = 9, .seed = 7, .sinks = 1,
     .top_k = 116}}, .prompt = LONG, .hash = 0xd8d9b46f792a9ef3},
    {"smdr-mixed", {SMDR(5), WIDTHS(64, 128), HEADS(2, 1, 32), .type = "iq2_bn", .embd = "q8_0",
     .n_ctx = 256, .smdr = {.kinds = "random,strided,window,torus,full", .side = 17, .radius = 2,
     .budget = 8, .stride = 16, .seed = 3, .activation = "relu2"}}, .prompt = LONG, .hash = 0x35f412b4fb85b515},
};
/* clang-format on */

enum { N_CONFIGS = sizeof configs / sizeof configs[0], MAX_SETS = TI_ISA_COUNT + 1 };

static bool quick, print;
static unsigned passed, failed;

static void stop(const char *what, const tern_err *err)
{
    fprintf(stderr, "test_bitexact: %s: %s\n", what, err ? err->message : "");
    exit(70);
}

static void check(bool ok, const char *text)
{
    passed += ok;
    failed += !ok;
    if (!ok) {
        printf("FAILED %s\n", text);
    }
}

/* --- what is run -------------------------------------------------------------------------- */

static uint64_t add_logits(uint64_t h, tern_session *s, uint32_t n_vocab)
{
    tern_err err;
    const float *logits = tern_session_logits(s, &err);
    if (!logits) {
        stop("logits", &err);
    }
    return tiny_hash(h, logits, n_vocab);
}

static void feed(tern_session *s, const tern_token *tokens, size_t n)
{
    tern_err err;
    if (tern_session_feed(s, tokens, n, &err) != TERN_OK) {
        stop("feed", &err);
    }
}

static tern_token next(tern_session *s)
{
    tern_err err;
    tern_token token;
    if (tern_session_next(s, &token, &err) != TERN_OK) {
        stop("next", &err);
    }
    return token;
}

static tern_session *session(const tern_model *model, const config *c, uint32_t threads,
                             uint32_t chunk)
{
    const tern_session_opts opts = {.threads = threads, .chunk = chunk, .kv = c->kv};
    tern_session *s = NULL;
    tern_err err;
    if (tern_session_create(&s, model, &opts, &err) != TERN_OK) {
        stop("session", &err);
    }
    return s;
}

static size_t prompt_of(const config *c)
{
    return c->prompt ? c->prompt : PROMPT;
}

/* The prompt, single tokens, and tokens that the model chooses itself; of each the logits. */
static uint64_t run_alone(const tern_model *model, const config *c, uint32_t threads,
                          uint32_t chunk)
{
    uint32_t n_vocab = model->config.n_vocab;
    tern_token tokens[MAX_PROMPT + STEPS];
    size_t n = prompt_of(c);
    tiny_tokens(tokens, n + STEPS, 1);
    tern_session *s = session(model, c, threads, chunk);
    feed(s, tokens, n);
    uint64_t h = add_logits(TINY_HASH, s, n_vocab);
    for (size_t i = 0; i < STEPS; i++) {
        feed(s, tokens + n + i, 1);
        h = add_logits(h, s, n_vocab);
    }
    for (size_t i = 0; i < STEPS; i++) {
        (void)next(s);
    }
    h = add_logits(h, s, n_vocab);
    tern_session_destroy(s);
    return h;
}

/* Session i of a batch: a prompt of its own length; a chosen token that waits, with another one
 * behind it; then a step in which the first session reads five tokens and the others one. */
enum { BATCH_STEPS = 3, LONG_STEP = 5 };

static size_t step_tokens(tern_token *tokens, uint32_t i, uint32_t step)
{
    size_t n = step == 0 ? 1 + i % 4 : step == 2 && i == 0 ? LONG_STEP : 1;
    tiny_tokens(tokens, n, 100 + i * BATCH_STEPS + step);
    return n;
}

static void batch_alone(const tern_model *model, const config *c, uint32_t sessions,
                        uint64_t *hashes)
{
    for (uint32_t i = 0; i < sessions; i++) {
        tern_session *s = session(model, c, 1, 0);
        hashes[i] = TINY_HASH;
        for (uint32_t step = 0; step < BATCH_STEPS; step++) {
            tern_token tokens[LONG_STEP];
            size_t n = step_tokens(tokens, i, step);
            feed(s, tokens, n);
            hashes[i] = add_logits(hashes[i], s, model->config.n_vocab);
            if (step == 0) {
                (void)next(s);
            }
        }
        tern_session_destroy(s);
    }
}

static bool batch_equals(const tern_model *model, const config *c, uint32_t n,
                         const uint64_t *alone)
{
    tern_session *sessions[MAX_BATCH];
    uint64_t hashes[MAX_BATCH];
    tern_batch *batch = NULL;
    tern_err err;
    if (tern_batch_create(&batch, model, 2, BATCH_ROWS, &err) != TERN_OK) {
        stop("batch", &err);
    }
    for (uint32_t i = 0; i < n; i++) {
        sessions[i] = session(model, c, 1, 8);
        hashes[i] = TINY_HASH;
    }
    for (uint32_t step = 0; step < BATCH_STEPS; step++) {
        tern_token tokens[MAX_BATCH][LONG_STEP];
        tern_batch_item items[MAX_BATCH];
        for (uint32_t i = 0; i < n; i++) {
            items[i] = (tern_batch_item){.session = sessions[i], .tokens = tokens[i]};
            items[i].n = step_tokens(tokens[i], i, step);
        }
        if (tern_batch_step(batch, items, n, &err) != TERN_OK) {
            stop("step", &err);
        }
        for (uint32_t i = 0; i < n; i++) {
            hashes[i] = add_logits(hashes[i], sessions[i], model->config.n_vocab);
            if (step == 0) {
                (void)next(sessions[i]);
            }
        }
    }
    for (uint32_t i = 0; i < n; i++) {
        tern_session_destroy(sessions[i]);
    }
    tern_batch_destroy(batch);
    return memcmp(hashes, alone, n * sizeof *hashes) == 0;
}

/* --- one model, one kernel set -------------------------------------------------------------
 */

typedef enum extent {
    ONE = 1,
    FEW = 2,
    SOME = 4,
    ALL = 8
} extent; /* how many runs of run_alone() */

typedef struct kernels {
    const ti_kern *kern;
    const char *open_as; /* the set that the model is opened with */
    extent how;
} kernels;

typedef struct packing {
    const char *layout;
    tern_sparse_mode sparse;
} packing;

static void check_runs(const tern_model *model, const config *c, const char *what, extent how)
{
    /* The first are all that a further packing, or an emulator, has to show; the first four
     * have every number of threads and every chunk. */
    static const struct {
        uint32_t threads, chunk;
    } runs[] = {{3, 7}, {2, 64}, {1, 1}, {5, 512}, {2, 512}, {1, 64}, {5, 7}, {2, 1}};
    for (size_t i = 0; i < (size_t)how; i++) {
        uint64_t hash = run_alone(model, c, runs[i].threads, runs[i].chunk);
        char text[200];
        snprintf(text, sizeof text, "%s: %u threads, chunk %u: 0x%016llx, must be 0x%016llx",
                 what, runs[i].threads, runs[i].chunk, (unsigned long long)hash,
                 (unsigned long long)c->hash);
        check(hash == c->hash, text);
    }
}

static void check_batches(const tern_model *model, const config *c, const char *what,
                          extent how)
{
    uint64_t alone[MAX_BATCH];
    batch_alone(model, c, how == ONE ? FEW_SESSIONS : MAX_BATCH, alone);
    for (uint32_t n = 1; n <= MAX_BATCH; n++) {
        if (how == ALL || n == FEW_SESSIONS || (how != ONE && n == MAX_BATCH)) {
            char text[160];
            snprintf(text, sizeof text, "%s: %u sessions together are not what they are alone",
                     what, n);
            check(batch_equals(model, c, n, alone), text);
        }
    }
}

static void check_set(const config *c, const char *path, const kernels *set)
{
    static const packing packings[] = {{"t2", TERN_SPARSE_OFF},
                                       {"t5", TERN_SPARSE_OFF},
                                       {"t2", TERN_SPARSE_ON},
                                       {"t5", TERN_SPARSE_ON}};
    bool skips = c->spec.arch[0] == 'b' || c->spec.arch[0] == 's';
    size_t n = skips ? 4 : 2; /* only a ReLU^2 gate, or one of the largest, is sparse */
    n = c->prompt > PROMPT && !skips ? 1 : n;
    for (size_t i = 0; i < n; i++) {
        const tern_model_opts opts = {.threads = 1,
                                      .cpu = set->open_as,
                                      .act = c->act,
                                      .head = c->head,
                                      .layout = packings[i].layout,
                                      .sparse = packings[i].sparse};
        tern_model *model = NULL;
        tern_err err;
        if (tern_model_open(&model, path, &opts, &err) != TERN_OK) {
            stop(c->name, &err);
        }
        bool packs_ternary = model->layers[0].up.layout == TI_L_T2 ||
                             model->layers[0].up.layout == TI_L_T5 ||
                             model->layers[0].q.layout == TI_L_T2;
        model->kern = set->kern;
        char what[120];
        snprintf(what, sizeof what, "%s on %s, %s%s", c->name, set->kern->name,
                 packings[i].layout, packings[i].sparse == TERN_SPARSE_ON ? ", sparse" : "");
        extent how = i == 0 ? set->how : quick ? ONE : FEW;
        if (i == 0 || packs_ternary) {
            check_runs(model, c, what, how);
        }
        if (i == 0 || (packs_ternary && i == n - 1)) {
            check_batches(model, c, what, how);
        }
        tern_model_close(model);
    }
}

/* --- kernel sets ---------------------------------------------------------------------------
 */

/* The sets of this CPU; and the tiles in an emulator where the CPU has all but them. */
static size_t find_sets(kernels *sets)
{
    const char *wanted = getenv("TERN_CPU");
    size_t n = 0;
    for (int isa = 0; isa < TI_ISA_COUNT; isa++) {
        const ti_kern *kern = ti_kern_get((ti_isa)isa);
        if (kern && (!wanted || !*wanted || strcmp(wanted, kern->name) == 0)) {
            sets[n++] = (kernels){.kern = kern,
                                  .open_as = kern->name,
                                  .how = kern->isa == TI_ISA_SCALAR ? SOME : ALL};
        }
    }
#if CAN_EMULATE_AMX
    static ti_kern amx;
    const ti_kern *base = ti_kern_get(TI_ISA_AVX512);
    if (base && !ti_kern_get(TI_ISA_AMX) &&
        (!wanted || !*wanted || strcmp(wanted, "amx") == 0) && amx_emu_install()) {
        amx = *base;
        ti_kern_init_amx(&amx);
        amx.name = "amx (emulated)";
        sets[n++] = (kernels){.kern = &amx, .open_as = base->name, .how = FEW};
    }
#endif
    return n;
}

static void print_hash(const config *c, const char *path)
{
    const tern_model_opts opts = {
        .threads = 1, .cpu = "scalar", .act = c->act, .head = c->head};
    tern_model *model = NULL;
    tern_err err;
    if (tern_model_open(&model, path, &opts, &err) != TERN_OK) {
        stop(c->name, &err);
    }
    printf("%-22s 0x%016llx\n", c->name, (unsigned long long)run_alone(model, c, 1, 64));
    tern_model_close(model);
}

int main(int argc, char **argv)
{
    int named = 0;
    for (int i = 1; i < argc; i++) {
        quick |= strcmp(argv[i], "--quick") == 0;
        print |= strcmp(argv[i], "--print") == 0;
        named += argv[i][0] != '-';
    }
    kernels sets[MAX_SETS];
    size_t n_sets = find_sets(sets);
    for (size_t i = 0; quick && i < n_sets; i++) {
        sets[i].how = ONE;
    }
    if (n_sets == 0) {
        stop("no such kernel set on this CPU", NULL);
    }
    for (size_t i = 0; i < N_CONFIGS; i++) {
        const config *c = &configs[i];
        bool wanted = named == 0;
        for (int a = 1; a < argc; a++) {
            wanted |= strcmp(argv[a], c->name) == 0;
        }
        if (!wanted) {
            continue;
        }
        const char *path = tiny_path(c->name);
        tiny_write(&c->spec, path);
        if (print) {
            print_hash(c, path);
            continue;
        }
        for (size_t j = 0; j < n_sets; j++) {
            check_set(c, path, &sets[j]);
        }
    }
    if (!print) {
        printf("kernel sets:");
        for (size_t j = 0; j < n_sets; j++) {
            printf("%s %s", j ? "," : "", sets[j].kern->name);
        }
        printf("\n%u passed, %u failed\n", passed, failed);
    }
    return failed > 0;
}
