/* SPDX-License-Identifier: Apache-2.0 */
#include "model/thin.h"

#include <stdio.h>
#include <string.h>

#include "model/thin_text.h"

enum {
    UNIT = 256,
    TOP = 4095,
    PERMILLE = 1000,
    OUTPUTS_OF_GAIN = 2,
    WEAK = 0,
    STRONG = 1,
    NAME_BYTES = 64
};

static const char *const ARCH = "tern-thin";

/* Both networks' sums, while features come in. */
typedef struct sums {
    const ti_thin *thin;
    int32_t intent[TI_THIN_WIDTH], gain[TI_THIN_WIDTH];
} sums;

/* --- reading the file --------------------------------------------------------------------- */

static tern_status wrong(tern_err *err, const char *what, const char *name)
{
    return ti_fail(err, TERN_CORRUPT, "thin", TI_NO_OFFSET, "%s: %s", name, what);
}

/* An array of n integers of 32 bits; n 0: as many as there are, at most TI_THIN_SCORES_MAX. */
static tern_status read_ints(int32_t **out, uint32_t *n, ti_thin *thin, const char *key,
                             tern_err *err)
{
    const ti_gguf_kv *kv = ti_gguf_find(&thin->gguf, key);
    if (!kv || !ti_gguf_is_int_array(kv) || kv->n == 0 || (*n > 0 && kv->n != *n)) {
        return wrong(err, "not there, or not as many whole numbers as there must be", key);
    }
    if (*n == 0 && kv->n > TI_THIN_SCORES_MAX) {
        return ti_fail(err, TERN_LIMIT, "thin", TI_NO_OFFSET, "%s: over %d values", key,
                       TI_THIN_SCORES_MAX);
    }
    int32_t *values = ti_arena_calloc(&thin->arena, (size_t)kv->n, sizeof *values);
    if (!values) {
        return ti_fail_nomem(err, "thin", kv->n * sizeof *values, key);
    }
    for (uint64_t i = 0; i < kv->n; i++) {
        int64_t v = ti_gguf_int_at(kv, i);
        /* So that sums with what is added to them stay in 32 bits. */
        if (v < INT32_MIN / 4 || v > INT32_MAX / 4) {
            return wrong(err, "a number that is too large", key);
        }
        values[i] = (int32_t)v;
    }
    *out = values;
    *n = (uint32_t)kv->n;
    return TERN_OK;
}

static tern_status read_scores(ti_thin_scores *out, ti_thin *thin, const char *key,
                               tern_err *err)
{
    TI_TRY(read_ints(&out->values, &out->n, thin, key, err));
    for (uint32_t i = 1; i < out->n; i++) {
        if (out->values[i] < out->values[i - 1]) {
            return wrong(err, "scores that do not rise", key);
        }
    }
    return TERN_OK;
}

static tern_status find_matrix(const ti_gguf_tensor **out, const ti_thin *thin,
                               const char *name, uint64_t rows_max, tern_err *err)
{
    const ti_gguf_tensor *t = ti_gguf_tensor_find(&thin->gguf, name);
    if (!t || t->type->type != TI_TQ2_0 || t->n_dims != 2 || t->dims[0] != TI_THIN_WIDTH) {
        return wrong(err, "not there, or not a TQ2_0 matrix of width 256", name);
    }
    if (t->rows == 0 || t->rows > rows_max) {
        return ti_fail(err, TERN_LIMIT, "thin", TI_NO_OFFSET, "%s: no row, or too many", name);
    }
    *out = t;
    return TERN_OK;
}

/* Row i as -1, 0, +1; the scale that they have in the file does not matter, since sums are
 * divided by their own size.  False for a code that is none of them. */
static bool trits_of(int8_t trits[TI_THIN_WIDTH], const ti_gguf_tensor *t, uint64_t i)
{
    uint8_t codes[TI_THIN_WIDTH];
    float scale;
    uint32_t run;
    bool good = ti_type_to_trits(codes, &scale, &run, t->type, t->data, TI_THIN_WIDTH, t->rows,
                                 i, 0, TI_THIN_WIDTH);
    for (size_t k = 0; k < TI_THIN_WIDTH; k++) {
        trits[k] = (int8_t)(codes[k] - 1);
    }
    return good;
}

static tern_status read_head(ti_thin_net *net, ti_thin *thin, const ti_gguf_tensor *head,
                             tern_err *err)
{
    int8_t trits[TI_THIN_WIDTH];
    net->head = ti_arena_calloc(&thin->arena, net->n_outputs, TI_THIN_WIDTH);
    if (!net->head) {
        return ti_fail_nomem(err, "thin", (uint64_t)net->n_outputs * TI_THIN_WIDTH, "head");
    }
    for (uint64_t i = 0; i < head->rows; i++) {
        if (!trits_of(net->head + i * TI_THIN_WIDTH, head, i)) {
            return wrong(err, "a weight that is not ternary", head->name);
        }
    }
    /* What is looked at while it runs is checked here, once. */
    for (uint64_t i = 0; i < net->n_rows; i++) {
        if (!trits_of(trits, net->rows, i)) {
            return wrong(err, "a weight that is not ternary", net->rows->name);
        }
    }
    return TERN_OK;
}

