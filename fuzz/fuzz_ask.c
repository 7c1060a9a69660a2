/* SPDX-License-Identifier: Apache-2.0 */
/* Bodies of requests: the first byte says which request it is.  What is taken keeps the limits;
 * what is refused says why, in words that can be sent. */
#include <string.h>

#include "base/utf8.h"
#include "serve/ask.h"
#include "serve/render.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_taken(const ti_ask *a, size_t len)
{
    TI_ASSERT(a->model && a->choices >= 1 && a->choices <= TI_ASK_CHOICES);
    TI_ASSERT(a->n_messages <= TI_ASK_MESSAGES && a->n_inputs <= TI_ASK_INPUTS);
    TI_ASSERT(a->n_stops <= TI_ASK_STOPS && a->top_logprobs <= TI_ASK_TOP_LOGPROBS);
    TI_ASSERT(a->n_bias <= TI_ASK_BIASES && a->max_tokens <= TI_ASK_TOKENS_MAX);
    for (size_t i = 0; i < a->n_messages; i++) {
        TI_ASSERT(a->messages[i].content && a->messages[i].role);
    }
    for (size_t i = 0; i < a->n_stops; i++) {
        TI_ASSERT(a->stops[i][0] && strlen(a->stops[i]) <= TI_ASK_STOP_BYTES);
    }
    for (size_t i = 0; i < a->n_inputs; i++) {
        TI_ASSERT(a->inputs[i].tokens ? a->inputs[i].n_tokens > 0
                                      : a->inputs[i].text.data != NULL);
    }
    if (a->format == TI_ASK_SCHEMA) { /* a piece of the body, and an object */
        TI_ASSERT(a->schema.len <= len && strlen(a->schema.data) == a->schema.len);
        TI_ASSERT(a->schema.data[0] == '{' && a->schema.data[a->schema.len - 1] == '}');
    }
}

static void check_refused(const ti_refusal *why, ti_ask_kind kind)
{
    ti_buf json = {0};
    TI_ASSERT(why->http >= 400 && why->http < 600 && why->type && why->message[0]);
    ti_render_error(&json, kind, why);
    TI_ASSERT(json.failed || ti_utf8_complete(json.data, json.len) == json.len);
    ti_buf_free(&json);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ti_arena arena = {0};
    ti_ask ask;
    ti_refusal why = {0};
    if (size == 0) {
        return 0;
    }
    ti_ask_kind kind = (ti_ask_kind)((data[0] - '0') & 0xff) % TI_ASK_KINDS;
    const char *text = (const char *)data + 1;
    if (ti_ask_read(&ask, &arena, kind, text, size - 1, &why)) {
        check_taken(&ask, size - 1);
        tern_sampler_opts none = {0};
        tern_sampler_opts s = ti_ask_sampler(&ask, kind, &none, 1);
        TI_ASSERT(s.temperature >= 0 && s.top_p >= 0 && s.top_p <= 1);
    } else {
        check_refused(&why, kind);
    }
    ti_arena_free(&arena);
    return 0;
}
