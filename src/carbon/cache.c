/* SPDX-License-Identifier: Apache-2.0 */
#include "carbon/cache.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "carbon/basis.h"
#include "carbon/stamp.h"

#define SUFFIX ".json"

void ti_kept_free(ti_kept *kept)
{
    ti_feed_free(&kept->history);
    for (size_t i = 0; i < kept->n_forecasts; i++) {
        ti_feed_free(&kept->forecasts[i]);
    }
    kept->n_forecasts = 0;
}

/* --- adding ------------------------------------------------------------------------------- */

/* The slots of one kind, as a feed of its own. */
static tern_status part_of(ti_feed *out, const ti_feed *answer, bool actual, size_t max,
                           tern_err *err)
{
    ti_feed part = *answer;
    part.slots = NULL;
    part.series.slots = NULL;
    part.series.n = part.cap = 0;
    for (size_t i = 0; i < answer->series.n && part.series.n < max; i++) {
        const ti_slot *s = &answer->slots[i];
        if ((s->kind == TI_SLOT_ACTUAL) != actual || s->kind == TI_SLOT_DERIVED) {
            continue;
        }
        if (ti_feed_add(&part, s, err) != TERN_OK) {
            ti_feed_free(&part);
            return TERN_NOMEM;
        }
    }
    part.series.slots = part.slots;
    *out = part;
    return TERN_OK;
}

/* The newest forecast is always kept; those before it when they are apart. */
static void keep_forecast(ti_kept *kept, ti_feed *forecast)
{
    size_t n = kept->n_forecasts;
    ti_feed *f = kept->forecasts;
    if (n > 0 && f[n - 1].series.issued_s >= forecast->series.issued_s) {
        if (f[n - 1].series.issued_s == forecast->series.issued_s) {
            ti_feed_free(&f[n - 1]);
            f[n - 1] = *forecast;
        } else {
            ti_feed_free(forecast); /* an older one than is known */
        }
        return;
    }
    bool close =
        n >= 2 && f[n - 1].series.issued_s - f[n - 2].series.issued_s < TI_CACHE_FORECAST_S;
    if (close) {
        ti_feed_free(&f[--n]);
    } else if (n == TI_CACHE_FORECASTS) {
        ti_feed_free(&f[0]);
        memmove(f, f + 1, (n - 1) * sizeof *f);
        n--;
    }
    f[n] = *forecast;
    kept->n_forecasts = n + 1;
}

tern_status ti_kept_add(ti_kept *kept, const ti_feed *answer, int64_t now_s, tern_err *err)
{
    ti_feed actual, forecast;
    TI_TRY(part_of(&actual, answer, true, SIZE_MAX, err));
    tern_status status =
        ti_feed_merge(&kept->history, &actual, now_s - (int64_t)TI_CACHE_DAYS * TI_DAY_S,
                      TI_CACHE_SLOTS, err);
    ti_feed_free(&actual);
    if (status != TERN_OK || !answer->issued) {
        return status;
    }
    TI_TRY(part_of(&forecast, answer, false, TI_CACHE_FORECAST_SLOTS, err));
    /* What is called a forecast of the past (a glitch's stand-in) teaches nothing. */
    ti_feed_clip(&forecast, forecast.series.issued_s, INT64_MAX);
    if (forecast.series.n == 0) {
        ti_feed_free(&forecast);
        return TERN_OK;
    }
    keep_forecast(kept, &forecast);
    return TERN_OK;
}

/* --- text --------------------------------------------------------------------------------- */

static const char *const kind_names[] = {"actual", "forecast", "derived"};

/* Slots of one kind, error and length without a gap, from `i`; returns the first after them. */
static size_t write_run(ti_buf *out, const ti_series *s, size_t i)
{
    const ti_slot *first = &s->slots[i];
    ti_json_open(out, NULL, '{');
    ti_json_int(out, "start_s", first->start_s);
    ti_json_uint(out, "step_s", first->length_s);
    ti_json_str(out, "kind", kind_names[first->kind]);
    if (first->error_mg_kwh != TI_ERROR_UNKNOWN) {
        ti_json_uint(out, "error_mg_kwh", first->error_mg_kwh);
    }
    ti_json_open(out, "mg_kwh", '[');
    for (size_t k = 0; i < s->n; k++, i++) {
        const ti_slot *slot = &s->slots[i];
        if (slot->start_s != first->start_s + (int64_t)k * first->length_s ||
            slot->length_s != first->length_s || slot->kind != first->kind ||
            slot->error_mg_kwh != first->error_mg_kwh) {
            break;
        }
        ti_json_uint(out, NULL, slot->intensity_mg_kwh);
    }
    ti_json_close(out, ']');
    ti_json_close(out, '}');
    return i;
}

