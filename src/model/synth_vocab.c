/* SPDX-License-Identifier: Apache-2.0 */
/* A small byte-level BPE vocabulary for models that were not trained.
 *
 * GGUF keeps the tokens of such a tokenizer in GPT-2's spelling: each byte is a printable
 * character, those that are not printable in Latin-1 move to U+0100 and up; so the space is
 * U+0120. */
#include "model/synth_parts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"

/* Values of tokenizer.ggml.token_type. */
enum { TYPE_NORMAL = 1, TYPE_CONTROL = 3, TYPE_UNUSED = 5 };

#define SPACE "\xc4\xa0" /* U+0120 */

/* In order of rank; what is merged here may be part of later ones. */
static const char *const merges[][2] = {
    {SPACE, "t"},     {"h", "e"},        {SPACE, "a"},     {"i", "n"},        {"r", "e"},
    {"o", "n"},       {SPACE "t", "he"}, {"e", "r"},       {SPACE, "s"},      {"a", "t"},
    {SPACE, "w"},     {SPACE, "o"},      {"e", "n"},       {SPACE, "c"},      {"i", "t"},
    {"i", "s"},       {"a", "n"},        {"o", "r"},       {"e", "s"},        {SPACE, "b"},
    {"e", "d"},       {SPACE, "f"},      {"in", "g"},      {SPACE, "p"},      {"o", "u"},
    {"a", "l"},       {"a", "r"},        {SPACE "a", "n"}, {SPACE "an", "d"}, {SPACE, "m"},
    {SPACE "o", "f"}, {SPACE, "h"},
};

enum { N_BYTES = 256, N_MERGES = sizeof merges / sizeof merges[0] };

/* A model ends its text with the second and its turn with the third. */
static const char *const specials[] = {"<|begin_of_text|>", "<|end_of_text|>", "<|eot_id|>"};

enum { N_SPECIALS = sizeof specials / sizeof specials[0], FIRST_SPECIAL = N_BYTES + N_MERGES };

static bool printable(unsigned byte)
{
    return (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
}

/* The character that stands for a byte. */
static uint32_t character_of(unsigned byte)
{
    uint32_t moved = 0x100;
    for (unsigned b = 0; b < byte; b++) {
        moved += !printable(b);
    }
    return printable(byte) ? byte : moved;
}

/* Formats token `id` into text. */
static size_t token_text(char text[32], uint32_t id)
{
    if (id < N_BYTES) {
        return ti_utf8_encode(character_of(id), text);
    }
    int n;
    if (id < FIRST_SPECIAL) {
        n = snprintf(text, 32, "%s%s", merges[id - N_BYTES][0], merges[id - N_BYTES][1]);
    } else if (id < FIRST_SPECIAL + N_SPECIALS) {
        n = snprintf(text, 32, "%s", specials[id - FIRST_SPECIAL]);
    } else {
        n = snprintf(text, 32, "<extra_%u>", id - FIRST_SPECIAL - N_SPECIALS);
    }
    return (size_t)n;
}

static tern_status put_tokens(ti_gguf_writer *w, ti_arena *arena, uint32_t n_vocab,
                              tern_err *err)
{
    ti_str *tokens = ti_arena_calloc(arena, n_vocab, sizeof *tokens);
    int32_t *types = ti_arena_calloc(arena, n_vocab, sizeof *types);
    for (uint32_t id = 0; tokens && types && id < n_vocab; id++) {
        char text[32];
        size_t len = token_text(text, id);
        tokens[id] = (ti_str){ti_arena_strndup(arena, text, len), len};
        types[id] = id < FIRST_SPECIAL                ? TYPE_NORMAL
                    : id < FIRST_SPECIAL + N_SPECIALS ? TYPE_CONTROL
                                                      : TYPE_UNUSED;
        if (!tokens[id].data) {
            tokens = NULL;
        }
    }
    if (!tokens || !types) {
        return ti_fail_nomem(err, "synth", n_vocab * sizeof *tokens, "a vocabulary");
    }
    ti_gguf_put_strs(w, "tokenizer.ggml.tokens", tokens, n_vocab);
    ti_gguf_put_i32s(w, "tokenizer.ggml.token_type", types, n_vocab);
    return TERN_OK;
}

static void put_merges(ti_gguf_writer *w)
{
    char text[N_MERGES][32];
    ti_str items[N_MERGES];
    for (int i = 0; i < N_MERGES; i++) {
        int n = snprintf(text[i], sizeof text[i], "%s %s", merges[i][0], merges[i][1]);
        items[i] = (ti_str){text[i], (size_t)n};
    }
    ti_gguf_put_strs(w, "tokenizer.ggml.merges", items, N_MERGES);
}

tern_status ti_synth_vocab(ti_gguf_writer *w, uint32_t n_vocab, const char *pre, tern_err *err)
{
    TI_ASSERT(n_vocab >= FIRST_SPECIAL + N_SPECIALS);
    ti_arena arena = {0};
    tern_status status = put_tokens(w, &arena, n_vocab, err);
    ti_arena_free(&arena);
    if (status != TERN_OK) {
        return status;
    }
    put_merges(w);
    ti_gguf_put_str(w, "tokenizer.ggml.model", "gpt2", 4);
    ti_gguf_put_str(w, "tokenizer.ggml.pre", pre, strlen(pre));
    ti_gguf_put_u32(w, "tokenizer.ggml.bos_token_id", FIRST_SPECIAL);
    ti_gguf_put_u32(w, "tokenizer.ggml.eos_token_id", FIRST_SPECIAL + 1);
    ti_gguf_put_u32(w, "tokenizer.ggml.eot_token_id", FIRST_SPECIAL + 2);
    ti_gguf_put_u32(w, "tokenizer.ggml.padding_token_id", FIRST_SPECIAL + 1);
    ti_gguf_put_bool(w, "tokenizer.ggml.add_bos_token", true);
    return TERN_OK;
}
