/* SPDX-License-Identifier: Apache-2.0 */
/* Reading a vocabulary.  Rules for what files have that they should not:
 *   - no tokens, arrays of another length than the tokens, scores that are no numbers, byte
 *     tokens without a byte, ids out of range, merges that name absent tokens: refused;
 *   - tokens without text: kept, never produced;
 *   - tokens with the same text: the lowest id is produced, all are decoded;
 *   - a missing tokenizer.ggml.pre: taken from the vocabulary where that is a known one, else
 *     refused, because the wrong one gives worse answers and no message. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "model/vocab.h"

#define MODULE "tokenizer"

static bool is_text(ti_str a, const char *b)
{
    size_t len = strlen(b);
    return a.len == len && memcmp(a.data, b, len) == 0;
}

/* --- arrays beside the tokens ---------------------------------------------------------------
 */

static tern_status same_length(const ti_vocab *v, const ti_gguf_kv *kv, const char *key,
                               bool right_type, tern_err *err)
{
    if (!right_type || kv->n != v->n_tokens) {
        return ti_fail(err, TERN_CORRUPT, MODULE, TI_NO_OFFSET,
                       right_type ? "%s has %llu items for %u tokens"
                                  : "%s (%llu items for %u tokens) is no array of numbers",
                       key, (unsigned long long)kv->n, (unsigned)v->n_tokens);
    }
    return TERN_OK;
}

/* Kinds of tokens.  Without the array, byte tokens of SentencePiece are known by their text and
 * all others are normal; the ids named by other keys become control tokens in
 * ti_vocab_read_ids(). */
static tern_status read_kinds(ti_vocab *v, const ti_gguf *gguf, const ti_gguf_kv *tokens,
                              tern_err *err)
{
    const char *key = "tokenizer.ggml.token_type";
    const ti_gguf_kv *kv = ti_gguf_find(gguf, key);
    if (kv) {
        TI_TRY(same_length(v, kv, key, ti_gguf_is_int_array(kv), err));
    }
    uint64_t cursor = 0;
    ti_str text = {"", 0};
    for (uint32_t id = 0; id < v->n_tokens; id++) {
        int64_t kind = TI_TOKEN_NORMAL;
        (void)ti_gguf_next_str(tokens, &cursor, &text);
        if (kv) {
            kind = ti_gguf_int_at(kv, id);
        } else if (v->spm && ti_text_byte_token(text) >= 0) {
            kind = TI_TOKEN_BYTE;
        }
        if (kind < TI_TOKEN_UNDEFINED || kind > TI_TOKEN_BYTE) {
            return ti_fail(err, TERN_CORRUPT, MODULE, TI_NO_OFFSET,
                           "token %u has no such type: %lld", (unsigned)id, (long long)kind);
        }
        v->kind[id] = (uint8_t)kind;
    }
    return TERN_OK;
}

static tern_status read_scores(ti_vocab *v, const ti_gguf *gguf, tern_err *err)
{
    const char *key = "tokenizer.ggml.scores";
    const ti_gguf_kv *kv = ti_gguf_find(gguf, key);
    bool floats = kv && ti_gguf_is_float_array(kv);
    if (kv) {
        TI_TRY(same_length(v, kv, key, floats || ti_gguf_is_int_array(kv), err));
    }
    if (!v->spm) {
        return TERN_OK; /* byte-level BPE has no use for them */
    }
    if (!kv) {
        return ti_fail(err, TERN_CORRUPT, MODULE, TI_NO_OFFSET,
                       "%s is missing: without it no text can be tokenized", key);
    }
    v->scores = ti_arena_calloc(&v->arena, v->n_tokens, sizeof *v->scores);
    if (!v->scores) {
        return ti_fail_nomem(err, MODULE, v->n_tokens * sizeof *v->scores, "the scores");
    }
    for (uint32_t id = 0; id < v->n_tokens; id++) {
        double score = floats ? ti_gguf_float_at(kv, id) : (double)ti_gguf_int_at(kv, id);
        v->scores[id] = (float)score;
        if (!isfinite(v->scores[id])) {
            return ti_fail(err, TERN_CORRUPT, MODULE, TI_NO_OFFSET,
                           "token %u has no finite score", (unsigned)id);
        }
    }
    return TERN_OK;
}

/* --- merges ---------------------------------------------------------------------------------
 */

/* Looks up half of a merge, as the file writes it. */
static uint32_t find_half(const ti_vocab *v, ti_str half, char *scratch)
{
    size_t len = 0;
    if (half.len > TI_VOCAB_MAX_TOKEN_BYTES || !ti_text_decode_bytes(half, scratch, &len)) {
        return TI_VOCAB_NO_ID;
    }
    return ti_vocab_find(v, scratch, len);
}

/* The converters of the field copy merges from tokenizer.json, whose own reader refuses merges
 * of absent tokens; so a file that has one is damaged. */