static void write_feed(ti_buf *out, const char *key, const ti_feed *feed)
{
    ti_json_open(out, key, '{');
    ti_json_int(out, "obtained_s", feed->obtained_s);
    ti_json_int(out, "issued_s", feed->series.issued_s);
    ti_json_str(out, "place", feed->place);
    ti_json_str(out, "licence", feed->licence);
    ti_json_uint(out, "estimated", feed->n_estimated);
    ti_json_open(out, "runs", '[');
    for (size_t i = 0; i < feed->series.n;) {
        i = write_run(out, &feed->series, i);
    }
    ti_json_close(out, ']');
    ti_json_close(out, '}');
}

void ti_kept_text(ti_buf *out, const ti_kept *kept)
{
    char basis[TI_BASIS_TEXT];
    const ti_series *s = &kept->history.series;
    ti_json_open(out, NULL, '{');
    ti_json_str(out, "schema", "tern.grid-cache/1");
    ti_json_str(out, "source", s->source);
    ti_json_str(out, "zone", s->zone);
    ti_json_str(out, "basis", ti_basis_text(basis, s->basis));
    write_feed(out, "history", &kept->history);
    ti_json_open(out, "forecasts", '[');
    for (size_t i = 0; i < kept->n_forecasts; i++) {
        write_feed(out, NULL, &kept->forecasts[i]);
    }
    ti_json_close(out, ']');
    ti_json_close(out, '}');
    ti_buf_addc(out, '\n');
}

static tern_status bad(const ti_jval *v, const char *what, tern_err *err)
{
    return ti_fail(err, TERN_CORRUPT, "grid cache", v ? v->at : TI_NO_OFFSET, "%s", what);
}

static bool read_text(char *out, size_t cap, const ti_jval *v)
{
    if (!v || v->type != TI_JSTR || v->u.str.len >= cap) {
        return false;
    }
    memcpy(out, v->u.str.data, v->u.str.len);
    out[v->u.str.len] = '\0';
    return true;
}

static bool read_time(int64_t *out, const ti_jval *v)
{
    uint64_t n;
    if (!ti_jval_uint(v, (uint64_t)TI_STAMP_MAX_S, &n)) {
        return false;
    }
    *out = (int64_t)n;
    return true;
}

static tern_status read_run(ti_feed *feed, const ti_jval *run, size_t max, tern_err *err)
{
    uint64_t step, mg, error = TI_ERROR_UNKNOWN;
    ti_slot slot = {0};
    const ti_jval *values = ti_jval_get(run, "mg_kwh"), *kind = ti_jval_get(run, "kind");
    if (!read_time(&slot.start_s, ti_jval_get(run, "start_s")) ||
        !ti_jval_uint(ti_jval_get(run, "step_s"), UINT32_MAX, &step) || !values ||
        values->type != TI_JARRAY) {
        return bad(run, "no run of values", err);
    }
    (void)ti_jval_uint(ti_jval_get(run, "error_mg_kwh"), TI_INTENSITY_MAX_MG_KWH, &error);
    slot.kind = ti_jval_is(kind, "actual") ? TI_SLOT_ACTUAL : TI_SLOT_FORECAST;
    slot.error_mg_kwh = (uint32_t)error;
    slot.length_s = (uint32_t)step;
    for (uint32_t i = 0; i < values->n; i++) {
        if (!ti_jval_uint(&values->u.items[i], TI_INTENSITY_MAX_MG_KWH, &mg)) {
            return bad(&values->u.items[i], "no intensity", err);
        }
        if (feed->series.n == max || slot.start_s > TI_STAMP_MAX_S) {
            return bad(run, "more values than are kept", err);
        }
        slot.intensity_mg_kwh = (uint32_t)mg;
        TI_TRY(ti_feed_add(feed, &slot, err));
        slot.start_s += slot.length_s;
    }
    return TERN_OK;
}

