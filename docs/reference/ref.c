/* SPDX-License-Identifier: Apache-2.0 */
/* ref.c - the oracle: a transformer in one file and in double precision, to test tern against.
 *
 *   cc -std=c11 -O2 -o ref docs/reference/ref.c -lm
 *   ref MODEL.gguf --tokens 1,5,9 --n 32
 *
 * It shares no line with the engine, on purpose: to go unnoticed an error would have to be made
 * twice, in two different texts.  So it may be slow, may use libm and may end the program with
 * a message.  What it may not do is guess: a tensor that it has no use for, a key that would
 * change the result and a type that it does not know are refused.
 *
 * Read it from top to bottom: 1. small things, 2. weights in a file, 3. the GGUF container,
 * 4. Config and Weights, 5. the arithmetic, 6. State and forward, 7. the program.
 *
 * A vector is a `double *`; a batch of n vectors of width d is n x d, one after the other.
 * A matrix [rows][k] lies in rows; y = W x has `rows` numbers. */
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- 1. small things --------------------------------------------------------------------- */

/* Ends the program with a message unless a condition holds. */
__attribute__((format(printf, 2, 3))) static void must(bool ok, const char *format, ...)
{
    if (!ok) {
        va_list args;
        va_start(args, format);
        fputs("ref: ", stderr);
        vfprintf(stderr, format, args);
        fputc('\n', stderr);
        va_end(args);
        exit(1);
    }
}

static void *new_items(uint64_t n, size_t bytes)
{
    void *p = n <= SIZE_MAX ? calloc(n ? (size_t)n : 1, bytes) : NULL;
    must(p != NULL, "no memory for %" PRIu64 " x %zu bytes", n, bytes);
    return p;
}

static double *new_vector(uint64_t n)
{
    return new_items(n, sizeof(double));
}

/* Files are little-endian; bytes are put together by hand, so the machine need not be. */
static uint32_t get16(const uint8_t *p)
{
    return p[0] | (uint32_t)p[1] << 8;
}

static uint32_t get32(const uint8_t *p)
{
    return get16(p) | get16(p + 2) << 16;
}

static uint64_t get64(const uint8_t *p)
{
    return get32(p) | (uint64_t)get32(p + 4) << 32;
}

static double float_of_bits(uint32_t bits)
{
    float f;
    memcpy(&f, &bits, sizeof f);
    return (double)f;
}

/* IEEE half: 1 sign, 5 exponent (bias 15) and 10 fraction bits; with exponent 0 the fraction
 * counts units of 2^-24, else it stands behind a 1. */
static double get_f16(const uint8_t *p)
{
    int h = (int)get16(p), exponent = h >> 10 & 31, fraction = h & 1023;
    must(exponent != 31, "a half in the file is not finite");
    double d = exponent ? ldexp(1024 + fraction, exponent - 25) : ldexp(fraction, -24);
    return h & 0x8000 ? -d : d;
}

/* Rounds to the nearest half, ties to even.  x = m 2^e with 1/2 <= m < 1 keeps 11 bits, so it
 * becomes a multiple of 2^(e-11); under e = -13 the subnormals' unit 2^-24 stays.  The largest
 * half is 65504, and stands for everything above. */
static double round_to_half(double x)
{
    int e;
    (void)frexp(x, &e);
    double unit = ldexp(1.0, (e < -13 ? -13 : e) - 11);
    return fmax(-65504, fmin(65504, rint(x / unit) * unit));
}

/* --- 2. weights in a file ---------------------------------------------------------------- */

/* A quantised tensor is a sequence of blocks; a block has some weights and what they share: a
 * scale d, perhaps an offset m.  Each function below spells out one block; the sizes are in the
 * table after them.  The formats are those of ggml and of its forks: ik_llama.cpp (IQ*_BN),
 * bitnet.cpp (I2_S), Prism (PQ2_0). */

static void block_f32(double *w, const uint8_t *b)
{
    w[0] = float_of_bits(get32(b));
}

static void block_f16(double *w, const uint8_t *b)
{
    w[0] = get_f16(b);
}

static void block_bf16(double *w, const uint8_t *b)
{
    w[0] = float_of_bits(get16(b) << 16); /* the upper half of a float32 */
}

/* d, then 32 signed bytes. */
static void block_q8_0(double *w, const uint8_t *b)
{
    double d = get_f16(b);
    for (int i = 0; i < 32; i++) {
        w[i] = d * (int8_t)b[2 + i];
    }
}

/* 16 bytes: low nibbles are weights 0..15, high nibbles 16..31. */
static void nibbles(double *w, const uint8_t *b, double d, double m)
{
    for (int i = 0; i < 16; i++) {
        w[i] = d * (b[i] & 15) + m;
        w[16 + i] = d * (b[i] >> 4) + m;
    }
}

static void block_q4_0(double *w, const uint8_t *b) /* d; nibble 8 is zero */
{
    nibbles(w, b + 2, get_f16(b), -8 * get_f16(b));
}

static void block_q4_1(double *w, const uint8_t *b) /* d, m */
{
    nibbles(w, b + 4, get_f16(b), get_f16(b + 2));
}

/* d, dmin, 12 bytes of scales, 128 of nibbles: eight runs of 32 weights, runs 2i and 2i+1 in
 * the low and high nibbles of the same 32 bytes.  Each run has a 6-bit scale and a 6-bit
 * minimum: those of runs 0..3 in the low bits of bytes 0..3 and 4..7; of runs 4..7 the low four
 * bits share bytes 8..11, the high two bits sit on top of the bytes of runs 0..3. */
