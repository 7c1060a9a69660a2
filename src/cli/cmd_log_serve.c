/* SPDX-License-Identifier: Apache-2.0 */
/* tern log serve-dir.
 *
 * Any web server can serve a log's files.  This one checks each against the signed root before
 * it is sent, so that a damaged disk is noticed here and not by those who asked. */
#include <stdlib.h>
#include <string.h>

#include "cli/cmd.h"
#include "cli/out.h"
#include "cli/serving.h"
#include "ledger/log.h"

typedef struct serve_args {
    const char *listen;
} serve_args;

static const serve_args defaults = {.listen = "127.0.0.1:8407"};

static const ti_opt opts[] = {
    {.type = TI_OPT_STR,
     .name = "listen",
     .metavar = "ADDRESS:PORT",
     .help = "where to listen; port 0 takes a free one",
     .offset = offsetof(serve_args, listen)},
    {0},
};

static const ti_operand operands[] = {
    {.metavar = "DIR", .help = "the log's directory", .words = TI_WORDS_FILE},
    {0},
};

static void answer(void *user, const ti_web_request *request, ti_web_reply *reply)
{
    const char *dir = user, *path = request->rest;
    ti_log_view *view;
    ti_buf bytes = {0};
    tern_err err = {0};
    bool is_head = strcmp(path, "checkpoint") == 0;
    tern_status status = ti_log_view_open(&view, dir, NULL, NULL, &err);
    if (status == TERN_OK) {
        status = ti_log_view_file(view, &bytes, path, strlen(path), &err);
        ti_log_view_close(view);
    }
    if (status == TERN_NO) {
        ti_web_reply_error(reply, 404, NULL);
    } else if (status != TERN_OK) {
        ti_warn("not served: %s", err.message);
        ti_web_reply_error(reply, 500, NULL);
    } else {
        /* Only the checkpoint changes.  Source: c2sp.org/tlog-tiles. */
        ti_web_reply_head(reply, 200,
                          is_head ? "text/plain; charset=utf-8" : "application/octet-stream");
        ti_web_reply_header(reply, "Cache-Control",
                            is_head ? "no-cache" : "public, max-age=31536000, immutable");
        ti_web_reply_body(reply, &bytes);
    }
    ti_buf_free(&bytes);
}

static const ti_web_route routes[] = {{"GET", "/*", answer, 0}, {0}};

static tern_status run(const void *values, const ti_operands *given, tern_err *err)
{
    const serve_args *args = values;
    ti_log_view *view;
    char *dir = given->items[0];
    /* All of it is public, by whatever name it is called. */
    ti_web_opts web = {
        .listen = args->listen, .routes = routes, .user = dir, .hosts = "*", .origins = "*"};
    TI_TRY(ti_log_view_open(&view, dir, NULL, NULL, err));
    ti_log_view_close(view);
    return ti_serve(&web, "", err);
}

const ti_command ti_cmd_log_serve_dir = {
    .name = "log serve-dir",
    .summary = "serve a log over HTTP",
    .description = "Serves the public files of a log (checkpoint, tile/...) over HTTP, each "
                   "checked against the signed root before it is sent.  Any static web server "
                   "can do the same with these two, without the checks; nothing else in the "
                   "directory is for others.",
    .opts = opts,
    .operands = operands,
    .defaults = &defaults,
    .size = sizeof defaults,
    .run = run,
};
