/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ternary layers by tables of sums.
 *
 * Five inputs x0..x4 have 3^5 = 243 sums with weights -1, 0, +1.  A fully connected layer makes
 * the table of all 243 for five inputs, and then every row needs one look-up instead of five
 * multiplications: load the code byte, load the sum, add.  The table costs about 160
 * instructions on a Cortex-M4, because its parts are each other plus a constant, two sums to a
 * register.  docs/edge.md has the exact counts of this and of the ways that lost against it.
 *
 * A code is a place in the table: 126 * half + 14 * plane + slot.
 *   slot, half:  weights of x0..x2.  Half 0 has zero and one of each pair of opposite patterns,
 *                half 1 the opposites; its slot 0 would be zero again and is not used.
 *   plane:       weights of x3, x4, in an order where neighbours differ by one step.
 * The words of edge/host/edge_pack.c and of the two builders below are the same order.
 *
 * Bounds.  |x| <= 128.  A sum of the table: <= 5 * 128 = 640.  A sum over a chunk of 250
 * inputs:
 * <= 32000, it fits 16 bits.  A row: <= 4090 * 128 = 523520 < 2^19; with the bias (2^15) and
 * the largest shift (8): < (2^19 + 2^15) * 2^8 < 2^28; times mult < 2^31: < 2^59, in 64 bits.
 */
#include "tern_edge.h"

/* The scratch of the caller is words; the tables in it are read as halves of words. */
#if defined(__GNUC__)
typedef int16_t table_half __attribute__((__may_alias__));
#else
typedef int16_t table_half;
#endif

/* Functions with large frames stay functions: or else all of their frames add up in one. */
#if defined(__GNUC__)
#define APART __attribute__((__noinline__))
#else
#define APART
#endif

/* TERN_EDGE_PORTABLE: the C paths also where there are others (tests compare them).  Without
 * optimisation the compiler has no registers left for the loops below. */
#if defined(__ARM_FEATURE_DSP) && defined(__thumb2__) && defined(__GNUC__) && \
    defined(__OPTIMIZE__) && !defined(__ARMEB__) && !defined(TERN_EDGE_PORTABLE)
#define USE_DSP 1
#else
#define USE_DSP 0
#endif

#define GROUP 5u         /* inputs to a table */
#define PAIR 10u         /* inputs to a pass: two tables */
#define BLOCK 8u         /* rows to a block of codes */
#define SLOTS 14u        /* sums of x0..x2 in a half of a plane */
#define PLANES 9u        /* patterns of x3, x4 */
#define HALF 126u        /* SLOTS * PLANES */
#define TABLE_WORDS 128u /* 256 sums: any byte is inside the table */
#define N_CODES 252u

#if USE_DSP

/* One step of a plane for the seven words of a half, then their place in memory. */
#define STEP(op, c)                                                                          \
    op " r4, r4, " c "\n\t" op " r5, r5, " c "\n\t" op " r6, r6, " c "\n\t" op " r8, r8, " c \
       "\n\t" op " r9, r9, " c "\n\t" op " r10, r10, " c "\n\t" op " r12, r12, " c "\n\t"    \
       "stmia %[t]!, {r4, r5, r6, r8, r9, r10, r12}\n\t"
#define NEGATE(r) "ssub16 " r ", %[p], " r "\n\t"
/* From plane (+,+), which is in the registers, through the other eight. */
#define WALK                                                                        \
    "stmia %[t]!, {r4, r5, r6, r8, r9, r10, r12}\n\t" STEP("ssub16", "%[c3]")       \
        STEP("ssub16", "%[c3]") STEP("ssub16", "%[c4]") STEP("sadd16", "%[c3]")     \
            STEP("sadd16", "%[c3]") STEP("ssub16", "%[c4]") STEP("ssub16", "%[c3]") \
                STEP("ssub16", "%[c3]")