static void block_q4_k(double *w, const uint8_t *b)
{
    double d = get_f16(b), dmin = get_f16(b + 2);
    const uint8_t *s = b + 4;
    for (int run = 0; run < 8; run++) {
        int scale = run < 4 ? s[run] & 63 : (s[run + 4] & 15) | s[run - 4] >> 6 << 4;
        int min = run < 4 ? s[run + 4] & 63 : s[run + 4] >> 4 | s[run] >> 6 << 4;
        const uint8_t *q = b + 16 + run / 2 * 32;
        for (int i = 0; i < 32; i++) {
            w[32 * run + i] = d * scale * (q[i] >> run % 2 * 4 & 15) - dmin * min;
        }
    }
}

/* 128 bytes of nibbles, 64 of bit pairs above them, 16 signed scales, d.  A half of 128 weights
 * is four quarters: r takes the low (r < 2) or high nibbles of 32 bytes and pair bits 2r; 32
 * means zero. */
static void block_q6_k(double *w, const uint8_t *b)
{
    double d = get_f16(b + 208);
    for (int i = 0; i < 256; i++) {
        int half = i / 128, r = i % 128 / 32, j = i % 32;
        int low = b[64 * half + r % 2 * 32 + j] >> r / 2 * 4 & 15;
        int high = b[128 + 32 * half + j] >> 2 * r & 3;
        w[i] = d * (int8_t)b[192 + i / 16] * ((low | high << 4) - 32);
    }
}

/* Ternary codes of 2 bits, 0, 1, 2 for -1, 0, +1: four to a byte, `apart` weights from each
 * other, from the low bits up. */
static void two_bits(double *w, const uint8_t *b, int n, int apart, double d)
{
    for (int i = 0; i < n; i++) {
        int byte = i / (4 * apart) * apart + i % apart;
        w[i] = d * ((b[byte] >> i / apart % 4 * 2 & 3) - 1);
    }
}

static void block_tq2_0(double *w, const uint8_t *b)
{
    two_bits(w, b, 256, 32, get_f16(b + 64));
}

static void block_q2_0(double *w, const uint8_t *b)
{
    two_bits(w, b + 2, 64, 1, get_f16(b)); /* code 3 is allowed here and is +2 */
}

static void block_pq2_0(double *w, const uint8_t *b)
{
    two_bits(w, b + 2, 128, 1, get_f16(b));
}

static void block_iq2_bn(double *w, const uint8_t *b) /* the scale is the row's */
{
    two_bits(w, b, 64, 16, 1);
}

/* As the layout of x86 machines has it: 32 weights apart, from the high bits down; the scale is
 * the tensor's. */
static void block_i2_s(double *w, const uint8_t *b)
{
    for (int i = 0; i < 128; i++) {
        w[i] = (b[i % 32] >> (6 - i / 32 * 2) & 3) - 1;
    }
}

/* One of the five base-3 digits of a byte, less 1; digit 0 is the most significant.  The byte
 * is ceil(256 n / 243), so n/243 is a fixed-point fraction: times 3^digit moves the digit to
 * just behind the point (what was before it falls out), times 3 puts it before the point. */
static int trit(uint8_t byte, int digit)
{
    static const uint8_t power[5] = {1, 3, 9, 27, 81};
    uint8_t moved = (uint8_t)(byte * power[digit]);
    return (moved * 3 >> 8) - 1;
}

/* 32 bytes for weights 0..159 (digit n of byte m is m + 32 n), 16 for 160..239, four bytes of
 * four digits for 240..255; d. */
static void block_tq1_0(double *w, const uint8_t *b)
{
    double d = get_f16(b + 52);
    for (int i = 0; i < 256; i++) {
        int t = i < 160   ? trit(b[i % 32], i / 32)
                : i < 240 ? trit(b[32 + (i - 160) % 16], (i - 160) / 16)
                          : trit(b[48 + i % 4], (i - 240) / 4);
        w[i] = d * t;
    }
}

/* 13 bytes, the scale is the row's: of every 16 weights, 15 are the digits of three bytes (the
 * least significant first), the last one is a digit of byte 12. */
static void block_iq1_bn(double *w, const uint8_t *b)
{
    for (int i = 0; i < 64; i++) {
        int group = i / 16, j = i % 16;
        w[i] = j < 15 ? trit(b[3 * group + j / 5], 4 - j % 5) : trit(b[12], 4 - group);
    }
}

static void block_q1_0(double *w, const uint8_t *b) /* d; a bit is +d or -d */
{
    double d = get_f16(b);
    for (int i = 0; i < 128; i++) {
        w[i] = b[2 + i / 8] >> i % 8 & 1 ? d : -d;
    }
}

struct type {
    uint32_t id;
    const char *name;
    uint32_t block;       /* weights a block */
    uint32_t block_bytes; /* bytes a block */
    uint32_t row_head;    /* bytes before the blocks of a row: its scale, f16 or f32 */
    uint32_t tail;        /* bytes after all rows: the tensor's f32 scale and padding */
    uint32_t run;         /* rounded inputs that share a scale; 0 = they stay as they are */
    void (*decode)(double *w, const uint8_t *block);
};

enum { TYPE_Q2_0 = 42, TYPE_PQ2_0 = 142, ALL = 1 << 30 /* W1.58A8: one scale a token */ };