static tern_status read_merge(ti_vocab *v, uint32_t rank, ti_str text, tern_err *err)
{
    char scratch[2 * TI_VOCAB_MAX_TOKEN_BYTES];
    const char *space = text.len > 1 ? memchr(text.data + 1, ' ', text.len - 1) : NULL;
    ti_merge m = {TI_VOCAB_NO_ID, TI_VOCAB_NO_ID, rank, TI_VOCAB_NO_ID};
    if (space) {
        size_t cut = (size_t)(space - text.data);
        m.left = find_half(v, (ti_str){text.data, cut}, scratch);
        m.right = find_half(v, (ti_str){space + 1, text.len - cut - 1}, scratch);
    }
    if (m.left != TI_VOCAB_NO_ID && m.right != TI_VOCAB_NO_ID) {
        ti_str left = ti_vocab_text(v, m.left);
        ti_str right = ti_vocab_text(v, m.right);
        memcpy(scratch, left.data, left.len);
        memcpy(scratch + left.len, right.data, right.len);
        m.merged = ti_vocab_find(v, scratch, left.len + right.len);
    }
    if (m.merged == TI_VOCAB_NO_ID) {
        return ti_fail(err, TERN_CORRUPT, MODULE, TI_NO_OFFSET,
                       "merge %u '%.*s' does not join two tokens to a third", (unsigned)rank,
                       (int)(text.len < 64 ? text.len : 64), text.data);
    }
    ti_merges_add(v, m);
    return TERN_OK;
}

static tern_status read_merges(ti_vocab *v, const ti_gguf *gguf, tern_err *err)
{
    const ti_gguf_kv *kv = ti_gguf_find(gguf, "tokenizer.ggml.merges");
    if (!kv || !ti_gguf_is_str_array(kv)) {
        return ti_fail(err, TERN_CORRUPT, MODULE, TI_NO_OFFSET, "tokenizer.ggml.merges is %s",
                       kv ? "no array of strings" : "missing: no text can be tokenized");
    }
    if (kv->n > TI_VOCAB_MAX_MERGES) {
        return ti_fail(err, TERN_LIMIT, MODULE, TI_NO_OFFSET,
                       "%llu merges are over the limit of %d", (unsigned long long)kv->n,
                       (int)TI_VOCAB_MAX_MERGES);
    }
    TI_TRY(ti_merges_reserve(v, (size_t)kv->n, err));
    uint64_t cursor = 0;
    ti_str text;
    for (uint32_t rank = 0; ti_gguf_next_str(kv, &cursor, &text); rank++) {
        TI_TRY(read_merge(v, rank, text, err));
    }
    return TERN_OK;
}

/* Single bytes: normal tokens first, byte tokens where there is none. */
static void index_bytes(ti_vocab *v)
{
    for (unsigned byte = 0; byte < 256; byte++) {
        char text = (char)byte;
        uint32_t id = v->spm ? TI_VOCAB_NO_ID : ti_vocab_find(v, &text, 1);
        if (id != TI_VOCAB_NO_ID) {
            v->byte_id[byte] = id;
        }
    }
}

/* --- the whole ------------------------------------------------------------------------------
 */

static tern_status find_rule(ti_vocab *v, const ti_gguf *gguf, tern_err *err)
{
    ti_str name = {NULL, 0};
    TI_TRY(ti_gguf_get_str(gguf, "tokenizer.ggml.pre", false, &name, err));
    if (name.data) {
        v->rule = ti_pre_find(name.data, name.len);
    } else {
        v->rule = ti_pre_guess(v);
    }
    if (!v->rule && name.data) {
        return ti_fail(err, TERN_UNSUPPORTED, MODULE, TI_NO_OFFSET,
                       "tokenizer.ggml.pre '%.*s' is not supported",
                       (int)(name.len < 64 ? name.len : 64), name.data);
    }
    if (!v->rule) {
        return ti_fail(
            err, TERN_UNSUPPORTED, MODULE, TI_NO_OFFSET,
            "tokenizer.ggml.pre is missing and the vocabulary is none that is known");
    }
    return TERN_OK;
}

static tern_status read_model(ti_vocab *v, const ti_gguf *gguf, tern_err *err)
{
    ti_str model = {"", 0};
    TI_TRY(ti_gguf_get_str(gguf, "tokenizer.ggml.model", true, &model, err));
    v->spm = is_text(model, "llama");
    if (!v->spm && !is_text(model, "gpt2")) {
        return ti_fail(err, TERN_UNSUPPORTED, MODULE, TI_NO_OFFSET,
                       "tokenizer.ggml.model '%.*s' is not supported",
                       (int)(model.len < 64 ? model.len : 64), model.data);
    }
    bool extra = false; /* normalisers of Unigram models, which tern has not */
    TI_TRY(
        ti_gguf_get_bool(gguf, "tokenizer.ggml.remove_extra_whitespaces", false, &extra, err));
    if (extra || ti_gguf_find(gguf, "tokenizer.ggml.precompiled_charsmap")) {
        return ti_fail(err, TERN_UNSUPPORTED, MODULE, TI_NO_OFFSET,
                       "the vocabulary wants its text normalised, which is not supported");
    }
    return TERN_OK;
}

