/* SPDX-License-Identifier: Apache-2.0 */
#include "device/nab_data.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/file.h"
#include "base/jval.h"
#include "base/mem.h"
#include "carbon/stamp.h"
#include "device/compare.h"
#include "tern_edge.h"

static const char MODULE[] = "nab";

enum {
    MOST_BYTES = 64 << 20, /* of a file; NAB's largest has 2 MB */
    MOST_SERIES = 4096,
    MOST_NUMBER = 64 /* characters of a number */
};

/* A table: its first line names the columns, commas separate them, nothing is quoted. */
typedef struct table {
    char *text;
    size_t size;
    uint32_t n_rows;
} table;

static tern_status open_table(table *out, const char *path, tern_err *err)
{
    *out = (table){0};
    TI_TRY(ti_read_file(&out->text, &out->size, path, MOST_BYTES, err));
    for (const char *at = out->text;
         (at = memchr(at, '\n', out->size - (size_t)(at - out->text))); at++) {
        /* Each line that another follows, but for the first, ends with the next '\n'. */
        out->n_rows += at + 1 < out->text + out->size;
    }
    return TERN_OK;
}

/* The text of column `column` (from 0) of a line; empty when there is none. */
static ti_str field(ti_str line, uint32_t column)
{
    const char *end = line.data + line.len, *at = line.data;
    for (uint32_t i = 0; i < column && at; i++) {
        at = memchr(at, ',', (size_t)(end - at));
        at = at ? at + 1 : NULL;
    }
    if (!at) {
        return (ti_str){end, 0};
    }
    const char *comma = memchr(at, ',', (size_t)(end - at));
    return (ti_str){at, (size_t)((comma ? comma : end) - at)};
}

/* Takes the next line off *rest, without its end. */
static ti_str next_line(ti_str *rest)
{
    const char *end = rest->len ? memchr(rest->data, '\n', rest->len) : NULL;
    ti_str line = {rest->data, end ? (size_t)(end - rest->data) : rest->len};
    const size_t taken = end ? line.len + 1 : line.len;
    rest->data += taken;
    rest->len -= taken;
    line.len -= line.len > 0 && line.data[line.len - 1] == '\r';
    return line;
}

static bool number(ti_str text, double *out)
{
    char copy[MOST_NUMBER], *end;
    if (text.len == 0 || text.len >= sizeof copy) {
        return false;
    }
    memcpy(copy, text.data, text.len);
    copy[text.len] = '\0';
    const double value = strtod(copy, &end);
    if (*end != '\0' || !isfinite(value)) {
        return false;
    }
    *out = value;
    return true;
}

/* Which column has that name, or UINT32_MAX. */
static uint32_t column_of(ti_str head, const char *name)
{
    uint32_t column = 0;
    for (size_t i = 0; i < head.len; i++) {
        column += head.data[i] == ',';
    }
    for (uint32_t i = 0; i <= column; i++) {
        const ti_str f = field(head, i);
        if (f.len == strlen(name) && memcmp(f.data, name, f.len) == 0) {
            return i;
        }
    }
    return UINT32_MAX;
}

static bool moment(ti_str text, uint32_t *out)
{
    int64_t time_s;
    if (!ti_stamp_parse(&time_s, text.data, text.len) || time_s < 0 || time_s > UINT32_MAX) {
        return false;
    }
    *out = (uint32_t)time_s;
    return true;
}

/* time_s may be NULL. */
static tern_status read_rows(const table *t, const char *path, const char *name,
                             uint32_t *time_s, double *values, tern_err *err)
{
    ti_str rest = {t->text, t->size};
    const ti_str head = next_line(&rest);
    const uint32_t when = column_of(head, "timestamp"), what = column_of(head, name);
    if (when == UINT32_MAX || what == UINT32_MAX) {
        return ti_fail(err, TERN_CORRUPT, MODULE, 0, "%s: no columns 'timestamp' and '%s'",
                       path, name);
    }
    for (uint32_t i = 0; i < t->n_rows; i++) {
        const uint64_t at = (uint64_t)(rest.data - t->text);
        const ti_str line = next_line(&rest);
        uint32_t time;
        if (!moment(field(line, when), &time) || !number(field(line, what), &values[i])) {
            return ti_fail(err, TERN_CORRUPT, MODULE, at,
                           "%s: line %u has no moment or no number", path, i + 2);
        }
        if (time_s) {
            time_s[i] = time;
        }
    }
    return TERN_OK;
}

static uint32_t row_at(const ti_nab_series *s, uint32_t time_s)
{
    for (uint32_t i = 0; i < s->n_rows; i++) {
        if (s->time_s[i] == time_s) {
            return i;
        }
    }
    return UINT32_MAX;
}

/* Windows are given by the moments of their first and last row. */
static tern_status read_windows(ti_nab_series *s, const ti_jval *list, tern_err *err)
{
    s->windows = ti_calloc((size_t)list->n + 1, sizeof *s->windows);
    if (!s->windows) {
        return ti_fail_nomem(err, MODULE, list->n * sizeof *s->windows, "windows");
    }
    for (uint32_t i = 0; i < list->n; i++) {
        const ti_jval *pair = &list->u.items[i];
        uint32_t ends[2];
        for (uint32_t k = 0; k < 2; k++) {
            if (pair->type != TI_JARRAY || pair->n != 2 || pair->u.items[k].type != TI_JSTR ||
                !moment(pair->u.items[k].u.str, &ends[k])) {
                return ti_fail(err, TERN_CORRUPT, MODULE, pair->at,
                               "%s: a window is not two moments", s->name);
            }
            ends[k] = row_at(s, ends[k]);
        }
        if (ends[0] == UINT32_MAX || ends[1] == UINT32_MAX) {
            return ti_fail(err, TERN_CORRUPT, MODULE, pair->at,
                           "%s: a window begins or ends where there is no row", s->name);
        }
        s->windows[i] = (ti_nab_window){ends[0], ends[1]};
    }
    s->n_windows = list->n;
    return TERN_OK;
}