static const struct type types[] = {
    {0, "F32", 1, 4, 0, 0, 0, block_f32},
    {1, "F16", 1, 2, 0, 0, 0, block_f16},
    {30, "BF16", 1, 2, 0, 0, 0, block_bf16},
    {2, "Q4_0", 32, 18, 0, 0, 32, block_q4_0},
    {3, "Q4_1", 32, 20, 0, 0, 32, block_q4_1},
    {8, "Q8_0", 32, 34, 0, 0, 32, block_q8_0},
    {12, "Q4_K", 256, 144, 0, 0, 32, block_q4_k},
    {14, "Q6_K", 256, 210, 0, 0, 32, block_q6_k},
    {34, "TQ1_0", 256, 54, 0, 0, ALL, block_tq1_0},
    {35, "TQ2_0", 256, 66, 0, 0, ALL, block_tq2_0},
    {36, "I2_S", 128, 32, 0, 32, ALL, block_i2_s},
    {41, "Q1_0", 128, 18, 0, 0, ALL, block_q1_0},
    {TYPE_Q2_0, "Q2_0", 64, 18, 0, 0, ALL, block_q2_0},
    {134, "IQ1_BN", 64, 13, 2, 0, ALL, block_iq1_bn},
    {135, "IQ2_BN", 64, 16, 4, 0, ALL, block_iq2_bn},
    {TYPE_PQ2_0, "PQ2_0", 128, 34, 0, 0, ALL, block_pq2_0},
};

struct tensor {
    char name[65];
    const struct type *type;
    uint64_t k;    /* weights in a row: the width of the input */
    uint64_t rows; /* the width of the output */
    const uint8_t *data;
    bool used;
};

static uint64_t row_bytes(const struct tensor *t)
{
    return t->type->row_head + t->k / t->type->block * t->type->block_bytes;
}

/* Spells out one row of a matrix. */
static void decode_row(double *w, const struct tensor *t, uint64_t row)
{
    const uint8_t *b = t->data + row * row_bytes(t);
    double scale = 1;
    if (t->type->row_head) {
        scale = t->type->row_head == 2 ? get_f16(b) : float_of_bits(get32(b));
        b += t->type->row_head;
    } else if (t->type->tail) {
        scale = float_of_bits(get32(t->data + t->rows * row_bytes(t)));
    }
    for (uint64_t i = 0; i < t->k; i += t->type->block, b += t->type->block_bytes) {
        t->type->decode(w + i, b);
    }
    for (uint64_t i = 0; i < t->k && scale != 1; i++) {
        w[i] *= scale;
    }
}

/* --- 3. the GGUF container --------------------------------------------------------------- */

enum value_type { VALUE_U32 = 4, VALUE_I32, VALUE_F32, VALUE_STRING = 8, VALUE_ARRAY = 9 };

/* Bytes of a value by its type; strings and arrays say it themselves. */
static const uint8_t value_bytes[] = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};

struct key {
    const uint8_t *name, *value;
    uint64_t name_len, len; /* `len` of a string */
    uint32_t type;
};

struct gguf {
    uint8_t *data;
    uint64_t size, at; /* `at`: how far the header has been read */
    uint64_t n_keys, n_tensors;
    struct key *keys;
    struct tensor *tensors;
    char arch[32];
};

/* Takes the next n bytes of the header. */
static const uint8_t *take(struct gguf *g, uint64_t n)
{
    must(n <= g->size - g->at, "the file ends inside its header");
    g->at += n;
    return g->data + g->at - n;
}

/* Takes a value; returns where it is (the text of a string), and the length of a string. */
static const uint8_t *take_value(struct gguf *g, uint32_t type, uint64_t *len)
{
    *len = 0;
    if (type == VALUE_STRING) {
        *len = get64(take(g, 8));
        return take(g, *len);
    }
    if (type == VALUE_ARRAY) {
        const uint8_t *p = take(g, 12);
        uint64_t ignored;
        must(get32(p) != VALUE_ARRAY, "arrays of arrays are not read");
        for (uint64_t n = get64(p + 4); n > 0; n--) {
            take_value(g, get32(p), &ignored);
        }
        return p;
    }
    must(type < sizeof value_bytes, "a value has type %" PRIu32, type);
    return take(g, value_bytes[type]);
}

static void take_tensor(struct gguf *g, struct tensor *t, uint64_t *offset, int q2_block)
{
    uint64_t len = get64(take(g, 8));
    const uint8_t *name = take(g, len);
    must(len < sizeof t->name, "the name of a tensor has %" PRIu64 " bytes", len);
    memcpy(t->name, name, len);
    uint32_t dims = get32(take(g, 4));
    must(dims == 1 || dims == 2, "tensor '%s' has %" PRIu32 " dimensions", t->name, dims);
    t->k = get64(take(g, 8));
    t->rows = dims == 2 ? get64(take(g, 8)) : 1;
    uint32_t id = get32(take(g, 4));
    if (id == TYPE_Q2_0 && q2_block == 128) {
        id = TYPE_PQ2_0; /* Prism's older files have the longer blocks under the same id */
    }
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        t->type = types[i].id == id ? &types[i] : t->type;
    }
    must(t->type != NULL, "tensor '%s' has the unknown type %" PRIu32, t->name, id);
    *offset = get64(take(g, 8));
    const uint64_t limit = (uint64_t)1 << 28; /* keeps products below in 64 bits */
    must(t->k - 1 < limit && t->rows - 1 < limit && t->k % t->type->block == 0,
         "tensor '%s' cannot be %" PRIu64 " x %" PRIu64, t->name, t->k, t->rows);
}

static const struct key *find_key(const struct gguf *g, const char *name)
{
    for (uint64_t i = 0; i < g->n_keys; i++) {
        const struct key *key = &g->keys[i];
        if (key->name_len == strlen(name) && memcmp(key->name, name, key->name_len) == 0) {
            return key;
        }
    }
    return NULL;
}

#define REQUIRED (-1.0) /* no setting is negative */

