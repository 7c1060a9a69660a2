/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/common.h"

#include <stdlib.h>
#include <string.h>

#include "cli/models.h"
#include "cli/out.h"

enum { DEFAULT_CONTEXT_MAX = 4096, GUESS_EXTRA = 16, GUESS_CHAT = 1024 };

void ti_model_opts(tern_model_opts *out, const ti_model_args *args)
{
    static const uint32_t groups[] = {0, 64, 128};
    *out = (tern_model_opts){
        .threads = args->threads,
        .cpu = args->cpu,
        .i2s = (tern_i2s_layout)args->i2s,
        .q2_0_group = groups[args->q2_0],
        .sparse = (tern_sparse_mode)args->sparse,
        .act = (tern_act_mode)args->act,
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

static tern_sampler_opts choose_sampler(const tern_model *model, const tern_sampler_opts *given)
{
    tern_sampler_opts o = *given, file;
    if (given->temperature != TI_SAMPLER_UNSET) {
        return o;
    }
    tern_model_recommended_sampler(model, &file);
    o.temperature = file.temperature;
    o.top_k = o.top_k ? o.top_k : file.top_k;
    o.top_p = o.top_p > 0 ? o.top_p : file.top_p;
    o.min_p = o.min_p > 0 ? o.min_p : file.min_p;
    o.repeat_penalty = o.repeat_penalty > 0 ? o.repeat_penalty : file.repeat_penalty;
    o.penalty_last_n = o.penalty_last_n ? o.penalty_last_n : file.penalty_last_n;
    return o;
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
    const tern_sampler_opts chosen = choose_sampler(model, sampler);
    status = tern_session_set_sampler(made, &chosen, err);
    if (status != TERN_OK) {
        tern_session_destroy(made);
        return status;
    }
    *out = made;
    return TERN_OK;
}

/* Calls `make` with room for a guess, and once more with room for what it then asks for. */
typedef tern_status (*token_maker)(tern_token *out, size_t cap, size_t *n, const void *ctx,
                                   tern_err *err);

static tern_status make_tokens(tern_token **tokens, size_t *n, size_t guess, token_maker make,
                               const void *ctx, tern_err *err)
{
    size_t cap = guess, count = 0;
    for (int attempt = 0;; attempt++) {
        tern_token *room = malloc(cap * sizeof *room);
        if (!room) {
            return ti_fail_nomem(err, "tokenizer", cap * sizeof *room, "tokens");
        }
        tern_status status = make(room, cap, &count, ctx, err);
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

typedef struct text_job {
    const tern_model *model;
    const char *text;
    size_t len;
    uint32_t flags;
} text_job;

static tern_status from_text(tern_token *out, size_t cap, size_t *n, const void *ctx,
                             tern_err *err)
{
    const text_job *job = ctx;
    return tern_model_tokenize(job->model, out, cap, n, job->text, job->len, job->flags, err);
}

tern_status ti_tokenize(tern_token **tokens, size_t *n, const tern_model *model,
                        const char *text, size_t len, uint32_t flags, tern_err *err)
{
    text_job job = {.model = model, .text = text, .len = len, .flags = flags};
    return make_tokens(tokens, n, len / 2 + GUESS_EXTRA, from_text, &job, err);
}

typedef struct chat_job {
    const tern_model *model;
    const tern_message *messages;
    size_t n;
} chat_job;

static tern_status from_chat(tern_token *out, size_t cap, size_t *n, const void *ctx,
                             tern_err *err)
{
    const chat_job *job = ctx;
    return tern_model_chat_tokens(job->model, out, cap, n, job->messages, job->n, true, err);
}

tern_status ti_chat_tokens(tern_token **tokens, size_t *n, const tern_model *model,
                           const tern_message *messages, size_t n_messages, tern_err *err)
{
    chat_job job = {.model = model, .messages = messages, .n = n_messages};
    return make_tokens(tokens, n, GUESS_CHAT, from_chat, &job, err);
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
