/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/common.h"

#include <stdlib.h>
#include <string.h>

#include "cli/models.h"
#include "cli/out.h"

enum { DEFAULT_CONTEXT_MAX = 4096 };

void ti_model_opts(tern_model_opts *out, const ti_model_args *args)
{
    static const uint32_t groups[] = {0, 64, 128};
    *out = (tern_model_opts){
        .threads = args->threads,
        .cpu = args->cpu,
        .i2s = (tern_i2s_layout)args->i2s,
        .q2_0_group = groups[args->q2_0],
        .sparse = (tern_sparse_mode)args->sparse,
        .head = args->head,
        .layout = args->layout,
    };
}

tern_status ti_open_model(tern_model **out, const ti_model_args *args, tern_err *err)
{
    char *path;
    tern_model_opts opts;
    ti_progress progress;
    TI_TRY(ti_model_path(&path, args->model, err));
    ti_model_opts(&opts, args);
    opts.progress = ti_progress_step;
    opts.progress_user = &progress;
    ti_progress_begin(&progress, "loading the model", "B");
    tern_status status = tern_model_open(out, path, &opts, err);
    ti_progress_end(&progress);
    free(path);
    return status;
}

uint32_t ti_context_of(const tern_model *model, const ti_session_args *session)
{
    tern_model_desc desc;
    if (session->ctx) {
        return session->ctx;
    }
    tern_model_describe(model, &desc);
    return desc.n_ctx_train < DEFAULT_CONTEXT_MAX ? desc.n_ctx_train : DEFAULT_CONTEXT_MAX;
}

tern_status ti_open_session(tern_session **out, const tern_model *model,
                            const ti_model_args *args, const ti_session_args *session,
                            const tern_sampler_opts *sampler, tern_err *err)
{
    tern_session *made = NULL;
    tern_session_opts opts = {
        .n_ctx = session->ctx,
        .threads = args->threads,
        .chunk = session->chunk,
        .kv = (tern_kv_type)session->kv,
    };
    tern_status status = tern_session_create(&made, model, &opts, err);
    if (status == TERN_NOMEM) {
        ti_hint("a smaller --ctx or --kv i8 needs less memory");
    }
    TI_TRY(status);
    status = tern_session_set_sampler(made, sampler, err);
    if (status != TERN_OK) {
        tern_session_destroy(made);
        return status;
    }
    *out = made;
    return TERN_OK;
}

tern_status ti_tokenize(tern_token **tokens, size_t *n, const tern_model *model,
                        const char *text, size_t len, uint32_t flags, tern_err *err)
{
    /* A token stands for at least one byte, except the one at the beginning and what a
     * tokenizer may put in front; a second try covers those that do otherwise. */
    size_t cap = len / 2 + 16, count = 0;
    for (int attempt = 0;; attempt++) {
        tern_token *room = malloc(cap * sizeof *room);
        if (!room) {
            return ti_fail_nomem(err, "tokenizer", cap * sizeof *room, "tokens");
        }
        tern_status status =
            tern_model_tokenize(model, room, cap, &count, text, len, flags, err);
        if (status == TERN_OK) {
            *tokens = room;
            *n = count;
            return TERN_OK;
        }
        free(room);
        if (status != TERN_LIMIT || count <= cap || attempt > 0) {
            return status;
        }
        cap = count;
    }
}

tern_status ti_apply_chat(ti_buf *out, const tern_model *model, const tern_message *messages,
                          size_t n, tern_err *err)
{
    size_t len = 0;
    tern_status status = tern_model_chat(model, NULL, 0, &len, messages, n, true, err);
    if (status != TERN_OK && status != TERN_LIMIT) {
        return status;
    }
    char *text = malloc(len + 1);
    if (!text) {
        return ti_fail_nomem(err, "chat", len + 1, "a conversation");
    }
    status = tern_model_chat(model, text, len + 1, &len, messages, n, true, err);
    if (status == TERN_OK) {
        ti_buf_add(out, text, len);
        if (out->failed) {
            status = ti_fail_nomem(err, "chat", len + 1, "a conversation");
        }
    }
    free(text);
    return status;
}

void ti_json_model(ti_buf *json, const tern_model_desc *desc)
{
    ti_json_open(json, "model", '{');
    ti_json_str(json, "name", desc->name);
    ti_json_str(json, "architecture", desc->architecture);
    ti_json_str(json, "weight_type", desc->weight_type);
    ti_json_str(json, "layout", desc->layout);
    ti_json_str(json, "kernel", desc->kernel);
    ti_json_uint(json, "n_params", desc->n_params);
    ti_json_uint(json, "file_bytes", desc->file_bytes);
    ti_json_uint(json, "resident_bytes", desc->resident_bytes);
    ti_json_close(json, '}');
}
