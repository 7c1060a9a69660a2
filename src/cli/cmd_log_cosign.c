/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "carbon/stamp.h"
#include "cli/cmd.h"
#include "cli/cosign.h"
#include "cli/out.h"

typedef struct cosign_args {
    const char *policy;
    bool json;
} cosign_args;

static const cosign_args defaults = {0};

static const ti_opt opts[] = {
    {.type = TI_OPT_STR,
     .name = "policy",
     .metavar = "FILE",
     .help = "the witnesses, with their addresses, and how many are enough",
     .words = TI_WORDS_FILE,
     .offset = offsetof(cosign_args, policy)},
    {.type = TI_OPT_FLAG,
     .name = "json",
     .help = "print one JSON document, schema tern.log-cosign/1",
     .offset = offsetof(cosign_args, json)},
    {0},
};

static const ti_operand operands[] = {
    {.metavar = "DIR", .help = "the log's directory", .words = TI_WORDS_FILE},
    {0},
};

static tern_status report_json(const ti_cosigning *c, tern_err *err)
{
    ti_buf json = {0};
    ti_json_open(&json, NULL, '{');
    ti_json_str(&json, "schema", "tern.log-cosign/1");
    ti_json_open(&json, "witnesses", '[');
    for (size_t i = 0; i < c->n; i++) {
        const ti_cosigned *said = &c->said[i];
        ti_json_open(&json, NULL, '{');
        ti_json_strn(&json, "name", said->witness->name.data, said->witness->name.len);
        ti_json_bool(&json, "cosigned", said->has);
        if (said->has) {
            ti_json_uint(&json, "time_s", said->time_s);
        }
        if (said->why[0]) {
            ti_json_str(&json, "why", said->why);
        }
        ti_json_close(&json, '}');
    }
    ti_json_close(&json, ']');
    ti_json_bool(&json, "quorum", c->reached);
    ti_json_close(&json, '}');
    tern_status status = ti_print_json(&json, err);
    ti_buf_free(&json);
    return status;
}

static void report(const ti_cosigning *c)
{
    for (size_t i = 0; i < c->n; i++) {
        const ti_cosigned *said = &c->said[i];
        char when[TI_STAMP_TEXT];
        int len = said->witness->name.len < 60 ? (int)said->witness->name.len : 60;
        if (!said->has) {
            ti_printf("%-20.*s  no   %s\n", len, said->witness->name.data, said->why);
            continue;
        }
        ti_printf("%-20.*s  ok   %s%s%s%s\n", len, said->witness->name.data,
                  ti_stamp_text(when, (int64_t)said->time_s), said->kept ? " (kept; now: " : "",
                  said->kept ? said->why : "", said->kept ? ")" : "");
    }
}

static tern_status ask_all(const cosign_args *args, const char *dir, const ti_policy *policy,
                           tern_err *err)
{
    ti_cosigning c = {0};
    ti_log *log = NULL;
    TI_TRY(ti_cosigning_start(&c, dir, policy, false, err));
    ti_log_opts how = {.cosign = ti_cosign_ask, .cosign_user = &c};
    tern_status status = ti_log_open(&log, dir, &how, err);
    if (status == TERN_OK && !c.asked) { /* opening may have published, and asked */
        status = ti_log_cosign(log, err);
    }
    ti_log_close(log);
    if (status == TERN_OK && args->json) {
        status = report_json(&c, err);
    } else if (status == TERN_OK) {
        report(&c);
    }
    for (size_t i = 0; i < c.n && status == TERN_OK; i++) {
        ti_str name = c.said[i].witness->name;
        if (c.said[i].refused) {
            status = ti_fail(err, TERN_NO, "cosign", TI_NO_OFFSET,
                             "'%.*s' has seen another history of this log than the one here",
                             name.len < 60 ? (int)name.len : 60, name.data);
        }
    }
    if (status == TERN_OK && !c.reached) {
        status = ti_fail(err, TERN_NO, "cosign", TI_NO_OFFSET,
                         "%zu of %zu witnesses have cosigned; the quorum is not reached", c.has,
                         c.n);
    }
    ti_cosigning_free(&c);
    return status;
}

static tern_status run(const void *values, const ti_operands *given, tern_err *err)
{
    const cosign_args *args = values;
    ti_policy policy;
    if (!args->policy) {
        return ti_fail(err, TERN_USAGE, "log cosign", TI_NO_OFFSET,
                       "--policy FILE says which witnesses to ask");
    }
    ti_interrupt_catch();
    TI_TRY(ti_policy_load(&policy, args->policy, err));
    tern_status status = ask_all(args, given->items[0], &policy, err);
    ti_policy_free(&policy);
    return status;
}

const ti_command ti_cmd_log_cosign = {
    .name = "log cosign",
    .summary = "ask witnesses to cosign the head of a log",
    .description =
        "Sends the published head, with a proof that the log only grew, to each witness of a "
        "policy, and publishes it again with their cosignatures.  Those of before stay when a "
        "witness does not answer.\n\n"
        "A witness that refuses has seen another history of this log, or more of it: then this "
        "is an old copy, or something is very wrong.",
    .examples = "tern log cosign --policy policy.txt mylog",
    .opts = opts,
    .operands = operands,
    .defaults = &defaults,
    .size = sizeof defaults,
    .says_why_not = true,
    .run = run,
};