static tern_status read_series(ti_nab_series *s, const char *dir, const ti_jmember *labels,
                               tern_err *err)
{
    ti_buf path = {0};
    table t = {0};
    ti_buf_addf(&path, "%s/data/%.*s", dir, (int)labels->key.len, labels->key.data);
    s->name = ti_calloc(labels->key.len + 1, 1);
    tern_status status = TERN_OK;
    if (path.failed || !s->name) {
        status = ti_fail_nomem(err, MODULE, labels->key.len + 1, "a name");
    } else {
        memcpy(s->name, labels->key.data, labels->key.len);
        status = open_table(&t, path.data, err);
    }
    if (status == TERN_OK) {
        s->time_s = ti_calloc((size_t)t.n_rows + 1, sizeof *s->time_s);
        s->values = ti_calloc((size_t)t.n_rows + 1, sizeof *s->values);
        status = s->time_s && s->values
                     ? read_rows(&t, path.data, "value", s->time_s, s->values, err)
                     : ti_fail_nomem(err, MODULE, t.n_rows * sizeof *s->values, "rows");
    }
    if (status == TERN_OK) {
        s->n_rows = t.n_rows;
        status = read_windows(s, &labels->value, err);
    }
    free(t.text);
    ti_buf_free(&path);
    return status;
}

static tern_status read_all(ti_nab_set *out, const char *dir, const ti_jval *labels,
                            const char *path, tern_err *err)
{
    if (labels->type != TI_JOBJECT || labels->n > MOST_SERIES) {
        return ti_fail(err, TERN_CORRUPT, MODULE, 0, "%s: not an object of at most %d series",
                       path, MOST_SERIES);
    }
    out->series = ti_calloc((size_t)labels->n + 1, sizeof *out->series);
    if (!out->series) {
        return ti_fail_nomem(err, MODULE, labels->n * sizeof *out->series, "series");
    }
    for (uint32_t i = 0; i < labels->n; i++) {
        const ti_jmember *m = &labels->u.members[i];
        if (m->value.type != TI_JARRAY) {
            return ti_fail(err, TERN_CORRUPT, MODULE, m->value.at, "%s: not a list", path);
        }
        out->n = i + 1;
        TI_TRY(read_series(&out->series[i], dir, m, err));
    }
    return TERN_OK;
}

tern_status ti_nab_set_read(ti_nab_set *out, const char *dir, tern_err *err)
{
    ti_buf path = {0};
    ti_arena arena = {0};
    ti_jval labels;
    char *text = NULL;
    size_t size = 0;
    *out = (ti_nab_set){0};
    ti_buf_addf(&path, "%s/labels/combined_windows.json", dir);
    tern_status status = path.failed ? ti_fail_nomem(err, MODULE, strlen(dir), "a name")
                                     : ti_read_file(&text, &size, path.data, MOST_BYTES, err);
    if (status == TERN_OK) {
        status = ti_jval_parse(&labels, &arena, text, size, MODULE, err);
    }
    if (status == TERN_OK) {
        status = read_all(out, dir, &labels, path.data, err);
    }
    ti_arena_free(&arena);
    free(text);
    ti_buf_free(&path);
    return status;
}

tern_status ti_nab_results_read(double *scores, const char *dir, const ti_nab_series *series,
                                tern_err *err)
{
    size_t len = strlen(dir);
    while (len > 1 && dir[len - 1] == '/') {
        len--;
    }
    size_t from = len;
    while (from > 0 && dir[from - 1] != '/') {
        from--;
    }
    const char *slash = strrchr(series->name, '/');
    const char *file = slash ? slash + 1 : series->name;
    ti_buf path = {0};
    ti_buf_addf(&path, "%.*s/%.*s%.*s_%s", (int)len, dir, (int)(file - series->name),
                series->name, (int)(len - from), dir + from, file);
    table t = {0};
    tern_status status = path.failed ? ti_fail_nomem(err, MODULE, len, "a name")
                                     : open_table(&t, path.data, err);
    if (status == TERN_OK && t.n_rows != series->n_rows) {
        status = ti_fail(err, TERN_CORRUPT, MODULE, TI_NO_OFFSET, "%s: %u rows, not %u",
                         path.data, t.n_rows, series->n_rows);
    }
    if (status == TERN_OK) {
        status = read_rows(&t, path.data, "anomaly_score", NULL, scores, err);
    }
    free(t.text);
    ti_buf_free(&path);
    return status;
}

void ti_nab_watch(double *scores, const ti_nab_series *series)
{
    static const struct tern_edge_watch_config config = {
        .max_value = TERN_EDGE_MAX_VALUE, .threshold = 1, .two_way = 1};
    struct tern_edge_watch watch;
    struct tern_edge_watch_result result;
    const double scale = ti_binary_scale(series->values, ti_nab_probation(series->n_rows));
    TI_ASSERT(tern_edge_watch_init(&watch, &config));
    for (uint32_t i = 0; i < series->n_rows; i++) {
        tern_edge_watch_step(&watch, series->time_s[i], ti_scaled(series->values[i], scale),
                             &result);
        scores[i] = result.score;
    }
}

void ti_nab_set_free(ti_nab_set *set)
{
    for (uint32_t i = 0; i < set->n; i++) {
        free(set->series[i].name);
        free(set->series[i].time_s);
        free(set->series[i].values);
        free(set->series[i].windows);
    }
    free(set->series);
    *set = (ti_nab_set){0};
}
