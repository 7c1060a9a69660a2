/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/job_grid.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/file.h"
#include "base/jval.h"
#include "cli/digest.h"
#include "jobs/queue.h"
#include "jobs/spec.h"

extern char **environ;

enum { DIGEST_DIGITS = 16 };

struct ti_job_grid {
    ti_arena arena;
    char *text; /* job->grid */
    ti_desk_args args;
    char **environment; /* NULL: as it is */
};

/* --- the environment ------------------------------------------------------------------------
 */

static bool begins(const char *text, const char *with)
{
    return strncmp(text, with, strlen(with)) == 0;
}

static bool name_ends(const char *text, size_t len, const char *with)
{
    size_t n = strlen(with);
    return len > n && strncasecmp(text + len - n, with, n) == 0;
}

/* Whether NAME=VALUE says something of sources: cli/desks.c, cli/keys.c, and what libcurl reads
 * (libcurl-env(3)). */
static bool is_ours(const char *variable)
{
    static const char *const whole[] = {
        "TERN_SHARE=",     "TERN_CACHE=",    "XDG_CONFIG_HOME=", "XDG_CACHE_HOME=", "HOME=",
        "CURL_CA_BUNDLE=", "SSL_CERT_FILE=", "SSL_CERT_DIR=",    "TERN_GRID_"};
    static const char *const ends[] = {"_URL", "_KEY", "_USER", "_PASSWORD"};
    size_t len = strcspn(variable, "=");
    for (size_t i = 0; i < sizeof whole / sizeof *whole; i++) {
        if (begins(variable, whole[i])) {
            return true;
        }
    }
    for (size_t i = 0; begins(variable, "TERN_") && i < sizeof ends / sizeof *ends; i++) {
        if (name_ends(variable, len, ends[i])) {
            return true;
        }
    }
    return name_ends(variable, len, "_proxy");
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

enum { VARIABLE_MAX = 2 * PATH_MAX };

/* "NAME=FILE" of a variable that names a file and was said in directory `cwd`, as it is said
 * from anywhere: in `text`, or the variable itself. */
static const char *absolute(char text[VARIABLE_MAX], const char *variable, const char *cwd)
{
    static const char *const names[] = {"TERN_GRID_FILE=", "TERN_SHARE=", "TERN_CACHE="};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const char *value = variable + strlen(names[i]);
        if (begins(variable, names[i]) && *value && *value != '/') {
            int len = snprintf(text, VARIABLE_MAX, "%s%s/%s", names[i], cwd, value);
            return len > 0 && len < VARIABLE_MAX ? text : variable;
        }
    }
    return variable;
}

/* Of what the environment says of sources, whatever its order. */
static bool digest_environment(char out[DIGEST_DIGITS + 1])
{
    char hex[TI_SHA256_HEX + 1], here[PATH_MAX], text[VARIABLE_MAX];
    size_t n = 0, used = 0;
    ti_buf all = {0};
    if (!getcwd(here, sizeof here)) {
        *here = '\0'; /* the job's spec will not be written either */
    }
    while (environ[n]) {
        n++;
    }
    char **sorted = calloc(n + 1, sizeof *sorted);
    if (!sorted) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        if (is_ours(environ[i])) {
            sorted[used++] = environ[i];
        }
    }
    qsort(sorted, used, sizeof *sorted, by_text);
    for (size_t i = 0; i < used; i++) {
        ti_buf_addf(&all, "%s\n", absolute(text, sorted[i], here));
    }
    ti_buf_adds(&all, "");
    bool good = !all.failed;
    ti_sha256_text(hex, good && all.data ? all.data : "");
    snprintf(out, DIGEST_DIGITS + 1, "%.*s", DIGEST_DIGITS, hex);
    free(sorted);
    ti_buf_free(&all);
    return good;
}