/* The number under a key (after a dot: under "<architecture>.key"), or the fallback. */
static double get_number(const struct gguf *g, const char *what, double fallback)
{
    char name[128];
    snprintf(name, sizeof name, "%s%s", what[0] == '.' ? g->arch : "", what);
    const struct key *key = find_key(g, name);
    if (!key) {
        must(fallback != REQUIRED, "key '%s' is missing", name);
        return fallback;
    }
    must(key->type >= VALUE_U32 && key->type <= VALUE_F32, "key '%s' has type %" PRIu32, name,
         key->type);
    return key->type == VALUE_F32 ? float_of_bits(get32(key->value))
                                  : (double)get32(key->value);
}

static uint64_t get_count(const struct gguf *g, const char *what, double fallback)
{
    double n = get_number(g, what, fallback);
    must(n >= 1 && n <= 1 << 24, "key '%s%s' is %g", g->arch, what, n);
    return (uint64_t)n;
}

static void read_gguf(struct gguf *g, const char *path, int q2_block)
{
    FILE *file = fopen(path, "rb");
    must(file && fseek(file, 0, SEEK_END) == 0, "'%s' cannot be opened", path);
    g->size = (uint64_t)ftell(file);
    g->data = new_items(g->size, 1);
    rewind(file);
    must(fread(g->data, 1, g->size, file) == g->size, "'%s' cannot be read", path);
    fclose(file);
    const uint8_t *head = take(g, 24);
    uint32_t version = get32(head + 4);
    must(memcmp(head, "GGUF", 4) == 0 && (version == 2 || version == 3),
         "'%s' is not GGUF version 2 or 3", path);
    g->n_tensors = get64(head + 8);
    g->n_keys = get64(head + 16);
    must(g->n_tensors < g->size / 24 && g->n_keys < g->size / 12, /* least bytes of an entry */
         "the file is too short for its tensors and keys");
    g->keys = new_items(g->n_keys, sizeof *g->keys);
    g->tensors = new_items(g->n_tensors, sizeof *g->tensors);
    uint64_t *offsets = new_items(g->n_tensors, sizeof *offsets);
    for (struct key *key = g->keys; key < g->keys + g->n_keys; key++) {
        key->name_len = get64(take(g, 8));
        key->name = take(g, key->name_len);
        must(key->name_len < 6 || memcmp(key->name, "prism.", 6) != 0, "rotated weights");
        key->type = get32(take(g, 4));
        key->value = take_value(g, key->type, &key->len);
    }
    for (uint64_t i = 0; i < g->n_tensors; i++) {
        take_tensor(g, &g->tensors[i], &offsets[i], q2_block);
    }
    uint64_t align = get_count(g, "general.alignment", 32);
    uint64_t start = (g->at + align - 1) / align * align;
    for (uint64_t i = 0; i < g->n_tensors; i++) {
        struct tensor *t = &g->tensors[i];
        uint64_t bytes = row_bytes(t) * t->rows + t->type->tail;
        must(offsets[i] <= g->size && bytes <= g->size && start + offsets[i] + bytes <= g->size,
             "tensor '%s' is not wholly in the file", t->name);
        t->data = g->data + start + offsets[i];
    }
    free(offsets);
}

/* --- 4. Config and Weights --------------------------------------------------------------- */

struct config {
    uint64_t dim;             /* width of the residual stream */
    uint64_t layers;          /* blocks */
    uint64_t heads, kv_heads; /* heads / kv_heads queries share a key and a value */
    uint64_t head_dim;        /* width of a head; need not be dim / heads */
    uint64_t hidden;          /* width of the feed-forward */
    uint64_t vocab;           /* tokens */
    uint64_t rope_dim;        /* leading part of a head that is rotated */
    double rope_base;         /* pair i turns base^(-2i / rope_dim) a position */
    bool rope_halves;         /* pairs are (i, i + rope_dim/2), else (2i, 2i + 1) */
    bool relu2;               /* gate by relu(x)^2, else by silu(x) = x / (1 + e^-x) */
    bool sub_norms;           /* norms before attn_output and ffn_down (BitNet) */
    bool qk_norms;            /* norms of each head's query and key (Qwen3) */
    double eps;               /* of every norm */
};

struct matrix {
    const struct tensor *w;
    double scale; /* 1 unless the file has one as a tensor of its own */
};

struct layer {
    double *attn_norm, *q_norm, *k_norm, *attn_sub_norm, *ffn_norm, *ffn_sub_norm;
    struct matrix q, k, v, o, gate, up, down;
};

struct weights {
    struct matrix embedding, output; /* [vocab][dim]; often the same */
    struct layer *layers;
    double *output_norm;
    double *rope_factors; /* [rope_dim / 2] divisors of the frequencies, or NULL */
};

