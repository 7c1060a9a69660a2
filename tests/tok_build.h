/* SPDX-License-Identifier: Apache-2.0 */
/* tok_build.h - small vocabularies in memory, right or wrong on purpose. */
#ifndef TESTS_TOK_BUILD_H
#define TESTS_TOK_BUILD_H

#include <string.h>

#include "base/utf8.h"
#include "gguf_build.h"
#include "model/tok.h"

enum { TB_MAX_TOKENS = 512, TB_MAX_TEXT = 48 };
enum { TB_NORMAL = 1, TB_UNKNOWN, TB_CONTROL, TB_USER, TB_UNUSED, TB_BYTE };

typedef struct tb_token {
    char text[TB_MAX_TEXT]; /* as the file has it */
    int32_t type;
    float score;
} tb_token;

/* What tb_write() writes.  Zero = the key is absent, if nothing else is said. */
typedef struct tb_vocab {
    const char *model, *pre, *chat, *name, *arch;
    tb_token tokens[TB_MAX_TOKENS];
    size_t n;
    const char *const *merges;
    size_t n_merges;
    uint32_t bos, eos, eot, eom, unk; /* id + 1 */
    int add_bos, space_prefix;        /* value + 1 */
    /* damage */
    bool no_types, no_scores, no_tokens, no_merges, float_types, tokens_as_ints;
    int more_types, more_scores; /* items too many, or too few */
    bool extra_spaces, charsmap;
} tb_vocab;

/* Writes the character that stands for a byte in byte-level vocabularies. */
static inline size_t tb_byte_char(unsigned byte, char *out)
{
    uint32_t code = byte;
    if (byte <= 0x20) {
        code = 0x100 + byte;
    } else if (byte >= 0x7f && byte <= 0xa0) {
        code = 0x121 + byte - 0x7f;
    } else if (byte == 0xad) {
        code = 0x143;
    }
    return ti_utf8_encode(code, out);
}

/* Changes the text of a token. */
static inline void tb_set(tb_vocab *v, size_t id, const char *text)
{
    size_t len = strlen(text);
    memcpy(v->tokens[id].text, text, len < TB_MAX_TEXT ? len + 1 : TB_MAX_TEXT);
    v->tokens[id].text[TB_MAX_TEXT - 1] = '\0';
}

static inline uint32_t tb_add(tb_vocab *v, const char *text, int32_t type, float score)
{
    tb_token *t = &v->tokens[v->n];
    tb_set(v, v->n, text);
    t->type = type;
    t->score = score;
    return (uint32_t)v->n++;
}

/* Merges of the small byte-level vocabulary; "\xc4\xa0" is the space. */
static const char *const tb_merges[] = {
    "h e",
    "l l",
    "he ll",
    "hell o",
    "\xc4\xa0 w",
    "o r",
    "or l",
    "orl d",
    "\xc4\xa0w orld",
    "a a",
    "aa aa",
    "aaaa aaaa",
    "\xc4\xa0 \xc4\xa0",
    "1 2",
    "\xc3\x83 \xc2\xa9",
    "u s",
    "us er",
    "e r",
    "\xc4\x8a \xc4\x8a",
};

/* Ids of the small byte-level vocabulary. */
enum {
    TB_HELLO = 259,
    TB_WORLD = 264,
    TB_BOS = 275,
    TB_EOS,
    TB_EOT,
    TB_HEADER,
    TB_HEADER_LONG,
    TB_THINK,
    TB_IM_START,
    TB_IM_END
};

