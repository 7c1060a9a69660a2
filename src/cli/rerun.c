/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/rerun.h"

#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/sha256.h"
#include "cli/answer.h"
#include "cli/answer_form.h"
#include "cli/common.h"
#include "cli/model_digest.h"
#include "cli/models.h"
#include "cli/out.h"
#include "cli/receipt_files.h"
#include "cli/receipts.h"
#include "ledger/secrets.h"
#include "ledger/trace.h"

enum { PROMPT_MAX = 64 << 20, TRACE_MAX = INT32_MAX };

typedef struct again {
    ti_checks *checks;
    const ti_receipt *r;
    const ti_rerun_args *args;
    ti_secrets secrets; /* of the receipt; id "" when there are none */
    bool has_salt;
    ti_model_args model_args;
    ti_session_args session_args;
    tern_model *model;
    tern_token *tokens; /* of the prompt, when it was given as text */
    size_t n_tokens;
    ti_opt_list stops;
    ti_answer_form form;
    tern_session *session;
    ti_answer answer;
    ti_trace own, claimed; /* claimed.hashes NULL: there is none to compare with */
} again;

/* --- the model ------------------------------------------------------------------------------
 */

/* True when the file is the receipt's model. */
static tern_status is_model(bool *same, const char *path, const ti_receipt *r, tern_err *err)
{
    uint8_t digest[TI_SHA256];
    ti_file_state state;
    TI_TRY(ti_file_look(&state, path, err));
    *same = false;
    if (state.bytes == r->model.file_bytes) { /* else it need not be read */
        TI_TRY(ti_model_digest(digest, &state, path, err));
        *same = memcmp(digest, r->model.sha256, sizeof digest) == 0;
    }
    return TERN_OK;
}

/* Looks for it among the models in the cache. */
static tern_status find_model(char **path, const ti_receipt *r, tern_err *err)
{
    ti_names names = {0};
    TI_TRY(ti_cached_models(&names, err));
    tern_status status = TERN_OK;
    bool same = false;
    for (size_t i = 0; i < names.n && !same && status != TERN_CANCELLED; i++) {
        if (ti_model_path(path, names.items[i], NULL) != TERN_OK) {
            continue;
        }
        status = is_model(&same, *path, r, err);
        if (!same) {
            free(*path);
            *path = NULL;
        }
    }
    ti_names_free(&names);
    if (same || status == TERN_CANCELLED) {
        return status;
    }
    ti_hint("-m FILE says where the model is");
    return ti_fail(err, TERN_UNAVAILABLE, "verify", TI_NO_OFFSET,
                   "the model '%s' of the receipt is not in the cache", r->model.name);
}

/* Opens the model as the receipt says it was opened. */
static tern_status open_model(again *a, const char *path, tern_err *err)
{
    const ti_receipt *r = a->r;
    bool own_head = strcmp(r->engine.head, "auto") != 0;
    a->model_args = (ti_model_args){
        .model = path,
        .threads = a->args->threads,
        .cpu = a->args->cpu,
        .i2s = (uint32_t)ti_choice_index("auto|x86|arm", r->engine.i2s, strlen(r->engine.i2s)),
        .q2_0 = (uint32_t)ti_choice_index("auto|64|128", r->engine.q2_0_group,
                                          strlen(r->engine.q2_0_group)),
        .act = strcmp(r->engine.act, "8") == 0 ? TERN_ACT_8 : TERN_ACT_16,
        .head = own_head ? r->engine.head : NULL,
    };
    a->session_args = (ti_session_args){
        .ctx = (uint32_t)r->engine.context_tokens,
        .kv = strcmp(r->engine.kv, "i8") == 0 ? TERN_KV_I8 : TERN_KV_F16,
    };
    return ti_open_model(&a->model, &a->model_args, err);
}