/* The table of five inputs at [x], to [t]: 126 words.  a, b, c are x0..x2. */
#define TABLE                                                                                  \
    "ldrsb r4, [%[x]], #1\n\t"                                                                 \
    "ldrsb r5, [%[x]], #1\n\t"                                                                 \
    "ldrsb r6, [%[x]], #1\n\t"                                                                 \
    "ldrsb %[c3], [%[x]], #1\n\t"                                                              \
    "ldrsb %[c4], [%[x]], #1\n\t"                                                              \
    "pkhbt r10, r4, r4, lsl #16\n\t" /* a, a */                                                \
    "pkhbt r8, r5, r6, lsl #16\n\t"  /* b, c */                                                \
    "pkhbt r5, r5, r5, lsl #16\n\t"  /* b, b */                                                \
    "pkhbt r6, r6, r6, lsl #16\n\t"  /* c, c */                                                \
    "pkhbt %[c3], %[c3], %[c3], lsl #16\n\t"                                                   \
    "pkhbt %[c4], %[c4], %[c4], lsl #16\n\t"                                                   \
    "sasx r12, r5, r6\n\t"          /* b - c, b + c */                                         \
    "sadd16 %[p], %[c3], %[c4]\n\t" /* plane (+,+) */                                          \
    "sadd16 r10, r10, %[p]\n\t"                                                                \
    "pkhbt r4, %[p], r10\n\t"  /* 0, a: the high half of r10 */                                \
    "sadd16 r5, %[p], r8\n\t"  /* b, c */                                                      \
    "sadd16 r6, %[p], r12\n\t" /* b - c, b + c */                                              \
    "ssub16 r9, r10, r8\n\t"   /* a - b, a - c */                                              \
    "sadd16 r8, r10, r8\n\t"   /* a + b, a + c */                                              \
    "mov %[p], r12\n\t"                                                                        \
    "ssub16 r12, r10, %[p]\n\t" /* a - b + c, a - b - c */                                     \
    "sadd16 r10, r10, %[p]\n\t" /* a + b - c, a + b + c */                                     \
    "mov %[p], #0\n\t" WALK /* Half 0 ends at -x3 - x4: its opposite is half 1 at +x3 + x4. */ \
        NEGATE("r4") NEGATE("r5") NEGATE("r6") NEGATE("r8") NEGATE("r9") NEGATE("r10")         \
            NEGATE("r12") WALK

/* x: ten inputs; tables: two of TABLE_WORDS words, of which the first 126 are written. */
static void build_tables(const int8_t *x, uint32_t *tables)
{
    uint32_t c3;
    uint32_t c4;
    uint32_t p;
    __asm__ volatile(
        TABLE "add %[t], %[t], #8\n\t" TABLE
        : [x] "+r"(x), [t] "+r"(tables), [c3] "=&r"(c3), [c4] "=&r"(c4), [p] "=&r"(p)
        :
        : "r4", "r5", "r6", "r8", "r9", "r10", "r12", "memory", "cc");
}

/* Four rows of one table: codes at [p], sums into two words of two rows each. */
#define FOUR_ROWS(table, acc0, acc1)           \
    "ldrb r9, [%[p]], #1\n\t"                  \
    "ldrb r10, [%[p]], #1\n\t"                 \
    "ldrb r12, [%[p]], #1\n\t"                 \
    "ldrb lr, [%[p]], #1\n\t"                  \
    "ldrsh r9, [" table ", r9, lsl #1]\n\t"    \
    "ldrsh r10, [" table ", r10, lsl #1]\n\t"  \
    "ldrsh r12, [" table ", r12, lsl #1]\n\t"  \
    "ldrsh lr, [" table ", lr, lsl #1]\n\t"    \
    "add " acc0 ", " acc0 ", r9\n\t"           \
    "add " acc0 ", " acc0 ", r10, lsl #16\n\t" \
    "add " acc1 ", " acc1 ", r12\n\t"          \
    "add " acc1 ", " acc1 ", lr, lsl #16\n\t"

#define EIGHT_ROWS                                                   \
    "ldmia %[a], {r4, r5, r6, r8}\n\t" FOUR_ROWS("%[t]", "r4", "r5") \
        FOUR_ROWS("%[t]", "r6", "r8") FOUR_ROWS("%[u]", "r4", "r5")  \
            FOUR_ROWS("%[u]", "r6", "r8") "stmia %[a]!, {r4, r5, r6, r8}\n\t"

/* Adds two tables' sums to n_blocks * 8 rows.  A word of acc is row 2i + 65536 * row 2i+1.
 * Returns where the codes of the next two tables are. */