static tern_status read_feed(ti_feed *feed, const ti_jval *v, size_t max, tern_err *err)
{
    uint64_t estimated = 0;
    const ti_jval *runs = ti_jval_get(v, "runs");
    if (!read_time(&feed->obtained_s, ti_jval_get(v, "obtained_s")) ||
        !read_time(&feed->series.issued_s, ti_jval_get(v, "issued_s")) ||
        !read_text(feed->place, sizeof feed->place, ti_jval_get(v, "place")) ||
        !read_text(feed->licence, sizeof feed->licence, ti_jval_get(v, "licence")) || !runs ||
        runs->type != TI_JARRAY) {
        return bad(v, "a series without its beginnings", err);
    }
    (void)ti_jval_uint(ti_jval_get(v, "estimated"), TI_SERIES_SLOTS_MAX, &estimated);
    feed->n_estimated = (size_t)estimated;
    for (uint32_t i = 0; i < runs->n; i++) {
        TI_TRY(read_run(feed, &runs->u.items[i], max, err));
    }
    return ti_feed_close(feed, false, err);
}

static tern_status read_kept(ti_kept *out, const ti_jval *root, tern_err *err)
{
    ti_feed *history = &out->history;
    ti_basis basis;
    const ti_jval *b = ti_jval_get(root, "basis"), *list = ti_jval_get(root, "forecasts");
    if (!ti_jval_is(ti_jval_get(root, "schema"), "tern.grid-cache/1") || !b ||
        b->type != TI_JSTR || !ti_basis_parse(&basis, b->u.str.data, b->u.str.len) ||
        !read_text(history->series.zone, sizeof history->series.zone,
                   ti_jval_get(root, "zone")) ||
        !read_text(history->series.source, sizeof history->series.source,
                   ti_jval_get(root, "source")) ||
        !list || list->type != TI_JARRAY || list->n > TI_CACHE_FORECASTS) {
        return bad(root, "no tern.grid-cache/1", err);
    }
    history->series.basis = basis;
    TI_TRY(read_feed(history, ti_jval_get(root, "history"), TI_CACHE_SLOTS, err));
    for (uint32_t i = 0; i < list->n; i++) {
        ti_feed *f = &out->forecasts[i];
        ti_feed_init(f, history->series.zone, history->series.source, basis);
        out->n_forecasts = i + 1;
        TI_TRY(read_feed(f, &list->u.items[i], TI_CACHE_FORECAST_SLOTS, err));
        if (i > 0 && f->series.issued_s <= f[-1].series.issued_s) {
            return bad(&list->u.items[i], "forecasts out of order", err);
        }
    }
    return TERN_OK;
}

tern_status ti_kept_parse(ti_kept *out, const char *text, size_t len, tern_err *err)
{
    ti_arena arena = {0};
    ti_jval root;
    ti_kept *kept = ti_calloc(1, sizeof *kept);
    if (!kept) {
        return ti_fail_nomem(err, "grid cache", sizeof *kept, "what is kept");
    }
    tern_status status = ti_jval_parse(&root, &arena, text, len, "grid cache", err);
    if (status == TERN_OK) {
        status = read_kept(kept, &root, err);
    }
    ti_arena_free(&arena);
    if (status == TERN_OK) {
        *out = *kept;
    } else {
        ti_kept_free(kept);
    }
    free(kept);
    return status;
}

/* --- files -------------------------------------------------------------------------------- */

/* <dir>/<name>, or with `name` NULL the series' own file. */
static tern_status file_of(ti_buf *path, const char *dir, const char *source, const char *zone,
                           ti_basis basis, tern_err *err)
{
    ti_buf_addf(path, "%s/%s@%s@%u" SUFFIX, dir, source, zone, ti_basis_rank(basis));
    return path->failed ? ti_fail_nomem(err, "grid cache", path->len, "a path") : TERN_OK;
}

static tern_status load(ti_kept *out, const char *path, const char *source, const char *zone,
                        ti_basis basis, tern_err *err)
{
    char *text;
    size_t len;
    if (access(path, F_OK) != 0) {
        memset(out, 0, sizeof *out);
        ti_feed_init(&out->history, zone, source, basis);
        return TERN_OK;
    }
    TI_TRY(ti_read_file(&text, &len, path, TI_CACHE_FILE_MAX, err));
    tern_status status = ti_kept_parse(out, text, len, err);
    free(text);
    if (status == TERN_OK && (strcmp(out->history.series.zone, zone) != 0 ||
                              strcmp(out->history.series.source, source) != 0 ||
                              !ti_basis_equal(out->history.series.basis, basis))) {
        ti_kept_free(out);
        return ti_fail(err, TERN_CORRUPT, "grid cache", TI_NO_OFFSET,
                       "a file with another series in it than its name says");
    }
    return status;
}

