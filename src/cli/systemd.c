/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/systemd.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "cli/call.h"
#include "cli/digest.h"
#include "cli/job_place.h"
#include "cli/models.h"
#include "cli/places.h"
#include "jobs/batch.h"

static tern_status unit_path(char **out, const char *name, const char *suffix, bool make,
                             tern_err *err)
{
    const char *xdg = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");
    ti_buf path = {0};
    if (xdg && *xdg == '/') {
        ti_buf_addf(&path, "%s/systemd/user", xdg);
    } else if (home && *home) {
        ti_buf_addf(&path, "%s/.config/systemd/user", home);
    } else {
        return ti_fail(err, TERN_UNAVAILABLE, "jobs", TI_NO_OFFSET,
                       "neither XDG_CONFIG_HOME nor HOME is set");
    }
    tern_status status = TERN_OK;
    if (make && !path.failed) {
        status = ti_make_directories(path.data, err);
    }
    ti_buf_addf(&path, "/%s%s", name, suffix);
    if (status == TERN_OK && path.failed) {
        status = ti_fail_nomem(err, "jobs", 0, "a path");
    }
    if (status != TERN_OK) {
        ti_buf_free(&path);
        return status;
    }
    *out = path.data;
    return TERN_OK;
}

tern_status ti_systemd_write(const char *name, const char *suffix, const ti_buf *text,
                             tern_err *err)
{
    char *path;
    TI_TRY(unit_path(&path, name, suffix, true, err));
    tern_status status = ti_job_write(path, text->data, text->len, err);
    free(path);
    return status;
}

bool ti_systemd_has(const char *name, const char *suffix)
{
    char *path;
    if (unit_path(&path, name, suffix, false, NULL) != TERN_OK) {
        return false;
    }
    bool has = access(path, F_OK) == 0;
    free(path);
    return has;
}

void ti_systemd_remove(const char *name)
{
    static const char *const suffixes[] = {".timer", ".service"};
    for (size_t i = 0; i < 2; i++) {
        char *path;
        if (unit_path(&path, name, suffixes[i], false, NULL) == TERN_OK) {
            (void)unlink(path);
            free(path);
        }
    }
}

tern_status ti_systemctl(const char *what, const char *name, const char *suffix, bool must,
                         tern_err *err)
{
    ti_call_words w = {0};
    ti_captured said;
    ti_call_add(&w, "systemctl");
    ti_call_add(&w, "--user");
    ti_call_add(&w, "--quiet");
    if (strcmp(what, "enable") == 0 || strcmp(what, "disable") == 0) {
        ti_call_add(&w, "--now");
    }
    ti_call_add(&w, "%s", what);
    if (*name) {
        ti_call_add(&w, "%s%s", name, suffix);
    }
    TI_TRY(ti_call(&said, &w, must, err));
    ti_captured_free(&said);
    return TERN_OK;
}

/* --- names ----------------------------------------------------------------------------------
 */

enum { DIGITS = 8 };

/* "" for the user's queue, "-1a2b3c4d" for one elsewhere. */
static void queue_suffix(char out[DIGITS + 2], const char *queue)
{
    char *usual, hex[TI_SHA256_HEX + 1];
    bool is_usual = false;
    if (ti_place_path(&usual, TI_PLACE_DATA, "jobs", NULL) == TERN_OK) {
        char real[PATH_MAX];
        is_usual = strcmp(usual, queue) == 0 ||
                   (realpath(usual, real) != NULL && strcmp(real, queue) == 0);
        free(usual);
    }
    ti_sha256_text(hex, queue);
    snprintf(out, DIGITS + 2, "%s%.*s", is_usual ? "" : "-", is_usual ? 0 : DIGITS, hex);
}

void ti_systemd_job_name(char out[TI_JOB_EXTERNAL_MAX + 1], const char *queue, int64_t id)
{
    char suffix[DIGITS + 2];
    queue_suffix(suffix, queue);
    snprintf(out, TI_JOB_EXTERNAL_MAX + 1, "tern-job%s-%lld", suffix, (long long)id);
}

/* --- the daemon -----------------------------------------------------------------------------
 */

static void daemon_name(char out[TI_JOB_EXTERNAL_MAX + 1], const char *queue)
{
    char suffix[DIGITS + 2];
    queue_suffix(suffix, queue);
    snprintf(out, TI_JOB_EXTERNAL_MAX + 1, "tern-jobd%s", suffix);
}

tern_status ti_systemd_install(const char *queue, const char *options, tern_err *err)
{
    char tern[PATH_MAX], name[TI_JOB_EXTERNAL_MAX + 1];
    ti_buf unit = {0};
    TI_TRY(ti_own_path(tern, sizeof tern, err));
    daemon_name(name, queue);
    const ti_batch_keeper daemon = {.tern = tern, .dir = queue};
    tern_status status = ti_systemd_daemon(&unit, &daemon, options, err);
    if (status == TERN_OK) {
        status = ti_systemd_put(name, &unit, err);
    }
    ti_buf_free(&unit);
    return status;
}

tern_status ti_systemd_uninstall(const char *queue, tern_err *err)
{
    char name[TI_JOB_EXTERNAL_MAX + 1];
    daemon_name(name, queue);
    return ti_systemd_take_away(name, err);
}

/* --- services that stay ---------------------------------------------------------------------
 */

tern_status ti_systemd_put(const char *name, const ti_buf *unit, tern_err *err)
{
    tern_status status = ti_systemd_write(name, ".service", unit, err);
    if (status == TERN_OK) {
        status = ti_systemctl("daemon-reload", "", "", true, err);
    }
    if (status == TERN_OK) {
        status = ti_systemctl("enable", name, ".service", true, err);
    }
    if (status != TERN_OK) {
        (void)ti_systemctl("disable", name, ".service", false, NULL);
        ti_systemd_remove(name);
    }
    return status;
}

tern_status ti_systemd_take_away(const char *name, tern_err *err)
{
    if (!ti_systemd_has(name, ".service")) {
        return ti_fail(err, TERN_NO, "jobs", TI_NO_OFFSET, "there is no unit %s.service", name);
    }
    tern_status status = ti_systemctl("disable", name, ".service", true, err);
    ti_systemd_remove(name);
    (void)ti_systemctl("daemon-reload", "", "", false, NULL);
    return status;
}