static const uint8_t *gather(const uint32_t *tables, const uint8_t *codes, uint32_t *acc,
                             uint32_t n_blocks)
{
    const uint32_t *second = &tables[TABLE_WORDS];
    uint32_t n = n_blocks >> 1;
    if ((n_blocks & 1u) != 0u) {
        __asm__ volatile(EIGHT_ROWS
                         : [p] "+r"(codes), [a] "+r"(acc)
                         : [t] "r"(tables), [u] "r"(second)
                         : "r4", "r5", "r6", "r8", "r9", "r10", "r12", "lr", "memory", "cc");
    }
    if (n != 0u) {
        __asm__ volatile("1:\n\t" EIGHT_ROWS "subs %[n], %[n], #1\n\t" EIGHT_ROWS "bne 1b"
                         : [p] "+r"(codes), [a] "+r"(acc), [n] "+r"(n)
                         : [t] "r"(tables), [u] "r"(second)
                         : "r4", "r5", "r6", "r8", "r9", "r10", "r12", "lr", "memory", "cc");
    }
    return codes;
}

/* bias + row 2i of a word of sums, and bias + row 2i+1.  The second gives back what the first
 * row borrowed: adding half of its range carries into the other. */
static inline int32_t add_even(int32_t bias, uint32_t word)
{
    int32_t sum;
    __asm__("sxtah %0, %1, %2" : "=r"(sum) : "r"(bias), "r"(word));
    return sum;
}

static inline int32_t add_odd(int32_t bias, uint32_t word)
{
    int32_t sum;
    __asm__("sxtah %0, %1, %2, ror #16" : "=r"(sum) : "r"(bias), "r"(word + 0x8000u));
    return sum;
}

/* (v * mult + 2^31) >> 32 */
static inline int32_t scale(int32_t v, int32_t mult)
{
    int32_t out;
    __asm__("smmulr %0, %1, %2" : "=r"(out) : "r"(v), "r"(mult));
    return out;
}

static inline int32_t clamp_signed(int32_t v)
{
    int32_t out;
    __asm__("ssat %0, #8, %1" : "=r"(out) : "r"(v) : "cc");
    return out;
}

static inline int32_t clamp_relu(int32_t v)
{
    int32_t out;
    __asm__("usat %0, #7, %1" : "=r"(out) : "r"(v) : "cc");
    return out;
}

#else /* portable */

static void build_table(const int8_t *x, uint32_t *table)
{
    static const int8_t steps[PLANES][2] = {{1, 1}, {0, 1},  {-1, 1}, {-1, 0}, {0, 0},
                                            {1, 0}, {1, -1}, {0, -1}, {-1, -1}};
    table_half *t = (table_half *)table;
    const int32_t a = (int32_t)x[0];
    const int32_t b = (int32_t)x[1];
    const int32_t c = (int32_t)x[2];
    const int32_t base[SLOTS] = {0,         a,         b,         c,        b - c,
                                 b + c,     a + b,     a + c,     a - b,    a - c,
                                 a + b - c, a + b + c, a - b + c, a - b - c};
    for (uint32_t plane = 0; plane < PLANES; plane++) {
        const int32_t p = (steps[plane][0] * (int32_t)x[3]) + (steps[plane][1] * (int32_t)x[4]);
        for (uint32_t slot = 0; slot < SLOTS; slot++) {
            t[slot] = (int16_t)(p + base[slot]);
            t[HALF + slot] = (int16_t)(p - base[slot]);
        }
        t = &t[SLOTS];
    }
}

static void build_tables(const int8_t *x, uint32_t *tables)
{
    build_table(x, tables);
    build_table(&x[GROUP], &tables[TABLE_WORDS]);
}

static const uint8_t *gather(const uint32_t *tables, const uint8_t *codes, uint32_t *acc,
                             uint32_t n_blocks)
{
    const table_half *t = (const table_half *)tables;
    const table_half *u = (const table_half *)&tables[TABLE_WORDS];
    for (uint32_t i = 0; i < n_blocks; i++) {
        for (uint32_t j = 0; j < (BLOCK / 2u); j++) {
            const uint32_t even = (uint32_t)((int32_t)t[codes[0]] + (int32_t)u[codes[BLOCK]]);
            const uint32_t odd =
                (uint32_t)((int32_t)t[codes[1]] + (int32_t)u[codes[BLOCK + 1u]]);
            acc[j] += even + (odd << 16);
            codes = &codes[2];
        }
        codes = &codes[BLOCK];
        acc = &acc[BLOCK / 2u];
    }
    return codes;
}

static inline int32_t signed_half(uint32_t half)
{
    return (half >= 0x8000u) ? ((int32_t)half - 0x10000) : (int32_t)half;
}

