/* SPDX-License-Identifier: Apache-2.0 */
/* batch MODEL.gguf TEXT1 TEXT2 - answers two prompts together and checks what tern promises:
 * each answer has the same bits as if it had been given alone. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <tern/tern.h>

enum { SESSIONS = 2, TOKENS_MAX = 32, PROMPT_MAX = 256 };

/* Every call must succeed: an example has nothing to go on with. */
static void must(tern_status status, const tern_err *err)
{
    if (status != TERN_OK) {
        fprintf(stderr, "batch: %s\n", err->message);
        exit(tern_status_exit_code(status));
    }
}

static size_t tokenize(const tern_model *model, tern_token *out, const char *text)
{
    tern_err err;
    size_t n;
    must(tern_model_tokenize(model, out, PROMPT_MAX, &n, text, strlen(text),
                             TERN_TOKENIZE_BOS | TERN_TOKENIZE_SPECIAL, &err),
         &err);
    return n;
}

/* Both sessions take their prompts in one forward pass, then a token each in every pass. */
static void answer_together(const tern_model *model, tern_session **sessions,
                            char *const *texts)
{
    tern_batch *batch = NULL;
    tern_token prompts[SESSIONS][PROMPT_MAX], next[SESSIONS];
    tern_batch_item items[SESSIONS];
    tern_err err;
    must(tern_batch_create(&batch, model, 0, SESSIONS * PROMPT_MAX, &err), &err);
    for (int s = 0; s < SESSIONS; s++) {
        items[s] = (tern_batch_item){.session = sessions[s],
                                     .tokens = prompts[s],
                                     .n = tokenize(model, prompts[s], texts[s])};
    }
    must(tern_batch_step(batch, items, SESSIONS, &err), &err);
    for (int i = 0; i < TOKENS_MAX; i++) {
        for (int s = 0; s < SESSIONS; s++) {
            /* The likeliest token, lowest id on a tie: what tern_session_next() takes. */
            const float *logits = tern_session_logits(sessions[s], &err);
            tern_model_desc desc;
            tern_model_describe(model, &desc);
            next[s] = 0;
            for (uint32_t t = 1; t < desc.n_vocab; t++) {
                next[s] = logits[t] > logits[next[s]] ? (tern_token)t : next[s];
            }
            items[s] = (tern_batch_item){.session = sessions[s], .tokens = &next[s], .n = 1};
        }
        must(tern_batch_step(batch, items, SESSIONS, &err), &err);
    }
    tern_batch_destroy(batch);
}

/* The same prompt alone; returns whether session has the same tokens and logits. */
static int same_alone(const tern_model *model, tern_session *session, const char *text)
{
    tern_session *alone = NULL;
    tern_model_desc desc;
    tern_token token;
    tern_err err;
    size_t n, n_alone;
    must(tern_session_create(&alone, model, NULL, &err), &err);
    must(tern_session_feed_text(alone, text, &err), &err);
    for (int i = 0; i < TOKENS_MAX; i++) {
        must(tern_session_next(alone, &token, &err), &err);
    }
    tern_model_describe(model, &desc);
    const tern_token *a = tern_session_tokens(session, &n);
    const tern_token *b = tern_session_tokens(alone, &n_alone);
    const float *la = tern_session_logits(session, &err);
    const float *lb = tern_session_logits(alone, &err);
    int same = n == n_alone && memcmp(a, b, n * sizeof *a) == 0 && la && lb &&
               memcmp(la, lb, desc.n_vocab * sizeof *la) == 0;
    tern_session_destroy(alone);
    return same;
}

int main(int argc, char **argv)
{
    tern_model *model = NULL;
    tern_session *sessions[SESSIONS] = {NULL, NULL};
    tern_err err;
    int different = 0;
    if (argc != 2 + SESSIONS) {
        fputs("usage: batch MODEL.gguf TEXT1 TEXT2\n", stderr);
        return 2;
    }
    must(tern_model_open(&model, argv[1], NULL, &err), &err);
    for (int s = 0; s < SESSIONS; s++) {
        must(tern_session_create(&sessions[s], model, NULL, &err), &err);
    }
    answer_together(model, sessions, argv + 2);
    for (int s = 0; s < SESSIONS; s++) {
        int same = same_alone(model, sessions[s], argv[2 + s]);
        printf("prompt %d: %s\n", s + 1,
               same ? "the same bits together and alone" : "DIFFERENT");
        different += !same;
        tern_session_destroy(sessions[s]);
    }
    tern_model_close(model);
    return different > 0;
}
