/* SPDX-License-Identifier: Apache-2.0 */
/* A conversation, line by line.
 *
 * Each turn writes the whole conversation as the template has it and feeds only what differs
 * from the tokens that the session already holds: that is right for every template, also for
 * one that renders old turns differently, and costs nothing when it does not. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "cli/answer.h"
#include "cli/answer_form.h"
#include "cli/cmd.h"
#include "cli/common.h"
#include "cli/conversation.h"
#include "cli/live.h"
#include "cli/out.h"
#include "cli/receipts.h"
#include "cli/typed.h"

enum { DEFAULT_TOKENS = 1024 };

typedef struct chat_args {
    ti_model_args model;
    ti_session_args session;
    tern_sampler_opts sampler;
    uint32_t tokens;
    ti_opt_list stops;
    ti_answer_form_args form;
    ti_receipt_args receipt;
    const char *system, *load;
    bool history;
} chat_args;

static const chat_args defaults = {.tokens = DEFAULT_TOKENS,
                                   .sampler.temperature = TI_SAMPLER_UNSET};

static const ti_opt opts[] = {
    TI_OPT_MODEL(chat_args, model),
    {.type = TI_OPT_U32,
     .name = "tokens",
     .letter = 'n',
     .metavar = "N",
     .help = "end each answer after N tokens; 0 means when the context is full",
     .offset = offsetof(chat_args, tokens)},
    {.type = TI_OPT_STR,
     .name = "system",
     .letter = 's',
     .metavar = "TEXT",
     .help = "instructions that the model gets before the conversation",
     .offset = offsetof(chat_args, system)},
    {.type = TI_OPT_STR,
     .name = "load",
     .metavar = "FILE",
     .help = "continue a conversation that /save has written",
     .words = TI_WORDS_FILE,
     .offset = offsetof(chat_args, load)},
    {.type = TI_OPT_FLAG,
     .name = "history",
     .help = "on a terminal, keep what is typed for the next conversations, for the owner only",
     .offset = offsetof(chat_args, history)},
    {.type = TI_OPT_LIST,
     .name = "stop",
     .metavar = "TEXT",
     .help = "end an answer before TEXT; may be repeated",
     .offset = offsetof(chat_args, stops)},
    {.type = TI_OPT_HEADING, .help = "Form of each answer"},
    TI_OPTS_FORM(chat_args, form, ""),
    {.type = TI_OPT_HEADING, .help = "Receipts"},
    TI_OPT_NO_RECEIPT(chat_args, receipt),
    {.type = TI_OPT_FLAG,
     .name = "keep-input",
     .help = "keep what was said beside the receipts, for the owner only",
     .offset = offsetof(chat_args, receipt.keep)},
    TI_OPT_RECEIPT_ZONE(chat_args, receipt),
    {.type = TI_OPT_HEADING, .help = "Sampling"},
    TI_OPTS_SAMPLER(chat_args, sampler),
    {.type = TI_OPT_HEADING, .help = "Engine"},
    TI_OPTS_ENGINE(chat_args, model),
    TI_OPTS_SESSION(chat_args, session),
    TI_OPTS_READING(chat_args, model),
    {0},
};

typedef struct chat {
    const chat_args *args;
    tern_model *model;
    tern_session *session;
    ti_conversation talk;
    ti_receipt_job receipt;
    ti_answer_form form;
    tern_sampler_opts sampler; /* as of the first answer */
    uint32_t n_ctx;
    ti_live live;
    ti_typed typed;
    bool over;
} chat;

/* --- a turn ---------------------------------------------------------------------------------
 */