static inline int32_t add_even(int32_t bias, uint32_t word)
{
    return bias + signed_half(word & 0xffffu);
}

static inline int32_t add_odd(int32_t bias, uint32_t word)
{
    return bias + signed_half((word + 0x8000u) >> 16);
}

static inline int32_t clamp_signed(int32_t v)
{
    const int32_t low = (v < -128) ? -128 : v;
    return (low > 127) ? 127 : low;
}

static inline int32_t clamp_relu(int32_t v)
{
    const int32_t low = (v < 0) ? 0 : v;
    return (low > 127) ? 127 : low;
}

static inline int32_t scale(int32_t v, int32_t mult)
{
    /* Floor division by 2^32 without a shift of a negative number. */
    const int64_t w = ((int64_t)v * mult) + INT64_C(2147483648);
    const uint64_t u = (uint64_t)w >> 32;
    return (int32_t)((w < 0) ? ((int64_t)u - INT64_C(4294967296)) : (int64_t)u);
}

#endif

static inline int8_t requantise(int32_t sum, int32_t mult, int32_t power, int relu)
{
    /* A multiplication, because sum may be negative; compilers make a shift of it. */
    const int32_t v = scale(sum * power, mult);
    return (int8_t)(relu ? clamp_relu(v) : clamp_signed(v));
}

static int32_t power_of(const struct tern_edge_layer *layer)
{
    return (int32_t)((uint32_t)1u << layer->shift);
}

static void zero(uint32_t *words, uint32_t n_blocks)
{
    for (uint32_t i = 0; i < n_blocks; i++) {
        words[0] = 0;
        words[1] = 0;
        words[2] = 0;
        words[3] = 0;
        words = &words[BLOCK / 2u];
    }
}

/* Moves the 16-bit sums of a chunk to the 32-bit sums, and leaves zeros. */
static void flush(uint32_t *acc, int32_t *wide, uint32_t n_words)
{
    for (uint32_t i = 0; i < n_words; i++) {
        const uint32_t word = acc[i];
        acc[i] = 0;
        wide[0] = add_even(wide[0], word);
        wide[1] = add_odd(wide[1], word);
        wide = &wide[2];
    }
}

/* Adds n_in inputs, at most a chunk, to the sums of the layer's rows.  Returns where the codes
 * of the next inputs are. */
static const uint8_t *sum_chunk(const uint8_t *codes, const int8_t *in, uint32_t n_in,
                                uint32_t *tables, uint32_t *acc, uint32_t n_blocks)
{
    for (; n_in >= PAIR; n_in -= PAIR) {
        build_tables(in, tables);
        codes = gather(tables, codes, acc, n_blocks);
        in = &in[PAIR];
    }
    if (n_in != 0u) {
        int8_t last[PAIR]; /* the tables of the end must not look past it */
        for (uint32_t i = 0; i < PAIR; i++) {
            last[i] = (i < n_in) ? in[i] : (int8_t)0;
        }
        build_tables(last, tables);
        codes = gather(tables, codes, acc, n_blocks);
    }
    return codes;
}

/* Sums of 16 bits, two to a word, to outputs; n_out without its last row if that is odd. */
static inline void finish_words(const uint32_t *acc, const int16_t *bias, int8_t *out,
                                uint32_t n_pairs, int32_t mult, int32_t power, int relu)
{
    for (uint32_t i = 0; i < n_pairs; i++) {
        const uint32_t word = acc[i];
        out[0] = requantise(add_even(bias[0], word), mult, power, relu);
        out[1] = requantise(add_odd(bias[1], word), mult, power, relu);
        bias = &bias[2];
        out = &out[2];
    }
}

static inline void finish_wide(const int32_t *wide, const int16_t *bias, int8_t *out,
                               uint32_t n, int32_t mult, int32_t power, int relu)
{
    for (uint32_t i = 0; i < n; i++) {
        out[i] = requantise(wide[i] + bias[i], mult, power, relu);
    }
}

