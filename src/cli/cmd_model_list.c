/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cli/cmd.h"
#include "cli/models.h"
#include "cli/out.h"
#include "cli/shipped.h"

typedef struct list_args {
    bool names, json;
} list_args;

static const list_args defaults = {0};

static const ti_opt opts[] = {
    {.type = TI_OPT_FLAG,
     .name = "names",
     .help = "print only the names of models that are here, one a line",
     .offset = offsetof(list_args, names)},
    {.type = TI_OPT_FLAG,
     .name = "json",
     .help = "print one JSON document, schema tern.model-list/1",
     .offset = offsetof(list_args, json)},
    {0},
};

/* One line: a file, a row of the catalogue, or both. */
typedef struct entry {
    const ti_catalogue_row *row; /* or NULL */
    char name[256];              /* what -m takes */
    uint64_t bytes;              /* of the file, or 0 when it is not here */
    bool here;
} entry;

/* Size of a file in the cache; 0 when it cannot be looked at. */
static tern_status size_of(uint64_t *bytes, const char *file, tern_err *err)
{
    ti_buf below = {0};
    struct stat st = {0};
    char *path = NULL;
    ti_buf_addf(&below, "models/%s", file);
    tern_status status = below.failed ? ti_fail_nomem(err, "models", strlen(file), "a path")
                                      : ti_cache_path(&path, below.data, err);
    if (status == TERN_OK) {
        *bytes = stat(path, &st) == 0 ? (uint64_t)st.st_size : 0;
    }
    free(path);
    ti_buf_free(&below);
    return status;
}

static const ti_catalogue_row *row_of_file(const char *file)
{
    for (const ti_catalogue_row *row = ti_catalogue; row->name; row++) {
        if (strcmp(row->file, file) == 0) {
            return row;
        }
    }
    return NULL;
}

static tern_status fill_from_file(entry *out, const char *file, tern_err *err)
{
    *out = (entry){.row = row_of_file(file), .here = true};
    TI_TRY(size_of(&out->bytes, file, err));
    if (out->row) {
        snprintf(out->name, sizeof out->name, "%s", out->row->name);
    } else {
        snprintf(out->name, sizeof out->name, "%.*s", (int)(strlen(file) - strlen(".gguf")),
                 file);
    }
    return TERN_OK;
}

/* A row of a model that comes with the program: here, unless somebody took it away. */
static tern_status fill_shipped(entry *out, const ti_catalogue_row *row, tern_err *err)
{
    struct stat st;
    char *path;
    *out = (entry){.row = row};
    snprintf(out->name, sizeof out->name, "%s", row->name);
    TI_TRY(ti_shipped_path(&path, row->file, err));
    if (path && stat(path, &st) == 0) {
        out->bytes = (uint64_t)st.st_size;
        out->here = true;
    }
    free(path);
    return TERN_OK;
}

static bool is_listed(const ti_names *files, const char *file)
{
    for (size_t i = 0; i < files->n; i++) {
        if (strcmp(files->items[i], file) == 0) {
            return true;
        }
    }
    return false;
}

static void print_line(const entry *e)
{
    char size[32] = "";
    if (e->here || (e->row && e->row->bytes)) {
        ti_human_bytes(size, sizeof size, e->here ? e->bytes : e->row->bytes);
    }
    const char *where = e->here ? "here" : e->row && e->row->url ? "pull" : "gone";
    ti_printf("%-24s  %9s  %-4s  %-10s  %s\n", e->name, size, where,
              e->row ? e->row->licence : "", e->row ? e->row->about : "");
}

static void print_object(ti_buf *json, const entry *e)
{
    ti_json_open(json, NULL, '{');
    ti_json_str(json, "name", e->name);
    ti_json_bool(json, "here", e->here);
    if (e->here) {
        ti_json_uint(json, "bytes", e->bytes);
    } else if (e->row && e->row->bytes) {
        ti_json_uint(json, "bytes", e->row->bytes);
    }
    if (e->row) {
        ti_json_str(json, "about", e->row->about);
        ti_json_str(json, "licence", e->row->licence);
        if (e->row->url) {
            ti_json_str(json, "url", e->row->url);
        }
    }
    ti_json_close(json, '}');
}

static void show(const list_args *args, ti_buf *json, const entry *e)
{
    if (args->json) {
        print_object(json, e);
    } else if (!args->names) {
        print_line(e);
    } else if (e->here) {
        ti_printf("%s\n", e->name);
    }
}

/* Shows what came with the program, the files, then what the catalogue has besides. */
static tern_status show_all(const list_args *args, ti_buf *json, const ti_names *files,
                            tern_err *err)
{
    entry e;
    for (const ti_catalogue_row *row = ti_catalogue; row->name; row++) {
        if (!row->url) {
            TI_TRY(fill_shipped(&e, row, err));
            show(args, json, &e);
        }
    }
    for (size_t i = 0; i < files->n; i++) {
        TI_TRY(fill_from_file(&e, files->items[i], err));
        show(args, json, &e);
    }
    for (const ti_catalogue_row *row = ti_catalogue; row->name; row++) {
        if (row->url && !is_listed(files, row->file)) {
            e = (entry){.row = row};
            snprintf(e.name, sizeof e.name, "%s", row->name);
            show(args, json, &e);
        }
    }
    return TERN_OK;
}

static tern_status print_all(const list_args *args, tern_err *err)
{
    ti_names files = {0};
    ti_buf json = {0};
    TI_TRY(ti_cached_models(&files, err));
    ti_json_open(&json, NULL, '{');
    ti_json_str(&json, "schema", "tern.model-list/1");
    ti_json_open(&json, "models", '[');
    tern_status status = show_all(args, &json, &files, err);
    ti_json_close(&json, ']');
    ti_json_close(&json, '}');
    if (status == TERN_OK && args->json) {
        status = ti_print_json(&json, err);
    }
    ti_buf_free(&json);
    ti_names_free(&files);
    return status;
}

tern_status ti_models_print(bool names, bool json, tern_err *err)
{
    const list_args args = {.names = names, .json = json};
    return print_all(&args, err);
}

static tern_status run(const void *values, const ti_operands *given, tern_err *err)
{
    (void)given;
    return print_all(values, err);
}

const ti_command ti_cmd_model_list = {
    .name = "model list",
    .summary = "list the models that are here, or can be obtained",
    .description = "Lists the model that comes with tern, those in the cache, then those that "
                   "'tern pull' knows by name.",
    .opts = opts,
    .defaults = &defaults,
    .size = sizeof defaults,
    .run = run,
};
