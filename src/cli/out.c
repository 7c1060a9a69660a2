/* SPDX-License-Identifier: Apache-2.0 */
/* The program's only mutable globals that are not local to a command live here and in
 * interrupt.c: how to speak is a property of the process. */
#include "cli/out.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/utf8.h"

static struct {
    bool quiet, color_out, color_err;
    char hint[256];
    bool exit_is_set;
    int exit_code;
} say;

static bool is_tty(int fd)
{
    return isatty(fd) == 1;
}

bool ti_stdout_is_tty(void)
{
    return is_tty(STDOUT_FILENO);
}

bool ti_stderr_is_tty(void)
{
    return is_tty(STDERR_FILENO);
}

void ti_out_setup(bool quiet, uint32_t color)
{
    const char *no_color = getenv("NO_COLOR"); /* no-color.org: any value that is not empty */
    const char *term = getenv("TERM");
    bool plain = (no_color && *no_color) || (term && strcmp(term, "dumb") == 0);
    say.quiet = quiet;
    say.color_out = color == 1 || (color == 0 && !plain && ti_stdout_is_tty());
    say.color_err = color == 1 || (color == 0 && !plain && ti_stderr_is_tty());
}

/* --- stdout ------------------------------------------------------------------------------- */

void ti_print(const char *text)
{
    fputs(text, stdout);
}

void ti_printf(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vfprintf(stdout, format, args);
    va_end(args);
}

void ti_print_model_text(const char *text, size_t len)
{
    if (!ti_stdout_is_tty()) {
        fwrite(text, 1, len, stdout);
        fflush(stdout);
        return;
    }
    for (size_t i = 0; i < len;) {
        uint32_t code = 0;
        size_t n = ti_utf8_decode(text + i, len - i, &code);
        bool control = (code < 0x20 && code != '\n' && code != '\t') ||
                       (code >= 0x7f && code < 0xa0); /* C0, DEL and C1 */
        if (n == 0 || control) {
            fputc('?', stdout);
            n = n ? n : 1;
        } else {
            fwrite(text + i, 1, n, stdout);
        }
        i += n;
    }
    fflush(stdout);
}

tern_status ti_print_json(ti_buf *json, tern_err *err)
{
    ti_buf_addc(json, '\n');
    if (json->failed) {
        return ti_fail_nomem(err, "json", json->len, "a document");
    }
    fwrite(json->data, 1, json->len, stdout);
    return TERN_OK;
}

tern_status ti_out_finish(tern_err *err)
{
    if (fflush(stdout) != 0 || ferror(stdout)) {
        return ti_fail_errno(err, errno ? errno : EIO, "stdout", "cannot write the result");
    }
    return TERN_OK;
}

const char *ti_bold(void)
{
    return say.color_out ? "\033[1m" : "";
}

const char *ti_plain(void)
{
    return say.color_out ? "\033[0m" : "";
}

/* --- stderr ------------------------------------------------------------------------------- */

void ti_note(const char *format, ...)
{
    if (say.quiet) {
        return;
    }
    va_list args;
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
}

void ti_warn(const char *format, ...)
{
    va_list args;
    fputs(say.color_err ? "\033[1;33mtern: warning:\033[0m " : "tern: warning: ", stderr);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
}

void ti_hint(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(say.hint, sizeof say.hint, format, args);
    va_end(args);
}

void ti_report(const tern_err *err)
{
    fflush(stdout); /* what was printed before the error stands before it */
    fputs(say.color_err ? "\033[1;31mtern:\033[0m " : "tern: ", stderr);
    if (err->module[0]) {
        fprintf(stderr, "%s: ", err->module);
    }
    fputs(err->message[0] ? err->message : tern_status_text(err->status), stderr);
    if (err->offset != TI_NO_OFFSET) {
        fprintf(stderr, " (at offset %llu)", (unsigned long long)err->offset);
    }
    fputc('\n', stderr);
    if (say.hint[0]) {
        fprintf(stderr, "hint: %s\n", say.hint);
        say.hint[0] = '\0';
    }
}

bool ti_out_quiet(void)
{
    return say.quiet;
}

void ti_exit_with(int code)
{
    say.exit_is_set = true;
    say.exit_code = code;
}

int ti_exit_code(int code)
{
    return say.exit_is_set ? say.exit_code : code;
}
