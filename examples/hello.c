/* SPDX-License-Identifier: Apache-2.0 */
/* hello MODEL.gguf [TEXT] - the smallest program: opens a model and lets it continue a text. */
#include <stdio.h>

#include <tern/tern.h>

enum { TOKENS_MAX = 64 };

static int fail(const tern_err *err)
{
    fprintf(stderr, "hello: %s\n", err->message);
    return tern_status_exit_code(err->status);
}

int main(int argc, char **argv)
{
    tern_model *model = NULL;
    tern_session *session = NULL;
    tern_token token;
    tern_err err;
    if (argc < 2) {
        fputs("usage: hello MODEL.gguf [TEXT]\n", stderr);
        return 2;
    }
    if (tern_model_open(&model, argv[1], NULL, &err) != TERN_OK ||
        tern_session_create(&session, model, NULL, &err) != TERN_OK ||
        tern_session_feed_text(session, argc > 2 ? argv[2] : "Once upon a time", &err) !=
            TERN_OK) {
        return fail(&err);
    }
    for (int i = 0; i < TOKENS_MAX; i++) {
        size_t len;
        if (tern_session_next(session, &token, &err) != TERN_OK) {
            return fail(&err);
        }
        if (tern_model_token_ends(model, token)) {
            break;
        }
        const char *bytes = tern_model_token_bytes(model, token, &len);
        fwrite(bytes, 1, len, stdout);
    }
    putchar('\n');
    tern_session_destroy(session);
    tern_model_close(model);
    return 0;
}
