/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/checks.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/utf8.h"
#include "cli/out.h"

/* Texts in receipts are somebody else's: a terminal must not obey them. */
static void make_printable(char *text)
{
    size_t len = ti_utf8_complete(text, strlen(text));
    text[len] = '\0';
    for (size_t i = 0; i < len;) {
        uint32_t code = 0;
        size_t n = ti_utf8_decode(text + i, len - i, &code);
        if (n == 0 || code < 0x20 || (code >= 0x7f && code < 0xa0)) {
            n = n ? n : 1;
            memset(text + i, '?', n);
        }
        i += n;
    }
}

void ti_check_add(ti_checks *checks, const char *name, ti_check_result result,
                  const char *format, ...)
{
    va_list args;
    bool full = checks->n == TI_CHECKS_MAX;
    if (full && checks->items[TI_CHECKS_MAX - 1].result == TI_CHECK_NO) {
        return;
    }
    ti_check *check = &checks->items[full ? TI_CHECKS_MAX - 1 : checks->n++];
    check->name = name;
    check->result = result;
    va_start(args, format);
    vsnprintf(check->text, sizeof check->text, format, args);
    va_end(args);
    make_printable(check->text);
}

tern_status ti_check_no(ti_checks *checks, const char *name, tern_status status,
                        const tern_err *err)
{
    if (status != TERN_NO) {
        return status;
    }
    ti_check_add(checks, name, TI_CHECK_NO, "%s", err->message);
    return TERN_OK;
}

bool ti_checks_good(const ti_checks *checks)
{
    bool any = false;
    for (size_t i = 0; i < checks->n; i++) {
        if (checks->items[i].result == TI_CHECK_NO) {
            return false;
        }
        any |= checks->items[i].result == TI_CHECK_OK;
    }
    return any;
}

static const char *const words[] = {
    [TI_CHECK_OK] = "ok", [TI_CHECK_NO] = "no", [TI_CHECK_OPEN] = "open"};

void ti_checks_print(const ti_checks *checks, const char *file)
{
    ti_printf("%s%s%s: %s\n", ti_bold(), file, ti_plain(),
              ti_checks_good(checks) ? "verified" : "NOT verified");
    for (size_t i = 0; i < checks->n; i++) {
        const ti_check *c = &checks->items[i];
        ti_printf("  %-12s %-5s %s\n", c->name, words[c->result], c->text);
    }
}

void ti_checks_json(ti_buf *json, const ti_checks *checks)
{
    ti_json_bool(json, "verified", ti_checks_good(checks));
    ti_json_open(json, "checks", '[');
    for (size_t i = 0; i < checks->n; i++) {
        ti_json_open(json, NULL, '{');
        ti_json_str(json, "name", checks->items[i].name);
        ti_json_str(json, "result", words[checks->items[i].result]);
        ti_json_str(json, "text", checks->items[i].text);
        ti_json_close(json, '}');
    }
    ti_json_close(json, ']');
}
