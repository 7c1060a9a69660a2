/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/answer.h"
#include "cli/answer_form.h"
#include "cli/cmd.h"
#include "cli/common.h"
#include "cli/out.h"
#include "cli/receipts.h"

enum { DEFAULT_TOKENS = 512, PROMPT_BYTES_MAX = 64 << 20 };

typedef struct run_args {
    ti_model_args model;
    ti_session_args session;
    tern_sampler_opts sampler;
    uint32_t tokens;
    ti_opt_list stops;
    ti_answer_form_args form;
    ti_receipt_args receipt;
    const char *system;
    bool raw, json;
} run_args;

static const run_args defaults = {.tokens = DEFAULT_TOKENS,
                                  .sampler.temperature = TI_SAMPLER_UNSET};

static const ti_opt opts[] = {
    TI_OPT_MODEL(run_args, model),
    {.type = TI_OPT_U32,
     .name = "tokens",
     .letter = 'n',
     .metavar = "N",
     .help = "end the answer after N tokens; 0 means when the context is full",
     .offset = offsetof(run_args, tokens)},
    {.type = TI_OPT_STR,
     .name = "system",
     .letter = 's',
     .metavar = "TEXT",
     .help = "instructions that the model gets before the prompt",
     .offset = offsetof(run_args, system)},
    {.type = TI_OPT_LIST,
     .name = "stop",
     .metavar = "TEXT",
     .help = "end the answer before TEXT; may be repeated",
     .offset = offsetof(run_args, stops)},
    {.type = TI_OPT_FLAG,
     .name = "raw",
     .help = "continue the prompt as it stands, without the model's chat template",
     .offset = offsetof(run_args, raw)},
    {.type = TI_OPT_FLAG,
     .name = "json",
     .help = "print one JSON document, schema tern.run/1, instead of the text",
     .offset = offsetof(run_args, json)},
    {.type = TI_OPT_HEADING, .help = "Form of the answer"},
    TI_OPTS_FORM(run_args, form, TI_FORM_OR_STDIN),
    {.type = TI_OPT_HEADING, .help = "Receipt"},
    TI_OPTS_RECEIPT(run_args, receipt),
    {.type = TI_OPT_HEADING, .help = "Sampling"},
    TI_OPTS_SAMPLER(run_args, sampler),
    {.type = TI_OPT_HEADING, .help = "Engine"},
    TI_OPTS_ENGINE(run_args, model),
    TI_OPTS_SESSION(run_args, session),
    TI_OPTS_READING(run_args, model),
    {0},
};

static const ti_operand operands[] = {
    {.metavar = "PROMPT",
     .help = "the text; several words are joined by blanks; - or nothing reads standard input",
     .optional = true,
     .repeated = true},
    {0},
};

/* --- the prompt -----------------------------------------------------------------------------
 */

static tern_status read_stdin(ti_buf *out, tern_err *err)
{
    char block[16384];
    size_t n;
    if (isatty(STDIN_FILENO) == 1) {
        ti_note("reading the prompt from the terminal; Ctrl-D on a new line ends it");
    }
    while ((n = fread(block, 1, sizeof block, stdin)) > 0) {
        ti_buf_add(out, block, n);
        if (out->len > PROMPT_BYTES_MAX) {
            return ti_fail(err, TERN_LIMIT, "run", PROMPT_BYTES_MAX,
                           "the prompt is longer than %d bytes", PROMPT_BYTES_MAX);
        }
    }
    if (ti_interrupted()) {
        return ti_fail(err, TERN_CANCELLED, "run", TI_NO_OFFSET, "interrupted");
    }
    if (ferror(stdin)) {
        return ti_fail_errno(err, errno, "run", "cannot read standard input");
    }
    /* A file ends with a newline that nobody meant to be part of the question. */
    if (out->len > 0 && out->data[out->len - 1] == '\n') {
        out->data[--out->len] = '\0';
    }
    return TERN_OK;
}

static tern_status read_prompt(ti_buf *out, const run_args *args, const ti_operands *given,
                               tern_err *err)
{
    bool from_stdin = given->n == 0 || (given->n == 1 && strcmp(given->items[0], "-") == 0);
    if (from_stdin && ti_answer_form_reads_stdin(&args->form)) {
        return ti_fail(err, TERN_USAGE, "run", TI_NO_OFFSET,
                       "the prompt and the form cannot both be read from standard input");
    }
    if (from_stdin) {
        TI_TRY(read_stdin(out, err));
    } else {
        for (int i = 0; i < given->n; i++) {
            ti_buf_adds(out, i ? " " : "");
            ti_buf_adds(out, given->items[i]);
        }
    }
    ti_buf_adds(out, ""); /* so that an empty prompt has a string too */
    return out->failed ? ti_fail_nomem(err, "run", out->len, "the prompt") : TERN_OK;
}

