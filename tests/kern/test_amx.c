/* SPDX-License-Identifier: Apache-2.0 */
/* The AMX kernels, on any x86-64 CPU with AVX-512: natively where there is AMX, else under the
 * emulator (amx_emu.h), which is first tested itself - against products computed here, with the
 * instructions as compilers write them and with registers and addresses of every form. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#if defined(__x86_64__) && defined(__linux__)

#include <immintrin.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "amx_emu.h"
#include "base/mem.h"
#include "kern/cpu.h"
#include "kern/pack.h"

#define AMX __attribute__((target("amx-tile,amx-int8")))

static uint32_t random_state = 1;

static uint32_t rnd(void)
{
    random_state = random_state * 1664525u + 1013904223u;
    return random_state >> 8;
}

static void fill_random(void *p, size_t n)
{
    uint8_t *bytes = p;
    for (size_t i = 0; i < n; i++) {
        bytes[i] = (uint8_t)rnd();
    }
}

/* First in each test: cmocka puts its own handler of SIGILL before each. */
static void emulate(void)
{
    (void)ti_cpu_has(TI_ISA_AMX); /* asks the system for the tiles, where there are any */
    assert_true(amx_emu_install());
}

/* --- the emulator: configuration ------------------------------------------------------------
 */

typedef struct tile_config {
    uint8_t palette, start_row, reserved[14];
    uint16_t row_bytes[16];
    uint8_t rows[16];
} tile_config;

static const tile_config all_full = {
    .palette = 1,
    .row_bytes = {64, 64, 64, 64, 64, 64, 64, 64},
    .rows = {16, 16, 16, 16, 16, 16, 16, 16},
};

/* All 64 bytes are an operand, so that no compiler drops a store to them. */
static void configure(const tile_config *c)
{
    __asm__ volatile("ldtilecfg %0" : : "m"(*c));
}

static void release(void)
{
    __asm__ volatile("tilerelease" : : : "memory");
}

AMX static void configuration(void **state)
{
    (void)state;
    emulate();
    tile_config got, zero = {0},
                     some = {.palette = 1, .row_bytes = {4, 64, 12}, .rows = {1, 16, 7}};
    configure(&some);
    _tile_storeconfig(&got);
    assert_memory_equal(&got, &some, sizeof got);
    configure(&all_full);
    _tile_storeconfig(&got);
    assert_memory_equal(&got, &all_full, sizeof got);
    release();
    memset(&got, 0xff, sizeof got);
    __asm__ volatile("sttilecfg %0" : "=m"(got));
    assert_memory_equal(&got, &zero, sizeof got);
}

/* --- the emulator: loads and stores
 * ------------------------------------------------------------ */

enum { TILE = 1024, STRIDE = 80 };

static uint8_t source[16 * STRIDE + 1024], stored[16 * STRIDE];

/* Stores tile `number`, densely. */
AMX static void store_tile(int number, uint8_t *out, int64_t stride)
{
    switch (number) {
#define CASE(n)                                              \
    case n:                                                  \
        __asm__ volatile("tilestored %%tmm" #n ", (%0,%1,1)" \
                         :                                   \
                         : "r"(out), "r"(stride)             \
                         : "memory");                        \
        break
        CASE(0);
        CASE(1);
        CASE(2);
        CASE(3);
        CASE(4);
        CASE(5);
        CASE(6);
        CASE(7);
#undef CASE
    default:
        fail();
    }
}

/* The tile has rows of `source` from p on. */
static void check_tile(int number, const uint8_t *p, int64_t stride)
{
    memset(stored, 0xee, sizeof stored);
    store_tile(number, stored, STRIDE);
    for (size_t r = 0; r < 16; r++) {
        assert_memory_equal(stored + r * STRIDE, p + (int64_t)r * stride, 64);
        if (r < 15) { /* what is between the rows is not written */
            assert_int_equal(stored[r * STRIDE + 64], 0xee);
        }
    }
}

