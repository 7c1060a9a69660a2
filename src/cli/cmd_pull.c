/* SPDX-License-Identifier: Apache-2.0 */
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "cli/cmd.h"
#include "cli/fetch.h"
#include "cli/models.h"
#include "cli/out.h"

/* No model for a CPU is larger; a server that sends for ever must end somewhere. */
#define BYTES_MAX ((uint64_t)256 << 30)

typedef struct pull_args {
    const char *sha256, *output, *ca_file;
    uint32_t retries, timeout_s;
    bool force, list, json;
} pull_args;

static const pull_args defaults = {.retries = 5, .timeout_s = 60};

static const ti_opt opts[] = {
    {.type = TI_OPT_STR,
     .name = "output",
     .letter = 'o',
     .metavar = "FILE",
     .help = "where to put it",
     .fallback = "the cache, under the name that the address ends with",
     .words = TI_WORDS_FILE,
     .offset = offsetof(pull_args, output)},
    {.type = TI_OPT_STR,
     .name = "sha256",
     .metavar = "HEX",
     .help = "the digest that the file must have",
     .fallback = "the one on record",
     .offset = offsetof(pull_args, sha256)},
    {.type = TI_OPT_FLAG,
     .name = "force",
     .letter = 'f',
     .help = "replace a file that is there",
     .offset = offsetof(pull_args, force)},
    {.type = TI_OPT_U32,
     .name = "retries",
     .metavar = "N",
     .help = "try again so often when the connection fails, after 1, 2, 4... seconds",
     .max = 100,
     .offset = offsetof(pull_args, retries)},
    {.type = TI_OPT_U32,
     .name = "timeout",
     .metavar = "SECONDS",
     .help = "give up a connection that brings nothing for so long",
     .min = 1,
     .max = 3600,
     .offset = offsetof(pull_args, timeout_s)},
    {.type = TI_OPT_STR,
     .name = "ca-file",
     .metavar = "FILE",
     .help = "certificates of the authorities to trust, PEM",
     .fallback = "the system's",
     .words = TI_WORDS_FILE,
     .offset = offsetof(pull_args, ca_file)},
    {.type = TI_OPT_FLAG,
     .name = "list",
     .help =
         "download nothing: list the models that are known by name, and those that are here; "
         "so does 'tern pull' alone",
     .offset = offsetof(pull_args, list)},
    {.type = TI_OPT_FLAG,
     .name = "json",
     .help = "print a JSON document instead of the path, schema tern.pull/1, or of the list, "
             "tern.model-list/1",
     .offset = offsetof(pull_args, json)},
    {0},
};

static const ti_operand operands[] = {
    {.metavar = "NAME|URL",
     .help = "a model that the list shows, or an address (http, https)",
     .words = TI_WORDS_CATALOGUE,
     .optional = true},
    {0},
};

static bool is_address(const char *text)
{
    return strncasecmp(text, "http://", 7) == 0 || strncasecmp(text, "https://", 8) == 0;
}

/* --- what and where to -------------------------------------------------------------------- */

static tern_status unknown_name(const char *name, tern_err *err)
{
    const char *best = NULL;
    unsigned distance = UINT_MAX;
    if (strstr(name, "://")) {
        return ti_fail(err, TERN_USAGE, "pull", TI_NO_OFFSET,
                       "only http and https addresses can be downloaded");
    }
    for (const ti_catalogue_row *row = ti_catalogue; row->name; row++) {
        if (row->url) {
            ti_nearest(name, row->name, &best, &distance);
        }
    }
    if (best) {
        ti_hint("did you mean '%s'?", best);
    } else {
        ti_hint("'tern pull' alone lists the names; an address begins with https://");
    }
    return ti_fail(err, TERN_USAGE, "pull", TI_NO_OFFSET, "'%.64s' is no model that tern knows",
                   name);
}

/* The last component of an address as a file name: never a path, never hidden. */
static tern_status name_from_url(ti_buf *out, const char *url, tern_err *err)
{
    char shown[TI_FETCH_URL_MAX];
    ti_url_public(shown, sizeof shown, url);
    const char *path = strstr(shown, "://");
    path = path ? path + 3 : shown;
    const char *slash = strrchr(path, '/');
    const char *name = slash ? slash + 1 : "";
    if (!*name || *name == '.' || strlen(name) > NAME_MAX - sizeof ".part.from.XXXXXX") {
        ti_hint("-o FILE says where to put it");
        return ti_fail(err, TERN_USAGE, "pull", TI_NO_OFFSET,
                       "the address does not end with a file name");
    }
    ti_buf_addf(out, "models/%s", name);
    return TERN_OK;
}

/* The file that shall be, in its directory, which is made. */
static tern_status choose_path(char **path, const pull_args *args, const char *url,
                               const ti_catalogue_row *row, tern_err *err)
{
    if (args->output) {
        *path = strdup(args->output);
        return *path ? TERN_OK : ti_fail_nomem(err, "pull", strlen(args->output), "a path");
    }
    ti_buf below = {0};
    char *dir = NULL;
    tern_status status = TERN_OK;
    if (row) {
        ti_buf_addf(&below, "models/%s", row->file);
    } else {
        status = name_from_url(&below, url, err);
    }
    if (status == TERN_OK && below.failed) {
        status = ti_fail_nomem(err, "pull", below.len, "a path");
    }
    if (status == TERN_OK) {
        status = ti_cache_path(&dir, "models", err);
    }
    if (status == TERN_OK) {
        status = ti_make_directories(dir, err);
    }
    if (status == TERN_OK) {
        status = ti_cache_path(path, below.data, err);
    }
    free(dir);
    ti_buf_free(&below);
    return status;
}