/* Tokens of a prompt that is a question in a conversation. */
static tern_status tokenize_chat(tern_token **tokens, size_t *n, const run_args *args,
                                 const tern_model *model, const ti_buf *prompt, tern_err *err)
{
    tern_message messages[2];
    size_t n_messages = 0;
    if (strlen(prompt->data) != prompt->len) {
        return ti_fail(err, TERN_USAGE, "run", strlen(prompt->data),
                       "the prompt has a NUL byte; --raw accepts it");
    }
    if (args->system) {
        messages[n_messages++] = (tern_message){.role = "system", .content = args->system};
    }
    messages[n_messages++] = (tern_message){.role = "user", .content = prompt->data};
    return ti_chat_tokens(tokens, n, model, messages, n_messages, err);
}

/* Tokens of the prompt: in the model's chat template when that is wanted and possible. */
static tern_status tokenize_prompt(tern_token **tokens, size_t *n, const run_args *args,
                                   const tern_model *model, const ti_buf *prompt, tern_err *err)
{
    bool chat = !args->raw && tern_model_has_chat(model);
    if (args->system && !chat) {
        return ti_fail(err, TERN_USAGE, "run", TI_NO_OFFSET,
                       args->raw ? "--system cannot be used with --raw"
                                 : "--system needs a model with a chat template");
    }
    if (chat && prompt->len > 0) {
        return tokenize_chat(tokens, n, args, model, prompt, err);
    }
    if (!chat) {
        /* Without a prompt the model begins as it likes, if it has a token to begin with. */
        TI_TRY(ti_tokenize(tokens, n, model, prompt->data, prompt->len,
                           TERN_TOKENIZE_BOS | TERN_TOKENIZE_SPECIAL, err));
        if (*n > 0) {
            return TERN_OK;
        }
        free(*tokens);
        *tokens = NULL;
    }
    ti_hint("tern run \"Once upon a time\"");
    return ti_fail(err, TERN_USAGE, "run", TI_NO_OFFSET, "the prompt is empty");
}

/* --- the result -----------------------------------------------------------------------------
 */

typedef struct times {
    uint64_t load_ns, prompt_ns, receipt_ns;
} times;

static tern_status print_document(const tern_model *model, const tern_session *session,
                                  const ti_answer *answer, size_t n_prompt, times t,
                                  const run_args *args, const char *receipt_id, tern_err *err)
{
    tern_model_desc desc;
    ti_buf json = {0};
    size_t n;
    const tern_token *tokens = tern_session_tokens(session, &n);
    tern_model_describe(model, &desc);
    ti_json_open(&json, NULL, '{');
    ti_json_str(&json, "schema", "tern.run/1");
    ti_json_model(&json, &desc);
    ti_json_uint(&json, "seed", args->sampler.seed);
    ti_json_uint(&json, "prompt_tokens", n_prompt);
    ti_json_open(&json, "tokens", '[');
    for (size_t i = answer->first; i < answer->first + answer->n_tokens && i < n; i++) {
        ti_json_int(&json, NULL, tokens[i]);
    }
    ti_json_close(&json, ']');
    ti_json_strn(&json, "text", answer->text.data ? answer->text.data : "", answer->text.len);
    ti_json_str(&json, "stop_reason", ti_stop_name(answer->stop));
    ti_json_open(&json, "timing", '{');
    ti_json_num(&json, "load_s", (double)t.load_ns / 1e9, 6);
    ti_json_num(&json, "prompt_s", (double)t.prompt_ns / 1e9, 6);
    ti_json_num(&json, "prompt_tokens_per_s", ti_rate(n_prompt, t.prompt_ns), 6);
    ti_json_num(&json, "first_token_s", (double)(t.prompt_ns + answer->first_ns) / 1e9, 6);
    ti_json_num(&json, "generate_s", (double)answer->generate_ns / 1e9, 6);
    ti_json_num(&json, "generate_tokens_per_s", ti_answer_rate(answer), 6);
    ti_json_num(&json, "receipt_s", (double)t.receipt_ns / 1e9, 6);
    ti_json_close(&json, '}');
    if (*receipt_id) {
        ti_json_str(&json, "receipt", receipt_id);
    }
    ti_json_close(&json, '}');
    tern_status status = ti_print_json(&json, err);
    ti_buf_free(&json);
    return status;
}

/* The lines that a person sees after the answer. */
static void print_summary(const run_args *args, const ti_answer *answer, size_t n_prompt,
                          times t, const ti_receipt *receipt)
{
    if (ti_stderr_is_tty()) {
        ti_answer_note(answer, n_prompt, t.prompt_ns);
    }
    if (receipt->id[0] && (ti_stderr_is_tty() || args->receipt.file)) {
        ti_receipt_note(receipt);
    }
}