/* A fully connected layer over n_in inputs, which a temporal layer has more of than n_in. */
APART static void fc_run(const struct tern_edge_layer *layer, const int8_t *in, uint32_t n_in,
                         int8_t *out, uint32_t *scratch)
{
    const uint32_t n_out = layer->n_out;
    const uint32_t n_blocks = (n_out + (BLOCK - 1u)) / BLOCK;
    const int16_t *bias = layer->bias;
    const int32_t mult = layer->mult;
    const int32_t power = power_of(layer);
    uint32_t *acc = &scratch[2u * TABLE_WORDS];
    zero(acc, n_blocks);
    if (n_in > TERN_EDGE_CHUNK) {
        uint32_t *after = &acc[n_blocks * (BLOCK / 2u)];
        int32_t *wide = (int32_t *)after;
        const uint8_t *codes = layer->codes;
        zero(after, 2u * n_blocks);
        while (n_in != 0u) {
            const uint32_t n = (n_in > TERN_EDGE_CHUNK) ? TERN_EDGE_CHUNK : n_in;
            codes = sum_chunk(codes, in, n, scratch, acc, n_blocks);
            flush(acc, wide, n_blocks * (BLOCK / 2u));
            in = &in[n];
            n_in -= n;
        }
        if (layer->relu != 0u) {
            finish_wide(wide, bias, out, n_out, mult, power, 1);
        } else {
            finish_wide(wide, bias, out, n_out, mult, power, 0);
        }
        return;
    }
    (void)sum_chunk(layer->codes, in, n_in, scratch, acc, n_blocks);
    if (layer->relu != 0u) {
        finish_words(acc, bias, out, n_out / 2u, mult, power, 1);
    } else {
        finish_words(acc, bias, out, n_out / 2u, mult, power, 0);
    }
    if ((n_out % 2u) != 0u) {
        const uint32_t row = n_out - 1u;
        out[row] =
            requantise(add_even(bias[row], acc[row / 2u]), mult, power, layer->relu != 0u);
    }
}

void tern_edge_fc_run(const struct tern_edge_layer *layer, const int8_t *in, int8_t *out,
                      uint32_t *scratch)
{
    fc_run(layer, in, layer->n_in, out, scratch);
}

/* ---------------------------------------------------------------- temporal layers */

/* The past of a layer: a ring of `span` columns of n_in values, and before it, in two bytes,
 * the place of the newest column. */
static uint32_t span_of(const struct tern_edge_layer *layer)
{
    return (((uint32_t)layer->taps - 1u) * layer->dilation) + 1u;
}

static uint32_t history_of(const struct tern_edge_layer *layer)
{
    return (layer->kind == (uint8_t)TERN_EDGE_FC) ? 0u : (2u + (span_of(layer) * layer->n_in));
}

static void copy(int8_t *to, const int8_t *from, uint32_t n)
{
    uint32_t i = 0;
    for (; (i + 4u) <= n; i += 4u) {
        to[i] = from[i];
        to[i + 1u] = from[i + 1u];
        to[i + 2u] = from[i + 2u];
        to[i + 3u] = from[i + 3u];
    }
    for (; i < n; i++) {
        to[i] = from[i];
    }
}

/* Writes the newest column into the ring and returns its place. */
static uint32_t push(const struct tern_edge_layer *layer, const int8_t *in, int8_t *history)
{
    const uint32_t span = span_of(layer);
    uint32_t newest = ((uint32_t)(uint8_t)history[0] << 8) | (uint8_t)history[1];
    newest = (newest == 0u) ? (span - 1u) : (newest - 1u);
    /* A history that something overwrote must not lead out of the ring. */
    newest = (newest >= span) ? 0u : newest;
    history[0] = (int8_t)(newest >> 8); /* span <= 14 * 255 + 1 = 3571 < 2^15 */
    const uint32_t low = newest & 0xffu;
    history[1] = (int8_t)((low >= 128u) ? ((int32_t)low - 256) : (int32_t)low);
    copy(&history[2u + (newest * layer->n_in)], in, layer->n_in);
    return newest;
}

/* The columns of the taps, newest first. */
static void find_columns(const struct tern_edge_layer *layer, const int8_t *history,
                         uint32_t newest, const int8_t *columns[TERN_EDGE_MAX_TAPS])
{
    const uint32_t span = span_of(layer);
    uint32_t place = newest;
    for (uint32_t k = 0; k < layer->taps; k++) {
        columns[k] = &history[2u + (place * layer->n_in)];
        place += layer->dilation;
        place = (place >= span) ? (place - span) : place;
    }
}

static uint32_t window_words(const struct tern_edge_layer *layer)
{
    return ((layer->n_in * (uint32_t)layer->taps) + 3u) / 4u;
}