static tern_status read_net(ti_thin_net *net, ti_thin *thin, const char *name, tern_err *err)
{
    char rows[NAME_BYTES], head[NAME_BYTES], bias[NAME_BYTES], head_bias[NAME_BYTES];
    const ti_gguf_tensor *matrix;
    int32_t *values;
    uint32_t width = TI_THIN_WIDTH;
    snprintf(rows, sizeof rows, "%s.rows", name);
    snprintf(head, sizeof head, "%s.head", name);
    snprintf(bias, sizeof bias, "%s.%s.bias", ARCH, name);
    snprintf(head_bias, sizeof head_bias, "%s.%s.head_bias", ARCH, name);
    TI_TRY(find_matrix(&net->rows, thin, rows, TI_THIN_ROWS_MAX, err));
    TI_TRY(find_matrix(&matrix, thin, head, TI_THIN_OUTPUTS_MAX, err));
    net->n_rows = (uint32_t)net->rows->rows;
    net->n_outputs = (uint32_t)matrix->rows;
    if (net->n_rows & (net->n_rows - 1)) {
        return wrong(err, "its number of rows is no power of two", rows);
    }
    TI_TRY(read_ints(&values, &width, thin, bias, err));
    memcpy(net->bias, values, sizeof net->bias);
    TI_TRY(read_ints(&net->head_bias, &net->n_outputs, thin, head_bias, err));
    return read_head(net, thin, matrix, err);
}

static tern_status read_names(ti_thin *thin, tern_err *err)
{
    const char *key = "tern-thin.intent.names";
    const ti_gguf_kv *kv = ti_gguf_find(&thin->gguf, key);
    uint64_t cursor = 0;
    if (!kv || !ti_gguf_is_str_array(kv) || kv->n != thin->intent.n_outputs) {
        return wrong(err, "not there, or not a name for each output", key);
    }
    thin->names = ti_arena_calloc(&thin->arena, (size_t)kv->n, sizeof *thin->names);
    if (!thin->names) {
        return ti_fail_nomem(err, "thin", kv->n * sizeof *thin->names, "names");
    }
    for (uint64_t i = 0; i < kv->n && ti_gguf_next_str(kv, &cursor, &thin->names[i]); i++) {
        ti_str name = thin->names[i];
        for (size_t k = 0; k < name.len; k++) {
            if (name.data[k] <= ' ' || name.data[k] > '~') {
                return wrong(err, "a name that cannot be printed", key);
            }
        }
        if (name.len == 0 || name.len >= NAME_BYTES) {
            return wrong(err, "a name that is empty or too long", key);
        }
    }
    return TERN_OK;
}

static tern_status read_all(ti_thin *thin, tern_err *err)
{
    ti_str arch = {0};
    int32_t *threshold;
    uint32_t one = 1;
    TI_TRY(ti_gguf_get_str(&thin->gguf, "general.architecture", true, &arch, err));
    if (arch.len != strlen(ARCH) || memcmp(arch.data, ARCH, arch.len) != 0) {
        return ti_fail(err, TERN_UNSUPPORTED, "thin", TI_NO_OFFSET,
                       "not a classifier: its architecture is '%.*s'",
                       (int)(arch.len < NAME_BYTES ? arch.len : NAME_BYTES), arch.data);
    }
    TI_TRY(read_net(&thin->intent, thin, "intent", err));
    TI_TRY(read_net(&thin->gain, thin, "gain", err));
    if (thin->gain.n_outputs != OUTPUTS_OF_GAIN) {
        return wrong(err, "not two outputs", "gain.head");
    }
    TI_TRY(read_names(thin, err));
    TI_TRY(read_ints(&threshold, &one, thin, "tern-thin.threshold", err));
    thin->threshold = *threshold;
    TI_TRY(read_scores(&thin->known, thin, "tern-thin.known", err));
    TI_TRY(read_scores(&thin->other, thin, "tern-thin.other", err));
    TI_TRY(read_scores(&thin->gains, thin, "tern-thin.gain.known", err));
    ti_sha256_of(thin->sha256, thin->gguf.data, (size_t)thin->gguf.size);
    return TERN_OK;
}

static tern_status finish(ti_thin *out, ti_thin *made, tern_err *err)
{
    tern_status status = read_all(made, err);
    if (status != TERN_OK) {
        ti_thin_close(made);
        return status;
    }
    *out = *made;
    return TERN_OK;
}