/* This environment, with the spec's word of sources in place of its own. */
static tern_status mix(ti_job_grid *g, const ti_job_spec *spec, tern_err *err)
{
    char text[VARIABLE_MAX];
    size_t n = 0, used = 0;
    while (environ[n]) {
        n++;
    }
    char **all = ti_arena_calloc(&g->arena, n + spec->n_env + 1, sizeof *all);
    for (size_t i = 0; all && i < n; i++) {
        if (!is_ours(environ[i])) {
            all[used] = ti_arena_strndup(&g->arena, environ[i], strlen(environ[i]));
            all = all[used++] ? all : NULL;
        }
    }
    for (size_t i = 0; all && i < spec->n_env; i++) {
        if (is_ours(spec->envp[i])) {
            const char *variable = absolute(text, spec->envp[i], spec->cwd);
            all[used] = ti_arena_strndup(&g->arena, variable, strlen(variable));
            all = all[used++] ? all : NULL;
        }
    }
    if (!all) {
        return ti_fail_nomem(err, "jobs", n * sizeof *all, "an environment");
    }
    g->environment = all;
    return TERN_OK;
}

static tern_status read_environment(ti_job_grid *g, const char *dir, const ti_job *job,
                                    tern_err *err)
{
    ti_job_spec spec;
    char *path, *text;
    size_t len;
    TI_TRY(ti_queue_path(&path, dir, job->id, "spec", err));
    tern_status status = ti_read_file(&text, &len, path, TI_SPEC_MAX, NULL);
    free(path);
    if (status != TERN_OK) {
        return status == TERN_NOMEM ? ti_fail_nomem(err, "jobs", 0, "a spec") : TERN_OK;
    }
    status = ti_job_spec_read(&spec, text, len, err);
    free(text);
    TI_TRY(status);
    status = mix(g, &spec, err);
    ti_job_spec_free(&spec);
    return status;
}

/* --- the options ----------------------------------------------------------------------------
 */

static void add_text(ti_buf *json, const char *key, const char *text)
{
    if (text) {
        ti_json_str(json, key, text);
    }
}

static void add_path(ti_buf *json, const char *key, const char *path)
{
    char here[PATH_MAX];
    ti_buf whole = {0};
    if (path && *path && *path != '/' && getcwd(here, sizeof here)) {
        ti_buf_addf(&whole, "%s/%s", here, path);
        json->failed |= whole.failed;
        path = whole.failed ? path : whole.data;
    }
    add_text(json, key, path);
    ti_buf_free(&whole);
}

static bool is_text(const char *text)
{
    ti_buf json = {0};
    ti_arena arena = {0};
    ti_jval v;
    if (!text) {
        return true;
    }
    ti_json_str(&json, NULL, text); /* what is no UTF-8 comes out as something else */
    bool same = !json.failed &&
                ti_jval_parse(&v, &arena, json.data, json.len, "jobs", NULL) == TERN_OK &&
                ti_jval_is(&v, text);
    ti_buf_free(&json);
    ti_arena_free(&arena);
    return same;
}

tern_status ti_job_grid_make(char **out, const ti_desk_args *args, tern_err *err)
{
    ti_buf json = {0};
    char digest[DIGEST_DIGITS + 1];
    if (!is_text(args->file) || !is_text(args->grid) || !is_text(args->column)) {
        return ti_fail(err, TERN_USAGE, "jobs", TI_NO_OFFSET,
                       "--file, --grid and --column must be UTF-8 to be kept with a job");
    }
    ti_json_open(&json, NULL, '{');
    add_text(&json, "source", args->source);
    add_path(&json, "file", args->file);
    add_text(&json, "column", args->column);
    add_text(&json, "basis", args->basis);
    add_path(&json, "grid", args->grid);
    if (args->offline) {
        ti_json_bool(&json, "offline", true);
    }
    json.failed |= !digest_environment(digest);
    ti_json_str(&json, "environment", digest);
    ti_json_close(&json, '}');
    if (json.failed || json.len > TI_JOB_GRID_MAX) {
        bool failed = json.failed;
        ti_buf_free(&json);
        return failed ? ti_fail_nomem(err, "jobs", 0, "settings")
                      : ti_fail(err, TERN_LIMIT, "jobs", TI_NO_OFFSET,
                                "the options of the source are too long");
    }
    *out = json.data;
    return TERN_OK;
}