static tern_status read_tokens(ti_vocab *v, const ti_gguf *gguf, tern_err *err)
{
    const ti_gguf_kv *tokens = ti_gguf_find(gguf, "tokenizer.ggml.tokens");
    if (!tokens || !ti_gguf_is_str_array(tokens) || tokens->n == 0) {
        return ti_fail(err, TERN_CORRUPT, MODULE, TI_NO_OFFSET, "tokenizer.ggml.tokens is %s",
                       !tokens          ? "missing"
                       : tokens->n == 0 ? "empty"
                                        : "no array of strings");
    }
    if (tokens->n > TI_VOCAB_MAX_TOKENS) {
        return ti_fail(err, TERN_LIMIT, MODULE, TI_NO_OFFSET,
                       "%llu tokens are over the limit of %d", (unsigned long long)tokens->n,
                       (int)TI_VOCAB_MAX_TOKENS);
    }
    v->n_tokens = (uint32_t)tokens->n;
    v->kind = ti_arena_calloc(&v->arena, v->n_tokens, sizeof *v->kind);
    v->flags = ti_arena_calloc(&v->arena, v->n_tokens, sizeof *v->flags);
    if (!v->kind || !v->flags) {
        return ti_fail_nomem(err, MODULE, 2 * (uint64_t)v->n_tokens, "the token types");
    }
    TI_TRY(read_kinds(v, gguf, tokens, err));
    TI_TRY(ti_vocab_read_ids(v, gguf, tokens, err));
    TI_TRY(ti_vocab_read_texts(v, tokens, err));
    return read_scores(v, gguf, err);
}

static tern_status read_vocab(ti_vocab *v, const ti_gguf *gguf, tern_err *err)
{
    memset(v->byte_id, 0xff, sizeof v->byte_id);
    v->bos = v->eos = v->unk = TI_VOCAB_NO_ID;
    TI_TRY(read_model(v, gguf, err));
    TI_TRY(read_tokens(v, gguf, err));
    ti_vocab_mark_rstrip(v, gguf);
    TI_TRY(ti_vocab_index(v, err));
    TI_TRY(ti_special_index(v, err));
    index_bytes(v);
    if (!v->spm) {
        TI_TRY(find_rule(v, gguf, err));
        TI_TRY(read_merges(v, gguf, err));
        TI_TRY(ti_pretok_create(&v->pre, v->rule, true, err));
    }
    v->space_prefix = v->spm;
    v->add_bos = v->spm || v->rule->add_bos;
    TI_TRY(ti_gguf_get_bool(gguf, "tokenizer.ggml.add_space_prefix", false, &v->space_prefix,
                            err));
    TI_TRY(ti_gguf_get_bool(gguf, "tokenizer.ggml.add_bos_token", false, &v->add_bos, err));
    return ti_chat_find(v, gguf, err);
}

tern_status ti_vocab_create(ti_vocab **out, const ti_gguf *gguf, tern_err *err)
{
    ti_vocab *v = ti_calloc(1, sizeof *v);
    if (!v) {
        return ti_fail_nomem(err, MODULE, sizeof *v, "the vocabulary");
    }
    tern_status status = read_vocab(v, gguf, err);
    if (status != TERN_OK) {
        ti_vocab_destroy(v);
        return status;
    }
    *out = v;
    return TERN_OK;
}

void ti_vocab_destroy(ti_vocab *v)
{
    if (v) {
        ti_pretok_destroy(v->pre);
        ti_trie_free(atomic_load(&v->trie));
        ti_arena_free(&v->arena);
        free(v);
    }
}

uint32_t ti_vocab_size(const ti_vocab *v)
{
    return v->n_tokens;
}

tern_token ti_vocab_bos(const ti_vocab *v)
{
    return v->bos == TI_VOCAB_NO_ID ? TERN_TOKEN_NONE : (tern_token)v->bos;
}

tern_token ti_vocab_eos(const ti_vocab *v)
{
    return v->eos == TI_VOCAB_NO_ID ? TERN_TOKEN_NONE : (tern_token)v->eos;
}

const char *ti_vocab_bytes(const ti_vocab *v, tern_token token, size_t *len)
{
    *len = 0;
    if (token < 0 || (uint32_t)token >= v->n_tokens) {
        return NULL;
    }
    uint8_t kind = v->kind[token];
    ti_str text = ti_vocab_text(v, (uint32_t)token);
    if (kind == TI_TOKEN_NORMAL || kind == TI_TOKEN_USER || kind == TI_TOKEN_BYTE) {
        *len = text.len;
    }
    return text.data;
}

bool ti_vocab_ends(const ti_vocab *v, tern_token token)
{
    return token >= 0 && (uint32_t)token < v->n_tokens && (v->flags[token] & TI_TOKEN_ENDS);
}
