/* SPDX-License-Identifier: Apache-2.0 */
/* tern witness serve - c2sp.org/tlog-witness over HTTP. */
#include <stdlib.h>
#include <string.h>

#include "cli/cmd.h"
#include "cli/out.h"
#include "cli/serving.h"
#include "cli/witness_files.h"
#include "ledger/witness.h"

typedef struct serve_args {
    const char *listen, *host, *logs;
} serve_args;

static const serve_args defaults = {.listen = "127.0.0.1:8409"};

static const ti_opt opts[] = {
    {.type = TI_OPT_STR,
     .name = "listen",
     .metavar = "ADDRESS:PORT",
     .help = "where to listen; port 0 takes a free one",
     .offset = offsetof(serve_args, listen)},
    {.type = TI_OPT_STR,
     .name = "host",
     .metavar = "NAME,...",
     .help = "names by which clients may call this server, * = any; addresses always may",
     .fallback = "localhost",
     .offset = offsetof(serve_args, host)},
    {.type = TI_OPT_STR,
     .name = "logs",
     .metavar = "FILE",
     .help = "the logs to cosign: a line 'log VKEY' for each",
     .fallback = "DIR/logs",
     .words = TI_WORDS_FILE,
     .offset = offsetof(serve_args, logs)},
    {0},
};

static const ti_operand operands[] = {
    {.metavar = "DIR",
     .help = "the witness's directory; must not be restored from backups",
     .words = TI_WORDS_FILE},
    {0},
};

/* Sends what the witness said, or 500 when it could not say anything. */
static void pass_on(ti_web_reply *reply, tern_status status, ti_witness_answer *said,
                    const tern_err *err)
{
    if (status != TERN_OK) {
        ti_warn("not answered: %s", err->message);
        ti_web_reply_error(reply, status == TERN_UNAVAILABLE ? 503 : 500, NULL);
        return;
    }
    ti_web_reply_head(reply, said->code, said->type);
    ti_web_reply_body(reply, &said->body);
}

static void add_checkpoint(void *user, const ti_web_request *request, ti_web_reply *reply)
{
    ti_witness_answer said = {0};
    tern_err err = {0};
    tern_status status =
        ti_witness_add(user, &said, request->body.data, request->body.len, &err);
    pass_on(reply, status, &said, &err);
}

static void latest(void *user, const ti_web_request *request, ti_web_reply *reply)
{
    ti_witness_answer said = {0};
    tern_err err = {0};
    tern_status status =
        ti_witness_latest(user, &said, request->rest, strlen(request->rest), &err);
    pass_on(reply, status, &said, &err);
}

static const ti_web_route routes[] = {
    {"POST", "/add-checkpoint", add_checkpoint, TI_WITNESS_REQUEST_MAX},
    {"GET", "/*/checkpoint", latest, 0},
    {0},
};

/* After a failed write nothing is cosigned any more: whoever started it should know. */
static bool ended(void *user)
{
    return ti_interrupted() || !ti_witness_alive(user);
}

static tern_status serve(ti_witness *witness, const serve_args *args, tern_err *err)
{
    ti_web_opts web = {.listen = args->listen,
                       .routes = routes,
                       .user = witness,
                       .hosts = args->host,
                       .stop = ended};
    TI_TRY(ti_serve(&web, "", err));
    return ti_witness_alive(witness)
               ? TERN_OK
               : ti_fail(err, TERN_IO, "witness", TI_NO_OFFSET,
                         "the state could not be written; nothing more is cosigned");
}

static tern_status run(const void *values, const ti_operands *given, tern_err *err)
{
    const serve_args *args = values;
    const char *dir = given->items[0];
    ti_policy logs;
    ti_note_key key;
    ti_witness *witness = NULL;
    TI_TRY(ti_witness_vkey(&key, dir, err)); /* none is made by a slip in the name */
    TI_TRY(ti_witness_logs(&logs, dir, args->logs, err));
    tern_status status = ti_witness_open(&witness, dir, &logs, NULL, err);
    if (status == TERN_OK && logs.n_logs == 0) {
        ti_warn("there is no log to cosign yet: 'tern witness add' adds one");
    }
    if (status == TERN_OK) {
        status = serve(witness, args, err);
    }
    ti_witness_close(witness);
    ti_policy_free(&logs);
    return status;
}

const ti_command ti_cmd_witness_serve = {
    .name = "witness serve",
    .summary = "cosign over HTTP",
    .description =
        "Prints its address and serves c2sp.org/tlog-witness: logs post their new heads to "
        "add-checkpoint, and what was cosigned last can be read at <hex SHA-256 of the log's "
        "name>/checkpoint.  What was seen is on the disk before a cosignature leaves.",
    .examples = "tern witness serve w\n"
                "tern witness serve --listen 0.0.0.0:8409 --host witness.example.com w",
    .opts = opts,
    .operands = operands,
    .defaults = &defaults,
    .size = sizeof defaults,
    .run = run,
};
