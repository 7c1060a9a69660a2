/* SPDX-License-Identifier: Apache-2.0 */
/* A task for Windows' scheduler (MS-TSCH 2.5, "Task Scheduler Schema", version 1.2). */
#include <string.h>

#include "base/utf8.h"
#include "carbon/stamp.h"
#include "jobs/batch.h"

/* How long a task that could not run in time stays willing. */
enum { WILLING_S = 30 * TI_DAY_S };

/* Text in XML 1.0, which has no way to write most control characters. */
static tern_status add_xml(ti_buf *out, const char *text, size_t len, tern_err *err)
{
    for (size_t i = 0; i < len;) {
        uint32_t code;
        size_t n = ti_utf8_decode(text + i, len - i, &code);
        bool allowed = n > 0 &&
                       (code >= 0x20 || code == '\t' || code == '\n' || code == '\r') &&
                       code != 0xfffe && code != 0xffff;
        if (!allowed) {
            return ti_fail(err, TERN_USAGE, "jobs", i,
                           "a task of Windows cannot hold this command: it is no text");
        }
        if (code == '<' || code == '>' || code == '&' || code < 0x20) {
            ti_buf_addf(out, "&#%u;", (unsigned)code);
        } else {
            ti_buf_add(out, text + i, n);
        }
        i += n;
    }
    return TERN_OK;
}

/* A word as CommandLineToArgvW reads it back: backslashes count only before a quote. */
static void add_word(ti_buf *out, const char *word)
{
    size_t slashes = 0;
    if (*word && !strpbrk(word, " \t\n\v\"")) {
        ti_buf_adds(out, word);
        return;
    }
    ti_buf_addc(out, '"');
    for (const char *c = word;; c++) {
        if (*c == '\\') {
            slashes++;
            continue;
        }
        size_t n = *c == '"' ? 2 * slashes + 1 : *c == '\0' ? 2 * slashes : slashes;
        for (size_t i = 0; i < n; i++) {
            ti_buf_addc(out, '\\');
        }
        slashes = 0;
        if (*c == '\0') {
            break;
        }
        ti_buf_addc(out, *c);
    }
    ti_buf_addc(out, '"');
}

static tern_status add_action(ti_buf *out, const ti_job *job, tern_err *err)
{
    ti_buf words = {0};
    size_t first = strlen(job->command) + 1;
    for (size_t at = first; at < job->command_len; at += strlen(job->command + at) + 1) {
        ti_buf_adds(&words, at > first ? " " : "");
        add_word(&words, job->command + at);
    }
    ti_buf_adds(out, "    <Exec>\r\n      <Command>");
    tern_status status = add_xml(out, job->command, strlen(job->command), err);
    ti_buf_adds(out, "</Command>\r\n");
    if (status == TERN_OK && words.len > 0) {
        ti_buf_adds(out, "      <Arguments>");
        status = add_xml(out, words.data, words.len, err);
        ti_buf_adds(out, "</Arguments>\r\n");
    }
    ti_buf_adds(out, "    </Exec>\r\n");
    out->failed = out->failed || words.failed;
    ti_buf_free(&words);
    return status;
}

tern_status ti_windows_task(ti_buf *out, const ti_job *job, tern_err *err)
{
    char start[TI_STAMP_TEXT], end[TI_STAMP_TEXT];
    bool strict = job->flags & TI_JOB_SKIP_LATE;
    int64_t end_s = strict ? job->deadline_s - job->shortest_s : job->deadline_s + WILLING_S;
    ti_buf_addf(out,
                "<?xml version=\"1.0\" encoding=\"UTF-16\"?>\r\n"
                "<Task version=\"1.2\" "
                "xmlns=\"http://schemas.microsoft.com/windows/2004/02/mit/task\">\r\n"
                "  <Triggers>\r\n"
                "    <TimeTrigger>\r\n"
                "      <StartBoundary>%s</StartBoundary>\r\n"
                "      <EndBoundary>%s</EndBoundary>\r\n"
                "      <Enabled>true</Enabled>\r\n"
                "    </TimeTrigger>\r\n"
                "  </Triggers>\r\n",
                ti_stamp_text(start, job->plan.start_s), ti_stamp_text(end, end_s));
    ti_buf_adds(out, "  <Settings>\r\n"
                     "    <MultipleInstancesPolicy>IgnoreNew</MultipleInstancesPolicy>\r\n"
                     "    <DisallowStartIfOnBatteries>false</DisallowStartIfOnBatteries>\r\n"
                     "    <StopIfGoingOnBatteries>false</StopIfGoingOnBatteries>\r\n"
                     "    <StartWhenAvailable>true</StartWhenAvailable>\r\n"
                     "    <WakeToRun>true</WakeToRun>\r\n"
                     "    <ExecutionTimeLimit>PT0S</ExecutionTimeLimit>\r\n"
                     "    <DeleteExpiredTaskAfter>PT1H</DeleteExpiredTaskAfter>\r\n"
                     "  </Settings>\r\n"
                     "  <Actions>\r\n");
    TI_TRY(add_action(out, job, err));
    ti_buf_adds(out, "  </Actions>\r\n</Task>\r\n");
    return out->failed ? ti_fail_nomem(err, "jobs", out->len, "a task") : TERN_OK;
}

static void add_unit(ti_buf *out, uint32_t unit)
{
    ti_buf_addc(out, (char)(unit & 0xff));
    ti_buf_addc(out, (char)(unit >> 8));
}

tern_status ti_windows_encode(ti_buf *out, const char *text, size_t len, tern_err *err)
{
    add_unit(out, 0xfeff);
    for (size_t i = 0; i < len;) {
        uint32_t code;
        size_t n = ti_utf8_decode(text + i, len - i, &code);
        code = n > 0 ? code : 0xfffd;
        if (code >= 0x10000) {
            add_unit(out, 0xd800 + ((code - 0x10000) >> 10));
            add_unit(out, 0xdc00 + ((code - 0x10000) & 0x3ff));
        } else {
            add_unit(out, code);
        }
        i += n > 0 ? n : 1;
    }
    return out->failed ? ti_fail_nomem(err, "jobs", out->len, "a task") : TERN_OK;
}
