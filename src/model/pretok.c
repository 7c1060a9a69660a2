/* SPDX-License-Identifier: Apache-2.0 */
/* Pieces of text, cut by PCRE2 in UTF mode with Unicode properties.
 *
 * PCRE2 would check the whole rest of the text for valid UTF-8 at every match, which makes a
 * long text quadratic.  So the text is cut into valid and invalid runs here, once, and PCRE2 is
 * told not to look.  An invalid run is a piece of its own: its bytes are kept.
 *
 * Compiled expressions are read-only; what a match writes belongs to the call.  Where the
 * system grants no executable memory, and where the compiled code runs out of stack, the
 * interpreter takes over. */
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <stdlib.h>

#include "base/utf8.h"
#include "model/vocab.h"

struct ti_pretok {
    pcre2_general_context *memory;
    pcre2_match_context *limits;
    pcre2_code *steps[TI_PRETOK_MAX_STEPS];
    size_t n;
};

/* malloc() and free() by way of the library's own calls, so that a test which makes the n-th
 * allocation fail reaches PCRE2's as well. */
static void *get_memory(size_t size, void *user)
{
    (void)user;
    return malloc(size);
}

static void put_memory(void *memory, void *user)
{
    (void)user;
    free(memory);
}

void ti_pretok_destroy(ti_pretok *pre)
{
    if (!pre) {
        return;
    }
    for (size_t i = 0; i < pre->n; i++) {
        pcre2_code_free(pre->steps[i]);
    }
    pcre2_match_context_free(pre->limits);
    pcre2_general_context_free(pre->memory);
    free(pre);
}

static tern_status compile(ti_pretok *pre, const char *expression, bool jit, tern_err *err)
{
    pcre2_compile_context *context = pcre2_compile_context_create(pre->memory);
    if (!context) {
        return ti_fail_nomem(err, "tokenizer", 0, "a regular expression");
    }
    int code = 0;
    size_t at = 0;
    pcre2_code *step =
        pcre2_compile((PCRE2_SPTR)expression, PCRE2_ZERO_TERMINATED,
                      PCRE2_UTF | PCRE2_UCP | PCRE2_NO_UTF_CHECK, &code, &at, context);
    pcre2_compile_context_free(context);
    if (!step) {
        if (code == PCRE2_ERROR_HEAP_FAILED) {
            return ti_fail_nomem(err, "tokenizer", 0, "a regular expression");
        }
        return ti_fail(err, TERN_UNAVAILABLE, "tokenizer", TI_NO_OFFSET,
                       "the regular expression library refused a pre-tokenizer (error %d)",
                       code);
    }
    if (jit) {
        (void)pcre2_jit_compile(step, PCRE2_JIT_COMPLETE); /* else it is interpreted */
    }
    pre->steps[pre->n++] = step;
    return TERN_OK;
}

tern_status ti_pretok_create(ti_pretok **out, const ti_pre_rule *rule, bool jit, tern_err *err)
{
    ti_pretok *pre = ti_calloc(1, sizeof *pre);
    if (!pre) {
        return ti_fail_nomem(err, "tokenizer", sizeof *pre, "the pre-tokenizer");
    }
    tern_status status = TERN_OK;
    pre->memory = pcre2_general_context_create(get_memory, put_memory, NULL);
    pre->limits = pre->memory ? pcre2_match_context_create(pre->memory) : NULL;
    if (!pre->limits) {
        status = ti_fail_nomem(err, "tokenizer", 0, "the pre-tokenizer");
        goto failed;
    }
    /* The expressions are linear; the default limits are for strangers' expressions and would
     * stop a megabyte of spaces. */
    pcre2_set_match_limit(pre->limits, UINT32_MAX);
    for (size_t i = 0; rule->steps[i]; i++) {
        TI_ASSERT(i < TI_PRETOK_MAX_STEPS);
        status = compile(pre, rule->steps[i], jit, err);
        if (status != TERN_OK) {
            goto failed;
        }
    }
    *out = pre;
    return TERN_OK;
failed:
    ti_pretok_destroy(pre);
    return status;
}

