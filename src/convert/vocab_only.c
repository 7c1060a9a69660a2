/* SPDX-License-Identifier: Apache-2.0 */
/* The tokenizer's files, for a model or alone. */
#include <string.h>

#include "convert/dir.h"
#include "convert/sources.h"

static tern_status load_template(ti_tokjson *t, ti_arena *arena, const char *path,
                                 tern_err *err)
{
    bool there;
    char *file;
    TI_TRY(ti_dir_find_beside(&file, &there, arena, path, "chat_template.jinja", err));
    if (t->chat_template.data || !there) {
        return TERN_OK;
    }
    return ti_dir_read(&t->chat_template, arena, file, TI_TOKJSON_MAX_TEMPLATE_BYTES, err);
}

tern_status ti_tokjson_load(ti_tokjson *out, ti_arena *arena, const char *path,
                            uint32_t n_vocab, tern_err *err)
{
    ti_jval tokenizer, config;
    bool there;
    char *file;
    TI_TRY(
        ti_dir_read_json(&tokenizer, arena, path, TI_TOKJSON_MAX_BYTES, "tokenizer.json", err));
    TI_TRY(ti_dir_find_beside(&file, &there, arena, path, "tokenizer_config.json", err));
    if (there) {
        TI_TRY(ti_dir_read_json(&config, arena, file, TI_CONFIG_MAX_BYTES, "tokenizer_config",
                                err));
    }
    ti_tokjson t;
    TI_TRY(ti_tokjson_read(&t, arena, &tokenizer, there ? &config : NULL, n_vocab, err));
    TI_TRY(load_template(&t, arena, path, err));
    *out = t;
    return TERN_OK;
}

/* The architecture and the number of tokens that the model of a vocabulary has. */
static tern_status load_model(const char **arch, uint32_t *n_vocab, ti_arena *arena,
                              const char *in, tern_err *err)
{
    bool there;
    char *file;
    ti_jval root;
    uint64_t n;
    *arch = NULL;
    *n_vocab = 0;
    TI_TRY(ti_dir_find_beside(&file, &there, arena, in, "config.json", err));
    if (!there) {
        return TERN_OK;
    }
    TI_TRY(ti_dir_read_json(&root, arena, file, TI_CONFIG_MAX_BYTES, "config.json", err));
    *arch = ti_hf_config_arch_name(&root);
    if (ti_jval_uint(ti_jval_get(&root, "vocab_size"), TI_TOKJSON_MAX_TOKENS, &n)) {
        *n_vocab = (uint32_t)n;
    }
    return TERN_OK;
}

static tern_status convert(ti_gguf_writer *w, ti_arena *arena, const char *in,
                           const ti_convert_opts *opts, tern_err *err)
{
    ti_tokjson t;
    const char *arch;
    uint32_t n_vocab;
    TI_TRY(load_model(&arch, &n_vocab, arena, in, err));
    TI_TRY(ti_tokjson_load(&t, arena, in, n_vocab, err));
    if (opts->arch || !arch) {
        arch = opts->arch ? opts->arch : strcmp(t.pre, "qwen2") == 0 ? "qwen3" : "llama";
    }
    ti_put_general(w, arch, in, opts);
    ti_tokjson_put(w, &t);
    return ti_gguf_begin_data(w, err);
}

tern_status ti_convert_vocab(ti_gguf_writer *w, const char *in, const ti_convert_opts *opts,
                             tern_err *err)
{
    ti_arena arena = {0};
    tern_status status = convert(w, &arena, in, opts, err);
    ti_arena_free(&arena);
    return status;
}
