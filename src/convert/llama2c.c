/* SPDX-License-Identifier: Apache-2.0 */
/* The checkpoint has no magic number: seven plausible integers and a file of exactly the right
 * size are what makes it one. */
#include "convert/llama2c.h"

#include <string.h>

#include "base/le.h"

static const char MODULE[] = "llama2.c";

static const uint32_t NEWER_MAGIC = 0x616b3432; /* "ak42": versions 1 and 2 */

/* Kinds of tokens in tokenizer.ggml.token_type. */
enum { NORMAL = 1, UNKNOWN = 2, CONTROL = 3, BYTE = 6 };

/* --- checkpoint -------------------------------------------------------------------------- */

static tern_status read_size(uint32_t *out, const uint8_t *data, unsigned i, const char *name,
                             uint32_t max, tern_err *err)
{
    int64_t v = (int32_t)ti_load_u32(data + 4 * i);
    if (i == 5) {
        v = v < 0 ? -v : v; /* the sign of vocab_size says something else */
    }
    if (v <= 0) {
        return ti_fail(err, TERN_CORRUPT, MODULE, 4 * i, "%s is %lld", name, (long long)v);
    }
    if (v > max) {
        return ti_fail(err, TERN_LIMIT, MODULE, 4 * i, "%s is %lld, the limit is %u", name,
                       (long long)v, max);
    }
    *out = (uint32_t)v;
    return TERN_OK;
}

static tern_status read_sizes(ti_llama2c *m, const uint8_t *data, tern_err *err)
{
    const uint32_t width = TI_LLAMA2C_MAX_WIDTH;
    TI_TRY(read_size(&m->dim, data, 0, "dim", width, err));
    TI_TRY(read_size(&m->hidden, data, 1, "hidden_dim", width, err));
    TI_TRY(read_size(&m->n_layer, data, 2, "n_layers", TI_LLAMA2C_MAX_LAYERS, err));
    TI_TRY(read_size(&m->n_head, data, 3, "n_heads", width, err));
    TI_TRY(read_size(&m->n_head_kv, data, 4, "n_kv_heads", width, err));
    TI_TRY(read_size(&m->n_vocab, data, 5, "vocab_size", TI_LLAMA2C_MAX_VOCAB, err));
    TI_TRY(read_size(&m->n_ctx, data, 6, "seq_len", TI_LLAMA2C_MAX_CONTEXT, err));
    if (m->dim % m->n_head != 0 || m->dim / m->n_head % 2 != 0 ||
        m->n_head % m->n_head_kv != 0) {
        return ti_fail(err, TERN_CORRUPT, MODULE, 12,
                       "dim %u cannot be shared by %u heads with %u key/value heads", m->dim,
                       m->n_head, m->n_head_kv);
    }
    return TERN_OK;
}

/* Places a tensor of a x b x c floats at *at.  The limits keep all products under 2^64. */
static uint64_t place(uint64_t *at, uint64_t a, uint64_t b, uint64_t c)
{
    uint64_t begin = *at;
    *at += 4 * a * b * c;
    return begin;
}

tern_status ti_llama2c_parse(ti_llama2c *out, const uint8_t *data, uint64_t size, tern_err *err)
{
    ti_llama2c m = {0};
    if (size >= 4 && ti_load_u32(data) == NEWER_MAGIC) {
        return ti_fail(err, TERN_UNSUPPORTED, MODULE, 0,
                       "a checkpoint of version 1 or 2; export it as version 0");
    }
    if (size < TI_LLAMA2C_HEADER_BYTES) {
        return ti_fail(err, TERN_CORRUPT, MODULE, size, "no header in %llu bytes",
                       (unsigned long long)size);
    }
    TI_TRY(read_sizes(&m, data, err));
    uint64_t at = TI_LLAMA2C_HEADER_BYTES, n = m.n_layer, d = m.dim, h = m.hidden;
    uint64_t head = d / m.n_head, kv = head * m.n_head_kv;
    m.embedding = place(&at, m.n_vocab, d, 1);
    m.rms_att = place(&at, n, d, 1);
    m.wq = place(&at, n, d, d);
    m.wk = place(&at, n, kv, d);
    m.wv = place(&at, n, kv, d);
    m.wo = place(&at, n, d, d);
    m.rms_ffn = place(&at, n, d, 1);
    m.w1 = place(&at, n, h, d);
    m.w2 = place(&at, n, d, h);
    m.w3 = place(&at, n, h, d);
    m.rms_final = place(&at, d, 1, 1);
    (void)place(&at, m.n_ctx, head, 1); /* both tables */
    if ((int32_t)ti_load_u32(data + 20) < 0) {
        m.head = place(&at, m.n_vocab, d, 1);
    }
    if (at != size) {
        return ti_fail(err, TERN_CORRUPT, MODULE, size,
                       "the header asks for a file of %llu bytes, this one has %llu",
                       (unsigned long long)at, (unsigned long long)size);
    }
    *out = m;
    return TERN_OK;
}

/* --- tokenizer --------------------------------------------------------------------------- */

