/* SPDX-License-Identifier: Apache-2.0 */
/* tern serve: a model behind OpenAI's and Ollama's API. */
#include <stdlib.h>
#include <string.h>

#include "cli/cmd.h"
#include "cli/common.h"
#include "cli/keys.h"
#include "cli/metering.h"
#include "cli/out.h"
#include "cli/places.h"
#include "cli/serve_port.h"
#include "cli/serve_routes.h"
#include "cli/serve_unit.h"
#include "cli/serving.h"

enum { LOG_OFF, LOG_REQUESTS, LOG_PROMPTS };

/* Of handlers: two may compute embeddings or wait to, four may wait for a model that was
 * replaced and one for a service's forecast; the others are for whatever is answered at once.
 */
enum { WEB_THREADS = 12 };

typedef struct serve_args {
    ti_model_args model;
    ti_session_args session;
    ti_receipt_args receipt;
    const char *listen, *hosts, *origins, *log_dir, *batches;
    uint32_t port, slots, queue, kv_mb, unload_s, connections, log;
    ti_opt_list aliases;
    const char *routes, *classifier;
    bool install, uninstall;
} serve_args;

static const serve_args defaults = {
    .port = 8410, .slots = 8, .queue = 64, .unload_s = 300, .connections = 1024};

static const ti_opt opts[] = {
    TI_OPT_MODEL(serve_args, model),
    {.type = TI_OPT_U32,
     .name = "port",
     .letter = 'p',
     .metavar = "N",
     .help = "listen on port N of this machine alone; 0 takes a free one",
     .max = 65535,
     .offset = offsetof(serve_args, port)},
    {.type = TI_OPT_STR,
     .name = "listen",
     .metavar = "ADDRESS:PORT",
     .help = "listen there instead",
     .fallback = "127.0.0.1 and --port",
     .offset = offsetof(serve_args, listen)},
    {.type = TI_OPT_STR,
     .name = "host",
     .metavar = "NAME,...",
     .help = "names by which clients may call this server, * = any; addresses always may",
     .fallback = "localhost",
     .offset = offsetof(serve_args, hosts)},
    {.type = TI_OPT_STR,
     .name = "origin",
     .metavar = "URL,...",
     .help = "sites whose pages may ask, as https://chat.example; * = all (CORS)",
     .fallback = "none",
     .offset = offsetof(serve_args, origins)},
    {.type = TI_OPT_LIST,
     .name = "alias",
     .metavar = "NAME",
     .help = "another name by which clients may ask for the model, * = any; may be repeated",
     .fallback = "only its own",
     .offset = offsetof(serve_args, aliases)},
    {.type = TI_OPT_CHOICE,
     .name = "log",
     .metavar = "WHAT",
     .help = "write a line of JSON about each answer to standard error; with prompts, what was "
             "asked and answered is in it",
     .choices = "off|requests|prompts",
     .words = TI_WORDS_CHOICES,
     .offset = offsetof(serve_args, log)},
    {.type = TI_OPT_FLAG,
     .name = "install",
     .help = "have the user's systemd run this command, now and from each login on",
     .offset = offsetof(serve_args, install)},
    {.type = TI_OPT_FLAG,
     .name = "uninstall",
     .help = "stop that, and remove its unit",
     .offset = offsetof(serve_args, uninstall)},
    {.type = TI_OPT_HEADING, .help = "How much at once"},
    {.type = TI_OPT_U32,
     .name = "slots",
     .metavar = "N",
     .help = "answers that are made at the same time",
     .min = 1,
     .max = 256,
     .offset = offsetof(serve_args, slots)},
    {.type = TI_OPT_U32,
     .name = "queue",
     .metavar = "N",
     .help = "requests that may wait; more get 429 and Retry-After",
     .min = 1,
     .max = 65536,
     .offset = offsetof(serve_args, queue)},
    {.type = TI_OPT_U32,
     .name = "kv-memory",
     .metavar = "MB",
     .help = "keys and values of all requests, those kept for later included",
     .fallback = "as much as the slots' contexts take",
     .offset = offsetof(serve_args, kv_mb)},
    {.type = TI_OPT_U32,
     .name = "unload",
     .metavar = "SECONDS",
     .help = "close the model after so long without a request; 0 = never",
     .offset = offsetof(serve_args, unload_s)},
    {.type = TI_OPT_U32,
     .name = "connections",
     .metavar = "N",
     .help = "connections at once",
     .min = 1,
     .max = 65536,
     .offset = offsetof(serve_args, connections)},
    {.type = TI_OPT_HEADING, .help = "Work that may wait"},
    {.type = TI_OPT_STR,
     .name = "batches",
     .metavar = "DIR",
     .help = "where files and batches of clients are kept, for the owner only",
     .fallback = "$XDG_DATA_HOME/tern/batches",
     .words = TI_WORDS_FILE,
     .offset = offsetof(serve_args, batches)},
    {.type = TI_OPT_HEADING, .help = "Chats that others may answer"},
    {.type = TI_OPT_STR,
     .name = "routes",
     .metavar = "FILE",
     .help =
         "who may answer chats, and the policy: JSON, schema tern.routing/1, as 'tern route' "
         "has it",
     .fallback = "this machine answers everything",
     .words = TI_WORDS_FILE,
     .offset = offsetof(serve_args, routes)},
    {.type = TI_OPT_STR,
     .name = "classifier",
     .metavar = "FILE",
     .help = "with --routes: the network that tells thin tasks from thick ones",
     .fallback = "tern-thin.gguf, which comes with tern",
     .words = TI_WORDS_FILE,
     .offset = offsetof(serve_args, classifier)},
    {.type = TI_OPT_HEADING, .help = "Receipts"},
    TI_OPT_NO_RECEIPT(serve_args, receipt),
    {.type = TI_OPT_FLAG,
     .name = "keep-input",
     .help = "keep prompts beside the receipts, for the owner only",
     .offset = offsetof(serve_args, receipt.keep)},
    TI_OPT_RECEIPT_ZONE(serve_args, receipt),
    {.type = TI_OPT_STR,
     .name = "log-dir",
     .metavar = "DIR",
     .help = "a log, as 'tern log' makes them: the page shows which receipts are in it",
     .words = TI_WORDS_FILE,
     .offset = offsetof(serve_args, log_dir)},
    {.type = TI_OPT_HEADING, .help = "Engine"},
    TI_OPTS_ENGINE(serve_args, model),
    TI_OPTS_SESSION(serve_args, session),
    TI_OPTS_READING(serve_args, model),
    {0},
};

