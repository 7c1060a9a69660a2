/* SPDX-License-Identifier: Apache-2.0 */
/* stream MODEL.gguf TEXT [STOP ...] - prints an answer as it comes, in whole characters, and
 * ends before any of the stop sequences.  Shows sampling with a seed and what to do with text
 * that was held back. */
#include <stdbool.h>
#include <stdio.h>

#include <tern/tern.h>

enum { TOKENS_MAX = 64 };

static void show(const char *text, size_t len)
{
    fwrite(text, 1, len, stdout);
    fflush(stdout);
}

/* Lets the session answer through a stream. */
static tern_status answer(const tern_model *model, tern_session *session, tern_stream *stream,
                          tern_err *err)
{
    bool stopped = false;
    size_t len;
    for (int i = 0; i < TOKENS_MAX && !stopped; i++) {
        tern_token token;
        tern_status status = tern_session_next(session, &token, err);
        if (status != TERN_OK) {
            return status;
        }
        if (tern_model_token_ends(model, token)) {
            break;
        }
        const char *text = tern_stream_push(stream, token, &len, &stopped);
        show(text, len);
    }
    if (!stopped) {
        const char *rest = tern_stream_flush(stream, &len);
        show(rest, len);
    }
    putchar('\n');
    return TERN_OK;
}

int main(int argc, char **argv)
{
    const tern_sampler_opts sampler = {.temperature = 0.8f, .top_p = 0.95f, .seed = 1};
    tern_model *model = NULL;
    tern_session *session = NULL;
    tern_stream *stream = NULL;
    tern_err err;
    if (argc < 3) {
        fputs("usage: stream MODEL.gguf TEXT [STOP ...]\n", stderr);
        return 2;
    }
    const char *const *stops = (const char *const *)argv + 3;
    tern_status status = tern_model_open(&model, argv[1], NULL, &err);
    if (status == TERN_OK) {
        status = tern_session_create(&session, model, NULL, &err);
    }
    if (status == TERN_OK) {
        status = tern_session_set_sampler(session, &sampler, &err);
    }
    if (status == TERN_OK) {
        status = tern_stream_create(&stream, model, stops, (size_t)argc - 3, &err);
    }
    if (status == TERN_OK) {
        status = tern_session_feed_text(session, argv[2], &err);
    }
    if (status == TERN_OK) {
        status = answer(model, session, stream, &err);
    }
    if (status != TERN_OK) {
        fprintf(stderr, "stream: %s: %s\n", tern_status_text(status), err.message);
    }
    tern_stream_destroy(stream);
    tern_session_destroy(session);
    tern_model_close(model);
    return tern_status_exit_code(status);
}
