/* SPDX-License-Identifier: Apache-2.0 */
#include "serve/batch_work.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/jval.h"

/* Of a line of results: "batch_req_", eight hex digits of the line's number, the batch's. */
static const char request_name[] = "{\"id\":\"batch_req_";
enum { HEX = 8, CUSTOM_ID_MAX = 512 };

/* --- the input ------------------------------------------------------------------------------
 */

/* Tokens that it may take: four bytes each, and those of the answer. */
static uint64_t tokens_of(const ti_jval *body, size_t bytes)
{
    enum { BYTES_A_TOKEN = 4, EXPECTED = 256 };
    const uint64_t most = 1 << 24;
    uint64_t out = EXPECTED;
    if (!ti_jval_uint(ti_jval_get(body, "max_tokens"), most, &out)) {
        (void)ti_jval_uint(ti_jval_get(body, "max_completion_tokens"), most, &out);
    }
    return bytes / BYTES_A_TOKEN + out;
}

static bool read_line(ti_batch_line *out, uint64_t *tokens, ti_arena *arena,
                      const char *endpoint, ti_str text, ti_refusal *why)
{
    ti_arena tree = {0};
    ti_jval root;
    tern_err err = {0};
    bool good = ti_jval_parse(&root, &tree, text.data, text.len, "batch", &err) == TERN_OK &&
                root.type == TI_JOBJECT;
    const ti_jval *id = good ? ti_jval_get(&root, "custom_id") : NULL;
    const ti_jval *body = good ? ti_jval_get(&root, "body") : NULL;
    if (!good) {
        ti_refuse(why, NULL, "invalid_json_line", "this line is no JSON object");
    } else if (!id || id->type != TI_JSTR || id->u.str.len == 0 ||
               id->u.str.len > CUSTOM_ID_MAX) {
        good = ti_refuse(why, NULL, "invalid_custom_id",
                         "'custom_id' must be a string of 1 to %d bytes", CUSTOM_ID_MAX);
    } else if (!ti_jval_is(ti_jval_get(&root, "method"), "POST")) {
        good = ti_refuse(why, NULL, "invalid_method", "'method' must be POST");
    } else if (!ti_jval_is(ti_jval_get(&root, "url"), endpoint)) {
        good = ti_refuse(why, NULL, "mismatched_endpoint", "'url' must be %s, as the batch's",
                         endpoint);
    } else if (!body || body->type != TI_JOBJECT) {
        good = ti_refuse(why, NULL, "invalid_body", "'body' must be an object");
    } else {
        out->body = ti_jval_text(body, text);
        out->custom_id = ti_arena_strndup(arena, id->u.str.data, id->u.str.len);
        *tokens += tokens_of(body, out->body.len);
        if (!out->custom_id) {
            ti_refusal_of(why, TERN_NOMEM, NULL);
            good = false;
        }
    }
    ti_arena_free(&tree);
    return good;
}

static int by_id(const void *a, const void *b)
{
    const ti_batch_line *x = *(ti_batch_line *const *)a, *y = *(ti_batch_line *const *)b;
    int order = strcmp(x->custom_id, y->custom_id);
    return order ? order : (x > y) - (x < y);
}

static bool all_different(ti_batch_line *lines, size_t n, ti_refusal *why)
{
    ti_batch_line **sorted = ti_calloc(n, sizeof(void *));
    bool good = true;
    if (!sorted) {
        ti_refusal_of(why, TERN_NOMEM, NULL);
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        sorted[i] = &lines[i];
    }
    qsort(sorted, n, sizeof(void *), by_id);
    for (size_t i = 1; i < n && good; i++) {
        if (strcmp(sorted[i - 1]->custom_id, sorted[i]->custom_id) == 0) {
            good = ti_refuse(why, NULL, "duplicate_custom_id", "two lines are called '%.80s'",
                             sorted[i]->custom_id);
        }
    }
    free(sorted);
    return good;
}

static bool is_blank(ti_str s)
{
    for (size_t i = 0; i < s.len; i++) {
        if (!strchr(" \t\r", s.data[i])) {
            return false;
        }
    }
    return true;
}