typedef struct server {
    const serve_args *args;
    ti_serve_port port;
    bool has_port;
    ti_keys keys;
    char *batches; /* directory; NULL: nobody knows a place */
    ti_serve_routes routes;
    ti_energy *energy;
    ti_serve_engine *engine;
    ti_api *api;
} server;

/* What stops the web server stops the engine too: what runs gets as long as its client. */
static bool ended(void *user)
{
    bool is = ti_interrupted() != 0;
    if (is) {
        ti_api_hurry(user);
    }
    return is;
}

/* Answers without joules are still answers. */
static void open_energy(server *s)
{
    static const ti_metering_args metering = TI_METERING_DEFAULT;
    tern_err err;
    if (ti_metering_open(&s->energy, &metering, TI_METERING_CALIBRATED, NULL, NULL, &err) !=
        TERN_OK) {
        ti_warn("answers will say nothing of energy: %s: %s", err.module, err.message);
        s->energy = NULL;
    }
}

static tern_status open_engine(server *s, tern_err *err)
{
    const uint64_t mb = 1000000, ns = 1000000000;
    const serve_args *a = s->args;
    ti_serve_opts engine = {.path = s->port.path,
                            .threads = a->model.threads,
                            .n_ctx = a->session.ctx,
                            .kv = (tern_kv_type)a->session.kv,
                            .slots = a->slots,
                            .queue = a->queue,
                            .kv_bytes = a->kv_mb * mb,
                            .unload_ns = a->unload_s * ns,
                            .chunk = a->session.chunk,
                            .energy = s->energy};
    ti_model_opts(&engine.model, &a->model);
    return ti_serve_open(&s->engine, &engine, err);
}

static tern_status open_api(server *s, tern_err *err)
{
    const serve_args *a = s->args;
    ti_api_opts api = {
        .engine = s->engine,
        .energy = s->energy,
        .port = ti_serve_port_functions(&s->port, a->log != LOG_OFF),
        .token = ti_keys_get(&s->keys, "TERN_SERVE_TOKEN"),
        .aliases = a->aliases.items,
        .n_aliases = a->aliases.n,
        .router = s->routes.router,
        .batches = s->batches,
        .log_prompts = a->log == LOG_PROMPTS,
        .session = {.n_ctx = a->session.ctx,
                    .threads = a->model.threads,
                    .kv = (tern_kv_type)a->session.kv},
    };
    return ti_api_open(&s->api, &api, err);
}

static tern_status open_routes(server *s, tern_err *err)
{
    const ti_serve_routes_args args = {.file = s->args->routes,
                                       .classifier = s->args->classifier,
                                       .zone = s->args->receipt.zone,
                                       .model_path = s->port.path};
    return s->args->routes ? ti_serve_routes_open(&s->routes, &args, &s->keys, err) : TERN_OK;
}

/* Without a home there are no batches, and all else works. */
static tern_status find_batches(server *s, tern_err *err)
{
    const char *given = s->args->batches;
    tern_err ignored;
    if (given) {
        s->batches = strdup(given);
        return s->batches ? TERN_OK : ti_fail_nomem(err, "serve", strlen(given), "a path");
    }
    tern_status status = ti_place_path(&s->batches, TI_PLACE_DATA, "batches", &ignored);
    if (status == TERN_NOMEM) {
        return ti_fail_nomem(err, "serve", 1, "a path");
    }
    return TERN_OK;
}