/* Forgets the oldest turns until the conversation and an answer fit. */
static tern_status fit(chat *c, tern_token **tokens, size_t *n, tern_err *err)
{
    size_t room = c->n_ctx / 4; /* for the answer, unless -n asks for less */
    bool forgot = false;
    if (c->args->tokens && c->args->tokens < room) {
        room = c->args->tokens;
    }
    for (;;) {
        TI_TRY(ti_chat_tokens(tokens, n, c->model, c->talk.messages, c->talk.n, err));
        size_t first = ti_conversation_has_system(&c->talk) ? 1 : 0;
        if (*n + room <= c->n_ctx || c->talk.n < first + 3) {
            break;
        }
        free(*tokens);
        *tokens = NULL;
        ti_conversation_remove(&c->talk, first, 2);
        forgot = true;
    }
    if (forgot) {
        ti_note("(the context is full: the oldest messages are forgotten)");
    }
    return TERN_OK;
}

/* Feeds what the session does not hold yet: facts->n_fed tokens. */
static tern_status feed_rest(chat *c, const tern_token *tokens, size_t n,
                             ti_receipt_facts *facts, tern_err *err)
{
    size_t held, same = 0;
    const tern_token *old = tern_session_tokens(c->session, &held);
    while (same < held && same < n && old[same] == tokens[same]) {
        same++;
    }
    if (same == n && n > 0) {
        same--; /* something must be fed, so that there are logits */
    }
    TI_TRY(tern_session_truncate(c->session, same, err));
    facts->n_input = n;
    facts->n_fed = n - same;
    return ti_answer_feed(c->session, tokens + same, n - same, c->args->session.chunk,
                          &facts->prompt_ns, err);
}

/* Each answer has a random sequence of its own, so that its receipt can be checked without the
 * answers before it, and a conversation goes on the same when it was saved and loaded. */
static tern_status restart_sampler(chat *c, tern_err *err)
{
    tern_sampler_opts sampler = c->sampler;
    for (size_t i = 0; i < c->talk.n; i++) {
        sampler.seed += strcmp(c->talk.messages[i].role, "assistant") == 0;
    }
    return tern_session_set_sampler(c->session, &sampler, err);
}

static tern_status reply(chat *c, ti_answer *answer, ti_receipt_facts *facts, tern_err *err)
{
    tern_token *tokens = NULL;
    size_t n = 0;
    tern_status status = restart_sampler(c, err);
    if (status == TERN_OK) {
        status = fit(c, &tokens, &n, err);
    }
    if (status == TERN_OK) {
        status = feed_rest(c, tokens, n, facts, err);
    }
    free(tokens);
    if (status == TERN_OK) {
        status = ti_answer_form_begin(&c->form, c->session, c->args->tokens, c->n_ctx, err);
    }
    if (status == TERN_OK) {
        status = ti_answer_make(answer, c->model, c->session, &c->args->stops, c->args->tokens,
                                true, err);
    }
    return status;
}

/* A receipt that fails after the answer takes nothing back. */
static tern_status finish_receipt(chat *c, const ti_receipt_facts *facts, tern_err *err)
{
    TI_TRY(ti_receipt_finish(&c->receipt, facts, err));
    if (c->live.on) {
        ti_answer_note(facts->answer, facts->n_fed, facts->prompt_ns);
    }
    if (c->receipt.receipt.id[0] && ti_stderr_is_tty()) {
        ti_receipt_note(&c->receipt.receipt);
    }
    return TERN_OK;
}