/* A text of the document, copied, or what there is already. */
static void get(ti_job_grid *g, const ti_jval *v, const char *key, bool first,
                const char **value)
{
    const ti_jval *text = ti_jval_get(v, key);
    if (text && text->type == TI_JSTR && !(first && *value)) {
        const char *copy = ti_arena_strndup(&g->arena, text->u.str.data, text->u.str.len);
        *value = copy ? copy : *value;
    }
}

static tern_status read_options(ti_job_grid *g, bool first, tern_err *err)
{
    ti_jval v;
    TI_TRY(ti_jval_parse(&v, &g->arena, g->text, strlen(g->text), "jobs", err));
    ti_desk_args *a = &g->args;
    const ti_jval *offline = ti_jval_get(&v, "offline");
    get(g, &v, "source", first, &a->source);
    get(g, &v, "file", first, &a->file);
    get(g, &v, "column", first, &a->column);
    get(g, &v, "basis", first, &a->basis);
    get(g, &v, "grid", first, &a->grid);
    a->offline = a->offline || (offline && offline->type == TI_JBOOL && offline->u.boolean);
    return TERN_OK;
}

/* --- entering and leaving -------------------------------------------------------------------
 */

static void forget(ti_job_grid *g)
{
    ti_arena_free(&g->arena);
    free(g);
}

static tern_status read_grid(ti_job_grid **out, const char *dir, const ti_job *job,
                             const ti_desk_args *own, bool first, tern_err *err)
{
    ti_job_grid *g = ti_calloc(1, sizeof *g);
    if (!g) {
        return ti_fail_nomem(err, "jobs", sizeof *g, "settings");
    }
    g->args = *own;
    g->text = ti_arena_strndup(&g->arena, job->grid, strlen(job->grid));
    tern_status status = g->text ? read_options(g, first, err)
                                 : ti_fail_nomem(err, "jobs", strlen(job->grid), "settings");
    if (status == TERN_OK) {
        status = read_environment(g, dir, job, err);
    }
    if (status != TERN_OK) {
        forget(g);
        return status;
    }
    *out = g;
    return TERN_OK;
}

static tern_status keep(ti_job_grids *grids, ti_job_grid *g, tern_err *err)
{
    ti_job_grid **more = realloc(grids->items, (grids->n + 1) * sizeof(ti_job_grid *));
    if (!more) {
        return ti_fail_nomem(err, "jobs", (grids->n + 1) * sizeof(ti_job_grid *), "settings");
    }
    grids->items = more;
    grids->items[grids->n++] = g;
    return TERN_OK;
}

tern_status ti_job_grid_enter(ti_job_grids *grids, const ti_desk_args **args, const char *dir,
                              const ti_job *job, const ti_desk_args *own, bool first,
                              tern_err *err)
{
    ti_job_grid *g = NULL;
    *args = own;
    if (!job->grid || !*job->grid) {
        return TERN_OK;
    }
    for (size_t i = 0; i < grids->n && !g; i++) {
        g = strcmp(grids->items[i]->text, job->grid) == 0 ? grids->items[i] : NULL;
    }
    if (!g) {
        TI_TRY(read_grid(&g, dir, job, own, first, err));
        tern_status status = keep(grids, g, err);
        if (status != TERN_OK) {
            forget(g);
            return status;
        }
    }
    *args = &g->args;
    if (g->environment) {
        grids->outside = environ;
        environ = g->environment;
    }
    return TERN_OK;
}

void ti_job_grid_leave(ti_job_grids *grids)
{
    if (grids->outside) {
        environ = grids->outside;
        grids->outside = NULL;
    }
}

void ti_job_grids_free(ti_job_grids *grids)
{
    ti_job_grid_leave(grids);
    for (size_t i = 0; i < grids->n; i++) {
        forget(grids->items[i]);
    }
    free(grids->items);
    *grids = (ti_job_grids){0};
}
