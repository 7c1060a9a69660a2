/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/serve_unit.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "cli/call.h"
#include "cli/out.h"
#include "cli/systemd.h"
#include "jobs/batch.h"

static const char unit_name[] = "tern-serve";

/* What a service does not inherit from a shell.  No secrets: whoever may read the unit may read
 * them, and the token has a file of its own. */
static const char *const settings[] = {
    "TERN_ZONE",  "TERN_GRID_SOURCE", "TERN_GRID_FILE",  "TERN_GRID_BASIS", "TERN_CACHE",
    "TERN_SHARE", "TERN_CPU",         "XDG_CONFIG_HOME", "XDG_DATA_HOME",   "XDG_CACHE_HOME"};

/* Everything here works in a user's systemd: filters of system calls and one flag of the
 * process, no mount namespace.  perf_event_open is how joules are measured on some machines.
 * Source: systemd.exec(5). */
static const char limits[] = "NoNewPrivileges=yes\n"
                             "LockPersonality=yes\n"
                             "MemoryDenyWriteExecute=yes\n"
                             "RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX AF_NETLINK\n"
                             "RestrictNamespaces=yes\n"
                             "RestrictRealtime=yes\n"
                             "RestrictSUIDSGID=yes\n"
                             "SystemCallArchitectures=native\n"
                             "SystemCallFilter=@system-service perf_event_open\n"
                             "SystemCallErrorNumber=EPERM\n"
                             "UMask=0077\n";

static tern_status check(const char *word, tern_err *err)
{
    for (const char *c = word; *c; c++) {
        if ((unsigned char)*c < ' ' || *c == '\177') {
            return ti_fail(err, TERN_USAGE, "serve", TI_NO_OFFSET,
                           "a unit cannot have a control character in '%.64s'", word);
        }
    }
    return TERN_OK;
}

/* The words that this program was called with, each ended by a NUL, but --install. */
static tern_status add_command(ti_buf *unit, const char *words, size_t len, tern_err *err)
{
    char tern[PATH_MAX];
    size_t n = 0;
    TI_TRY(ti_own_path(tern, sizeof tern, err));
    TI_TRY(check(tern, err));
    ti_buf_adds(unit, "ExecStart=");
    ti_systemd_word(unit, tern, true);
    for (const char *w = words; w < words + len; w += strlen(w) + 1) {
        if (n++ > 0 && strcmp(w, "--install") != 0) {
            TI_TRY(check(w, err));
            ti_buf_addc(unit, ' ');
            ti_systemd_word(unit, w, true);
        }
    }
    ti_buf_addc(unit, '\n');
    return TERN_OK;
}

static tern_status add_settings(ti_buf *unit, tern_err *err)
{
    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++) {
        const char *value = getenv(settings[i]);
        ti_buf word = {0};
        if (!value || !*value) {
            continue;
        }
        TI_TRY(check(value, err));
        ti_buf_addf(&word, "%s=%s", settings[i], value);
        ti_buf_adds(unit, "Environment=");
        ti_systemd_word(unit, word.data ? word.data : "", false);
        ti_buf_addc(unit, '\n');
        unit->failed |= word.failed;
        ti_buf_free(&word);
    }
    return TERN_OK;
}

/* The directory stands in its line as it is: no quotes, but % is doubled. */
static tern_status add_directory(ti_buf *unit, tern_err *err)
{
    char here[PATH_MAX];
    if (!getcwd(here, sizeof here)) {
        return ti_fail_errno(err, errno, "serve", "cannot tell this directory");
    }
    TI_TRY(check(here, err));
    ti_buf_adds(unit, "WorkingDirectory=");
    for (const char *c = here; *c; c++) {
        ti_buf_adds(unit, *c == '%' ? "%" : "");
        ti_buf_addc(unit, *c);
    }
    ti_buf_addc(unit, '\n');
    return TERN_OK;
}

/* A file of /proc has no size before it is read. */
static tern_status read_command(ti_buf *words, tern_err *err)
{
    enum { PIECE = 4096 };
    char piece[PIECE];
    size_t n;
    FILE *f = fopen("/proc/self/cmdline", "re");
    if (!f) {
        return ti_fail_errno(err, errno, "serve", "cannot tell how this program was called");
    }
    while ((n = fread(piece, 1, sizeof piece, f)) > 0) {
        ti_buf_add(words, piece, n);
    }
    bool failed = ferror(f) != 0 || words->len == 0 || words->data[words->len - 1] != '\0';
    fclose(f);
    return words->failed ? ti_fail_nomem(err, "serve", words->len, "a command")
           : failed      ? ti_fail(err, TERN_IO, "serve", TI_NO_OFFSET,
                                   "cannot tell how this program was called")
                         : TERN_OK;
}

static tern_status write_unit(ti_buf *unit, tern_err *err)
{
    ti_buf words = {0};
    ti_buf_adds(unit, "# Made by tern; 'tern serve --uninstall' removes it.\n"
                      "[Unit]\n"
                      "Description=tern serve\n"
                      "\n"
                      "[Service]\n"
                      "Type=exec\n"
                      "Restart=on-failure\n"
                      "RestartSec=10\n");
    TI_TRY(add_directory(unit, err));
    TI_TRY(add_settings(unit, err));
    tern_status status = read_command(&words, err);
    if (status == TERN_OK) {
        status = add_command(unit, words.data, words.len, err);
    }
    ti_buf_free(&words);
    TI_TRY(status);
    ti_buf_addf(unit, "%s\n[Install]\nWantedBy=default.target\n", limits);
    return unit->failed ? ti_fail_nomem(err, "serve", unit->len, "a unit") : TERN_OK;
}

tern_status ti_serve_install(tern_err *err)
{
    ti_buf unit = {0};
    tern_status status = write_unit(&unit, err);
    if (status == TERN_OK) {
        status = ti_systemd_put(unit_name, &unit, err);
    }
    ti_buf_free(&unit);
    if (status == TERN_OK) {
        ti_note("'loginctl enable-linger' lets it live on when you log out; 'journalctl --user "
                "-u %s' shows what it says",
                unit_name);
    }
    return status;
}

tern_status ti_serve_uninstall(tern_err *err)
{
    return ti_systemd_take_away(unit_name, err);
}
