/* SPDX-License-Identifier: Apache-2.0 */
#include "base/err.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "tern/version.h"

/* Here the functions themselves are meant. */
#undef ti_fail
#undef ti_fail_errno
#undef ti_fail_nomem

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

/* Names from files go into messages: what a terminal would obey must not get there.  So control
 * characters (those of C1 too, which begin with U+0080) and bytes that are no UTF-8 become '?';
 * a character that was cut at the end of the buffer goes. */
static void make_printable(char *text, bool cut)
{
    size_t len = strlen(text);
    if (cut) {
        len = ti_utf8_complete(text, len);
    }
    size_t out = 0;
    for (size_t in = 0; in < len;) {
        uint32_t code;
        size_t n = ti_utf8_decode(text + in, len - in, &code);
        if (n == 0 || code < 0x20 || (code >= 0x7f && code <= 0x9f)) {
            text[out++] = '?';
            in += n ? n : 1;
            continue;
        }
        memmove(text + out, text + in, n);
        out += n;
        in += n;
    }
    text[out] = '\0';
}

/* The message is made apart from `err`, because its arguments may well be parts of it: a caller
 * that adds something to the message of a function that it called. */
static void TI_PRINTF(6, 0) fill(tern_err *err, tern_status status, const char *module,
                                 uint64_t offset, int errnum, const char *format, va_list args)
{
    tern_err made = {.status = status, .offset = offset};
    snprintf(made.module, sizeof made.module, "%s", module);
    int n = vsnprintf(made.message, sizeof made.message, format, args);
    size_t used = strlen(made.message);
    if (errnum != 0) {
        char reason[96];
        /* The XSI strerror_r: thread-safe, fills the buffer. */
        if (strerror_r(errnum, reason, sizeof reason) != 0) {
            snprintf(reason, sizeof reason, "error %d", errnum);
        }
        n += snprintf(made.message + used, sizeof made.message - used, ": %s", reason);
    }
    make_printable(made.message, n >= (int)sizeof made.message);
    *err = made;
}

tern_status ti_fail(tern_err *err, tern_status status, const char *module, uint64_t offset,
                    const char *format, ...)
{
    if (err) {
        va_list args;
        va_start(args, format);
        fill(err, status, module, offset, 0, format, args);
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
        fill(err, TERN_IO, module, TI_NO_OFFSET, errnum, format, args);
        va_end(args);
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