/* 256 bytes, in order (so that the id of a byte is the byte), what tb_merges make, markers. */
static inline void tb_bpe(tb_vocab *v)
{
    memset(v, 0, sizeof *v);
    v->model = "gpt2";
    v->pre = "gpt-2";
    for (unsigned byte = 0; byte < 256; byte++) {
        char text[5] = {0};
        tb_byte_char(byte, text);
        tb_add(v, text, TB_NORMAL, 0);
    }
    v->merges = tb_merges;
    v->n_merges = sizeof tb_merges / sizeof tb_merges[0];
    for (size_t i = 0; i < v->n_merges; i++) {
        char text[TB_MAX_TEXT];
        const char *space = strchr(tb_merges[i], ' ');
        size_t left = (size_t)(space - tb_merges[i]);
        memcpy(text, tb_merges[i], left);
        memcpy(text + left, space + 1, strlen(space));
        tb_add(v, text, TB_NORMAL, 0);
    }
    static const char *const markers[] = {"<s>",    "</s>",    "<|eot_id|>",   "<|h",
                                          "<|h|>x", "<think>", "<|im_start|>", "<|im_end|>"};
    for (size_t i = 0; i < sizeof markers / sizeof markers[0]; i++) {
        tb_add(v, markers[i], strcmp(markers[i], "<think>") == 0 ? TB_USER : TB_CONTROL, 0);
    }
    v->bos = TB_BOS + 1;
    v->eos = TB_EOS + 1;
}

/* SentencePiece: <unk> <s> </s>, 256 byte tokens from id 3, then pieces with scores. */
enum { TB_SPM_BYTES = 3, TB_SPM_PIECES = 259 };
static inline void tb_spm(tb_vocab *v)
{
    memset(v, 0, sizeof *v);
    v->model = "llama";
    tb_add(v, "<unk>", TB_UNKNOWN, 0);
    tb_add(v, "<s>", TB_CONTROL, 0);
    tb_add(v, "</s>", TB_CONTROL, 0);
    for (unsigned byte = 0; byte < 256; byte++) {
        static const char digits[] = "0123456789ABCDEF";
        char text[] = {'<', '0', 'x', digits[byte / 16], digits[byte % 16], '>', '\0'};
        tb_add(v, text, TB_BYTE, 0);
    }
    static const char *const pieces[] = {
        "\xe2\x96\x81",
        "h",
        "e",
        "l",
        "o",
        "w",
        "r",
        "d",
        "a",
        "he",
        "ll",
        "hell",
        "hello",
        "\xe2\x96\x81hello",
        "\xe2\x96\x81w",
        "or",
        "ld",
        "\xe2\x96\x81world",
        "orld",
        "aa",
        "aaaa",
        "aaaaaaaa",
    };
    for (size_t i = 0; i < sizeof pieces / sizeof pieces[0]; i++) {
        tb_add(v, pieces[i], TB_NORMAL, -(float)i);
    }
    v->bos = 2;
    v->eos = 3;
    v->unk = 1;
}

static inline void tb_id(ti_buf *b, const char *key, uint32_t plus_one, uint64_t *n)
{
    if (plus_one) {
        gb_kv_u32(b, key, plus_one - 1);
        ++*n;
    }
}

static inline void tb_flag(ti_buf *b, const char *key, int plus_one, uint64_t *n)
{
    if (plus_one) {
        gb_key(b, key, TI_GGUF_BOOL);
        ti_buf_addc(b, (char)(plus_one - 1));
        ++*n;
    }
}

static inline void tb_text(ti_buf *b, const char *key, const char *value, uint64_t *n)
{
    if (value) {
        gb_kv_str(b, key, value);
        ++*n;
    }
}

static inline void tb_array(ti_buf *b, const char *key, uint32_t type, uint64_t items,
                            uint64_t *n)
{
    gb_key(b, key, TI_GGUF_ARRAY);
    gb_u32(b, type);
    gb_u64(b, items);
    ++*n;
}