bool ti_batch_lines(ti_batch_line *lines, size_t *n, uint64_t *tokens, ti_arena *arena,
                    const char *endpoint, ti_str text, uint32_t *line, ti_refusal *why)
{
    *n = 0;
    *tokens = 0;
    *line = 0;
    for (size_t at = 0; at < text.len;) {
        const char *newline = memchr(text.data + at, '\n', text.len - at);
        size_t end = newline ? (size_t)(newline - text.data) : text.len;
        const ti_str one = {text.data + at, end - at};
        at = end + 1;
        (*line)++;
        if (is_blank(one)) {
            continue;
        }
        if (*n == TI_BATCH_LINES) {
            return ti_refuse(why, NULL, "too_many_tasks", "there are more than %d lines",
                             TI_BATCH_LINES);
        }
        lines[*n] = (ti_batch_line){.body = {"", 0}};
        if (!read_line(&lines[*n], tokens, arena, endpoint, one, why)) {
            return false;
        }
        (*n)++;
    }
    *line = 0;
    if (*n == 0) {
        return ti_refuse(why, NULL, "empty_file", "the file has no line");
    }
    return all_different(lines, *n, why);
}

/* --- results --------------------------------------------------------------------------------
 */

tern_status ti_batch_results_bytes(const ti_batches *b, const char *id, uint64_t *bytes,
                                   tern_err *err)
{
    struct stat st;
    char *path = ti_batch_path(b, id, ".jsonl");
    if (!path) {
        return ti_fail_nomem(err, "batch", strlen(id), "a path");
    }
    tern_status status = TERN_OK;
    if (stat(path, &st) == 0) {
        *bytes = (uint64_t)st.st_size;
    } else {
        status = ti_fail_errno(err, errno, "batch", "cannot look at '%s'", path);
    }
    free(path);
    return status;
}

/* Which line an answer is of; SIZE_MAX: none. */
static size_t line_of(const char *text, size_t len)
{
    char hex[HEX + 1], *end;
    size_t n = sizeof request_name - 1;
    if (len < n + HEX || memcmp(text, request_name, n) != 0) {
        return SIZE_MAX;
    }
    memcpy(hex, text + n, HEX);
    hex[HEX] = '\0';
    size_t line = strtoul(hex, &end, 16);
    return *end ? SIZE_MAX : line;
}

/* Reads what was answered before; what was cut off by a crash is taken away. */
static tern_status read_results(ti_batch_work *w, FILE *f, uint32_t *count, off_t *good,
                                tern_err *err)
{
    char *text = NULL;
    size_t cap = 0;
    ssize_t len;
    *count = 0;
    *good = 0;
    while ((len = getline(&text, &cap, f)) > 0 && text[len - 1] == '\n') {
        size_t line = line_of(text, (size_t)len);
        *good += len;
        if (w->lines && line < w->n && w->lines[line].state == TI_LINE_OPEN) {
            w->lines[line].state = TI_LINE_DONE;
            w->left--;
            (*count)++;
        }
    }
    free(text);
    return ferror(f) ? ti_fail_errno(err, errno, "batch", "cannot read results") : TERN_OK;
}

static tern_status open_results(ti_batch_work *w, const char *id, int *fd, uint32_t *count,
                                tern_err *err)
{
    off_t good;
    char *path = ti_batch_path(w->batches, id, ".jsonl");
    if (!path) {
        return ti_fail_nomem(err, "batch", strlen(id), "a path");
    }
    *fd = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, S_IRUSR | S_IWUSR);
    FILE *f = *fd < 0 ? NULL : fopen(path, "re");
    tern_status status = f ? read_results(w, f, count, &good, err)
                           : ti_fail_errno(err, errno, "batch", "cannot open '%s'", path);
    if (f) {
        fclose(f);
    }
    if (status == TERN_OK && ftruncate(*fd, good) != 0) {
        status = ti_fail_errno(err, errno, "batch", "cannot cut '%s'", path);
    }
    if (status == TERN_OK) {
        status = ti_sync_entry(path, err);
    }
    free(path);
    return status;
}

/* A line whole or not at all: what was written of one that failed is taken away. */
static tern_status append(int fd, const ti_buf *line, tern_err *err)
{
    off_t before = lseek(fd, 0, SEEK_END);
    size_t at = 0;
    if (line->failed) {
        return ti_fail_nomem(err, "batch", line->len, "a result");
    }
    while (before >= 0 && at < line->len) {
        ssize_t n = write(fd, line->data + at, line->len - at);
        if (n < 0 && errno != EINTR) {
            break;
        }
        at += n > 0 ? (size_t)n : 0;
    }
    if (before >= 0 && at == line->len && fdatasync(fd) == 0) {
        return TERN_OK;
    }
    int reason = errno;
    if (before >= 0 && ftruncate(fd, before) != 0) {
        reason = errno;
    }
    return ti_fail_errno(err, reason, "batch", "cannot write a result");
}

static void begin_line(ti_buf *out, const ti_batch_work *w, const ti_batch_line *l)
{
    char id[TI_BATCH_ID * 2];
    snprintf(id, sizeof id, "batch_req_%0*x%s", HEX, (unsigned)(l - w->lines),
             w->batch->id + sizeof "batch_" - 1);
    ti_json_open(out, NULL, '{');
    ti_json_str(out, "id", id);
    ti_json_str(out, "custom_id", l->custom_id);
}

