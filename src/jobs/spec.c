/* SPDX-License-Identifier: Apache-2.0 */
#include "jobs/spec.h"

#include <string.h>

static const char magic[] = "tern.job-spec/1";

static void add_words(ti_buf *out, char *const *words, size_t n)
{
    ti_buf_addf(out, "%zu", n);
    ti_buf_addc(out, '\0');
    for (size_t i = 0; i < n; i++) {
        ti_buf_add(out, words[i], strlen(words[i]) + 1);
    }
}

tern_status ti_job_spec_write(ti_buf *out, const ti_job_spec *spec, tern_err *err)
{
    ti_buf_add(out, magic, sizeof magic);
    ti_buf_add(out, spec->cwd, strlen(spec->cwd) + 1);
    ti_buf_addf(out, "%u", (unsigned)spec->umask);
    ti_buf_addc(out, '\0');
    add_words(out, spec->argv, spec->argc);
    add_words(out, spec->envp, spec->n_env);
    if (out->failed) {
        return ti_fail_nomem(err, "jobs", out->len, "a command's environment");
    }
    if (out->len > TI_SPEC_MAX) {
        return ti_fail(err, TERN_LIMIT, "jobs", TI_NO_OFFSET,
                       "command and environment are larger than %d bytes", TI_SPEC_MAX);
    }
    return TERN_OK;
}

typedef struct reader {
    const char *text;
    size_t len, at;
} reader;

/* The next string, or NULL. */
static const char *next(reader *r)
{
    const char *start = r->text + r->at;
    const char *end = r->at < r->len ? memchr(start, '\0', r->len - r->at) : NULL;
    if (!end) {
        return NULL;
    }
    r->at += (size_t)(end - start) + 1;
    return start;
}

static bool next_number(reader *r, size_t max, size_t *out)
{
    const char *text = next(r);
    size_t n = 0;
    if (!text || !*text || strlen(text) > 8) {
        return false;
    }
    for (; *text; text++) {
        if (*text < '0' || *text > '9') {
            return false;
        }
        n = n * 10 + (size_t)(*text - '0');
    }
    *out = n;
    return n <= max;
}

static tern_status damaged(const reader *r, tern_err *err)
{
    return ti_fail(err, TERN_CORRUPT, "jobs", r->at, "the file of the command is damaged");
}

static tern_status read_words(char ***out, size_t *n, ti_job_spec *spec, reader *r,
                              tern_err *err)
{
    if (!next_number(r, r->len, n)) {
        return damaged(r, err);
    }
    char **words = ti_arena_calloc(&spec->arena, *n + 1, sizeof *words);
    for (size_t i = 0; words && i < *n; i++) {
        const char *word = next(r);
        if (!word) {
            return damaged(r, err);
        }
        words[i] = ti_arena_strndup(&spec->arena, word, strlen(word));
        words = words[i] ? words : NULL;
    }
    if (!words) {
        return ti_fail_nomem(err, "jobs", *n * sizeof *words, "a command");
    }
    *out = words;
    return TERN_OK;
}

static tern_status read_all(ti_job_spec *spec, reader *r, tern_err *err)
{
    const char *kind = next(r);
    if (!kind || strcmp(kind, magic) != 0) {
        return damaged(r, err);
    }
    const char *cwd = next(r);
    size_t mask;
    if (!cwd || *cwd != '/' || !next_number(r, 0777, &mask)) {
        return damaged(r, err);
    }
    spec->umask = (uint32_t)mask;
    spec->cwd = ti_arena_strndup(&spec->arena, cwd, strlen(cwd));
    if (!spec->cwd) {
        return ti_fail_nomem(err, "jobs", strlen(cwd), "a command");
    }
    TI_TRY(read_words(&spec->argv, &spec->argc, spec, r, err));
    TI_TRY(read_words(&spec->envp, &spec->n_env, spec, r, err));
    return spec->argc > 0 && r->at == r->len ? TERN_OK : damaged(r, err);
}

tern_status ti_job_spec_read(ti_job_spec *out, const char *text, size_t len, tern_err *err)
{
    ti_job_spec spec = {0};
    reader r = {.text = text, .len = len};
    tern_status status = read_all(&spec, &r, err);
    if (status != TERN_OK) {
        ti_job_spec_free(&spec);
        return status;
    }
    *out = spec;
    return TERN_OK;
}

void ti_job_spec_free(ti_job_spec *spec)
{
    ti_arena_free(&spec->arena);
    *spec = (ti_job_spec){0};
}