static tern_status take_model(again *a, bool *same, tern_err *err)
{
    char *path = NULL;
    *same = true;
    tern_status status = TERN_OK;
    if (a->args->model) {
        status = ti_model_path(&path, a->args->model, err);
        if (status == TERN_OK) {
            status = is_model(same, path, a->r, err);
        }
    } else {
        status = find_model(&path, a->r, err);
    }
    if (status == TERN_OK && *same) {
        status = open_model(a, path, err);
        ti_check_add(a->checks, "model", TI_CHECK_OK, "%s", a->r->model.name);
    } else if (status == TERN_OK) {
        ti_check_add(a->checks, "model", TI_CHECK_NO,
                     "'%s' is not the model of the receipt: another digest", path);
    }
    free(path);
    return status;
}

/* --- the input ------------------------------------------------------------------------------
 */

static tern_status read_secrets(again *a, const char *file, tern_err *err)
{
    char *path, *text;
    size_t size;
    TI_TRY(ti_receipt_beside(&path, file, ".private", err));
    tern_status status = TERN_OK;
    if (access(path, F_OK) == 0) {
        status = ti_read_file(&text, &size, path, TI_SECRETS_MAX, err);
        if (status == TERN_OK) {
            status = ti_secrets_parse(&a->secrets, text, size, err);
            sodium_memzero(text, size);
            free(text);
        }
    }
    free(path);
    /* One that lies beside a receipt of the same file name, but is of another. */
    if (status == TERN_OK && strcmp(a->secrets.id, a->r->id) == 0) {
        a->has_salt = true;
    }
    return status;
}

static tern_status read_all(ti_buf *out, const char *name, tern_err *err)
{
    char block[16384];
    bool from_stdin = strcmp(name, "-") == 0;
    FILE *in = from_stdin ? stdin : fopen(name, "rbe");
    size_t n;
    if (!in) {
        return ti_fail_errno(err, errno, "verify", "cannot open '%s'", name);
    }
    while (out->len <= PROMPT_MAX && (n = fread(block, 1, sizeof block, in)) > 0) {
        ti_buf_add(out, block, n);
    }
    bool failed = ferror(in) != 0;
    int problem = errno;
    if (!from_stdin) {
        (void)fclose(in);
    }
    if (failed) {
        return ti_fail_errno(err, problem, "verify", "cannot read '%s'", name);
    }
    if (out->len > PROMPT_MAX) {
        return ti_fail(err, TERN_LIMIT, "verify", PROMPT_MAX, "the prompt is over %d bytes",
                       PROMPT_MAX);
    }
    if (out->len > 0 && out->data[out->len - 1] == '\n') { /* as `tern run` does */
        out->data[--out->len] = '\0';
    }
    ti_buf_adds(out, "");
    return out->failed ? ti_fail_nomem(err, "verify", out->len, "the prompt") : TERN_OK;
}

/* Tokens of a prompt that is given as text. */
static tern_status tokenize(again *a, const ti_buf *prompt, tern_err *err)
{
    tern_message messages[2];
    size_t n = 0;
    if (strcmp(a->r->input.mode, "raw") == 0) {
        return ti_tokenize(&a->tokens, &a->n_tokens, a->model, prompt->data, prompt->len,
                           TERN_TOKENIZE_BOS | TERN_TOKENIZE_SPECIAL, err);
    }
    if (a->args->system) {
        messages[n++] = (tern_message){.role = "system", .content = a->args->system};
    }
    messages[n++] = (tern_message){.role = "user", .content = prompt->data};
    return ti_chat_tokens(&a->tokens, &a->n_tokens, a->model, messages, n, err);
}

