/* SPDX-License-Identifier: Apache-2.0 */
/* Checks, random numbers, guarded buffers and operands. */
#include "kt.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "kern/pack.h"

enum { MAX_MESSAGES = 40, HUGE_BYTES = 4 << 20 };

static struct {
    unsigned long passed, failed;
    const char *set, *entry;
} checks = {0, 0, "-", "-"};

void kt_subject(const char *set, const char *entry)
{
    checks.set = set;
    checks.entry = entry;
}

void kt_check(bool ok, const char *format, ...)
{
    if (ok) {
        checks.passed++;
        return;
    }
    if (checks.failed++ < MAX_MESSAGES) {
        va_list args;
        va_start(args, format);
        printf("FAILED %s %s: ", checks.set, checks.entry);
        vprintf(format, args);
        printf("\n");
        va_end(args);
    }
}

int kt_summary(void)
{
    printf("%lu passed, %lu failed\n", checks.passed, checks.failed);
    return checks.failed || !checks.passed;
}

void kt_same_floats(const float *got, const float *want, size_t n, const char *what)
{
    for (size_t i = 0; i < n; i++) {
        bool same = memcmp(got + i, want + i, sizeof *got) == 0;
        if (!same && !(isnan(got[i]) && isnan(want[i]))) {
            kt_check(false, "%s: element %zu of %zu is %a, not %a", what, i, n, (double)got[i],
                     (double)want[i]);
            return;
        }
    }
    kt_check(true, "%s", what);
}

/* --- random numbers: xorshift64* --------------------------------------------------------- */

static uint64_t random_state = 0x9e3779b97f4a7c15u;

uint64_t kt_random(void)
{
    random_state ^= random_state >> 12;
    random_state ^= random_state << 25;
    random_state ^= random_state >> 27;
    return random_state * 0x2545f4914f6cdd1du;
}

uint32_t kt_below(uint32_t n)
{
    return (uint32_t)((kt_random() >> 32) * n >> 32);
}

float kt_uniform(float scale)
{
    return ((float)(int32_t)(kt_random() >> 40) - 8388608.0f) / 8388608.0f * scale;
}

/* --- buffers ----------------------------------------------------------------------------- */

static void give_up(const char *why)
{
    fprintf(stderr, "test_kern: %s\n", why);
    exit(2);
}

kt_buf kt_alloc(size_t bytes, size_t align)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t data = (bytes + page) / page * page + page; /* room before it for canaries */
    kt_buf b = {.bytes = bytes, .map_bytes = data + page};
    void *map =
        mmap(NULL, b.map_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (map == MAP_FAILED) {
        give_up("no memory");
    }
#ifdef MADV_HUGEPAGE
    if (data >= (size_t)HUGE_BYTES) { /* as the engine's own memory for weights */
        madvise(map, data, MADV_HUGEPAGE);
    }
#endif
    b.map = map;
    memset(b.map, KT_CANARY, data);
    if (mprotect(b.map + data, page, PROT_NONE) != 0) {
        give_up("cannot make a guard page");
    }
    b.p = b.map + (data - bytes) / align * align;
    return b;
}

void kt_free(kt_buf *b)
{
    if (!b->map) {
        return;
    }
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t before = (size_t)((uint8_t *)b->p - b->map), end = b->map_bytes - page;
    bool clean = true;
    for (size_t i = 0; i < end; i++) {
        clean = clean && ((i >= before && i < before + b->bytes) || b->map[i] == KT_CANARY);
    }
    kt_check(clean, "wrote outside of a buffer of %zu bytes", b->bytes);
    munmap(b->map, b->map_bytes);
    *b = (kt_buf){0};
}

/* --- operands ---------------------------------------------------------------------------- */

/* One of 0..max. */
static uint8_t code(kt_fill fill, size_t i, unsigned max, unsigned zero)
{
    switch (fill) {
    case KT_MAX:
        return (uint8_t)max;
    case KT_MIN:
        return 0;
    case KT_ALTERNATING:
        return (uint8_t)(i & 1 ? max : 0);
    case KT_SPARSE:
        return (uint8_t)(kt_below(8) ? zero : kt_below(max + 1));
    default:
        return (uint8_t)kt_below(max + 1);
    }
}

/* A finite half: of all magnitudes when random, else the usual ones. */
static uint16_t half(kt_fill fill)
{
    uint16_t h = (uint16_t)kt_random();
    if (fill == KT_RANDOM) {
        return (h & 0x7c00) == 0x7c00 ? (uint16_t)(h & 0x83ff) : h;
    }
    return (uint16_t)((h & 0x83ff) | 0x2c00);
}

static void put_halves(uint8_t *p, size_t n, kt_fill fill)
{
    for (size_t i = 0; i < n; i++) {
        uint16_t h = half(fill);
        memcpy(p + 2 * i, &h, sizeof h);
    }
}

