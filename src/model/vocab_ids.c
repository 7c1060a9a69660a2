/* SPDX-License-Identifier: Apache-2.0 */
/* Tokens with a meaning: begin, end, unknown. */
#include <string.h>

#include "model/vocab.h"

#define MODULE "tokenizer"

static bool is_text(ti_str a, const char *b)
{
    size_t len = strlen(b);
    return a.len == len && memcmp(a.data, b, len) == 0;
}

/* "<|end_of_sentence|>" with fullwidth bars and U+2581 for the underscores */
#define DEEPSEEK_END "<\357\275\234end\342\226\201of\342\226\201sentence\357\275\234>"

/* Texts of tokens that end an answer.  They count only for control tokens: a file that names
 * one end token often has several (Llama 3: <|end_of_text|> is named, <|eot_id|> is used). */
static const char *const end_texts[] = {
    "<|im_end|>",    "<|eot_id|>",      "<|eom_id|>",    "<|eot|>",       "<|end|>",
    "<|endoftext|>", "<|end_of_text|>", "<|endofturn|>", "<end_of_turn>", "<end_of_utterance>",
    "</s>",          "<eos>",           "<EOT>",         "[EOT]",         "[EOS]",
    DEEPSEEK_END,
};

/* Reads the id of a special token.  The largest number means "none" in the field. */
static tern_status read_id(const ti_vocab *v, const ti_gguf *gguf, const char *key,
                           uint32_t *out, tern_err *err)
{
    uint32_t id = TI_VOCAB_NO_ID;
    TI_TRY(ti_gguf_get_u32(gguf, key, false, &id, err));
    if (id != TI_VOCAB_NO_ID && id >= v->n_tokens) {
        return ti_fail(err, TERN_CORRUPT, MODULE, TI_NO_OFFSET,
                       "%s is %u, but there are %u tokens", key, (unsigned)id,
                       (unsigned)v->n_tokens);
    }
    *out = id;
    return TERN_OK;
}

/* Whether a text looks like a marker and not like words: "<s>", "[EOT]". */
static bool looks_like_marker(ti_str text)
{
    return text.len > 2 && ((text.data[0] == '<' && text.data[text.len - 1] == '>') ||
                            (text.data[0] == '[' && text.data[text.len - 1] == ']'));
}

/* Text of token `id` in the file. */
static ti_str raw_text(const ti_gguf_kv *tokens, uint32_t id)
{
    uint64_t cursor = 0;
    ti_str text = {"", 0};
    for (uint32_t i = 0; i <= id; i++) {
        (void)ti_gguf_next_str(tokens, &cursor, &text);
    }
    return text;
}

/* A token that a key names as begin or end is a control token whatever its type says. */
static void make_control(ti_vocab *v, const ti_gguf_kv *tokens, uint32_t id)
{
    if (id != TI_VOCAB_NO_ID &&
        (v->kind[id] == TI_TOKEN_NORMAL || v->kind[id] == TI_TOKEN_USER) &&
        looks_like_marker(raw_text(tokens, id))) {
        v->kind[id] = TI_TOKEN_CONTROL;
    }
}

/* SentencePiece files without these keys mean its own first three tokens. */
static void default_ids(ti_vocab *v, const ti_gguf_kv *tokens)
{
    if (!v->spm || v->n_tokens < 3) {
        return;
    }
    if (v->unk == TI_VOCAB_NO_ID && is_text(raw_text(tokens, 0), "<unk>")) {
        v->unk = 0;
        v->kind[0] = v->kind[0] == TI_TOKEN_NORMAL ? TI_TOKEN_UNKNOWN : v->kind[0];
    }
    if (v->bos == TI_VOCAB_NO_ID && is_text(raw_text(tokens, 1), "<s>")) {
        v->bos = 1;
    }
    if (v->eos == TI_VOCAB_NO_ID && is_text(raw_text(tokens, 2), "</s>")) {
        v->eos = 2;
    }
}

tern_status ti_vocab_read_ids(ti_vocab *v, const ti_gguf *gguf, const ti_gguf_kv *tokens,
                              tern_err *err)
{
    uint32_t eot, eom;
    TI_TRY(read_id(v, gguf, "tokenizer.ggml.bos_token_id", &v->bos, err));
    TI_TRY(read_id(v, gguf, "tokenizer.ggml.eos_token_id", &v->eos, err));
    TI_TRY(read_id(v, gguf, "tokenizer.ggml.eot_token_id", &eot, err));
    TI_TRY(read_id(v, gguf, "tokenizer.ggml.eom_token_id", &eom, err));
    TI_TRY(read_id(v, gguf, "tokenizer.ggml.unknown_token_id", &v->unk, err));
    default_ids(v, tokens);
    uint32_t ends[] = {v->eos, eot, eom};
    make_control(v, tokens, v->bos);
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
        make_control(v, tokens, ends[i]);
        if (ends[i] != TI_VOCAB_NO_ID) {
            v->flags[ends[i]] |= TI_TOKEN_ENDS;
        }
    }
    uint64_t cursor = 0;
    ti_str text;
    for (uint32_t id = 0; id < v->n_tokens && ti_gguf_next_str(tokens, &cursor, &text); id++) {
        for (size_t i = 0; i < sizeof end_texts / sizeof end_texts[0]; i++) {
            if (v->kind[id] == TI_TOKEN_CONTROL && is_text(text, end_texts[i])) {
                v->flags[id] |= TI_TOKEN_ENDS;
            }
        }
    }
    return TERN_OK;
}

/* GGUF has no place for the attribute "swallows white space after it"; of the models that have
 * such tokens only Phi-3 is known, by its name, and there all markers but three do. */
void ti_vocab_mark_rstrip(ti_vocab *v, const ti_gguf *gguf)
{
    ti_str name = {"", 0};
    if (ti_gguf_get_str(gguf, "general.name", false, &name, NULL) != TERN_OK) {
        return;
    }
    bool phi3 = false;
    for (size_t i = 0; i + 3 < name.len && !phi3; i++) {
        const char *s = name.data + i;
        bool phi = (s[0] | 0x20) == 'p' && (s[1] | 0x20) == 'h' && (s[2] | 0x20) == 'i';
        phi3 = phi && (s[3] == '3' || (s[3] == '-' && i + 4 < name.len && s[4] == '3'));
    }
    for (uint32_t id = 0; phi3 && id < v->n_tokens; id++) {
        ti_str text = ti_vocab_text(v, id);
        if (ti_is_marker(v->kind[id]) && !is_text(text, "<unk>") && !is_text(text, "<s>") &&
            !is_text(text, "<|endoftext|>")) {
            v->flags[id] |= TI_TOKEN_RSTRIP;
        }
    }
}