static void read_config(struct config *c, struct gguf *g)
{
    const struct key *key = find_key(g, "general.architecture");
    must(key && key->type == VALUE_STRING && key->len < sizeof g->arch,
         "the file does not say its architecture");
    memcpy(g->arch, key->value, key->len);
    bool qwen3 = strcmp(g->arch, "qwen3") == 0;
    bool bitnet = strcmp(g->arch, "bitnet-b1.58") == 0 || strcmp(g->arch, "bitnet-25") == 0 ||
                  strcmp(g->arch, "bitnet") == 0;
    must(bitnet || qwen3 || strcmp(g->arch, "llama") == 0, "architecture '%s'", g->arch);
    static const char *const refused[] = {".rope.scaling.factor", ".attention.sliding_window",
                                          ".attention.scale",     ".attention.clamp_kqv",
                                          ".logit_scale",         ".expert_count"};
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        must(get_number(g, refused[i], 0) == 0, "key '*%s' is not followed", refused[i]);
    }
    c->relu2 = c->sub_norms = bitnet;
    c->qk_norms = qwen3;
    c->rope_halves = bitnet || qwen3; /* for llama, converters reorder Q and K into pairs */
    c->dim = get_count(g, ".embedding_length", REQUIRED);
    c->layers = get_count(g, ".block_count", REQUIRED);
    c->hidden = get_count(g, ".feed_forward_length", REQUIRED);
    c->heads = get_count(g, ".attention.head_count", REQUIRED);
    c->kv_heads = get_count(g, ".attention.head_count_kv", (double)c->heads);
    c->head_dim = get_count(g, ".attention.key_length", (double)(c->dim / c->heads));
    c->rope_dim = get_count(g, ".rope.dimension_count", (double)c->head_dim);
    c->rope_base = get_number(g, ".rope.freq_base", 10000);
    c->eps = get_number(g, ".attention.layer_norm_rms_epsilon", REQUIRED);
    must(get_count(g, ".attention.value_length", (double)c->head_dim) == c->head_dim,
         "keys and values of different width are not followed");
    must(c->heads % c->kv_heads == 0 && c->rope_dim <= c->head_dim && c->rope_dim % 2 == 0,
         "%" PRIu64 " heads over %" PRIu64 ", %" PRIu64 " of %" PRIu64 " rotated", c->heads,
         c->kv_heads, c->rope_dim, c->head_dim);
}

static struct tensor *find_tensor(const struct gguf *g, const char *prefix, const char *name)
{
    for (struct tensor *t = g->tensors; t < g->tensors + g->n_tensors; t++) {
        if (strncmp(t->name, prefix, strlen(prefix)) == 0 &&
            strcmp(t->name + strlen(prefix), name) == 0) {
            t->used = true;
            return t;
        }
    }
    return NULL;
}

/* A vector, spelled out; NULL when the file has none and need not have it. */
static double *load_vector(const struct gguf *g, const char *prefix, const char *name,
                           uint64_t n, bool optional)
{
    const struct tensor *t = find_tensor(g, prefix, name);
    if (!t && optional) {
        return NULL;
    }
    must(t && t->k == n && t->rows == 1, "no '%s%s' of %" PRIu64 " x 1", prefix, name, n);
    double *v = new_vector(n);
    decode_row(v, t, 0);
    return v;
}

static struct matrix load_matrix(const struct gguf *g, const char *prefix, const char *name,
                                 uint64_t k, uint64_t rows)
{
    char full[64];
    snprintf(full, sizeof full, "%s.weight", name);
    struct matrix m = {.w = find_tensor(g, prefix, full)};
    must(m.w && m.w->k == k && m.w->rows == rows, "no '%s%s' of %" PRIu64 " x %" PRIu64, prefix,
         full, k, rows);
    snprintf(full, sizeof full, "%s.scale", name);
    double *scale = load_vector(g, prefix, full, 1, true);
    m.scale = scale ? scale[0] : 1;
    return m;
}

static void load_layer(struct layer *l, const struct config *c, const struct gguf *g,
                       uint64_t number)
{
    char blk[32];
    snprintf(blk, sizeof blk, "blk.%" PRIu64 ".", number);
    uint64_t q_dim = c->heads * c->head_dim, kv_dim = c->kv_heads * c->head_dim;
    l->attn_norm = load_vector(g, blk, "attn_norm.weight", c->dim, false);
    l->ffn_norm = load_vector(g, blk, "ffn_norm.weight", c->dim, false);
    if (c->sub_norms) {
        l->attn_sub_norm = load_vector(g, blk, "attn_sub_norm.weight", q_dim, false);
        l->ffn_sub_norm = load_vector(g, blk, "ffn_sub_norm.weight", c->hidden, false);
    }
    if (c->qk_norms) {
        l->q_norm = load_vector(g, blk, "attn_q_norm.weight", c->head_dim, false);
        l->k_norm = load_vector(g, blk, "attn_k_norm.weight", c->head_dim, false);
    }
    l->q = load_matrix(g, blk, "attn_q", c->dim, q_dim);
    l->k = load_matrix(g, blk, "attn_k", c->dim, kv_dim);
    l->v = load_matrix(g, blk, "attn_v", c->dim, kv_dim);
    l->o = load_matrix(g, blk, "attn_output", q_dim, c->dim);
    l->gate = load_matrix(g, blk, "ffn_gate", c->dim, c->hidden);
    l->up = load_matrix(g, blk, "ffn_up", c->dim, c->hidden);
    l->down = load_matrix(g, blk, "ffn_down", c->hidden, c->dim);
}

static void load_weights(struct weights *w, struct config *c, const struct gguf *g)
{
    const struct tensor *table = find_tensor(g, "", "token_embd.weight");
    c->vocab = table ? table->rows : 0; /* the vocabulary is as large as its table */
    w->embedding = load_matrix(g, "", "token_embd", c->dim, c->vocab);
    w->output = w->embedding; /* a file without a head uses the table again: tied */
    if (find_tensor(g, "", "output.weight")) {
        w->output = load_matrix(g, "", "output", c->dim, c->vocab);
    }
    w->output_norm = load_vector(g, "", "output_norm.weight", c->dim, false);
    w->rope_factors = load_vector(g, "", "rope_freqs.weight", c->rope_dim / 2, true);
    w->layers = new_items(c->layers, sizeof *w->layers);
    for (uint64_t n = 0; n < c->layers; n++) {
        load_layer(&w->layers[n], c, g, n);
    }
    for (uint64_t i = 0; i < g->n_tensors; i++) {
        must(g->tensors[i].used, "tensor '%s' has no use here", g->tensors[i].name);
    }
}