APART static void conv_run(const struct tern_edge_layer *layer, const int8_t *in, int8_t *out,
                           int8_t *history, uint32_t *scratch)
{
    const uint32_t newest = push(layer, in, history);
    const uint32_t n_in = layer->n_in;
    const int8_t *columns[TERN_EDGE_MAX_TAPS];
    int8_t *window = (int8_t *)scratch;
    find_columns(layer, history, newest, columns);
    for (uint32_t k = 0; k < layer->taps; k++) {
        copy(window, columns[k], n_in);
        window = &window[n_in];
    }
    fc_run(layer, (const int8_t *)scratch, n_in * (uint32_t)layer->taps, out,
           &scratch[window_words(layer)]);
}

/* A code of a depthwise layer is the fraction (sum of (w_k + 1) * 3^(4-k)) / 243 in 256ths,
 * rounded up: multiplied by 3 its integer part is the next weight, what is left the rest.  In
 * 32 bits that is one multiplication for each weight, low and high half. */
APART static void depthwise_run(const struct tern_edge_layer *layer, const int8_t *in,
                                int8_t *out, int8_t *history)
{
    const uint32_t newest = push(layer, in, history);
    const uint8_t *codes = layer->codes;
    const int8_t *columns[TERN_EDGE_MAX_TAPS];
    find_columns(layer, history, newest, columns);
    const uint32_t n_out = layer->n_out;
    const uint32_t taps = layer->taps;
    const int16_t *bias = layer->bias;
    const int32_t mult = layer->mult;
    const int32_t power = power_of(layer);
    const int relu = (layer->relu != 0u) ? 1 : 0;
    for (uint32_t channel = 0; channel < n_out; channel++) {
        int32_t sum = bias[channel];
        uint32_t k = 0;
        while (k < taps) {
            const uint32_t end = ((taps - k) > GROUP) ? (k + GROUP) : taps;
            uint32_t fraction = (uint32_t)(*codes) << 24;
            codes = &codes[1];
            for (; k < end; k++) {
                const uint64_t tripled = (uint64_t)fraction * 3u;
                const int32_t value = (int32_t)columns[k][channel];
                fraction = (uint32_t)(tripled & 0xffffffffu);
                sum += ((int32_t)(uint32_t)(tripled >> 32) - 1) * value;
            }
        }
        out[channel] = requantise(sum, mult, power, relu);
    }
}

/* ---------------------------------------------------------------- networks */

static uint32_t inputs_of(const struct tern_edge_layer *layer)
{
    return (layer->kind == (uint8_t)TERN_EDGE_CONV)
               ? (layer->n_in * (uint32_t)layer->taps)
               : ((layer->kind == (uint8_t)TERN_EDGE_DEPTHWISE) ? (uint32_t)layer->taps
                                                                : (uint32_t)layer->n_in);
}

static uint32_t codes_of(const struct tern_edge_layer *layer)
{
    return (layer->kind == (uint8_t)TERN_EDGE_DEPTHWISE)
               ? (uint32_t)TERN_EDGE_DW_CODES(layer->n_out, layer->taps)
               : (uint32_t)TERN_EDGE_FC_CODES(inputs_of(layer), layer->n_out);
}

static uint32_t words_of(const struct tern_edge_layer *layer)
{
    uint32_t words = 0;
    if (layer->kind != (uint8_t)TERN_EDGE_DEPTHWISE) {
        words = (uint32_t)TERN_EDGE_FC_WORDS(inputs_of(layer), layer->n_out);
    }
    return words + ((layer->kind == (uint8_t)TERN_EDGE_CONV) ? window_words(layer) : 0u);
}

/* Words of the two buffers that carry values from layer to layer: as wide as the widest layer
 * but the last, whose values go to the caller. */
static uint32_t buffer_words(const struct tern_edge_net *net)
{
    uint32_t widest = 0;
    for (uint32_t i = 0; (i + 1u) < net->n_layers; i++) {
        widest = (net->layers[i].n_out > widest) ? net->layers[i].n_out : widest;
    }
    return (widest + 3u) / 4u;
}

/* Does a packed byte stand for five weights? */
static int code_is_good(uint32_t kind, uint32_t code)
{
    if (kind == (uint32_t)TERN_EDGE_DEPTHWISE) {
        /* ceil(v * 256 / 243) for a v: so the fraction minus one step is below v/243. */
        const uint32_t v = (code * 243u) / 256u;
        return ((((v * 256u) + 242u) / 243u) == code) ? 1 : 0;
    }
    return (code < HALF) || ((code < N_CODES) && (((code - HALF) % SLOTS) != 0u));
}