/* What was needed to answer, for the receipt. */
static tern_status finish_receipt(ti_receipt_job *job, const run_args *args,
                                  const tern_model *model, const tern_session *session,
                                  const ti_answer_form *form, const ti_answer *answer, size_t n,
                                  times *t, tern_err *err)
{
    ti_receipt_facts facts = {
        .model = model,
        .session = session,
        .model_args = &args->model,
        .session_args = &args->session,
        .stops = &args->stops,
        .form = form,
        .answer = answer,
        .n_input = n,
        .n_fed = n,
        .max_tokens = args->tokens,
        .chat = !args->raw && tern_model_has_chat(model),
        .prompt_ns = t->prompt_ns,
    };
    uint64_t start = ti_now_ns();
    tern_status status = ti_receipt_finish(job, &facts, err);
    t->receipt_ns += ti_now_ns() - start;
    return status;
}

/* Prints the answer to a prompt that was tokenized. */
static tern_status answer_prompt(const run_args *args, const tern_token *tokens, size_t n,
                                 const tern_model *model, const ti_answer_form *form, times t,
                                 ti_receipt_job *job, tern_err *err)
{
    tern_session *session = NULL;
    ti_answer answer = {0};
    TI_TRY(ti_open_session(&session, model, &args->model, &args->session, &args->sampler, err));
    uint64_t start = ti_now_ns();
    tern_status status = ti_receipt_watch(job, model, &args->session, session, err);
    t.receipt_ns = ti_now_ns() - start;
    if (status == TERN_OK) {
        status = ti_answer_feed(session, tokens, n, args->session.chunk, &t.prompt_ns, err);
    }
    if (status == TERN_OK) {
        status = ti_answer_form_begin(form, session, args->tokens,
                                      ti_context_of(model, &args->session), err);
    }
    if (status == TERN_OK) {
        status = ti_answer_make(&answer, model, session, &args->stops, args->tokens,
                                !args->json, err);
        if (!args->json && answer.text.len > 0 &&
            answer.text.data[answer.text.len - 1] != '\n') {
            ti_print("\n");
        }
    }
    if (status == TERN_OK) {
        status = finish_receipt(job, args, model, session, form, &answer, n, &t, err);
    }
    if (status == TERN_OK && args->json) {
        status = print_document(model, session, &answer, n, t, args, job->receipt.id, err);
    }
    if (status == TERN_OK) {
        print_summary(args, &answer, n, t, &job->receipt);
    }
    ti_buf_free(&answer.text);
    tern_session_destroy(session);
    return status;
}

static tern_status run(const void *values, const ti_operands *given, tern_err *err)
{
    const run_args *args = values;
    ti_buf prompt = {0};
    tern_model *model = NULL;
    tern_token *tokens = NULL;
    size_t n = 0;
    times t = {0};
    ti_receipt_job job = {0};
    ti_answer_form form = {.grammar = NULL};
    ti_interrupt_catch();
    tern_status status = read_prompt(&prompt, args, given, err);
    if (status == TERN_OK) {
        status = ti_answer_form_open(&form, &args->form, err);
    }
    if (status == TERN_OK) {
        status = ti_receipt_begin(&job, &args->receipt, &args->model, err);
    }
    if (status == TERN_OK) {
        uint64_t start = ti_now_ns();
        status = ti_open_model(&model, &args->model, err);
        t.load_ns = ti_now_ns() - start;
    }
    if (status == TERN_OK) {
        status = tokenize_prompt(&tokens, &n, args, model, &prompt, err);
    }
    if (status == TERN_OK) {
        status = answer_prompt(args, tokens, n, model, &form, t, &job, err);
    }
    ti_receipt_end(&job);
    free(tokens);
    ti_answer_form_close(&form);
    tern_model_close(model);
    ti_buf_free(&prompt);
    return status;
}

const ti_command ti_cmd_run = {
    .name = "run",
    .summary = "answer a prompt",
    .description =
        "Runs a model on a prompt and prints its answer as it comes.  The prompt is put into "
        "the model's chat template where it has one.  The likeliest token is taken each time "
        "unless a temperature is given, or recommended by the model's file.\n\n"
        "Ctrl-C ends the answer; what there is has been printed, and the exit status is 130.",
    .examples = "tern run \"Once upon a time\"\n"
                "tern run -m smollm2-135m-instruct \"What is the capital of France?\"\n"
                "tern run -m model.gguf -n 64 --raw --seed 7 \"Once upon a time\"\n"
                "tern run --json-schema person.json \"Who wrote Emma? Answer in JSON.\"\n"
                "tern run --json - < question.txt | jq -r .text",
    .opts = opts,
    .operands = operands,
    .defaults = &defaults,
    .size = sizeof defaults,
    .run = run,
};