/* --- 5. the arithmetic ------------------------------------------------------------------- */

/* The engine multiplies integers: it first rounds the inputs of a product, to as many steps on
 * each side of zero as fit into int8 (ternary weights) or into two int8 (others).  That is part
 * of what it is said to compute and no error, so the oracle can do the same (--act spec); what
 * a comparison sees then is all the rest. */
enum { STEPS_INT8 = 127, STEPS_INT16 = 127 * 255 - 1 };

static void round_to_steps(double *x, uint64_t n, int steps)
{
    double most = 0;
    for (uint64_t i = 0; i < n; i++) {
        most = fmax(most, fabs(x[i]));
    }
    double scale = most / steps;
    for (uint64_t i = 0; i < n && scale > 0; i++) {
        x[i] = rint(x[i] / scale) * scale; /* rint: a half goes to the even neighbour */
    }
}

static double dot(const double *a, const double *b, uint64_t n)
{
    double sum[4] = {0}; /* four chains, so that an addition need not wait for the one before */
    for (uint64_t i = 0; i < n / 4 * 4; i += 4) {
        for (int j = 0; j < 4; j++) {
            sum[j] += a[i + j] * b[i + j];
        }
    }
    for (uint64_t i = n / 4 * 4; i < n; i++) {
        sum[0] += a[i] * b[i];
    }
    return (sum[0] + sum[1]) + (sum[2] + sum[3]);
}

/* y[t] = W x[t] for a batch of n vectors.  Each row is spelled out once for the whole batch;
 * the matrix is never in memory as doubles. */
static void multiply(double *y, const struct matrix *m, const double *x, uint64_t n, int steps)
{
    const struct tensor *w = m->w;
    double *inputs = new_vector(n * w->k), *row = new_vector(w->k);
    memcpy(inputs, x, n * w->k * sizeof *x);
    uint64_t run = w->type->run == ALL ? w->k : w->type->run;
    for (uint64_t i = 0; i < n * w->k && steps && run > 0; i += run) {
        round_to_steps(inputs + i, run, w->type->run == ALL ? STEPS_INT8 : steps);
    }
    for (uint64_t r = 0; r < w->rows; r++) {
        decode_row(row, w, r);
        for (uint64_t t = 0; t < n; t++) {
            y[t * w->rows + r] = m->scale * dot(row, inputs + t * w->k, w->k);
        }
    }
    free(inputs);
    free(row);
}

/* Divides each of n vectors by its root mean square, then scales the components. */
static void rms_norm(double *y, const double *x, const double *weight, uint64_t n, uint64_t d,
                     double eps)
{
    for (uint64_t t = 0; t < n; t++, x += d, y += d) {
        double factor = 1 / sqrt(dot(x, x, d) / (double)d + eps);
        for (uint64_t i = 0; i < d; i++) {
            y[i] = weight[i] * (x[i] * factor);
        }
    }
}

/* Rotary position: pair i of each head turns by position x base^(-2i / rope_dim). */
static void rotate(double *head, uint64_t heads, const struct config *c, const double *factors,
                   uint64_t position)
{
    uint64_t half = c->rope_dim / 2;
    for (uint64_t i = 0; i < heads * half; i++) {
        uint64_t pair = i % half, first = i / half * c->head_dim;
        double frequency = pow(c->rope_base, -2.0 * (double)pair / (double)c->rope_dim);
        double angle = (double)position * frequency / (factors ? factors[pair] : 1);
        double *a = head + first + (c->rope_halves ? pair : 2 * pair);
        double *b = a + (c->rope_halves ? half : 1);
        double x = *a, y = *b;
        *a = x * cos(angle) - y * sin(angle);
        *b = x * sin(angle) + y * cos(angle);
    }
}

/* --- 6. State and forward ---------------------------------------------------------------- */

enum { BATCH = 32 }; /* most tokens that go through the layers together */

struct options { /* of the command line, see `usage` */
    const char *model, *tokens, *out;
    enum { GREEDY, TEACHER, LOGITS } mode;
    int steps; /* for the inputs of block types, see round_to_steps(); 0 = nothing is rounded */
    bool half_kv;
    int q2_block;
    uint64_t n;
};

struct model {
    struct options options;
    struct gguf file;
    struct config config;
    struct weights weights;
};

struct state {
    uint64_t context;      /* positions that fit */
    uint64_t used;         /* positions that have been read */
    double *keys, *values; /* [layers][context][kv_heads][head_dim] */
    double *x;             /* [BATCH][dim], the residual stream */
    double *normed;        /* [BATCH][dim], what a layer's matrices see */
    double *q, *attended;  /* [BATCH][heads][head_dim] */
    double *gate, *up;     /* [BATCH][hidden] */
    double *added;         /* [BATCH][dim], what a layer adds to x */
    double *scores;        /* [context] */
};

static void new_state(struct state *s, const struct config *c, uint64_t context)
{
    uint64_t q_dim = c->heads * c->head_dim, kv_dim = c->kv_heads * c->head_dim;
    s->context = context;
    s->used = 0;
    s->keys = new_vector(c->layers * context * kv_dim);
    s->values = new_vector(c->layers * context * kv_dim);
    s->x = new_vector(BATCH * c->dim);
    s->normed = new_vector(BATCH * c->dim);
    s->q = new_vector(BATCH * q_dim);
    s->attended = new_vector(BATCH * q_dim);
    s->gate = new_vector(BATCH * c->hidden);
    s->up = new_vector(BATCH * c->hidden);
    s->added = new_vector(BATCH * c->dim);
    s->scores = new_vector(context);
}