static int layer_is_good(const struct tern_edge_layer *layer)
{
    const int temporal = (layer->kind != (uint8_t)TERN_EDGE_FC) ? 1 : 0;
    if ((layer->kind >= (uint8_t)TERN_EDGE_N_KINDS) || (layer->codes == NULL) ||
        (layer->bias == NULL) || (layer->n_in == 0u) || (layer->n_out == 0u) ||
        (layer->n_out > TERN_EDGE_MAX_OUT) || (layer->mult <= 0) ||
        (layer->shift > TERN_EDGE_MAX_SHIFT)) {
        return 0;
    }
    if (temporal && ((layer->taps == 0u) || (layer->taps > TERN_EDGE_MAX_TAPS) ||
                     (layer->dilation == 0u))) {
        return 0;
    }
    if (!temporal && ((layer->taps != 0u) || (layer->dilation != 0u))) {
        return 0;
    }
    if ((layer->kind == (uint8_t)TERN_EDGE_DEPTHWISE) && (layer->n_in != layer->n_out)) {
        return 0;
    }
    if ((inputs_of(layer) > TERN_EDGE_MAX_IN) || (layer->n_in > TERN_EDGE_MAX_IN)) {
        return 0;
    }
    const uint32_t n = codes_of(layer);
    for (uint32_t i = 0; i < n; i++) {
        if (!code_is_good(layer->kind, layer->codes[i])) {
            return 0;
        }
    }
    return 1;
}

int tern_edge_net_check(const struct tern_edge_net *net, struct tern_edge_size *size)
{
    if ((net == NULL) || (net->layers == NULL) || (net->n_layers == 0u) ||
        (net->n_layers > TERN_EDGE_MAX_LAYERS)) {
        return 0;
    }
    /* Each layer: codes < 2^22, macs <= 4090 * 4096 < 2^24, history < 2^24; times 32 layers. */
    uint32_t codes = 0;
    uint32_t bias = 0;
    uint32_t history = 0;
    uint32_t words = 0;
    uint32_t macs = 0;
    for (uint32_t i = 0; i < net->n_layers; i++) {
        const struct tern_edge_layer *layer = &net->layers[i];
        if (!layer_is_good(layer) || ((i > 0u) && (layer->n_in != net->layers[i - 1u].n_out))) {
            return 0;
        }
        codes += codes_of(layer);
        bias += 2u * (uint32_t)layer->n_out;
        history += history_of(layer);
        macs += inputs_of(layer) * (uint32_t)layer->n_out;
        words = (words_of(layer) > words) ? words_of(layer) : words;
    }
    if (size != NULL) {
        size->codes = codes;
        size->bias = bias;
        size->history = history;
        size->scratch = words + (2u * buffer_words(net));
        size->macs = macs;
    }
    return 1;
}

void tern_edge_net_reset(const struct tern_edge_net *net, int8_t *history)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < net->n_layers; i++) {
        n += history_of(&net->layers[i]);
    }
    for (uint32_t i = 0; i < n; i++) {
        history[i] = 0;
    }
}

void tern_edge_net_run(const struct tern_edge_net *net, const int8_t *in, int8_t *out,
                       int8_t *history, uint32_t *scratch)
{
    const uint32_t words = buffer_words(net);
    int8_t *buffers[2] = {(int8_t *)scratch, (int8_t *)&scratch[words]};
    const int8_t *from = in;
    for (uint32_t i = 0; i < net->n_layers; i++) {
        const struct tern_edge_layer *layer = &net->layers[i];
        int8_t *to = ((i + 1u) == net->n_layers) ? out : buffers[i % 2u];
        if (layer->kind == (uint8_t)TERN_EDGE_FC) {
            fc_run(layer, from, layer->n_in, to, &scratch[2u * words]);
        } else if (layer->kind == (uint8_t)TERN_EDGE_CONV) {
            conv_run(layer, from, to, history, &scratch[2u * words]);
        } else {
            depthwise_run(layer, from, to, history);
        }
        if (layer->kind != (uint8_t)TERN_EDGE_FC) {
            history = &history[history_of(layer)];
        }
        from = to;
    }
}