/* Fills `input` and `stops`, from the text or from the private part. */
static tern_status take_input(again *a, const tern_token **input, size_t *n, tern_err *err)
{
    ti_buf prompt = {0};
    if (a->args->prompt) {
        tern_status status = read_all(&prompt, a->args->prompt, err);
        if (status == TERN_OK) {
            status = tokenize(a, &prompt, err);
        }
        ti_buf_free(&prompt);
        TI_TRY(status);
        *input = a->tokens;
        *n = a->n_tokens;
        a->stops = a->args->stops;
        return TERN_OK;
    }
    if (!a->has_salt || !a->secrets.has_input) {
        ti_hint("--prompt FILE gives it");
        return ti_fail(err, TERN_UNAVAILABLE, "verify", TI_NO_OFFSET,
                       "the prompt was not kept beside the receipt");
    }
    if (a->secrets.n_stops > TI_OPT_LIST_MAX) {
        return ti_fail(err, TERN_LIMIT, "verify", TI_NO_OFFSET, "more than %d stop sequences",
                       TI_OPT_LIST_MAX);
    }
    *input = a->secrets.input;
    *n = a->secrets.n_input;
    for (; a->stops.n < a->secrets.n_stops; a->stops.n++) {
        a->stops.items[a->stops.n] = a->secrets.stops[a->stops.n];
    }
    return TERN_OK;
}

/* Whether the input is the one that the receipt was given for. */
static void check_input(again *a, const tern_token *input, size_t n)
{
    uint8_t commitment[TI_SHA256];
    if (!a->has_salt) {
        ti_check_add(a->checks, "input", TI_CHECK_OPEN,
                     "the salt is not known, so that the prompt cannot be compared");
        return;
    }
    ti_commit_input(commitment, a->secrets.salt, input, n, a->stops.items, a->stops.n);
    if (memcmp(commitment, a->r->input.commitment, sizeof commitment) == 0) {
        ti_check_add(a->checks, "input", TI_CHECK_OK, "%zu tokens, as committed to", n);
    } else {
        ti_check_add(a->checks, "input", TI_CHECK_NO,
                     "the prompt is not the one that the receipt was given for");
    }
}

/* --- running --------------------------------------------------------------------------------
 */

static tern_status run_again(again *a, const tern_token *input, size_t n, tern_err *err)
{
    uint64_t ns;
    tern_model_desc desc;
    tern_model_describe(a->model, &desc);
    TI_TRY(ti_open_session(&a->session, a->model, &a->model_args, &a->session_args,
                           &a->r->sampler, err));
    if (a->r->has_trace && a->has_salt) {
        TI_TRY(ti_trace_init(&a->own, a->secrets.salt,
                             ti_context_of(a->model, &a->session_args), desc.n_layer, err));
        tern_session_set_trace(a->session, ti_trace_row, &a->own);
    }
    TI_TRY(ti_answer_feed(a->session, input, n, 0, &ns, err));
    TI_TRY(ti_answer_form_begin(&a->form, a->session, a->r->engine.max_output_tokens,
                                (uint32_t)a->r->engine.context_tokens, err));
    if (a->r->work.output_tokens == 0) { /* 0 would mean as many as fit */
        (void)tern_session_tokens(a->session, &a->answer.first);
        return TERN_OK;
    }
    return ti_answer_make(&a->answer, a->model, a->session, &a->stops,
                          (size_t)a->r->work.output_tokens, false, err);
}

/* Reads the hashes beside the receipt, if they are what its root is over. */
static tern_status read_trace(again *a, const char *file, tern_err *err)
{
    char *path;
    ti_map map = {0};
    uint8_t root[TI_SHA256];
    TI_TRY(ti_receipt_beside(&path, file, ".trace", err));
    tern_status status = TERN_OK;
    if (a->r->has_trace && access(path, F_OK) == 0) {
        status = ti_map_open(&map, path, err);
        if (status == TERN_OK) {
            status = ti_trace_parse(&a->claimed, map.data, (size_t)map.size, err);
            ti_map_close(&map);
        }
    }
    free(path);
    TI_TRY(status);
    if (a->claimed.hashes) {
        ti_trace_root(&a->claimed, a->claimed.n_tokens, root);
        if (memcmp(root, a->r->trace.root, sizeof root) != 0 ||
            a->claimed.n_layers != a->own.n_layers) {
            ti_check_add(a->checks, "trace", TI_CHECK_OPEN,
                         "the file of hashes is not the one that the receipt's root is over");
            ti_trace_free(&a->claimed);
        }
    }
    return TERN_OK;
}