/* Loads with a base and an index register, and a displacement. */
#define LOAD(tile, base, index, scale, disp, p, index_value)                                 \
    __asm__ volatile("mov %0, %%" base "\n"                                                  \
                     "mov %1, %%" index "\n"                                                 \
                     "tileloadd " disp "(%%" base ",%%" index "," scale "), %%tmm" tile "\n" \
                     :                                                                       \
                     : "r"((uint64_t)(uintptr_t)(p)), "r"((int64_t)(index_value))            \
                     : base, index, "memory")

static void addresses(void **state)
{
    (void)state;
    emulate();
    fill_random(source, sizeof source);
    configure(&all_full);
    LOAD("0", "rax", "rcx", "1", "", source, STRIDE);
    check_tile(0, source, STRIDE);
    LOAD("1", "rdx", "rbx", "2", "", source, STRIDE / 2);
    check_tile(1, source, STRIDE);
    LOAD("2", "rsi", "rdi", "4", "64", source, STRIDE / 4);
    check_tile(2, source + 64, STRIDE);
    LOAD("3", "r8", "r9", "8", "-16", source + 48, STRIDE / 8);
    check_tile(3, source + 32, STRIDE);
    LOAD("4", "r10", "r11", "1", "0x300", source, STRIDE);
    check_tile(4, source + 0x300, STRIDE);
    LOAD("5", "r12", "r13", "1", "", source, STRIDE); /* low bits as rsp and rbp */
    check_tile(5, source, STRIDE);
    LOAD("6", "r13", "r12", "1", "", source, STRIDE);
    check_tile(6, source, STRIDE);
    LOAD("7", "r14", "r15", "1", "-0x200", source + 0x200, STRIDE);
    check_tile(7, source, STRIDE);
    LOAD("7", "rax", "r8", "1", "", source + 15 * STRIDE, -STRIDE); /* backwards */
    check_tile(7, source + 15 * STRIDE, -STRIDE);
    __asm__ volatile("tileloadd 8(%0), %%tmm3" : : "r"(source) : "memory"); /* no index: 0 */
    check_tile(3, source + 8, 0);
    __asm__ volatile("tileloaddt1 (%0,%1,1), %%tmm4"
                     :
                     : "r"(source + 5), "r"((int64_t)STRIDE)
                     : "memory");
    check_tile(4, source + 5, STRIDE);
    check_tile(0, source, STRIDE); /* the others are as they were */
    __asm__ volatile("tilezero %%tmm0\ntilezero %%tmm7" : : : "memory");
    static const uint8_t zeros[64];
    check_tile(0, zeros, 0);
    check_tile(7, zeros, 0);
    check_tile(4, source + 5, STRIDE);
    release();
}

/* Tiles smaller than 16 x 64: nothing outside is read or written, the rest becomes zero. */
static void small_tiles(void **state)
{
    (void)state;
    emulate();
    const tile_config small = {.palette = 1, .row_bytes = {12, 64}, .rows = {3, 16}};
    uint8_t out[16 * 64];
    fill_random(source, sizeof source);
    configure(&small);
    LOAD("0", "rax", "rcx", "1", "", source, STRIDE);
    memset(out, 0xee, sizeof out);
    store_tile(0, out, 64);
    for (size_t i = 0; i < sizeof out; i++) {
        size_t r = i / 64, c = i % 64;
        assert_int_equal(out[i], r < 3 && c < 12 ? source[r * STRIDE + c] : 0xee);
    }
    release();
}

/* --- the emulator: products
 * ---------------------------------------------------------------------- */

static int32_t want_c[16][16];
static uint8_t a_bytes[16][64], b_bytes[16][64];
static int32_t c_values[16][16], got_c[16][16];

static int value_of(uint8_t byte, bool is_signed)
{
    return is_signed ? (int8_t)byte : byte;
}

/* rows x n dwords of result, over k dwords. */
static void plain_dot(size_t rows, size_t n, size_t k, bool a_signed, bool b_signed)
{
    for (size_t i = 0; i < rows; i++) {
        for (size_t j = 0; j < n; j++) {
            int64_t sum = c_values[i][j];
            for (size_t l = 0; l < 4 * k; l++) {
                sum += value_of(a_bytes[i][l], a_signed) *
                       value_of(b_bytes[l / 4][4 * j + l % 4], b_signed);
            }
            want_c[i][j] = (int32_t)(uint32_t)(uint64_t)sum;
        }
    }
}