static tern_status open_all(server *s, tern_err *err)
{
    const serve_args *a = s->args;
    TI_TRY(ti_keys_open(&s->keys, err));
    TI_TRY(ti_serve_port_open(&s->port, &a->model, &a->session, &a->receipt, err));
    s->has_port = true;
    TI_TRY(ti_serve_port_log(&s->port, a->log_dir, err));
    open_energy(s);
    TI_TRY(open_engine(s, err));
    TI_TRY(ti_serve_port_look(&s->port, s->engine, err));
    TI_TRY(open_routes(s, err));
    TI_TRY(find_batches(s, err));
    return open_api(s, err);
}

/* Whoever can reach the address can use the machine: without a token, that should be said. */
static void warn_of_strangers(const server *s, const char *listen)
{
    bool own = strncmp(listen, "127.", 4) == 0 || strncmp(listen, "[::1]", 5) == 0 ||
               strncmp(listen, "localhost:", 10) == 0;
    if (!own && !ti_keys_get(&s->keys, "TERN_SERVE_TOKEN")) {
        ti_warn("everybody who reaches %s may ask: TERN_SERVE_TOKEN sets a token", listen);
    }
}

static tern_status serve(server *s, tern_err *err)
{
    const serve_args *a = s->args;
    ti_buf own = {0};
    ti_buf_addf(&own, "127.0.0.1:%u", a->port);
    if (own.failed) {
        return ti_fail_nomem(err, "serve", own.len, "an address");
    }
    const ti_web_opts web = {.listen = a->listen ? a->listen : own.data,
                             .routes = ti_api_routes,
                             .user = s->api,
                             .hosts = a->hosts,
                             .origins = a->origins,
                             .admit = ti_api_admit,
                             .error = ti_api_error,
                             .stop = ended,
                             .threads = WEB_THREADS,
                             .connections = a->connections};
    warn_of_strangers(s, web.listen);
    tern_status status = ti_serve(&web, "serving ", err);
    ti_buf_free(&own);
    return status;
}

/* What can be told to be wrong now is not left to a service's log. */
static tern_status install(const serve_args *args, tern_err *err)
{
    char *path;
    if (args->uninstall) {
        return ti_fail(err, TERN_USAGE, "serve", TI_NO_OFFSET,
                       "--install and --uninstall are two things");
    }
    TI_TRY(ti_model_path(&path, args->model.model, err));
    free(path);
    const char *token = getenv("TERN_SERVE_TOKEN");
    if (token && *token) {
        ti_warn("the service does not have this TERN_SERVE_TOKEN: put it into the file "
                "tern/keys of $XDG_CONFIG_HOME, mode 0600");
    }
    return ti_serve_install(err);
}

static tern_status run(const void *values, const ti_operands *given, tern_err *err)
{
    server s = {.args = values};
    (void)given;
    if (s.args->install || s.args->uninstall) {
        return s.args->install ? install(s.args, err) : ti_serve_uninstall(err);
    }
    tern_status status = open_all(&s, err);
    if (status == TERN_OK) {
        status = serve(&s, err);
    }
    ti_router_stop(s.routes.router);
    ti_api_stop(s.api);
    if (s.engine) {
        ti_serve_end(s.engine);
    }
    ti_api_close(s.api); /* it still asks the engine, for receipts */
    ti_serve_close(s.engine);
    ti_serve_routes_close(&s.routes);
    ti_energy_close(s.energy);
    if (s.has_port) {
        ti_serve_port_close(&s.port);
    }
    ti_keys_close(&s.keys);
    free(s.batches);
    return status;
}

const ti_command ti_cmd_serve = {
    .name = "serve",
    .summary = "serve a model to clients of OpenAI and Ollama",
    .description =
        "Prints its address and answers /v1/chat/completions, /v1/completions, "
        "/v1/embeddings, /v1/files, /v1/batches, /v1/models, and Ollama's /api/chat, "
        "/api/generate, /api/embed, "
        "/api/tags, /api/ps, /api/show, /api/version; /health, and /metrics for Prometheus.  "
        "Requests are answered together, each with the same bits as alone.  Each answer says "
        "what it cost in joules, and in grams where the grid is known, and has a receipt: "
        "/v1/receipts/ID, which 'tern verify' checks.  A browser sees all of that at the "
        "address itself, and verifies receipts there.\n\n"
        "Only this machine can connect unless --listen says otherwise.  With TERN_SERVE_TOKEN "
        "set, in the environment or in the file tern/keys of $XDG_CONFIG_HOME, clients must "
        "bear that token.  Prompts are not logged unless --log prompts says so.\n\n"
        "With --install the user's systemd runs it, with the other options that stand there.",
    .examples = "tern serve\n"
                "tern serve --port 8080 --install\n"
                "tern serve -m smollm2-135m-instruct --port 8080 --alias gpt-4o-mini\n"
                "TERN_SERVE_TOKEN=$(openssl rand -hex 16) tern serve --listen 0.0.0.0:8410",
    .opts = opts,
    .defaults = &defaults,
    .size = sizeof defaults,
    .run = run,
};