static inline void tb_arrays(ti_buf *b, const tb_vocab *v, uint64_t *n)
{
    if (v->tokens_as_ints) {
        tb_array(b, "tokenizer.ggml.tokens", TI_GGUF_U32, 1, n);
        gb_u32(b, 0);
    } else if (!v->no_tokens) {
        tb_array(b, "tokenizer.ggml.tokens", TI_GGUF_STRING, v->n, n);
        for (size_t i = 0; i < v->n; i++) {
            gb_str(b, v->tokens[i].text);
        }
    }
    if (!v->no_types) {
        uint64_t items = (uint64_t)((int64_t)v->n + v->more_types);
        tb_array(b, "tokenizer.ggml.token_type", v->float_types ? TI_GGUF_F32 : TI_GGUF_I32,
                 items, n);
        for (size_t i = 0; i < items; i++) {
            gb_u32(b, i < v->n && !v->float_types ? (uint32_t)v->tokens[i].type : 0);
        }
    }
    if (!v->no_scores && strcmp(v->model, "llama") == 0) {
        uint64_t items = (uint64_t)((int64_t)v->n + v->more_scores);
        tb_array(b, "tokenizer.ggml.scores", TI_GGUF_F32, items, n);
        for (size_t i = 0; i < items; i++) {
            uint32_t bits = 0;
            memcpy(&bits, &v->tokens[i < v->n ? i : 0].score, sizeof bits);
            gb_u32(b, bits);
        }
    }
    if (!v->no_merges && strcmp(v->model, "gpt2") == 0) {
        tb_array(b, "tokenizer.ggml.merges", TI_GGUF_STRING, v->n_merges, n);
        for (size_t i = 0; i < v->n_merges; i++) {
            gb_str(b, v->merges[i]);
        }
    }
}

/* Writes a GGUF file into an empty buffer. */
static inline void tb_write(ti_buf *b, const tb_vocab *v)
{
    uint64_t n = 0;
    gb_head(b, 3, 0, 0);
    tb_text(b, "general.architecture", v->arch ? v->arch : "llama", &n);
    tb_text(b, "general.name", v->name, &n);
    tb_text(b, "tokenizer.ggml.model", v->model, &n);
    tb_text(b, "tokenizer.ggml.pre", v->pre, &n);
    tb_text(b, "tokenizer.chat_template", v->chat, &n);
    tb_arrays(b, v, &n);
    tb_id(b, "tokenizer.ggml.bos_token_id", v->bos, &n);
    tb_id(b, "tokenizer.ggml.eos_token_id", v->eos, &n);
    tb_id(b, "tokenizer.ggml.eot_token_id", v->eot, &n);
    tb_id(b, "tokenizer.ggml.eom_token_id", v->eom, &n);
    tb_id(b, "tokenizer.ggml.unknown_token_id", v->unk, &n);
    tb_flag(b, "tokenizer.ggml.add_bos_token", v->add_bos, &n);
    tb_flag(b, "tokenizer.ggml.add_space_prefix", v->space_prefix, &n);
    tb_flag(b, "tokenizer.ggml.remove_extra_whitespaces", v->extra_spaces ? 2 : 0, &n);
    tb_text(b, "tokenizer.ggml.precompiled_charsmap", v->charsmap ? "x" : NULL, &n);
    if (!b->failed) {
        ti_store_u64((uint8_t *)b->data + 16, n);
    }
}

/* Creates the vocabulary of a file in memory. */
static inline tern_status tb_open(ti_vocab **out, const ti_buf *file, tern_err *err)
{
    ti_gguf g;
    TI_TRY(ti_gguf_parse(&g, file->data, file->len, NULL, err));
    tern_status status = ti_vocab_create(out, &g, err);
    ti_gguf_close(&g);
    return status;
}

/* Both steps; NULL on failure, which `err` describes. */
static inline ti_vocab *tb_create(const tb_vocab *v, tern_err *err)
{
    ti_buf file = {0};
    ti_vocab *out = NULL;
    tb_write(&file, v);
    if (tb_open(&out, &file, err) != TERN_OK) {
        out = NULL;
    }
    ti_buf_free(&file);
    return out;
}

#endif