/* One head of one token looks at the n tokens up to itself: out = sum softmax(q.k / sqrt d) v.
 * Keys and values of successive tokens are `stride` apart. */
static void attend(double *out, const double *q, const double *keys, const double *values,
                   uint64_t n, uint64_t stride, uint64_t d, double *scores)
{
    double most = -HUGE_VAL, sum = 0;
    for (uint64_t i = 0; i < n; i++) {
        scores[i] = dot(q, keys + i * stride, d) / sqrt((double)d);
        most = fmax(most, scores[i]);
    }
    for (uint64_t i = 0; i < n; i++) {
        scores[i] = exp(scores[i] - most);
        sum += scores[i];
    }
    memset(out, 0, d * sizeof *out);
    for (uint64_t i = 0; i < n; i++) {
        double share = scores[i] / sum;
        for (uint64_t j = 0; j < d; j++) {
            out[j] += share * values[i * stride + j];
        }
    }
}

/* x += O attention(norm(x)), for n tokens that follow those already read. */
static void attention_block(const struct model *m, struct state *s, uint64_t layer, uint64_t n)
{
    const struct config *c = &m->config;
    const struct layer *l = &m->weights.layers[layer];
    uint64_t d = c->head_dim, q_dim = c->heads * d, kv_dim = c->kv_heads * d;
    double *keys = s->keys + layer * s->context * kv_dim, *new_keys = keys + s->used * kv_dim;
    double *values = s->values + layer * s->context * kv_dim;
    double *new_values = values + s->used * kv_dim;

    rms_norm(s->normed, s->x, l->attn_norm, n, c->dim, c->eps);
    multiply(s->q, &l->q, s->normed, n, m->options.steps);
    multiply(new_keys, &l->k, s->normed, n, m->options.steps);
    multiply(new_values, &l->v, s->normed, n, m->options.steps);
    if (c->qk_norms) {
        rms_norm(s->q, s->q, l->q_norm, n * c->heads, d, c->eps);
        rms_norm(new_keys, new_keys, l->k_norm, n * c->kv_heads, d, c->eps);
    }
    for (uint64_t t = 0; t < n; t++) {
        rotate(s->q + t * q_dim, c->heads, c, m->weights.rope_factors, s->used + t);
        rotate(new_keys + t * kv_dim, c->kv_heads, c, m->weights.rope_factors, s->used + t);
    }
    for (uint64_t i = 0; i < n * kv_dim && m->options.half_kv; i++) {
        new_keys[i] = round_to_half(new_keys[i]);
        new_values[i] = round_to_half(new_values[i]);
    }
    for (uint64_t t = 0; t < n; t++) {
        double *out = s->attended + t * q_dim;
        for (uint64_t h = 0; h < c->heads; h++) {
            uint64_t shared = h / (c->heads / c->kv_heads) * d;
            attend(out + h * d, s->q + t * q_dim + h * d, keys + shared, values + shared,
                   s->used + t + 1, kv_dim, d, s->scores);
        }
    }
    if (c->sub_norms) {
        rms_norm(s->attended, s->attended, l->attn_sub_norm, n, q_dim, c->eps);
    }
    multiply(s->added, &l->o, s->attended, n, m->options.steps);
    for (uint64_t i = 0; i < n * c->dim; i++) {
        s->x[i] += s->added[i];
    }
}

/* x += Down (act(Gate h) * (Up h)) with h = norm(x). */
static void feed_forward_block(const struct model *m, struct state *s, uint64_t layer,
                               uint64_t n)
{
    const struct config *c = &m->config;
    const struct layer *l = &m->weights.layers[layer];
    rms_norm(s->normed, s->x, l->ffn_norm, n, c->dim, c->eps);
    multiply(s->gate, &l->gate, s->normed, n, m->options.steps);
    multiply(s->up, &l->up, s->normed, n, m->options.steps);
    for (uint64_t i = 0; i < n * c->hidden; i++) {
        double g = s->gate[i];
        double active = c->relu2 ? (g > 0 ? g * g : 0) : g / (1 + exp(-g));
        s->gate[i] = active * s->up[i];
    }
    if (c->sub_norms) {
        rms_norm(s->gate, s->gate, l->ffn_sub_norm, n, c->hidden, c->eps);
    }
    multiply(s->added, &l->down, s->gate, n, m->options.steps);
    for (uint64_t i = 0; i < n * c->dim; i++) {
        s->x[i] += s->added[i];
    }
}

/* Reads n <= BATCH tokens; writes the logits [n][vocab] of all, or [vocab] of the last one. */
static void forward(const struct model *m, struct state *s, const uint32_t *tokens, uint64_t n,
                    bool last_only, double *logits)
{
    const struct config *c = &m->config;
    const struct weights *w = &m->weights;
    for (uint64_t t = 0; t < n; t++) {
        decode_row(s->x + t * c->dim, w->embedding.w, tokens[t]);
    }
    for (uint64_t layer = 0; layer < c->layers; layer++) {
        attention_block(m, s, layer, n);
        feed_forward_block(m, s, layer, n);
    }
    s->used += n;
    uint64_t first = last_only ? n - 1 : 0;
    rms_norm(s->normed, s->x + first * c->dim, w->output_norm, n - first, c->dim, c->eps);
    multiply(logits, &w->output, s->normed, n - first, m->options.steps);
}

/* --- 7. the program ---------------------------------------------------------------------- */

