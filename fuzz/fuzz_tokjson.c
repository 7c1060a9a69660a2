/* SPDX-License-Identifier: Apache-2.0 */
/* Three JSON texts with NULs between them: tokenizer.json, tokenizer_config.json, config.json.
 * The second and third may be absent. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "convert/hf_config.h"
#include "convert/tokjson.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t part(const char **text, size_t *left)
{
    const char *end = memchr(*text, 0, *left);
    return end ? (size_t)(end - *text) : *left;
}

static void use_config(ti_arena *arena, const char *text, size_t len)
{
    ti_jval v;
    ti_hf_config c;
    tern_err err;
    if (ti_jval_parse(&v, arena, text, len, "config.json", &err) != TERN_OK ||
        ti_hf_config_read(&c, &v, &err) != TERN_OK) {
        return;
    }
    TI_ASSERT(c.n_head % c.n_head_kv == 0 && c.head_dim % 2 == 0 && c.n_vocab > 0);
    TI_ASSERT(c.bos < (int64_t)c.n_vocab && c.eos < (int64_t)c.n_vocab);
    float factors[64];
    if (c.rope_llama3 && c.head_dim <= 128) {
        ti_hf_config_rope_factors(&c, factors);
        for (uint32_t i = 0; i < c.head_dim / 2; i++) {
            TI_ASSERT(factors[i] > 0 && factors[i] < 1e7f);
        }
    }
}

static void use_tokenizer(ti_arena *arena, const char *text, size_t len, const char *config,
                          size_t config_len)
{
    ti_jval tokenizer, settings;
    ti_tokjson t;
    tern_err err;
    if (ti_jval_parse(&tokenizer, arena, text, len, "tokenizer.json", &err) != TERN_OK) {
        return;
    }
    bool has = ti_jval_parse(&settings, arena, config, config_len, "config", &err) == TERN_OK;
    if (ti_tokjson_read(&t, arena, &tokenizer, has ? &settings : NULL, 0, &err) != TERN_OK) {
        return;
    }
    for (uint32_t i = 0; i < t.n; i++) {
        TI_ASSERT(t.tokens[i].len > 0 && t.tokens[i].data && t.types[i] > 0);
    }
    for (uint32_t i = 0; i < t.n_merges; i++) {
        TI_ASSERT(memchr(t.merges[i].data, ' ', t.merges[i].len));
    }
    TI_ASSERT(t.bos < (int64_t)t.n && t.eos < (int64_t)t.n && t.pad < (int64_t)t.n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ti_arena arena = {0};
    const char *text[3];
    size_t len[3];
    const char *at = (const char *)data;
    for (int i = 0; i < 3; i++) {
        text[i] = at;
        len[i] = size ? part(&at, &size) : 0;
        at += len[i];
        size -= len[i];
        if (size > 0) { /* the NUL */
            at++;
            size--;
        }
    }
    use_tokenizer(&arena, text[0], len[0], text[1], len[1]);
    use_config(&arena, text[2], len[2]);
    ti_arena_free(&arena);
    return 0;
}