tern_status ti_cache_load(ti_kept *out, const char *dir, const char *source, const char *zone,
                          ti_basis basis, tern_err *err)
{
    ti_buf path = {0};
    tern_status status = file_of(&path, dir, source, zone, basis, err);
    if (status == TERN_OK) {
        status = load(out, path.data, source, zone, basis, err);
    }
    ti_buf_free(&path);
    return status;
}

/* Removes the file that was written longest ago when there are too many. */
static void bound(const char *dir)
{
    DIR *d = opendir(dir);
    struct dirent *entry;
    struct stat info;
    size_t n = 0;
    ti_buf oldest = {0}, path = {0};
    struct timespec when = {0};
    while (d && (entry = readdir(d)) != NULL) {
        size_t len = strlen(entry->d_name), end = strlen(SUFFIX);
        if (len <= end || strcmp(entry->d_name + len - end, SUFFIX) != 0) {
            continue;
        }
        ti_buf_clear(&path);
        ti_buf_addf(&path, "%s/%s", dir, entry->d_name);
        if (path.failed || stat(path.data, &info) != 0) {
            continue;
        }
        n++;
        if (!oldest.data || oldest.len == 0 || info.st_mtim.tv_sec < when.tv_sec ||
            (info.st_mtim.tv_sec == when.tv_sec && info.st_mtim.tv_nsec < when.tv_nsec)) {
            ti_buf_clear(&oldest);
            ti_buf_add(&oldest, path.data, path.len);
            when = info.st_mtim;
        }
    }
    if (n > TI_CACHE_FILES && oldest.len > 0 && !oldest.failed) {
        (void)unlink(oldest.data);
    }
    if (d) {
        closedir(d);
    }
    ti_buf_free(&oldest);
    ti_buf_free(&path);
}

static tern_status replace(const char *path, const ti_kept *kept, tern_err *err)
{
    ti_buf text = {0};
    ti_out out;
    ti_kept_text(&text, kept);
    if (text.failed) {
        ti_buf_free(&text);
        return ti_fail_nomem(err, "grid cache", text.len, "what is kept");
    }
    tern_status status = ti_out_open(&out, path, err);
    if (status == TERN_OK) {
        if (fwrite(text.data, 1, text.len, out.stream) != text.len) {
            status = ti_fail_errno(err, errno, "grid cache", "cannot write '%s'", path);
        } else {
            status = ti_out_commit(&out, err);
        }
        ti_out_abandon(&out);
    }
    ti_buf_free(&text);
    return status;
}

static tern_status add_locked(const char *path, const ti_feed *answer, int64_t now_s,
                              tern_err *err)
{
    const ti_series *s = &answer->series;
    ti_kept *kept = ti_calloc(1, sizeof *kept);
    if (!kept) {
        return ti_fail_nomem(err, "grid cache", sizeof *kept, "what is kept");
    }
    tern_status status = load(kept, path, s->source, s->zone, s->basis, err);
    if (status == TERN_CORRUPT) { /* damaged: begin again */
        ti_feed_init(&kept->history, s->zone, s->source, s->basis);
        status = TERN_OK;
    }
    if (status == TERN_OK) {
        status = ti_kept_add(kept, answer, now_s, err);
    }
    if (status == TERN_OK) {
        status = replace(path, kept, err);
    }
    ti_kept_free(kept);
    free(kept);
    return status;
}

tern_status ti_cache_add(const char *dir, const ti_feed *answer, int64_t now_s, tern_err *err)
{
    const ti_series *s = &answer->series;
    ti_buf path = {0}, lock = {0};
    tern_status status = file_of(&path, dir, s->source, s->zone, s->basis, err);
    ti_buf_addf(&lock, "%s/lock", dir);
    int fd = -1;
    if (status == TERN_OK && lock.failed) {
        status = ti_fail_nomem(err, "grid cache", lock.len, "a path");
    }
    if (status == TERN_OK) {
        fd = open(lock.data, O_RDWR | O_CREAT | O_CLOEXEC, S_IRUSR | S_IWUSR);
        if (fd < 0 || flock(fd, LOCK_EX) != 0) {
            status = ti_fail_errno(err, errno, "grid cache", "cannot lock '%s'", dir);
        }
    }
    if (status == TERN_OK) {
        bool is_new = access(path.data, F_OK) != 0;
        status = add_locked(path.data, answer, now_s, err);
        if (status == TERN_OK && is_new) {
            bound(dir);
        }
    }
    if (fd >= 0) {
        close(fd);
    }
    ti_buf_free(&path);
    ti_buf_free(&lock);
    return status;
}