tern_status ti_thin_open(ti_thin *out, const char *path, tern_err *err)
{
    ti_thin made = {0};
    TI_TRY(ti_gguf_open(&made.gguf, path, NULL, err));
    return finish(out, &made, err);
}

tern_status ti_thin_parse(ti_thin *out, const void *data, uint64_t size, tern_err *err)
{
    ti_thin made = {0};
    TI_TRY(ti_gguf_parse(&made.gguf, data, size, NULL, err));
    return finish(out, &made, err);
}

void ti_thin_close(ti_thin *thin)
{
    ti_gguf_close(&thin->gguf);
    ti_arena_free(&thin->arena);
    *thin = (ti_thin){0};
}

/* --- classifying -------------------------------------------------------------------------- */

static void add_row(int32_t sum[TI_THIN_WIDTH], const ti_thin_net *net, uint32_t hash,
                    int32_t times)
{
    int8_t trits[TI_THIN_WIDTH];
    (void)trits_of(trits, net->rows, hash & (net->n_rows - 1));
    for (size_t i = 0; i < TI_THIN_WIDTH; i++) {
        sum[i] += trits[i] * times;
    }
}

static void found(void *to, uint32_t hash, int32_t times)
{
    sums *s = to;
    add_row(s->intent, &s->thin->intent, hash, times);
    add_row(s->gain, &s->thin->gain, hash, times);
}

/* The largest r with r * r <= x. */
static uint64_t root_of(uint64_t x)
{
    uint64_t root = 0;
    for (uint64_t bit = UINT64_C(1) << 62; bit; bit >>= 2) {
        bool fits = x >= root + bit;
        x -= fits ? root + bit : 0;
        root = fits ? (root >> 1) + bit : root >> 1;
    }
    return root;
}

/* The sum in 256ths of its root mean square, shifted, and cut to 0 .. TOP.  A text has at most
 * 256 words of 110 features: sums stay under 2^15, their squares' sum times 256 under 2^47. */
static void activate(int32_t active[TI_THIN_WIDTH], const int32_t sum[TI_THIN_WIDTH],
                     const int32_t bias[TI_THIN_WIDTH])
{
    uint64_t squares = 0;
    for (size_t i = 0; i < TI_THIN_WIDTH; i++) {
        squares += (uint64_t)((int64_t)sum[i] * sum[i]);
    }
    int64_t root = (int64_t)root_of(squares * UNIT * UNIT / TI_THIN_WIDTH);
    for (size_t i = 0; i < TI_THIN_WIDTH; i++) {
        int64_t v = 0;
        if (root > 0) {
            int64_t num = (int64_t)sum[i] * (UNIT * UNIT) + root / 2;
            v = num / root - (num % root < 0); /* rounded down, below zero too */
        }
        v += bias[i];
        active[i] = (int32_t)(v < 0 ? 0 : v > TOP ? TOP : v);
    }
}

/* |output| <= 256 x 4095 + 2^29: two of them fit into 32 bits. */
static int32_t output(const ti_thin_net *net, const int32_t active[TI_THIN_WIDTH], uint32_t k)
{
    const int8_t *head = net->head + (size_t)k * TI_THIN_WIDTH;
    int32_t sum = net->head_bias[k];
    for (size_t i = 0; i < TI_THIN_WIDTH; i++) {
        sum += head[i] * active[i];
    }
    return sum;
}

/* How many of 1000 are lower. */
static uint32_t permille_below(const ti_thin_scores *scores, int32_t value)
{
    uint32_t n = 0;
    TI_ASSERT(scores->n > 0); /* read_ints() leaves none empty */
    while (n < scores->n && scores->values[n] < value) {
        n++;
    }
    return n * PERMILLE / scores->n;
}

void ti_thin_ask(ti_thin_answer *out, const ti_thin *thin, const char *text, size_t len)
{
    sums s = {.thin = thin};
    int32_t active[TI_THIN_WIDTH];
    *out = (ti_thin_answer){.threshold = thin->threshold};
    out->words = ti_thin_features(text, len, found, &s);
    activate(active, s.intent, thin->intent.bias);
    out->score = output(&thin->intent, active, 0);
    for (uint32_t k = 1; k < thin->intent.n_outputs; k++) {
        int32_t score = output(&thin->intent, active, k);
        if (score > out->score) {
            out->score = score;
            out->intent = k;
        }
    }
    out->thin = out->score >= out->threshold;
    out->known_permille = permille_below(&thin->known, out->score);
    out->other_permille = permille_below(&thin->other, out->score);
    activate(active, s.gain, thin->gain.bias);
    out->gain = output(&thin->gain, active, STRONG) - output(&thin->gain, active, WEAK);
    out->gain_permille = permille_below(&thin->gains, out->gain);
}