/* One question and its answer.  A question that could not be answered is taken back. */
static tern_status turn(chat *c, const char *line, tern_err *err)
{
    ti_answer answer = {.live = &c->live};
    ti_receipt_facts facts = {.model = c->model,
                              .session = c->session,
                              .model_args = &c->args->model,
                              .session_args = &c->args->session,
                              .stops = &c->args->stops,
                              .form = &c->form,
                              .answer = &answer,
                              .max_tokens = c->args->tokens,
                              .chat = true};
    ti_receipt_again(&c->receipt);
    TI_TRY(ti_receipt_watch(&c->receipt, c->model, &c->args->session, c->session, err));
    c->live.energy = c->receipt.energy; /* the meters are those of the receipt */
    TI_TRY(ti_conversation_add(&c->talk, "user", line, err));
    tern_status status = reply(c, &answer, &facts, err);
    if (status == TERN_OK) {
        ti_print(answer.text.len && answer.text.data[answer.text.len - 1] == '\n' ? "" : "\n");
        status = ti_out_finish(err);
    }
    if (status == TERN_OK) {
        status = ti_conversation_add(&c->talk, "assistant",
                                     answer.text.data ? answer.text.data : "", err);
    }
    if (status == TERN_OK && answer.stop == TI_STOP_LENGTH) {
        ti_note("(cut after %zu tokens; -n sets the limit)", answer.n_tokens);
    }
    if (status != TERN_OK && c->talk.n > 0) {
        ti_conversation_remove(&c->talk, c->talk.n - 1, 1);
    } else if (status == TERN_OK) {
        status = finish_receipt(c, &facts, err);
    }
    ti_buf_free(&answer.text);
    return status;
}

/* --- lines that begin with a slash ----------------------------------------------------------
 */

/* For Tab; a file name follows those that end in a blank. */
static const char *const words[] = {"/reset", "/save ", "/load ", "/quit", "/help", NULL};

static const char slash_help[] = "/reset        start over\n"
                                 "/save FILE    write the conversation to a file\n"
                                 "/load FILE    continue a conversation from a file\n"
                                 "/quit         leave; so does Ctrl-D\n"
                                 "/help         this list\n"
                                 "A line that begins with two slashes is sent with one.\n"
                                 "A line that ends in a backslash goes on in the next one.\n"
                                 "On a terminal: Up, Down and Ctrl-R find former messages;\n"
                                 "Alt-Return begins a new line.";

static tern_status reset(chat *c, tern_err *err)
{
    ti_conversation_free(&c->talk);
    if (c->args->system) {
        return ti_conversation_add(&c->talk, "system", c->args->system, err);
    }
    return TERN_OK;
}

static tern_status slash(chat *c, char *line, tern_err *err)
{
    char *argument = line + strcspn(line, " ");
    if (*argument) {
        *argument++ = '\0';
        argument += strspn(argument, " ");
    }
    bool needs = strcmp(line, "/save") == 0 || strcmp(line, "/load") == 0;
    if (needs && !*argument) {
        return ti_fail(err, TERN_USAGE, "chat", TI_NO_OFFSET, "%s needs a file name", line);
    }
    if (strcmp(line, "/quit") == 0 || strcmp(line, "/exit") == 0) {
        c->over = true;
    } else if (strcmp(line, "/help") == 0) {
        ti_note("%s", slash_help);
    } else if (strcmp(line, "/reset") == 0) {
        return reset(c, err);
    } else if (strcmp(line, "/save") == 0) {
        TI_TRY(ti_conversation_save(&c->talk, argument, err));
        ti_note("(%zu messages saved)", c->talk.n);
    } else if (strcmp(line, "/load") == 0) {
        TI_TRY(ti_conversation_load(&c->talk, argument, err));
        ti_note("(%zu messages loaded)", c->talk.n);
    } else {
        ti_hint("/help lists what there is");
        return ti_fail(err, TERN_USAGE, "chat", TI_NO_OFFSET, "unknown command '%.64s'", line);
    }
    return TERN_OK;
}

/* --- the loop -------------------------------------------------------------------------------
 */

/* A person's mistake or an answer that did not fit ends a turn, not the conversation; when a
 * script talks, the first failure is the result. */
static tern_status handle(chat *c, char *line, tern_err *err)
{
    tern_status status;
    if (line[0] == '/' && line[1] != '/') {
        status = slash(c, line, err);
    } else {
        status = turn(c, line[0] == '/' ? line + 1 : line, err);
    }
    if (!c->typed.interactive || status == TERN_NOMEM || status == TERN_INTERNAL) {
        return status;
    }
    if (ti_interrupted()) {
        if (ti_interrupted() == SIGINT) { /* it was meant for the answer */
            ti_interrupt_clear();
        }
        return TERN_OK;
    }
    if (status != TERN_OK) {
        ti_report(err);
    }
    return TERN_OK;
}