tern_status ti_batch_work_result(ti_batch_work *w, const ti_batch_line *l, unsigned code,
                                 const char *request_id, const ti_buf *body, tern_err *err)
{
    enum { OK = 200 };
    ti_buf out = {0};
    begin_line(&out, w, l);
    ti_json_open(&out, "response", '{');
    ti_json_uint(&out, "status_code", code);
    ti_json_str(&out, "request_id", request_id);
    ti_buf_adds(&out, ",\"body\":");
    ti_buf_add(&out, body->data ? body->data : "null", body->data ? body->len : 4);
    ti_json_close(&out, '}');
    ti_json_null(&out, "error");
    ti_json_close(&out, '}');
    ti_buf_addc(&out, '\n');
    tern_status status = append(code == OK ? w->output : w->failures, &out, err);
    ti_buf_free(&out);
    if (status == TERN_OK) {
        *(code == OK ? &w->batch->completed : &w->batch->failed) += 1;
    }
    return status;
}

tern_status ti_batch_work_expire(ti_batch_work *w, tern_err *err)
{
    for (size_t i = 0; i < w->n; i++) {
        ti_buf out = {0};
        if (w->lines[i].state == TI_LINE_DONE) {
            continue;
        }
        begin_line(&out, w, &w->lines[i]);
        ti_json_null(&out, "response");
        ti_json_open(&out, "error", '{');
        ti_json_str(&out, "code", "batch_expired");
        ti_json_str(&out, "message", "the window of the batch ended before this line was run");
        ti_json_close(&out, '}');
        ti_json_close(&out, '}');
        ti_buf_addc(&out, '\n');
        tern_status status = append(w->failures, &out, err);
        ti_buf_free(&out);
        TI_TRY(status);
        w->lines[i].state = TI_LINE_DONE;
        w->left--;
        w->batch->failed++;
    }
    return TERN_OK;
}

/* --- the whole ------------------------------------------------------------------------------
 */

static bool read_input(ti_batch_work *w, uint32_t *line, ti_refusal *why)
{
    tern_err err = {0};
    size_t len;
    char *path = ti_batch_path(w->batches, w->batch->input, ".jsonl");
    tern_status status = path ? ti_read_file(&w->text, &len, path, TI_BATCH_FILE_BYTES, &err)
                              : ti_fail_nomem(&err, "batch", TI_BATCH_ID, "a path");
    free(path);
    w->lines = status == TERN_OK ? ti_calloc(TI_BATCH_LINES, sizeof *w->lines) : NULL;
    if (!w->lines) {
        return ti_refuse(why, NULL, "invalid_file", "the input cannot be read: %.150s",
                         err.message);
    }
    return ti_batch_lines(w->lines, &w->n, &w->tokens, &w->arena,
                          ti_batch_endpoints[w->batch->endpoint].path, (ti_str){w->text, len},
                          line, why);
}

bool ti_batch_work_open(ti_batch_work *w, ti_batches *b, ti_batch *batch, uint32_t *line,
                        ti_refusal *why)
{
    tern_err err = {0};
    *w = (ti_batch_work){.batches = b, .batch = batch, .output = -1, .failures = -1};
    atomic_init(&w->stop, false);
    bool good = read_input(w, line, why);
    for (size_t i = 0; good && w->lines && i < w->n; i++) {
        w->lines[i].work = w;
    }
    w->left = w->n;
    if (good &&
        (open_results(w, batch->output, &w->output, &batch->completed, &err) != TERN_OK ||
         open_results(w, batch->failures, &w->failures, &batch->failed, &err) != TERN_OK)) {
        good = ti_refuse(why, NULL, "internal_error", "%.200s", err.message);
    }
    if (!good) {
        ti_batch_work_close(w);
        return false;
    }
    batch->total = (uint32_t)w->n;
    return true;
}

void ti_batch_work_close(ti_batch_work *w)
{
    if (w->output >= 0) {
        close(w->output);
    }
    if (w->failures >= 0) {
        close(w->failures);
    }
    ti_arena_free(&w->arena);
    free(w->lines);
    free(w->text);
}

ti_batch_line *ti_batch_work_next(ti_batch_work *w)
{
    for (size_t i = 0; i < w->n; i++) {
        ti_batch_line *l = &w->lines[(w->next + i) % w->n];
        if (l->state == TI_LINE_OPEN) {
            w->next = (w->next + i) % w->n;
            return l;
        }
    }
    return NULL;
}