/* Says where the two computations went apart, as exactly as is known. */
static void tell_difference(again *a, const char *name)
{
    uint32_t token = 0, layer = 0;
    size_t n, first = a->answer.first;
    const tern_token *tokens = tern_session_tokens(a->session, &n);
    if (a->claimed.hashes && a->own.hashes &&
        ti_trace_difference(&a->claimed, &a->own, &token, &layer)) {
        bool prompt = token < first;
        ti_check_add(a->checks, name, TI_CHECK_NO,
                     "differs: first at token %u (%s %zu), layer %u of %u", token,
                     prompt ? "of the prompt," : "of the answer, number",
                     prompt ? (size_t)token : token - first + 1, layer, a->own.n_layers);
        return;
    }
    size_t i = 0;
    while (a->has_salt && i < a->secrets.n_output && first + i < n &&
           a->secrets.output[i] == tokens[first + i]) {
        i++;
    }
    if (a->has_salt && a->secrets.has_input && (i < a->secrets.n_output || first + i < n)) {
        ti_check_add(a->checks, name, TI_CHECK_NO,
                     "differs: first at token %zu (of the answer, number %zu)", first + i,
                     i + 1);
    } else {
        ti_check_add(a->checks, name, TI_CHECK_NO, "differs: another text of %zu bytes",
                     a->answer.text.len);
    }
}

static void compare(again *a)
{
    uint8_t digest[TI_SHA256], root[TI_SHA256];
    size_t n;
    (void)tern_session_tokens(a->session, &n);
    uint32_t traced = (uint32_t)(n > 0 && a->answer.n_tokens > 0 ? n - 1 : n);
    ti_sha256_of(digest, a->answer.text.data, a->answer.text.len);
    if (memcmp(digest, a->r->output.sha256, sizeof digest) == 0 &&
        a->answer.n_tokens == a->r->work.output_tokens) {
        ti_check_add(a->checks, "rerun", TI_CHECK_OK, "%zu tokens, %zu bytes: the same output",
                     a->answer.n_tokens, a->answer.text.len);
    } else {
        a->own.n_tokens = traced;
        tell_difference(a, "rerun");
        return;
    }
    if (!a->r->has_trace) {
        return;
    }
    if (!a->own.hashes) {
        ti_check_add(a->checks, "trace", TI_CHECK_OPEN,
                     "the salt is not known, so that the trace cannot be compared");
        return;
    }
    ti_trace_root(&a->own, traced, root);
    if (traced == a->r->trace.n_tokens && memcmp(root, a->r->trace.root, sizeof root) == 0) {
        ti_check_add(a->checks, "trace", TI_CHECK_OK,
                     "%u tokens of %u layers: the same bits everywhere", traced,
                     a->own.n_layers);
        return;
    }
    a->own.n_tokens = traced;
    tell_difference(a, "trace");
}

static tern_status steps(again *a, const char *file, tern_err *err)
{
    const tern_token *input = NULL;
    size_t n = 0;
    bool same = false;
    TI_TRY(read_secrets(a, file, err));
    TI_TRY(take_model(a, &same, err));
    if (!same) {
        return TERN_OK;
    }
    TI_TRY(take_input(a, &input, &n, err));
    check_input(a, input, n);
    TI_TRY(ti_answer_form_again(&a->form, a->r, a->has_salt ? &a->secrets : NULL,
                                a->args->grammar, err));
    TI_TRY(run_again(a, input, n, err));
    if (a->own.hashes) {
        TI_TRY(read_trace(a, file, err));
    }
    compare(a);
    return TERN_OK;
}

tern_status ti_rerun(ti_checks *checks, const ti_receipt *receipt, const char *file,
                     const ti_rerun_args *args, tern_err *err)
{
    again a = {.checks = checks, .r = receipt, .args = args};
    tern_status status = steps(&a, file, err);
    ti_buf_free(&a.answer.text);
    tern_session_destroy(a.session);
    ti_answer_form_close(&a.form);
    tern_model_close(a.model);
    free(a.tokens);
    ti_trace_free(&a.own);
    ti_trace_free(&a.claimed);
    ti_secrets_free(&a.secrets);
    return status;
}
