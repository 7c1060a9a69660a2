/* SPDX-License-Identifier: Apache-2.0 */
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "cli/cmd.h"
#include "cli/common.h"
#include "cli/out.h"
#include "cli/receipt_files.h"
#include "cli/receipts.h"
#include "cli/verify.h"
#include "ledger/ocmf.h"
#include "ledger/reading.h"

static const ti_verify_args defaults = {0};

static const ti_opt opts[] = {
    TI_OPTS_TRUST(ti_verify_args),
    {.type = TI_OPT_STR,
     .name = "output",
     .letter = 'o',
     .metavar = "FILE",
     .help = "check that this is the answer that the receipt is about",
     .words = TI_WORDS_FILE,
     .offset = offsetof(ti_verify_args, output)},
    {.type = TI_OPT_FLAG,
     .name = "json",
     .help = "print one JSON document, schema tern.verify/1",
     .offset = offsetof(ti_verify_args, json)},
    {.type = TI_OPT_HEADING, .help = "Log"},
    {.type = TI_OPT_STR,
     .name = "proof",
     .metavar = "FILE",
     .help = "check with this proof that the receipt is in a log; needs --log-key or --policy",
     .words = TI_WORDS_FILE,
     .offset = offsetof(ti_verify_args, proof)},
    {.type = TI_OPT_STR,
     .name = "log",
     .metavar = "DIR",
     .help = "check that the receipt is in the log in this directory",
     .words = TI_WORDS_FILE,
     .offset = offsetof(ti_verify_args, log)},
    {.type = TI_OPT_STR,
     .name = "log-key",
     .metavar = "KEY",
     .help = "public key of the log, or a file with it",
     .fallback = "the one in DIR",
     .words = TI_WORDS_FILE,
     .offset = offsetof(ti_verify_args, log_key)},
    {.type = TI_OPT_STR,
     .name = "since",
     .metavar = "FILE",
     .help = "check that the log in DIR only grew since this checkpoint was kept",
     .words = TI_WORDS_FILE,
     .offset = offsetof(ti_verify_args, since)},
    {.type = TI_OPT_STR,
     .name = "policy",
     .metavar = "FILE",
     .help = "check that a log of this policy has signed, and enough of its witnesses",
     .words = TI_WORDS_FILE,
     .offset = offsetof(ti_verify_args, policy)},
    {.type = TI_OPT_HEADING, .help = "Running again"},
    {.type = TI_OPT_FLAG,
     .name = "rerun",
     .help = "run the model again and compare the output, and the trace where there is one",
     .offset = offsetof(ti_verify_args, rerun)},
    TI_OPT_RERUN_MODEL(ti_verify_args, again),
    {.type = TI_OPT_STR,
     .name = "prompt",
     .metavar = "FILE",
     .help = "the prompt; - reads standard input",
     .fallback = "what was kept beside the receipt",
     .words = TI_WORDS_FILE,
     .offset = offsetof(ti_verify_args, again.prompt)},
    {.type = TI_OPT_STR,
     .name = "system",
     .letter = 's',
     .metavar = "TEXT",
     .help = "instructions that stood before that prompt",
     .offset = offsetof(ti_verify_args, again.system)},
    {.type = TI_OPT_LIST,
     .name = "stop",
     .metavar = "TEXT",
     .help = "what ended the answer to that prompt; may be repeated",
     .offset = offsetof(ti_verify_args, again.stops)},
    {.type = TI_OPT_STR,
     .name = "grammar",
     .metavar = "FILE",
     .help = "the JSON Schema or rules that the answer had to fit",
     .fallback = "what was kept beside the receipt",
     .words = TI_WORDS_FILE,
     .offset = offsetof(ti_verify_args, again.grammar)},
    TI_OPTS_COMPUTE(ti_verify_args, again),
    {.type = TI_OPT_HEADING, .help = "Meters"},
    {.type = TI_OPT_STR,
     .name = "meter",
     .metavar = "FILE",
     .help = "check that the receipts' energy adds up to what these signed records say",
     .words = TI_WORDS_FILE,
     .offset = offsetof(ti_verify_args, meter)},
    {0},
};

static const ti_operand operands[] = {
    {.metavar = "FILE",
     .help =
         "a receipt, the id of one of yours, a meter's signed records (OCMF), or a device's",
     .words = TI_WORDS_FILE,
     .repeated = true},
    {0},
};

/* One call: files one after the other. */
typedef struct verification {
    const ti_verify_args *args;
    ti_verify_sum sum;
    ti_buf json;
    tern_status worst; /* of files that could not be read: the first */
    tern_err first;
    bool good;
} verification;

static void add_sum(ti_verify_sum *sum, const ti_receipt *r)
{
    if (!r->has_energy) {
        sum->n_without++;
        return;
    }
    sum->n++;
    sum->energy_uj += r->energy.energy_uj + r->energy.idle_uj; /* each below 2^53 */
}

/* Reports the checks of a file; `status` says whether all of them could be made. */
static void report(verification *v, const char *name, const ti_checks *checks,
                   tern_status status, const tern_err *err)
{
    v->good = v->good && status == TERN_OK && ti_checks_good(checks);
    if (v->args->json) {
        ti_json_open(&v->json, NULL, '{');
        ti_json_str(&v->json, "file", name);
        ti_checks_json(&v->json, checks);
        if (status != TERN_OK) {
            ti_json_str(&v->json, "error", err->message);
        }
        ti_json_close(&v->json, '}');
    } else if (status == TERN_OK) {
        ti_checks_print(checks, name);
    }
    if (status != TERN_OK && v->worst == TERN_OK) {
        v->worst = status;
        v->first = *err;
    } else if (status != TERN_OK) {
        ti_warn("%s: %s", name, err->message);
    }
}