/* One call of ti_pretok_split(). */
struct run {
    const ti_pretok *pre;
    pcre2_match_data *match;
    ti_piece_fn fn;
    void *ctx;
    tern_err *err;
};

/* The next match of a step in text [0, len) at or after pos.  Without one, both ends are len.
 */
static tern_status next_match(struct run *r, size_t step, const char *text, size_t len,
                              size_t pos, ti_span *found)
{
    const pcre2_code *code = r->pre->steps[step];
    uint32_t options = PCRE2_NO_UTF_CHECK;
    int rc = pcre2_match(code, (PCRE2_SPTR)text, len, pos, options, r->match, r->pre->limits);
    if (rc == PCRE2_ERROR_JIT_STACKLIMIT) {
        rc = pcre2_match(code, (PCRE2_SPTR)text, len, pos, options | PCRE2_NO_JIT, r->match,
                         r->pre->limits);
    }
    if (rc == PCRE2_ERROR_NOMATCH) {
        *found = (ti_span){len, len};
        return TERN_OK;
    }
    if (rc == PCRE2_ERROR_NOMEMORY || rc == PCRE2_ERROR_HEAPLIMIT) {
        return ti_fail_nomem(r->err, "tokenizer", 0, "a regular expression match");
    }
    if (rc < 0) {
        return ti_fail(r->err, TERN_INTERNAL, "tokenizer", TI_NO_OFFSET,
                       "the pre-tokenizer failed (error %d)", rc);
    }
    const size_t *ends = pcre2_get_ovector_pointer(r->match);
    TI_ASSERT(ends[0] >= pos && ends[1] > ends[0] && ends[1] <= len);
    *found = (ti_span){ends[0], ends[1]};
    return TERN_OK;
}

/* Hands a piece to the next step; the last step hands it to the caller.  Recursion is as deep
 * as there are steps. */
static tern_status cut(struct run *r, size_t step, const char *text, size_t len)
{
    if (step == r->pre->n) {
        return r->fn(r->ctx, text, len, r->err);
    }
    for (size_t pos = 0; pos < len;) {
        ti_span found = {len, len};
        TI_TRY(next_match(r, step, text, len, pos, &found));
        if (found.begin > pos) {
            TI_TRY(cut(r, step + 1, text + pos, found.begin - pos));
        }
        if (found.end > found.begin) {
            TI_TRY(cut(r, step + 1, text + found.begin, found.end - found.begin));
        }
        pos = found.end;
    }
    return TERN_OK;
}

/* Length of the run of valid (or, if `valid` is false, of invalid) UTF-8 at the start. */
static size_t utf8_run(const char *text, size_t len, bool valid)
{
    size_t i = 0;
    while (i < len) {
        uint32_t code;
        size_t n = (unsigned char)text[i] < 0x80 ? 1 : ti_utf8_decode(text + i, len - i, &code);
        if ((n > 0) != valid) {
            break;
        }
        i += n ? n : 1;
    }
    return i;
}

tern_status ti_pretok_split(const ti_pretok *pre, const char *text, size_t len, ti_piece_fn fn,
                            void *ctx, tern_err *err)
{
    struct run r = {.pre = pre, .fn = fn, .ctx = ctx, .err = err};
    r.match = pcre2_match_data_create(1, pre->memory);
    if (!r.match) {
        return ti_fail_nomem(err, "tokenizer", 0, "a regular expression match");
    }
    tern_status status = TERN_OK;
    for (size_t pos = 0; pos < len && status == TERN_OK;) {
        size_t n = utf8_run(text + pos, len - pos, true);
        if (n > 0) {
            status = cut(&r, 0, text + pos, n);
            pos += n;
        }
        n = utf8_run(text + pos, len - pos, false);
        if (n > 0 && status == TERN_OK) {
            status = fn(ctx, text + pos, n, err);
            pos += n;
        }
    }
    pcre2_match_data_free(r.match);
    return status;
}