static void random_operands(void)
{
    fill_random(a_bytes, sizeof a_bytes);
    fill_random(b_bytes, sizeof b_bytes);
    fill_random(c_values, sizeof c_values);
}

AMX static void products(void **state)
{
    (void)state;
    emulate();
    for (int round = 0; round < 20; round++) {
        size_t rows = round ? 1 + rnd() % 16 : 16, n = round ? 1 + rnd() % 16 : 16;
        size_t k = round ? 1 + rnd() % 16 : 16;
        tile_config config = {.palette = 1};
        config.rows[3] = config.rows[4] = (uint8_t)rows;
        config.row_bytes[3] = config.row_bytes[5] = (uint16_t)(4 * n);
        config.row_bytes[4] = (uint16_t)(4 * k);
        config.rows[5] = (uint8_t)k;
        random_operands();
        for (int kind = 0; kind < 4; kind++) {
            configure(&config);
            _tile_loadd(3, c_values, 64);
            _tile_loadd(4, a_bytes, 64);
            _tile_loadd(5, b_bytes, 64);
            memcpy(got_c, c_values, sizeof got_c);
            memcpy(want_c, c_values, sizeof want_c);
            switch (kind) {
            case 0:
                _tile_dpbssd(3, 4, 5);
                break;
            case 1:
                _tile_dpbsud(3, 4, 5);
                break;
            case 2:
                _tile_dpbusd(3, 4, 5);
                break;
            default:
                _tile_dpbuud(3, 4, 5);
                break;
            }
            plain_dot(rows, n, k, kind < 2, kind == 0 || kind == 2);
            _tile_stored(3, got_c, 64);
            release();
            assert_memory_equal(got_c, want_c, sizeof got_c);
        }
    }
}

/* Each of the eight tiles in each place. */
AMX static void all_tiles(void **state)
{
    (void)state;
    emulate();
    random_operands();
    plain_dot(16, 16, 16, true, false);
#define TRY(d, a, b)                                      \
    do {                                                  \
        configure(&all_full);                             \
        _tile_loadd(d, c_values, 64);                     \
        _tile_loadd(a, a_bytes, 64);                      \
        _tile_loadd(b, b_bytes, 64);                      \
        _tile_dpbsud(d, a, b);                            \
        _tile_stored(d, got_c, 64);                       \
        assert_memory_equal(got_c, want_c, sizeof got_c); \
    } while (0)
    TRY(0, 1, 2);
    TRY(1, 2, 3);
    TRY(2, 3, 4);
    TRY(3, 4, 5);
    TRY(4, 5, 6);
    TRY(5, 6, 7);
    TRY(6, 7, 0);
    TRY(7, 0, 1);
#undef TRY
    release();
}

/* --- the emulator: what the manual forbids
 * --------------------------------------------------------- */

static tile_config wrong_config;

static void load_wrong_config(void)
{
    configure(&wrong_config);
}

static void load_unconfigured(void)
{
    release();
    LOAD("0", "rax", "rcx", "1", "", source, STRIDE);
}

static void load_empty_tile(void)
{
    configure(&wrong_config);
    LOAD("1", "rax", "rcx", "1", "", source, STRIDE);
}

AMX static void dot_wrong_shape(void)
{
    configure(&wrong_config);
    _tile_dpbsud(0, 1, 2);
}

/* tdpbsud tmm0, tmm0, tmm1, which no assembler accepts. */
static void dot_same_tile(void)
{
    configure(&all_full);
    __asm__ volatile(".byte 0xc4, 0xe2, 0x72, 0x5e, 0xc0");
}

/* Runs f in a process of its own, which must end with SIGABRT and say `what`. */
static void expect_abort(void (*f)(void), const char *what)
{
    int out[2], status = 0;
    char text[512] = "";
    assert_int_equal(0, pipe(out));
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        (void)signal(SIGABRT, SIG_DFL);
        (void)dup2(out[1], STDERR_FILENO);
        f();
        _exit(0);
    }
    (void)close(out[1]);
    ssize_t n = read(out[0], text, sizeof text - 1);
    (void)close(out[0]);
    assert_int_equal(pid, waitpid(pid, &status, 0));
    text[n > 0 ? n : 0] = 0;
    if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGABRT || !strstr(text, what)) {
        fail_msg("wanted SIGABRT and '%s', got status %d and '%s'", what, status, text);
    }
}

