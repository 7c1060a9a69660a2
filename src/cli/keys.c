/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/keys.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "cli/out.h"
#include "cli/places.h"

enum { FILE_MAX = 65536 };

static bool is_name(const char *line, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        char c = line[i];
        if (!((c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_')) {
            return false;
        }
    }
    return n > 0;
}

/* Warns of a name that nobody asks for: it is a slip, or belongs into the environment.  What it
 * is set to is not shown. */
static void check_name(const char *line, size_t len, unsigned number)
{
    static const char *const names[] = {
        "TERN_NESO_URL",     "TERN_ELECTRICITYMAPS_URL", "TERN_ELECTRICITYMAPS_KEY",
        "TERN_WATTTIME_URL", "TERN_WATTTIME_USER",       "TERN_WATTTIME_PASSWORD",
        "TERN_ENTSOE_URL",   "TERN_ENTSOE_KEY",          "TERN_CARBON_AWARE_SDK_URL",
        "TERN_GRID_FILE",    "TERN_GRID_SOURCE",         "TERN_GRID_BASIS",
        "TERN_SERVE_TOKEN",
    };
    if (len < 5 || memcmp(line, "TERN_", 5) != 0) {
        return; /* an upstream's: its name is the user's choice */
    }
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (strlen(names[i]) == len && memcmp(names[i], line, len) == 0) {
            return;
        }
    }
    ti_warn("keys: line %u: no setting is called '%.*s'", number, (int)(len < 60 ? len : 60),
            line);
}

/* Cuts the text into lines "NAME=VALUE", each ended by a NUL. */
static tern_status cut(ti_keys *keys, tern_err *err)
{
    static atomic_flag told = ATOMIC_FLAG_INIT; /* one warning a process */
    bool tell = !atomic_flag_test_and_set(&told);
    unsigned line = 0;
    char *at = keys->text;
    while (at < keys->text + keys->len) {
        char *end = memchr(at, '\n', (size_t)(keys->text + keys->len - at));
        end = end ? end : keys->text + keys->len;
        *end = '\0';
        line++;
        size_t n = strlen(at);
        for (size_t i = 0; i < n; i++) {
            if ((unsigned char)at[i] < ' ' && at[i] != '\r' && at[i] != '\t') {
                n = 0; /* a control character could end a header */
            }
        }
        while (n > 0 && (at[n - 1] == '\r' || at[n - 1] == ' ' || at[n - 1] == '\t')) {
            at[--n] = '\0';
        }
        const char *equals = strchr(at, '=');
        bool comment = at[0] == '#' || at[0] == '\0';
        if (n != strlen(at) || (!comment && !(equals && is_name(at, (size_t)(equals - at))))) {
            return ti_fail(err, TERN_USAGE, "keys", TI_NO_OFFSET, "line %u is not NAME=VALUE",
                           line);
        }
        if (!comment && tell) {
            check_name(at, (size_t)(equals - at), line);
        }
        at = end + 1;
    }
    return TERN_OK;
}

static tern_status read_file(ti_keys *keys, const char *path, tern_err *err)
{
    struct stat info;
    if (stat(path, &info) != 0) {
        return errno == ENOENT ? TERN_OK
                               : ti_fail_errno(err, errno, "keys", "cannot look at '%s'", path);
    }
    if ((info.st_mode & (S_IRWXG | S_IRWXO)) != 0) {
        ti_hint("chmod 600 '%s'", path);
        return ti_fail(err, TERN_USAGE, "keys", TI_NO_OFFSET,
                       "'%s' can be read by others, so it is not used", path);
    }
    TI_TRY(ti_read_file(&keys->text, &keys->len, path, FILE_MAX, err));
    return cut(keys, err);
}

tern_status ti_keys_open(ti_keys *out, tern_err *err)
{
    ti_keys keys = {0};
    tern_err ignored;
    char *path;
    if (ti_place_path(&path, TI_PLACE_CONFIG, "keys", &ignored) != TERN_OK) {
        *out = keys; /* no home: no file */
        return TERN_OK;
    }
    tern_status status = read_file(&keys, path, err);
    free(path);
    if (status != TERN_OK) {
        ti_keys_close(&keys);
        return status;
    }
    *out = keys;
    return TERN_OK;
}

void ti_keys_close(ti_keys *keys)
{
    volatile char *c = keys->text;
    for (size_t i = 0; c && i < keys->len; i++) {
        c[i] = 0;
    }
    free(keys->text);
    *keys = (ti_keys){0};
}

const char *ti_keys_get(const ti_keys *keys, const char *name)
{
    const char *said = getenv(name);
    size_t n = strlen(name);
    if (said && *said) {
        return said;
    }
    for (size_t at = 0; at < keys->len; at += strlen(keys->text + at) + 1) {
        const char *line = keys->text + at;
        if (strncmp(line, name, n) == 0 && line[n] == '=') {
            return line[n + 1] ? line + n + 1 : NULL;
        }
    }
    return NULL;
}
