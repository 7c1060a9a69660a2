/* SPDX-License-Identifier: Apache-2.0 */
/* json MODEL.gguf TEXT - prints an answer that is a JSON object of a schema, and nothing else:
 * what a program can read.  Shows grammars and how an answer ends within a number of tokens. */
#include <stdio.h>
#include <string.h>

#include <tern/tern.h>

enum { TOKENS_MAX = 64 };

static const char schema[] = "{\"type\":\"object\",\"properties\":{"
                             "\"mood\":{\"enum\":[\"good\",\"bad\"]},"
                             "\"stars\":{\"type\":\"integer\",\"minimum\":1,\"maximum\":5}},"
                             "\"required\":[\"mood\",\"stars\"]}";

static tern_status answer(const tern_model *model, tern_session *session, tern_err *err)
{
    tern_status status;
    tern_token token;
    while ((status = tern_session_next(session, &token, err)) == TERN_OK &&
           !tern_model_token_ends(model, token)) {
        size_t len;
        const char *bytes = tern_model_token_bytes(model, token, &len);
        fwrite(bytes, 1, len, stdout);
    }
    putchar('\n');
    return status;
}

int main(int argc, char **argv)
{
    tern_model *model = NULL;
    tern_session *session = NULL;
    tern_grammar *grammar = NULL;
    tern_err err;
    if (argc != 3) {
        fputs("usage: json MODEL.gguf TEXT\n", stderr);
        return 2;
    }
    tern_status status =
        tern_grammar_create(&grammar, TERN_GRAMMAR_SCHEMA, schema, strlen(schema), &err);
    if (status == TERN_OK) {
        status = tern_model_open(&model, argv[1], NULL, &err);
    }
    if (status == TERN_OK) {
        status = tern_session_create(&session, model, NULL, &err);
    }
    if (status == TERN_OK) {
        status = tern_session_feed_text(session, argv[2], &err);
    }
    if (status == TERN_OK) {
        status = tern_session_set_grammar(session, grammar, &err);
    }
    if (status == TERN_OK) {
        tern_session_grammar_limit(session, TOKENS_MAX);
        status = answer(model, session, &err);
    }
    if (status != TERN_OK) {
        fprintf(stderr, "%s: %s\n", err.module, err.message);
    }
    tern_session_destroy(session);
    tern_grammar_destroy(grammar);
    tern_model_close(model);
    return status == TERN_OK ? 0 : 1;
}
