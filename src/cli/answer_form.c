/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/answer_form.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/file.h"
#include "base/sha256.h"
#include "cli/out.h"

static const char module[] = "grammar";

enum { TEXT_MAX = 1 << 20 }; /* more than tern_grammar_create() takes, which says so */

static const char *const kinds[] = {[TERN_GRAMMAR_JSON] = TI_RECEIPT_JSON_OBJECT,
                                    [TERN_GRAMMAR_SCHEMA] = TI_RECEIPT_JSON_SCHEMA,
                                    [TERN_GRAMMAR_GBNF] = TI_RECEIPT_GBNF};

static bool is_stdin(const char *path)
{
    return path && strcmp(path, "-") == 0;
}

bool ti_answer_form_reads_stdin(const ti_answer_form_args *args)
{
    return is_stdin(args->schema) || is_stdin(args->rules);
}

static tern_status read_stdin(char **text, size_t *len, tern_err *err)
{
    char block[16384];
    size_t n;
    ti_buf all = {0};
    while (all.len <= TEXT_MAX && (n = fread(block, 1, sizeof block, stdin)) > 0) {
        ti_buf_add(&all, block, n);
    }
    ti_buf_adds(&all, "");
    if (ferror(stdin) || all.failed) {
        tern_status status = all.failed
                                 ? ti_fail_nomem(err, module, all.len, "a grammar")
                                 : ti_fail_errno(err, errno, module, "cannot read the grammar");
        ti_buf_free(&all);
        return status;
    }
    *text = all.data;
    *len = all.len;
    return TERN_OK;
}

/* Reads the text; `path` NULL: there is none. */
static tern_status read_text(ti_answer_form *form, const char *path, tern_err *err)
{
    if (!path) {
        return TERN_OK;
    }
    return is_stdin(path) ? read_stdin(&form->text, &form->len, err)
                          : ti_read_file(&form->text, &form->len, path, TEXT_MAX, err);
}

static tern_status compile(ti_answer_form *form, const char *path, tern_err *err)
{
    tern_err local = {.status = TERN_OK};
    tern_status status = tern_grammar_create(&form->grammar, form->kind,
                                             form->text ? form->text : "", form->len, &local);
    if (status != TERN_OK) {
        return ti_fail(err, status, local.module, local.offset, "'%s': %s",
                       path ? path : kinds[form->kind], local.message);
    }
    return TERN_OK;
}

tern_status ti_answer_form_open(ti_answer_form *out, const ti_answer_form_args *args,
                                tern_err *err)
{
    ti_answer_form form = {.grammar = NULL};
    const char *path = args->schema ? args->schema : args->rules;
    int given = args->json_object + (args->schema != NULL) + (args->rules != NULL);
    if (given > 1) {
        return ti_fail(err, TERN_USAGE, module, TI_NO_OFFSET,
                       "--json-object, --json-schema and --grammar exclude each other");
    }
    if (given == 0) {
        *out = form;
        return TERN_OK;
    }
    form.kind = args->schema  ? TERN_GRAMMAR_SCHEMA
                : args->rules ? TERN_GRAMMAR_GBNF
                              : TERN_GRAMMAR_JSON;
    tern_status status = read_text(&form, path, err);
    if (status == TERN_OK) {
        status = compile(&form, path, err);
    }
    if (status != TERN_OK) {
        ti_answer_form_close(&form);
        return status;
    }
    *out = form;
    return TERN_OK;
}

static tern_status text_again(ti_answer_form *form, const ti_receipt *r,
                              const ti_secrets *secrets, const char *path, tern_err *err)
{
    uint8_t digest[TI_SHA256];
    if (path) {
        TI_TRY(read_text(form, path, err));
    } else if (secrets && secrets->grammar) {
        form->text = strdup(secrets->grammar);
        form->len = strlen(secrets->grammar);
        if (!form->text) {
            return ti_fail_nomem(err, module, form->len, "a grammar");
        }
    } else if (form->kind != TERN_GRAMMAR_JSON) {
        ti_hint("--grammar FILE gives it");
        return ti_fail(err, TERN_UNAVAILABLE, "verify", TI_NO_OFFSET,
                       "the grammar (%s) was not kept beside the receipt", kinds[form->kind]);
    }
    ti_sha256_of(digest, form->text ? form->text : "", form->len);
    if (memcmp(digest, r->grammar.sha256, sizeof digest) != 0) {
        return ti_fail(err, TERN_USAGE, "verify", TI_NO_OFFSET,
                       "the grammar is not the one of the receipt: another digest");
    }
    return compile(form, path, err);
}

tern_status ti_answer_form_again(ti_answer_form *out, const ti_receipt *receipt,
                                 const ti_secrets *secrets, const char *path, tern_err *err)
{
    ti_answer_form form = {.grammar = NULL};
    if (!receipt->has_grammar) {
        *out = form;
        return TERN_OK;
    }
    while (form.kind < TERN_GRAMMAR_GBNF &&
           strcmp(kinds[form.kind], receipt->grammar.kind) != 0) {
        form.kind++; /* ti_receipt_read() takes no others */
    }
    tern_status status = text_again(&form, receipt, secrets, path, err);
    if (status != TERN_OK) {
        ti_answer_form_close(&form);
        return status;
    }
    *out = form;
    return TERN_OK;
}

tern_status ti_answer_form_begin(const ti_answer_form *form, tern_session *session,
                                 uint64_t max_tokens, uint32_t n_ctx, tern_err *err)
{
    size_t held;
    if (!form->grammar) {
        return TERN_OK;
    }
    TI_TRY(tern_session_set_grammar(session, form->grammar, err));
    (void)tern_session_tokens(session, &held);
    uint64_t room = n_ctx > held ? n_ctx - held : 0;
    tern_session_grammar_limit(session, max_tokens && max_tokens < room ? max_tokens : room);
    return TERN_OK;
}

void ti_answer_form_receipt(ti_receipt *receipt, const ti_answer_form *form)
{
    receipt->has_grammar = form && form->grammar;
    if (receipt->has_grammar) {
        snprintf(receipt->grammar.kind, sizeof receipt->grammar.kind, "%s", kinds[form->kind]);
        ti_sha256_of(receipt->grammar.sha256, form->text ? form->text : "", form->len);
    }
}

void ti_answer_form_close(ti_answer_form *form)
{
    tern_grammar_destroy(form->grammar);
    free(form->text);
    *form = (ti_answer_form){.grammar = NULL};
}