/* --- result ---------------------------------------------------------------------------------
 */

static tern_status print_result(const pull_args *args, const char *path,
                                const ti_fetch_result *result, tern_err *err)
{
    if (!args->json) {
        ti_printf("%s\n", path);
        return TERN_OK;
    }
    ti_buf json = {0};
    ti_json_open(&json, NULL, '{');
    ti_json_str(&json, "schema", "tern.pull/1");
    ti_json_str(&json, "path", path);
    ti_json_uint(&json, "bytes", result->bytes);
    ti_json_uint(&json, "resumed_bytes", result->resumed);
    ti_json_str(&json, "sha256", result->sha256);
    ti_json_close(&json, '}');
    tern_status status = ti_print_json(&json, err);
    ti_buf_free(&json);
    return status;
}

/* A file is there.  Right if its digest is the expected one; without one, nobody can say. */
static tern_status use_existing(ti_fetch_result *result, const char *path, const char *sha256,
                                uint64_t bytes, tern_err *err)
{
    result->bytes = bytes;
    TI_TRY(ti_sha256_file(result->sha256, path, err));
    if (!sha256) {
        ti_note("'%s' is there already (SHA-256 %s); --force replaces it", path,
                result->sha256);
        return TERN_OK;
    }
    if (strcasecmp(sha256, result->sha256) != 0) {
        ti_hint("--force replaces it");
        return ti_fail(err, TERN_CORRUPT, "pull", TI_NO_OFFSET,
                       "'%s' is there, but its SHA-256 is %s", path, result->sha256);
    }
    ti_note("'%s' is there already, and its SHA-256 is right", path);
    return TERN_OK;
}

static tern_status obtain(const pull_args *args, const char *url, const char *path,
                          const ti_catalogue_row *row, tern_err *err)
{
    struct stat st;
    ti_fetch_result result = {0};
    const char *sha256 = args->sha256 ? args->sha256 : row ? row->sha256 : NULL;
    if (!args->force && stat(path, &st) == 0) {
        TI_TRY(use_existing(&result, path, sha256, (uint64_t)st.st_size, err));
        return print_result(args, path, &result, err);
    }
    if (row) {
        ti_note("%s: %s; licence %s", row->name, row->about, row->licence);
    }
    ti_fetch_opts fetch = {
        .url = url,
        .path = path,
        .sha256 = sha256,
        .bytes = row && !args->sha256 ? row->bytes : 0,
        .limit = BYTES_MAX,
        .retries = args->retries,
        .timeout_s = args->timeout_s,
        .ca_file = args->ca_file,
    };
    TI_TRY(ti_fetch(&result, &fetch, err));
    if (!sha256) {
        ti_note("no digest was given to compare with; SHA-256 of what arrived: %s",
                result.sha256);
    }
    return print_result(args, path, &result, err);
}

static tern_status run(const void *values, const ti_operands *given, tern_err *err)
{
    const pull_args *args = values;
    if (given->n == 0 && (args->output || args->sha256 || args->force)) {
        ti_hint("'tern pull' alone lists the names");
        return ti_fail(err, TERN_USAGE, "pull", TI_NO_OFFSET, "which model?");
    }
    if (args->list && given->n > 0) {
        return ti_fail(err, TERN_USAGE, "pull", TI_NO_OFFSET, "--list downloads nothing");
    }
    if (given->n == 0) {
        return ti_models_print(false, args->json, err);
    }
    const char *what = given->items[0];
    const ti_catalogue_row *row = is_address(what) ? NULL : ti_catalogue_find(what);
    char *path = NULL;
    if (!row && !is_address(what)) {
        return unknown_name(what, err);
    }
    if (row && !row->url) {
        return ti_fail(err, TERN_USAGE, "pull", TI_NO_OFFSET,
                       "there is nothing to obtain: '%s' comes with tern", row->name);
    }
    if (args->sha256 && !ti_is_sha256(args->sha256)) {
        return ti_fail(err, TERN_USAGE, "pull", TI_NO_OFFSET,
                       "--sha256 takes 64 hexadecimal digits");
    }
    ti_interrupt_catch();
    const char *url = row ? row->url : what;
    TI_TRY(choose_path(&path, args, url, row, err));
    tern_status status = obtain(args, url, path, row, err);
    free(path);
    return status;
}

const ti_command ti_cmd_pull = {
    .name = "pull",
    .summary = "download a model, or list those that are known",
    .description =
        "Downloads a model into the cache and prints its path.  A download that was "
        "interrupted continues where it stopped.  The file gets its name only when it is "
        "whole and has the expected SHA-256.\n\n"
        "Without a name it lists the models that it knows and those that are here: size, "
        "whether it is here, the licence of its weights, what it is good for.\n\n"
        "Proxies are taken from the environment: https_proxy, http_proxy, no_proxy.",
    .examples = "tern pull\n"
                "tern pull smollm2-135m-instruct\n"
                "tern pull https://example.org/model.gguf --sha256 9f86d0...",
    .opts = opts,
    .operands = operands,
    .defaults = &defaults,
    .size = sizeof defaults,
    .run = run,
};
