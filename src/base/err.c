/* SPDX-License-Identifier: Apache-2.0 */
#include "base/err.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tern/version.h"

static const struct {
    const char *name, *text;
    int exit_code;
} statuses[] = {
#define ROW(name, value, exit_code, text) [value] = {#name, text, exit_code},
    TERN_STATUS_TABLE(ROW)
#undef ROW
};

static const size_t n_statuses = sizeof statuses / sizeof statuses[0];

const char *tern_status_name(tern_status status)
{
    return (size_t)status < n_statuses ? statuses[status].name : "?";
}

const char *tern_status_text(tern_status status)
{
    return (size_t)status < n_statuses ? statuses[status].text : "unknown status";
}

int tern_status_exit_code(tern_status status)
{
    return (size_t)status < n_statuses ? statuses[status].exit_code : 70;
}

const char *tern_version(void)
{
    return TERN_VERSION;
}

/* Names from files go into messages: what a terminal would obey must not get there.  A
 * message that was cut in the middle of a UTF-8 character loses that character. */
static void make_printable(char *text)
{
    size_t len = strlen(text);
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c < 0x20 || c == 0x7f) {
            text[i] = '?';
        }
    }
    size_t start = len;
    while (start > 0 && len - start < 4 && ((unsigned char)text[start - 1] & 0xc0) == 0x80) {
        start--;
    }
    if (start > 0 && (unsigned char)text[start - 1] >= 0xc0) {
        unsigned char lead = (unsigned char)text[start - 1];
        size_t need = lead >= 0xf0 ? 3 : lead >= 0xe0 ? 2 : 1;
        if (len - start < need) {
            text[start - 1] = '\0';
        }
    }
}

static void fill(tern_err *err, tern_status status, const char *module, uint64_t offset,
                 const char *format, va_list args)
{
    err->status = status;
    err->offset = offset;
    snprintf(err->module, sizeof err->module, "%s", module);
    vsnprintf(err->message, sizeof err->message, format, args);
    make_printable(err->message);
}

tern_status ti_fail(tern_err *err, tern_status status, const char *module, uint64_t offset,
                    const char *format, ...)
{
    if (err) {
        va_list args;
        va_start(args, format);
        fill(err, status, module, offset, format, args);
        va_end(args);
    }
    return status;
}

tern_status ti_fail_errno(tern_err *err, int errnum, const char *module, const char *format,
                          ...)
{
    if (err) {
        va_list args;
        va_start(args, format);
        fill(err, TERN_IO, module, TI_NO_OFFSET, format, args);
        va_end(args);
        size_t used = strlen(err->message);
        char reason[96];
        /* The XSI strerror_r: thread-safe, fills the buffer. */
        if (strerror_r(errnum, reason, sizeof reason) != 0) {
            snprintf(reason, sizeof reason, "errno %d", errnum);
        }
        snprintf(err->message + used, sizeof err->message - used, ": %s", reason);
    }
    return TERN_IO;
}

tern_status ti_fail_nomem(tern_err *err, const char *module, uint64_t bytes, const char *what)
{
    return ti_fail(err, TERN_NOMEM, module, TI_NO_OFFSET, "out of memory: %llu bytes for %s",
                   (unsigned long long)bytes, what);
}

_Noreturn void ti_assert_failed(const char *expression, const char *file, int line)
{
    fprintf(stderr, "tern: assertion failed: %s (%s:%d)\n", expression, file, line);
    abort();
}