static void refusals(void **state)
{
    (void)state;
    emulate();
    if (ti_cpu_has(TI_ISA_AMX)) {
        print_message("SKIPPED: this CPU has AMX, the emulator is not in use\n");
        skip();
    }
    wrong_config = all_full;
    wrong_config.palette = 2;
    expect_abort(load_wrong_config, "palette");
    wrong_config = all_full;
    wrong_config.start_row = 1;
    expect_abort(load_wrong_config, "start row");
    wrong_config = all_full;
    wrong_config.reserved[13] = 1;
    expect_abort(load_wrong_config, "reserved byte");
    wrong_config = all_full;
    wrong_config.rows[8] = wrong_config.row_bytes[8] = 1;
    expect_abort(load_wrong_config, "no such tile (8)");
    wrong_config = all_full;
    wrong_config.rows[2] = 17;
    expect_abort(load_wrong_config, "too many rows in tile (2)");
    wrong_config = all_full;
    wrong_config.row_bytes[7] = 65;
    expect_abort(load_wrong_config, "too long in tile (7)");
    wrong_config = all_full;
    memset(wrong_config.rows, 0, sizeof wrong_config.rows); /* stores that were dropped */
    expect_abort(load_wrong_config, "without rows");
    wrong_config = (tile_config){.palette = 1, .row_bytes = {64}, .rows = {16}};
    expect_abort(load_empty_tile, "0 rows is used (1)");
    expect_abort(load_unconfigured, "no tile is configured");
    wrong_config = all_full;
    wrong_config.rows[0] = 15;
    expect_abort(dot_wrong_shape, "rows of result");
    wrong_config = all_full;
    wrong_config.row_bytes[2] = 32;
    expect_abort(dot_wrong_shape, "columns of result");
    wrong_config = all_full;
    wrong_config.rows[2] = 8;
    expect_abort(dot_wrong_shape, "columns of first");
    expect_abort(dot_same_tile, "not three");
}

static void other_faults(void)
{
    __asm__ volatile("ud2");
}

/* A SIGILL that is not from AMX is not swallowed. */
static void other_instructions(void **state)
{
    (void)state;
    emulate();
    int status = 0;
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        other_faults();
        _exit(0);
    }
    assert_int_equal(pid, waitpid(pid, &status, 0));
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGILL);
}

/* --- the kernels
 * --------------------------------------------------------------------------------------- */

static void *must(void *p)
{
    assert_non_null(p);
    return p;
}

static ti_mat random_matrix(ti_layout layout, uint32_t rows, uint32_t k)
{
    uint32_t kp = 0;
    size_t bytes = ti_pack_bytes(layout, rows, k, &kp);
    uint8_t *codes = must(malloc((size_t)rows * k)), *data = must(ti_alloc_aligned(bytes));
    float *scales = must(malloc(rows * sizeof *scales));
    for (size_t i = 0; i < (size_t)rows * k; i++) {
        codes[i] = (uint8_t)(rnd() % 3);
    }
    for (size_t r = 0; r < rows; r++) {
        scales[r] = 0.001f * (float)(1 + rnd() % 1000);
    }
    memset(data, 0, bytes);
    ti_pack_codes(layout, data, kp, codes, k, 0, rows);
    free(codes);
    return (ti_mat){layout, rows, k, kp, data, scales, bytes + rows * sizeof *scales};
}

static void free_matrix(const ti_mat *w)
{
    void *data, *scales;
    memcpy(&data, &w->data, sizeof data);
    memcpy(&scales, &w->scales, sizeof scales);
    free(data);
    free(scales);
}

