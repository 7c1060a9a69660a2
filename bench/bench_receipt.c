/* SPDX-License-Identifier: Apache-2.0 */
/* What receipts cost: hashing a trace, writing and signing, checking.  CPU time, the best of
 * several runs.  Built as bench_receipt, on request only: ninja bench_receipt. */
#include <sodium.h>
#include <stdio.h>
#include <time.h>

#include "ledger/dsse.h"
#include "ledger/trace.h"

enum { ROUNDS = 7, LAYERS = 30, TOKENS = 200, SIGNATURES = 200, WIDEST = 4096 };

static const uint8_t salt[TI_SALT] = {1};

static double now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static double smaller(double a, double b)
{
    return a < b ? a : b;
}

static int bench_trace(size_t width)
{
    static float x[WIDEST];
    ti_trace trace = {0};
    uint8_t root[TI_SHA256];
    double rows = 1e30, tree = 1e30;
    if (ti_trace_init(&trace, salt, TOKENS, LAYERS, NULL) != TERN_OK) {
        return 1;
    }
    for (int round = 0; round < ROUNDS; round++) {
        double start = now_us();
        for (uint32_t t = 0; t < TOKENS; t++) {
            for (uint32_t l = 0; l < LAYERS; l++) {
                ti_trace_row(&trace, t, 1, l, x, width);
            }
        }
        double middle = now_us();
        ti_trace_root(&trace, TOKENS, root);
        rows = smaller(rows, middle - start);
        tree = smaller(tree, now_us() - middle);
    }
    printf("trace, n_embd %4zu, %d layers: %6.1f us a token, and %4.1f us for the root\n",
           width, LAYERS, rows / TOKENS, tree / TOKENS);
    ti_trace_free(&trace);
    return 0;
}

static int bench_envelope(void)
{
    static const ti_receipt receipt = {
        .id = "01ARZ3NDEKTSV4RRFFQ69G5FAV",
        .tern_version = "0",
        .input.mode = "raw",
        .stop_reason = "end",
        .engine = {
            .kv = "f16", .act = "16", .head = "auto", .i2s = "auto", .q2_0_group = "auto"}};
    ti_note_signer key;
    ti_receipt back;
    size_t which;
    double writing = 1e30, checking = 1e30;
    if (ti_note_signer_new(&key, "bench", TI_NOTE_ED25519, NULL) != TERN_OK) {
        return 1;
    }
    for (int i = 0; i < SIGNATURES; i++) {
        ti_buf statement = {0}, text = {0};
        ti_dsse envelope = {0};
        double start = now_us();
        bool good = ti_receipt_write(&statement, &receipt, NULL) == TERN_OK &&
                    ti_dsse_sign(&text, TI_PAYLOAD_TYPE, statement.data, statement.len, &key,
                                 NULL) == TERN_OK;
        double middle = now_us();
        good = good && ti_dsse_parse(&envelope, text.data, text.len, NULL) == TERN_OK &&
               ti_dsse_verify(&envelope, &key.pub, 1, &which, NULL) == TERN_OK &&
               ti_receipt_read(&back, (const char *)envelope.payload, envelope.len, NULL) ==
                   TERN_OK;
        checking = smaller(checking, now_us() - middle);
        writing = smaller(writing, middle - start);
        ti_dsse_free(&envelope);
        ti_buf_free(&statement);
        ti_buf_free(&text);
        if (!good) {
            return 1;
        }
    }
    printf("receipt: %.0f us to write and sign, %.0f us to read and check\n", writing,
           checking);
    return 0;
}

int main(void)
{
    return sodium_init() < 0 || bench_trace(576) || bench_trace(2560) || bench_envelope();
}