static tern_status talk(chat *c, tern_err *err)
{
    while (!c->over && !ti_interrupted()) {
        char *message;
        TI_TRY(ti_typed_next(&c->typed, &message, err));
        if (!message) {
            break;
        }
        TI_TRY(handle(c, message, err));
    }
    return TERN_OK;
}

static tern_status start(chat *c, tern_err *err)
{
    if (ti_answer_form_reads_stdin(&c->args->form)) {
        return ti_fail(err, TERN_USAGE, "chat", TI_NO_OFFSET,
                       "the form cannot be read from standard input, where the talk is");
    }
    TI_TRY(ti_answer_form_open(&c->form, &c->args->form, err));
    TI_TRY(ti_receipt_begin(&c->receipt, &c->args->receipt, &c->args->model, err));
    TI_TRY(ti_open_model(&c->model, &c->args->model, err));
    if (!tern_model_has_chat(c->model)) {
        ti_hint(
            "'tern run --raw' continues a text with it; 'tern pull' lists models that chat, "
            "for -m");
        return ti_fail(err, TERN_UNSUPPORTED, "chat", TI_NO_OFFSET,
                       "the model has no chat template that tern knows");
    }
    TI_TRY(ti_open_session(&c->session, c->model, &c->args->model, &c->args->session,
                           &c->args->sampler, err));
    c->sampler = *tern_session_sampler(c->session);
    c->n_ctx = ti_context_of(c->model, &c->args->session);
    TI_TRY(ti_typed_open(&c->typed, words, c->args->history, err));
    ti_live_open(&c->live, c->args->receipt.zone);
    TI_TRY(reset(c, err));
    if (c->args->load) {
        TI_TRY(ti_conversation_load(&c->talk, c->args->load, err));
    }
    if (c->typed.interactive) {
        tern_model_desc desc;
        tern_model_describe(c->model, &desc);
        ti_note("%s; /help lists commands, Ctrl-D ends", *desc.name ? desc.name : "tern");
    }
    return TERN_OK;
}

static tern_status run(const void *values, const ti_operands *given, tern_err *err)
{
    (void)given;
    chat c = {.args = values};
    ti_interrupt_catch();
    tern_status status = start(&c, err);
    if (status == TERN_OK) {
        status = talk(&c, err);
    }
    ti_typed_close(&c.typed);
    ti_live_close(&c.live);
    ti_receipt_end(&c.receipt);
    ti_conversation_free(&c.talk);
    tern_session_destroy(c.session);
    ti_answer_form_close(&c.form);
    tern_model_close(c.model);
    return status;
}

const ti_command ti_cmd_chat = {
    .name = "chat",
    .summary = "talk with a model",
    .description =
        "Reads lines from standard input and answers each, remembering what was said.  When "
        "the context is full the oldest messages are forgotten.\n\n"
        "A line that ends in a backslash goes on in the next one.  "
        "Lines that begin with a slash are commands: /reset, /save FILE, /load FILE, /quit, "
        "/help.  Ctrl-C ends an answer, or the program when none is being given.\n\n"
        "On a terminal lines are edited: the arrow keys and Ctrl-R bring back what was said, "
        "Alt-Return begins a new line, and what is pasted stays together.  It is kept for the "
        "next conversations with --history only.\n\n"
        "On a terminal the last line shows tokens a second while an answer is given, and the "
        "joules that it has added so far, with how these are known; grams too where the grid "
        "is known.  --quiet leaves it away, --no-receipt the joules.\n\n"
        "Each answer leaves a receipt, as with 'tern run'.",
    .examples = "tern chat\n"
                "tern chat -s \"Answer in one sentence.\" --temp 0.7 --seed 1\n"
                "printf 'Hello\\nWhat did I say?\\n' | tern chat",
    .opts = opts,
    .defaults = &defaults,
    .size = sizeof defaults,
    .run = run,
};
