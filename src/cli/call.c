/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/call.h"

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void ti_call_add(ti_call_words *words, const char *format, ...)
{
    va_list args;
    char text[PATH_MAX + 64];
    va_start(args, format);
    int len = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    char *copy = len >= 0 && (size_t)len < sizeof text ? strdup(text) : NULL;
    if (!copy || words->n + 1 >= TI_WORDS_MAX) {
        words->failed = true;
        free(copy);
        return;
    }
    words->items[words->n++] = copy;
}

tern_status ti_call(ti_captured *out, ti_call_words *words, bool must, tern_err *err)
{
    tern_status status = words->failed ? ti_fail(err, TERN_LIMIT, "jobs", TI_NO_OFFSET,
                                                 "too many or too long options")
                                       : ti_capture(out, words->items, TI_CALL_PATIENCE_S, err);
    if (status == TERN_OK && must && out->exit_code != 0) {
        status = ti_fail(err, TERN_UNAVAILABLE, "jobs", TI_NO_OFFSET, "%s: %s", words->items[0],
                         *out->said ? out->said : "it failed");
        ti_captured_free(out);
    }
    for (size_t i = 0; i < words->n; i++) {
        free(words->items[i]);
    }
    *words = (ti_call_words){0};
    return status;
}

tern_status ti_own_path(char *out, size_t cap, tern_err *err)
{
    ssize_t n = readlink("/proc/self/exe", out, cap - 1);
    if (n < 0) {
        return ti_fail_errno(err, errno, "jobs", "where is this program?");
    }
    out[n] = '\0';
    return TERN_OK;
}
