/* SPDX-License-Identifier: Apache-2.0 */
/* Tokenizers with any text, and with vocabularies that the input makes.
 *
 * Byte 0 chooses: a fixed byte-level vocabulary (low bits: the pre-tokenizer), the fixed
 * SentencePiece one, or a vocabulary cut out of the input.  For the fixed ones the bytes that
 * come back must be those that went in, the interpreter must cut as the compiled code does, and
 * markers must not appear where the text is plain. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "model/vocab.h"
#include "tok_build.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const rules[] = {"gpt-2",  "llama-bpe",   "qwen2",        "smollm",
                                    "falcon", "default",     "deepseek-llm", "deepseek-coder",
                                    "gpt-4o", "deepseek-v3", "qwen35",       "tekken"};
enum { N_RULES = sizeof rules / sizeof rules[0], SPM = N_RULES, N_FIXED };

static tb_vocab spec;

static ti_vocab *fixed(unsigned which)
{
    static ti_vocab *made[N_FIXED];
    if (!made[which]) {
        which == SPM ? tb_spm(&spec) : tb_bpe(&spec);
        spec.pre = which == SPM ? NULL : rules[which];
        made[which] = tb_create(&spec, NULL);
        TI_ASSERT(made[which]);
    }
    return made[which];
}

struct pieces {
    size_t n, at;
    uint64_t hash;
};

static tern_status add_piece(void *ctx, const char *piece, size_t len, tern_err *err)
{
    struct pieces *p = ctx;
    (void)piece;
    (void)err;
    TI_ASSERT(len > 0);
    p->n++;
    p->at += len;
    p->hash = (p->hash ^ p->at) * UINT64_C(0x100000001b3);
    return TERN_OK;
}

static void compare_interpreter(unsigned which, const char *text, size_t len)
{
    static ti_pretok *slow[N_RULES];
    if (!slow[which]) {
        const ti_pre_rule *rule = ti_pre_find(rules[which], strlen(rules[which]));
        TI_ASSERT(ti_pretok_create(&slow[which], rule, false, NULL) == TERN_OK);
    }
    struct pieces a = {0}, b = {0};
    TI_ASSERT(ti_pretok_split(slow[which], text, len, add_piece, &a, NULL) == TERN_OK);
    TI_ASSERT(ti_pretok_split(fixed(which)->pre, text, len, add_piece, &b, NULL) == TERN_OK);
    TI_ASSERT(a.n == b.n && a.at == len && b.at == len && a.hash == b.hash);
}

/* Tokens back to bytes, compared with the text; `skip` bytes were put before it. */
static void compare_bytes(const ti_vocab *v, const tern_token *ids, size_t n, const char *text,
                          size_t len, size_t skip)
{
    size_t at = 0;
    for (size_t i = 0; i < n; i++) {
        size_t size;
        const char *bytes = ti_vocab_bytes(v, ids[i], &size);
        size_t off = i == 0 ? skip : 0;
        TI_ASSERT(bytes && size >= off && size - off <= len - at);
        TI_ASSERT(memcmp(bytes + off, text + at, size - off) == 0);
        at += size - off;
    }
    TI_ASSERT(at == len);
}

static bool has_lower_block(const char *text, size_t len)
{
    bool found = false;
    for (size_t i = 0; i + 3 <= len; i++) {
        found = found || memcmp(text + i, "\xe2\x96\x81", 3) == 0;
    }
    return found;
}

static void try_fixed(unsigned which, const char *text, size_t len)
{
    ti_vocab *v = fixed(which);
    tern_token *ids = malloc((len + 2) * sizeof *ids);
    TI_ASSERT(ids);
    size_t n = 0;
    TI_ASSERT(ti_vocab_tokenize(v, ids, len + 2, &n, text, len, 0, NULL) == TERN_OK);
    bool marker = false; /* "<think>" is no token of SentencePiece; U+2581 comes back a space */
    bool exact = which != SPM || !has_lower_block(text, len);
    for (size_t i = 0; i < n; i++) {
        marker = marker || (v->kind[ids[i]] == TI_TOKEN_CONTROL);
    }
    TI_ASSERT(!marker);
    if (exact) {
        compare_bytes(v, ids, n, text, len, which == SPM && len > 0);
    }
    ti_tokens list = {0};
    ti_span plain = {len / 3, len / 3 * 2};
    TI_ASSERT(ti_tok_run(v, &list, text, len, TERN_TOKENIZE_SPECIAL, &plain, 1, NULL) ==
              TERN_OK);
    size_t bytes = 0; /* markers keep their text in the blob, so all of it adds up */
    for (size_t i = 0; i < list.n; i++) {
        bytes += ti_vocab_text(v, (uint32_t)list.items[i]).len;
    }
    TI_ASSERT(which == SPM || bytes == len);
    free(list.items);
    if (which != SPM) {
        compare_interpreter(which, text, len);
    }
    free(ids);
}

/* A vocabulary from the input: tokens are its lines, two bytes before each say what it is. */
static void try_made(const char *text, size_t len)
{
    static const char *merges[64];
    static char halves[64][TB_MAX_TEXT];
    bool spm = len > 0 && (text[0] & 1);
    spm ? tb_spm(&spec) : tb_bpe(&spec);
    spec.n = len > 1 ? (size_t)(unsigned char)text[1] % (spec.n + 1) : 0;
    size_t n_merges = 0, at = 2;
    while (at + 2 < len && spec.n < TB_MAX_TOKENS && n_merges < 64) {
        char line[TB_MAX_TEXT];
        int kind = text[at++] & 7;
        size_t n = 0;
        while (at < len && text[at] != '\n' && n < TB_MAX_TEXT - 1) {
            line[n++] = text[at++];
        }
        line[n] = '\0';
        at++;
        if (kind == 7) {
            memcpy(halves[n_merges], line, n + 1);
            merges[n_merges] = halves[n_merges];
            n_merges++;
        } else {
            tb_add(&spec, line, kind, (float)(int)n - (float)kind);
        }
    }
    if (!spm && n_merges > 0) {
        spec.merges = merges;
        spec.n_merges = n_merges;
    }
    tern_err err;
    ti_vocab *v = tb_create(&spec, &err);
    if (v) {
        size_t n = 0;
        tern_token ids[256];
        (void)ti_vocab_tokenize(v, ids, 256, &n, text, len < 64 ? len : 64, 3, &err);
        for (uint32_t id = 0; id < ti_vocab_size(v); id++) {
            size_t size;
            TI_ASSERT(ti_vocab_bytes(v, (tern_token)id, &size));
            (void)ti_vocab_ends(v, (tern_token)id);
        }
        ti_vocab_destroy(v);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) {
        return 0;
    }
    char *text = malloc(size);
    TI_ASSERT(text);
    memcpy(text, data + 1, size - 1);
    unsigned which = data[0] % (N_FIXED + 4);
    if (which < N_FIXED) {
        try_fixed(which, text, size - 1);
    } else {
        try_made(text, size - 1);
    }
    free(text);
    return 0;
}