static tern_status verify_file(verification *v, ti_checks *checks, const char *name,
                               tern_err *err)
{
    char *file = NULL, *text = NULL;
    size_t size;
    ti_receipt receipt;
    tern_status status = ti_receipt_file(&file, name, err);
    if (status == TERN_OK) {
        status = ti_read_file(&text, &size, file, TI_OCMF_MAX, err);
    }
    if (status == TERN_OK && ti_ocmf_is(text, size)) {
        status = ti_verify_meter(checks, text, size, v->args, err);
    } else if (status == TERN_OK && ti_reading_is(text, size)) {
        status = ti_verify_reading(checks, text, size, v->args, err);
    } else if (status == TERN_OK) {
        status = ti_verify_receipt(checks, &receipt, text, size, file, v->args, err);
        if (status == TERN_OK) {
            add_sum(&v->sum, &receipt);
        }
    }
    free(text);
    free(file);
    return status;
}

static tern_status check_usage(const ti_verify_args *args, const ti_operands *given,
                               tern_err *err)
{
    const ti_rerun_args *a = &args->again;
    const char *problem = NULL;
    if (args->proof && !args->log_key && !args->policy) {
        problem = "--proof needs --log-key or --policy: a proof cannot vouch for its own log";
    } else if (args->policy && !args->proof && !args->log) {
        problem = "--policy needs --proof or --log";
    } else if (args->since && !args->log) {
        problem = "--since needs --log";
    } else if (!args->rerun &&
               (a->model || a->prompt || a->system || a->stops.n || a->grammar)) {
        problem = "--model, --prompt, --system, --stop and --grammar are for --rerun";
    } else if ((a->system || a->stops.n) && !a->prompt) {
        problem = "--system and --stop need --prompt";
    } else if (given->n > 1 && (args->output || args->proof || a->prompt || a->grammar)) {
        problem = "--output, --proof, --prompt and --grammar are for a single receipt";
    }
    return problem ? ti_fail(err, TERN_USAGE, "verify", TI_NO_OFFSET, "%s", problem) : TERN_OK;
}

static tern_status run(const void *values, const ti_operands *given, tern_err *err)
{
    const ti_verify_args *args = values;
    verification v = {.args = args, .good = true};
    TI_TRY(check_usage(args, given, err));
    if (sodium_init() < 0) {
        return ti_fail(err, TERN_INTERNAL, "verify", TI_NO_OFFSET, "libsodium cannot start");
    }
    ti_interrupt_catch();
    ti_checks *checks = malloc(sizeof *checks);
    if (!checks) {
        return ti_fail_nomem(err, "verify", sizeof *checks, "the checks");
    }
    ti_json_open(&v.json, NULL, '{');
    ti_json_str(&v.json, "schema", "tern.verify/1");
    ti_json_open(&v.json, "files", '[');
    for (int i = 0; i < given->n + (args->meter != NULL); i++) {
        tern_err local = {.status = TERN_OK};
        const char *name = i < given->n ? given->items[i] : args->meter;
        checks->n = 0;
        tern_status status = i < given->n ? verify_file(&v, checks, name, &local)
                                          : ti_verify_sum_check(checks, &v.sum, args, &local);
        report(&v, name, checks, status, &local);
        if (status == TERN_CANCELLED) {
            break;
        }
    }
    free(checks);
    ti_json_close(&v.json, ']');
    ti_json_bool(&v.json, "verified", v.good);
    ti_json_close(&v.json, '}');
    tern_status status = args->json ? ti_print_json(&v.json, err) : TERN_OK;
    ti_buf_free(&v.json);
    if (status == TERN_OK && v.worst != TERN_OK) {
        status = v.worst;
        if (err) {
            *err = v.first;
        }
    }
    return status != TERN_OK ? status : v.good ? TERN_OK : TERN_NO;
}

const ti_command ti_cmd_verify = {
    .name = "verify",
    .summary = "check a receipt, or the signed records of a meter",
    .description =
        "Checks receipts without a network: the signature, what the statement says, and, where "
        "they are given, the answer's text, its place in a log, and that the log only grew.  "
        "With --rerun the model answers again: the same bits must come out, on any machine; if "
        "they do not, the first token and layer that differ are named where the trace was "
        "kept.\n\n"
        "Every line says ok, no, or open: what was not checked.  Energy and carbon are claims "
        "that nobody can run again; --meter compares their sum with a signed meter.\n\n"
        "The exit status is 0 when everything that was checked is right, 1 when something is "
        "not, 2 for wrong usage, 3 when the model or the prompt is not here, 4 when a file is "
        "damaged or of an unknown version.",
    .examples = "tern run --receipt answer.json \"Once upon a time\"\n"
                "tern verify answer.json\n"
                "tern verify --rerun answer.json\n"
                "tern verify --proof answer.tlog-proof --policy policy.txt answer.json\n"
                "tern verify --key friend.pub --prompt question.txt --rerun theirs.json\n"
                "tern verify --key 3059301306072A86... meter.xml",
    .opts = opts,
    .operands = operands,
    .defaults = &defaults,
    .size = sizeof defaults,
    .run = run,
};