/* Rows of q after the last vector hold noise: kernels may read them and must not use them. */
static ti_act random_input(size_t m, size_t k)
{
    size_t stride = ti_round_up(k, TI_K_PAD), m16 = ti_round_up(m, 16);
    ti_act x = {.m = m,
                .k = k,
                .stride = stride,
                .q = must(malloc(m16 * stride)),
                .row_scale = must(malloc(m * sizeof(float))),
                .row_sum = must(malloc(m * sizeof(int32_t)))};
    fill_random(x.q, m16 * stride);
    for (size_t i = 0; i < m; i++) {
        x.row_scale[i] = 0.01f * (float)(1 + rnd() % 100);
        x.row_sum[i] = 0;
        for (size_t c = 0; c < stride; c++) {
            int8_t *q = x.q + i * stride + c;
            *q = c >= k       ? 0
                 : i == 0     ? 127
                 : *q == -128 ? -127
                              : *q; /* the first: the largest */
            x.row_sum[i] += *q;
        }
    }
    return x;
}

static void free_input(ti_act *x)
{
    free(x->q);
    free(x->row_scale);
    free(x->row_sum);
}

static ti_kern scalar, amx;

static void compare(ti_layout layout, uint32_t rows, uint32_t k, size_t m)
{
    ti_mat w = random_matrix(layout, rows, k);
    ti_act x = random_input(m, k);
    size_t grain = ti_layout_grain(layout), ldy = rows + 3;
    void *scratch = must(ti_alloc_aligned(ti_matmul_scratch(m, w.kp)));
    float *want = must(calloc(m * ldy, sizeof *want)),
          *got = must(calloc(m * ldy, sizeof *got));
    size_t cut = rows / 2 / grain * grain; /* in two parts, as two threads would */
    scalar.matmul[layout](want, ldy, &w, &x, 0, rows, NULL);
    if (cut > 0) {
        amx.matmul[layout](got, ldy, &w, &x, 0, cut, scratch);
    }
    amx.matmul[layout](got, ldy, &w, &x, cut, rows, scratch);
    if (memcmp(want, got, m * ldy * sizeof *want) != 0) {
        fail_msg("%s, %u x %u, %zu vectors: not the bits of the scalar kernel",
                 ti_layout_name(layout), rows, k, m);
    }
    free(scratch);
    free(want);
    free(got);
    free_input(&x);
    free_matrix(&w);
}

static void kernels(void **state)
{
    (void)state;
    emulate();
    static const struct {
        uint32_t rows, k;
        size_t m;
    } shapes[] = {{16, 64, 16},   {17, 128, 17},  {48, 256, 31}, {49, 512, 32},
                  {95, 576, 33},  {96, 1024, 48}, {97, 640, 64}, {100, 2560, 20},
                  {144, 320, 47}, {193, 768, 40}, {1, 512, 16},  {240, 1088, 18},
                  {96, 512, 15},  {30, 192, 1}};
    if (!ti_cpu_has(TI_ISA_AVX512)) {
        print_message("SKIPPED: the kernels need AVX-512\n");
        skip();
    }
    ti_kern_init_scalar(&scalar);
    ti_kern_init_scalar(&amx);
    ti_kern_init_avx2(&amx);
    ti_kern_init_avx512(&amx);
    ti_kern_init_amx(&amx);
    uint64_t before = amx_emu_count();
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
        compare(TI_L_T2, shapes[i].rows, shapes[i].k, shapes[i].m);
        compare(TI_L_T5, shapes[i].rows, shapes[i].k, shapes[i].m);
    }
    uint64_t emulated = amx_emu_count() - before;
    print_message("%llu instructions emulated\n", (unsigned long long)emulated);
    assert_true((emulated > 0) != ti_cpu_has(TI_ISA_AMX)); /* AMX was used at all */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(configuration),      cmocka_unit_test(addresses),
        cmocka_unit_test(small_tiles),        cmocka_unit_test(products),
        cmocka_unit_test(all_tiles),          cmocka_unit_test(refusals),
        cmocka_unit_test(other_instructions), cmocka_unit_test(kernels)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#else

static void not_here(void **state)
{
    (void)state;
    print_message("SKIPPED: AMX is an extension of x86-64\n");
    skip();
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(not_here)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#endif