/* Copies a token with U+2581 for each space, which llama2.c's exporter had undone. */
static tern_status copy_text(ti_str *out, ti_arena *arena, const uint8_t *text, uint32_t len,
                             tern_err *err)
{
    static const char space[] = "\xE2\x96\x81";
    char *copy = ti_arena_alloc(arena, 3 * (size_t)len + 1);
    if (!copy) {
        return ti_fail_nomem(err, MODULE, 3 * (uint64_t)len, "a token");
    }
    size_t n = 0;
    for (uint32_t i = 0; i < len; i++) {
        if (text[i] == ' ') {
            memcpy(copy + n, space, 3);
            n += 3;
        } else {
            copy[n++] = (char)text[i];
        }
    }
    *out = (ti_str){copy, n};
    return TERN_OK;
}

/* "<0xAB>" stands for the byte. */
static bool is_byte(ti_str s)
{
    static const char digits[] = "0123456789ABCDEF";
    return s.len == 6 && memcmp(s.data, "<0x", 3) == 0 && s.data[5] == '>' &&
           memchr(digits, s.data[3], 16) && memchr(digits, s.data[4], 16);
}

static tern_status read_token(ti_llama2c_tok *t, ti_arena *arena, const uint8_t *data,
                              uint64_t size, uint64_t *at, uint32_t i, tern_err *err)
{
    static const char *const fixed[] = {"<unk>", "<s>", "</s>"};
    static const int32_t fixed_type[] = {UNKNOWN, CONTROL, CONTROL};
    if (size - *at < 8) {
        return ti_fail(err, TERN_CORRUPT, MODULE, *at, "the tokenizer ends before token %u", i);
    }
    float score = ti_load_f32(data + *at);
    uint32_t len = ti_load_u32(data + *at + 4);
    if (len > TI_LLAMA2C_MAX_TOKEN_BYTES || len > size - *at - 8 || len == 0) {
        return ti_fail(err, TERN_CORRUPT, MODULE, *at + 4, "token %u has %u bytes", i, len);
    }
    if (!(score - score == 0)) {
        return ti_fail(err, TERN_CORRUPT, MODULE, *at, "the score of token %u is not finite",
                       i);
    }
    t->scores[i] = score;
    if (i < 3) { /* the exporter put line breaks around two of them */
        t->tokens[i] = (ti_str){fixed[i], strlen(fixed[i])};
        t->types[i] = fixed_type[i];
    } else {
        TI_TRY(copy_text(&t->tokens[i], arena, data + *at + 8, len, err));
        t->types[i] = is_byte(t->tokens[i]) ? BYTE : NORMAL;
    }
    *at += 8 + (uint64_t)len;
    return TERN_OK;
}

tern_status ti_llama2c_tok_parse(ti_llama2c_tok *out, ti_arena *arena, const uint8_t *data,
                                 uint64_t size, uint32_t n, tern_err *err)
{
    ti_llama2c_tok t = {.n = n};
    uint64_t at = 4;
    /* A token takes nine bytes at least: what is allocated is bounded by what is there. */
    if (n < 3 || size < 4 || (size - 4) / 9 < n) {
        return ti_fail(err, TERN_CORRUPT, MODULE, 0, "no tokenizer of %u tokens in %llu bytes",
                       n, (unsigned long long)size);
    }
    t.tokens = ti_arena_calloc(arena, n, sizeof *t.tokens);
    t.scores = ti_arena_calloc(arena, n, sizeof *t.scores);
    t.types = ti_arena_calloc(arena, n, sizeof *t.types);
    if (!t.tokens || !t.scores || !t.types) {
        return ti_fail_nomem(err, MODULE, n * (sizeof *t.tokens + 8), "tokens");
    }
    for (uint32_t i = 0; i < n; i++) {
        TI_TRY(read_token(&t, arena, data, size, &at, i, err));
    }
    if (at != size) {
        return ti_fail(err, TERN_CORRUPT, MODULE, at,
                       "%llu bytes follow the last of %u tokens: it belongs to another model",
                       (unsigned long long)(size - at), n);
    }
    *out = t;
    return TERN_OK;
}

void ti_llama2c_tok_put(ti_gguf_writer *w, const ti_llama2c_tok *t)
{
    ti_gguf_put_str(w, "tokenizer.ggml.model", "llama", 5);
    ti_gguf_put_strs(w, "tokenizer.ggml.tokens", t->tokens, t->n);
    ti_gguf_put_f32s(w, "tokenizer.ggml.scores", t->scores, t->n);
    ti_gguf_put_i32s(w, "tokenizer.ggml.token_type", t->types, t->n);
    ti_gguf_put_u32(w, "tokenizer.ggml.bos_token_id", 1);
    ti_gguf_put_u32(w, "tokenizer.ggml.eos_token_id", 2);
    ti_gguf_put_u32(w, "tokenizer.ggml.unknown_token_id", 0);
    ti_gguf_put_bool(w, "tokenizer.ggml.add_bos_token", true);
    ti_gguf_put_bool(w, "tokenizer.ggml.add_eos_token", false);
    ti_gguf_put_bool(w, "tokenizer.ggml.add_space_prefix", true);
}