/* n bytes, each of 8 / bits codes. */
static void put_codes(uint8_t *p, size_t n, unsigned bits, unsigned max, kt_fill fill)
{
    for (size_t i = 0; i < n; i++) {
        unsigned byte = 0;
        for (unsigned at = 0; at < 8; at += bits) {
            byte |= (unsigned)code(fill, i, max, (max + 1) / 2) << at;
        }
        p[i] = (uint8_t)byte;
    }
}

static void put_bytes(uint8_t *p, size_t n, uint8_t max, kt_fill fill)
{
    for (size_t i = 0; i < n; i++) {
        p[i] = code(fill, i, max, max / 2);
    }
}

static void fill_t5(uint8_t *panel, size_t kp, kt_fill fill)
{
    memset(panel, 0, ti_t5_panel_bytes(kp));
    for (size_t c = 0; c < kp; c++) {
        uint8_t five = code(fill, c, 26, 13);
        size_t j = c % 128;
        panel[c / 128 * 64 + j % 64] |= (uint8_t)((five & 15) << (j >= 64 ? 4 : 0));
        panel[kp / 2 + c / 8] |= (uint8_t)(five >> 4 << c % 8);
    }
}

static void fill_k(uint8_t *p, bool six, kt_fill fill)
{
    put_halves(p, six ? 16 : 32, fill);
    p += six ? 32 : 64;
    for (int sub = 0; sub < 8; sub++) {
        put_bytes(p, 32, six ? 255 : 63, fill); /* int8 scales; or 6-bit scales and minima */
        put_codes(p + 32, 256, 4, 15, fill);
        p += 288;
        if (six) {
            put_codes(p, 128, 2, 3, fill);
            p += 128;
        }
    }
}

/* Bytes of one unit of a blocked layout and its columns. */
static size_t unit_bytes(ti_layout layout, size_t *columns)
{
    switch (layout) {
    case TI_L_G2:
        *columns = 64;
        return TI_G2_BYTES;
    case TI_L_G4:
        *columns = 32;
        return TI_G4_BYTES;
    case TI_L_G4M:
        *columns = 32;
        return TI_G4M_BYTES;
    case TI_L_G8:
        *columns = 32;
        return TI_G8_BYTES;
    case TI_L_K4:
        *columns = 256;
        return TI_K4_BYTES;
    default:
        *columns = 256;
        return TI_K6_BYTES;
    }
}

static void fill_unit(uint8_t *p, ti_layout layout, kt_fill fill)
{
    switch (layout) {
    case TI_L_G2:
        put_halves(p, 16, fill);
        put_codes(p + 32, 256, 2, 3, fill);
        break;
    case TI_L_G4:
        put_halves(p, 16, fill);
        put_codes(p + 32, 256, 4, 15, fill);
        break;
    case TI_L_G4M:
        put_halves(p, 32, fill);
        put_codes(p + 64, 256, 4, 15, fill);
        break;
    case TI_L_G8:
        put_halves(p, 16, fill);
        put_codes(p + 32, 512, 8, 255, fill);
        break;
    default:
        fill_k(p, layout == TI_L_K6, fill);
        break;
    }
}

static void make_floats(kt_matrix *m, kt_fill fill)
{
    ti_mat *w = &m->mat;
    size_t width = w->layout == TI_L_F32 ? 4 : 2;
    w->kp = (w->k + 15) / 16 * 16;
    m->data = kt_alloc(w->rows * (size_t)w->kp * width, width);
    memset(m->data.p, 0, m->data.bytes);
    for (size_t r = 0; r < w->rows; r++) {
        for (size_t c = 0; c < w->k; c++) {
            float f = fill == KT_SPARSE && kt_below(8) ? 0.0f : kt_uniform(4.0f);
            uint32_t bits;
            memcpy(&bits, &f, sizeof bits);
            uint16_t h = w->layout == TI_L_F16 ? half(fill) : (uint16_t)(bits >> 16);
            if (fill == KT_MAX && kt_below(500) == 0) {
                h = (uint16_t)kt_random() | 0x7c00; /* infinite or no number, as BF16 large */
            }
            const void *from = width == 4 ? (const void *)&f : &h;
            memcpy((uint8_t *)m->data.p + (r * w->kp + c) * width, from, width);
        }
    }
}

static void make_ternary(kt_matrix *m, kt_fill fill)
{
    ti_mat *w = &m->mat;
    size_t rows = (w->rows + 47) / 48 * 48, bytes;
    if (w->layout == TI_L_T2) {
        w->kp = (w->k + 255) / 256 * 256;
        rows = (w->rows + 15) / 16 * 16;
        bytes = rows * ti_t2_row_bytes(w->kp);
        m->data = kt_alloc(bytes, 64);
        put_codes(m->data.p, bytes, 2, 2, fill);
    } else {
        w->kp = (w->k + 127) / 128 * 128;
        bytes = ti_t5_panel_bytes(w->kp);
        m->data = kt_alloc(rows / 3 * bytes, 64);
        for (size_t p = 0; p < rows / 3; p++) {
            fill_t5((uint8_t *)m->data.p + p * bytes, w->kp, fill);
        }
    }
    m->scales = kt_alloc(w->rows * sizeof(float), sizeof(float));
    float *scales = m->scales.p;
    for (size_t r = 0; r < w->rows; r++) {
        scales[r] = kt_uniform(2.0f);
    }
    w->scales = scales;
}