static const char usage[] =
    "usage: ref MODEL.gguf --tokens LIST [--n N | --teacher | --logits] [options]\n"
    "  --tokens LIST   token ids with commas or blanks between them\n"
    "  --n N           print N greedy tokens after them (the default, N = 32)\n"
    "  --teacher       print for each token: position, likeliest next token, its logit,\n"
    "                  how far the second logit is below it\n"
    "  --logits        write the logits after each token, float64 in this machine's order\n"
    "  --act none|spec|int8  round inputs of quantised matrices as tern does: for ternary\n"
    "                  weights to int8, for others to 16 bits (int8: also to int8)\n"
    "  --kv f64|f16    f16: round keys and values to half precision\n"
    "  --q2-block N    weights a block of tensor type 42: 64 (default) or 128\n"
    "  -o FILE         write there instead of to the standard output\n";

/* The likeliest token (the lowest id, should two be equal), its logit and its margin. */
static uint32_t find_best(const double *logits, uint64_t n, double *logit, double *margin)
{
    uint64_t best = 0;
    double second = *logit = -HUGE_VAL;
    for (uint64_t i = 0; i < n; i++) {
        must(isfinite(logits[i]), "logit %" PRIu64 " is not finite", i);
        bool better = logits[i] > *logit;
        second = better ? *logit : fmax(second, logits[i]);
        *logit = better ? logits[i] : *logit;
        best = better ? i : best;
    }
    *margin = *logit - second;
    return (uint32_t)best;
}

/* Reads "1,5,9" into an array with room for `extra` more. */
static uint32_t *read_tokens(const char *list, uint64_t vocab, uint64_t extra, uint64_t *n)
{
    uint32_t *tokens = new_items(strlen(list) / 2 + 1 + extra, sizeof *tokens);
    const char *const blanks = ", \t\r\n", *p = list + strspn(list, blanks);
    for (*n = 0; *p; ++*n) {
        char *end;
        unsigned long long id = strtoull(p, &end, 10);
        must(end != p && id < vocab, "'%.20s' is not one of %" PRIu64 " tokens", p, vocab);
        tokens[*n] = (uint32_t)id;
        p = end + strspn(end, blanks);
    }
    must(*n > 0, "no tokens");
    return tokens;
}

/* Reads the tokens and prints what belongs to each, or continues them. */
static void run(const struct model *m)
{
    const struct options *o = &m->options;
    uint64_t n, batch, vocab = m->config.vocab;
    uint32_t *tokens = read_tokens(o->tokens, vocab, o->n, &n);
    double *logits = new_vector(BATCH * vocab), logit, margin;
    struct state s;
    new_state(&s, &m->config, n + o->n);
    for (uint64_t at = 0; at < n; at += batch) {
        batch = n - at < BATCH ? n - at : BATCH;
        forward(m, &s, tokens + at, batch, o->mode == GREEDY, logits);
        if (o->mode == LOGITS) {
            fwrite(logits, sizeof *logits, batch * vocab, stdout); /* errors: see main */
        }
        for (uint64_t t = 0; t < batch && o->mode == TEACHER; t++) {
            uint32_t best = find_best(logits + t * vocab, vocab, &logit, &margin);
            printf("%" PRIu64 " %" PRIu32 " %.9g %.9g\n", at + t, best, logit, margin);
        }
    }
    for (uint64_t i = 0; i < o->n && o->mode == GREEDY; i++) {
        tokens[n] = find_best(logits, vocab, &logit, &margin);
        printf("%" PRIu32 "%c", tokens[n], i + 1 < o->n ? ',' : '\n');
        fflush(stdout);
        if (i + 1 < o->n) {
            forward(m, &s, &tokens[n++], 1, true, logits);
        }
    }
}

static bool is(const char *a, const char *b)
{
    return strcmp(a, b) == 0;
}

static void read_options(struct options *o, int argc, char **argv)
{
    *o = (struct options){.n = 32, .q2_block = 64};
    for (int i = 1; i < argc; i++) {
        const char *name = argv[i], *value = i + 1 < argc ? argv[i + 1] : "";
        bool alone = name[0] != '-' || is(name, "--teacher") || is(name, "--logits");
        if (name[0] != '-') {
            o->model = name;
        } else if (alone) {
            o->mode = is(name, "--teacher") ? TEACHER : LOGITS;
        } else if (is(name, "--tokens") && *value) {
            o->tokens = value;
        } else if (is(name, "-o") && *value) {
            o->out = value;
        } else if (is(name, "--n") && *value && value[strspn(value, "0123456789")] == '\0') {
            o->n = strtoull(value, NULL, 10);
        } else if (is(name, "--act") && (is(value, "none") || is(value, "spec"))) {
            o->steps = is(value, "spec") ? STEPS_INT16 : 0;
        } else if (is(name, "--act") && is(value, "int8")) {
            o->steps = STEPS_INT8;
        } else if (is(name, "--kv") && (is(value, "f64") || is(value, "f16"))) {
            o->half_kv = is(value, "f16");
        } else if (is(name, "--q2-block") && (is(value, "64") || is(value, "128"))) {
            o->q2_block = is(value, "64") ? 64 : 128;
        } else {
            must(false, "'%s %s' is not understood\n%s", name, value, usage);
        }
        i += !alone;
    }
    must(o->model && o->tokens && o->n <= 1 << 20, "model and tokens are needed\n%s", usage);
}

/* Nothing is freed: the memory is needed to the end, and the system takes it back then. */
int main(int argc, char **argv)
{
    static struct model m;
    read_options(&m.options, argc, argv);
    read_gguf(&m.file, m.options.model, m.options.q2_block);
    read_config(&m.config, &m.file);
    load_weights(&m.weights, &m.config, &m.file);
    must(!m.options.out || freopen(m.options.out, "wb", stdout), "output cannot be opened");
    run(&m);
    must(fflush(stdout) == 0 && !ferror(stdout), "the output cannot be written");
    return 0;
}
