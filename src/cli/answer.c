/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/answer.h"

#include "cli/live.h"
#include "cli/out.h"

enum { DEFAULT_CHUNK = 512 };

const char *ti_stop_name(ti_stop stop)
{
    static const char *const names[] = {"end", "stop", "length", "context", "interrupted"};
    return names[stop];
}

tern_status ti_answer_feed(tern_session *session, const tern_token *tokens, size_t n,
                           uint32_t chunk, uint64_t *ns, tern_err *err)
{
    ti_progress progress;
    uint64_t start = ti_now_ns();
    size_t piece = chunk ? chunk : DEFAULT_CHUNK;
    tern_status status = TERN_OK;
    ti_progress_begin(&progress, "reading the prompt", "tokens");
    for (size_t at = 0; at < n && status == TERN_OK;) {
        size_t take = n - at < piece ? n - at : piece;
        status = tern_session_feed(session, tokens + at, take, err);
        at += take;
        if (!ti_progress_step(&progress, at, n) && status == TERN_OK) {
            status = ti_fail(err, TERN_CANCELLED, "session", TI_NO_OFFSET,
                             "interrupted while reading the prompt");
        }
    }
    ti_progress_end(&progress);
    if (status == TERN_LIMIT) {
        ti_hint("--ctx N makes room for a longer conversation");
    }
    *ns = ti_now_ns() - start;
    return status;
}

static void emit(ti_answer *out, const char *text, size_t len, bool show)
{
    ti_buf_add(&out->text, text, len);
    if (show && len > 0) {
        ti_print_model_text(text, len);
    }
}

/* Chooses tokens until something ends the answer. */
static tern_status generate(ti_answer *out, const tern_model *model, tern_session *session,
                            tern_stream *stream, size_t max_tokens, bool show, tern_err *err)
{
    uint64_t start = ti_now_ns();
    for (;;) {
        if (ti_interrupted()) {
            out->stop = TI_STOP_INTERRUPTED;
            return TERN_OK;
        }
        if (max_tokens && out->n_tokens == max_tokens) {
            out->stop = TI_STOP_LENGTH;
            return TERN_OK;
        }
        tern_token token;
        tern_status status = tern_session_next(session, &token, err);
        if (status == TERN_LIMIT) {
            out->stop = TI_STOP_CONTEXT;
            return TERN_OK;
        }
        TI_TRY(status);
        uint64_t now = ti_now_ns();
        if (out->n_tokens++ == 0) {
            out->first_ns = now - start;
        }
        out->generate_ns = now - start - out->first_ns;
        ti_live_step(out->live, out->n_tokens, out->generate_ns);
        if (tern_model_token_ends(model, token)) {
            out->stop = TI_STOP_END;
            return TERN_OK;
        }
        size_t len = 0;
        bool stopped = false;
        const char *text = tern_stream_push(stream, token, &len, &stopped);
        emit(out, text, len, show);
        if (stopped) {
            out->stop = TI_STOP_SEQUENCE;
            return TERN_OK;
        }
    }
}

tern_status ti_answer_make(ti_answer *out, const tern_model *model, tern_session *session,
                           const ti_opt_list *stops, size_t max_tokens, bool show,
                           tern_err *err)
{
    tern_stream *stream = NULL;
    (void)tern_session_tokens(session, &out->first);
    TI_TRY(tern_stream_create(&stream, model, stops->items, stops->n, err));
    ti_live_begin(out->live);
    tern_status status = generate(out, model, session, stream, max_tokens, show, err);
    ti_live_end(out->live);
    if (out->stop != TI_STOP_SEQUENCE) { /* what follows a stop sequence is not wanted */
        size_t len = 0;
        const char *rest = tern_stream_flush(stream, &len);
        emit(out, rest, len, show);
    }
    tern_stream_destroy(stream);
    if (status == TERN_OK && out->text.failed) {
        status = ti_fail_nomem(err, "answer", out->text.len, "the text");
    }
    return status;
}

void ti_answer_note(const ti_answer *answer, size_t n_prompt, uint64_t prompt_ns)
{
    ti_note("%zu tokens, %.1f tokens/s; prompt %zu tokens, %.1f tokens/s; ended by: %s",
            answer->n_tokens, ti_answer_rate(answer), n_prompt, ti_rate(n_prompt, prompt_ns),
            ti_stop_name(answer->stop));
}

double ti_rate(size_t n, uint64_t ns)
{
    return n > 0 && ns > 0 ? (double)n * 1e9 / (double)ns : 0;
}

double ti_answer_rate(const ti_answer *answer)
{
    return answer->n_tokens > 1 ? ti_rate(answer->n_tokens - 1, answer->generate_ns) : 0;
}