kt_matrix kt_matrix_make(ti_layout layout, uint32_t rows, uint32_t k, kt_fill fill)
{
    kt_matrix m = {.mat = {.layout = layout, .rows = rows, .k = k}};
    if (ti_layout_act(layout) == TI_ACT_F32) {
        make_floats(&m, fill);
    } else if (layout == TI_L_T2 || layout == TI_L_T5) {
        make_ternary(&m, fill);
    } else {
        size_t columns, bytes = unit_bytes(layout, &columns), panels = (rows + 15) / 16;
        m.mat.kp = (uint32_t)((k + columns - 1) / columns * columns);
        size_t units = panels * (m.mat.kp / columns);
        m.data = kt_alloc(units * bytes, 64);
        for (size_t i = 0; i < units; i++) {
            fill_unit((uint8_t *)m.data.p + i * bytes, layout, fill);
        }
    }
    m.mat.data = m.data.p;
    m.mat.bytes = m.data.bytes + m.scales.bytes;
    return m;
}

void kt_matrix_free(kt_matrix *m)
{
    kt_free(&m->data);
    kt_free(&m->scales);
}

static int8_t activation(kt_fill fill, size_t i)
{
    switch (fill) {
    case KT_MAX:
        return 127;
    case KT_MIN:
        return -127;
    case KT_ALTERNATING:
        return i & 1 ? 127 : -127;
    case KT_SPARSE:
        return kt_below(8) ? 0 : (int8_t)(127 - (int)kt_below(255));
    default:
        return (int8_t)(127 - (int)kt_below(255));
    }
}

static void fill_floats(kt_input *x, kt_fill fill)
{
    ti_act *a = &x->act;
    x->f = kt_alloc(a->m * a->stride * sizeof(float), sizeof(float));
    a->f = x->f.p;
    memset(a->f, 0, x->f.bytes);
    for (size_t i = 0; i < a->m; i++) {
        for (size_t c = 0; c < a->k; c++) {
            a->f[i * a->stride + c] =
                fill == KT_SPARSE && kt_below(4) ? 0.0f : kt_uniform(3.0f);
        }
    }
}

/* Scales and sums of row i as its q has them. */
static void fill_sums(const ti_act *a, size_t i, ti_act_kind kind)
{
    const int8_t *q = a->q + i * a->stride;
    a->row_scale[i] = kt_below(16) ? kt_uniform(0.1f) : 0.0f;
    a->row_sum[i] = 0;
    for (size_t h = 0; h < a->stride / 16; h++) {
        int32_t sum = 0;
        for (size_t c = 0; c < 16; c++) {
            sum += q[h * 16 + c];
        }
        a->half_sum[i * (a->stride / 16) + h] = sum;
        a->row_sum[i] += sum;
    }
    for (size_t b = 0; b < a->stride / 32; b++) {
        a->block_scale[i * (a->stride / 32) + b] =
            kind == TI_ACT_TOKEN ? a->row_scale[i] : kt_uniform(0.1f);
    }
}

kt_input kt_input_make(ti_act_kind kind, size_t m, size_t k, kt_fill fill)
{
    kt_input x = {.act = {.m = m, .k = k, .stride = (k + TI_K_PAD - 1) / TI_K_PAD * TI_K_PAD}};
    ti_act *a = &x.act;
    if (kind == TI_ACT_F32) {
        fill_floats(&x, fill);
        return x;
    }
    size_t m16 = (m + 15) / 16 * 16;
    x.q = kt_alloc(m16 * a->stride, 1);
    a->q = x.q.p;
    for (size_t i = 0; i < m16; i++) {
        for (size_t c = 0; c < a->stride; c++) {
            int8_t noise = (int8_t)kt_random();
            a->q[i * a->stride + c] = i >= m ? noise : c < k ? activation(fill, c) : 0;
        }
    }
    x.row_scale = kt_alloc(m * sizeof(float), sizeof(float));
    x.row_sum = kt_alloc(m * sizeof(int32_t), sizeof(int32_t));
    x.block_scale = kt_alloc(m * (a->stride / 32) * sizeof(float), sizeof(float));
    x.half_sum = kt_alloc(m * (a->stride / 16) * sizeof(int32_t), sizeof(int32_t));
    a->row_scale = x.row_scale.p;
    a->row_sum = x.row_sum.p;
    a->block_scale = x.block_scale.p;
    a->half_sum = x.half_sum.p;
    for (size_t i = 0; i < m; i++) {
        fill_sums(a, i, kind);
    }
    return x;
}

void kt_input_free(kt_input *x)
{
    kt_free(&x->f);
    kt_free(&x->q);
    kt_free(&x->row_scale);
    kt_free(&x->row_sum);
    kt_free(&x->block_scale);
    kt_free(&x->half_sum);
}
