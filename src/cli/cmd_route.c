/* SPDX-License-Identifier: Apache-2.0 */
/* tern route: who would answer a request, and why. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "carbon/units.h"
#include "cli/cmd.h"
#include "cli/desks.h"
#include "cli/grams.h"
#include "cli/moment.h"
#include "cli/out.h"
#include "cli/route.h"
#include "cli/shipped.h"
#include "serve/ration.h"

enum {
    BYTES_A_TOKEN = 4, /* of an estimate; English prose has about that with 32,000 tokens */
    TEXT_BYTES_MAX = 16 << 20,
    READ_BYTES = 1 << 16,
    TOKENS_MAX = 4096
};

typedef struct route_args {
    const char *config, *classifier, *catalogue, *local, *zone, *deadline, *used;
    uint32_t in_tokens, out_tokens, tokens;
    ti_desk_args desk;
    bool json;
} route_args;

static const route_args defaults = {.tokens = 64, .desk = TI_DESK_DEFAULTS};

static const ti_opt opts[] = {
    {.type = TI_OPT_STR,
     .name = "config",
     .metavar = "FILE",
     .help = "who may answer, and the policy: JSON, schema tern.routing/1",
     .fallback = "nobody but --local",
     .words = TI_WORDS_FILE,
     .offset = offsetof(route_args, config)},
    {.type = TI_OPT_STR,
     .name = "local",
     .metavar = "MODEL",
     .help =
         "run that model on this machine for a moment, and let it answer thin tasks at what "
         "that took",
     .words = TI_WORDS_MODEL,
     .offset = offsetof(route_args, local)},
    {.type = TI_OPT_U32,
     .name = "tokens",
     .letter = 'n',
     .metavar = "N",
     .help = "with --local: how many tokens are generated",
     .min = 1,
     .max = TOKENS_MAX,
     .offset = offsetof(route_args, tokens)},
    {.type = TI_OPT_U32,
     .name = "prompt-tokens",
     .metavar = "N",
     .help = "tokens of the prompt",
     .fallback = "a quarter of its bytes",
     .offset = offsetof(route_args, in_tokens)},
    {.type = TI_OPT_U32,
     .name = "answer-tokens",
     .metavar = "N",
     .help = "tokens that are expected as the answer",
     .fallback = "answer_tokens of the configuration, else 256",
     .offset = offsetof(route_args, out_tokens)},
    {.type = TI_OPT_STR,
     .name = "deadline",
     .metavar = "MOMENT",
     .help = "the request may wait until then: 8h, 18:00, 'tomorrow 9:00'",
     .fallback = "somebody is waiting for it",
     .offset = offsetof(route_args, deadline)},
    {.type = TI_OPT_STR,
     .name = "used",
     .metavar = "GRAMS",
     .help = "what today's budget was charged already",
     .fallback = "0",
     .offset = offsetof(route_args, used)},
    {.type = TI_OPT_STR,
     .name = "zone",
     .metavar = "ZONE",
     .help = "the grid here",
     .fallback = "TERN_ZONE, else the file tern/zone in $XDG_CONFIG_HOME",
     .offset = offsetof(route_args, zone)},
    {.type = TI_OPT_STR,
     .name = "classifier",
     .metavar = "FILE",
     .help = "the network that tells thin tasks from thick ones",
     .fallback = "tern-thin.gguf, which comes with tern",
     .words = TI_WORDS_FILE,
     .offset = offsetof(route_args, classifier)},
    {.type = TI_OPT_STR,
     .name = "catalogue",
     .metavar = "FILE",
     .help = "what providers' names stand for, in the form of share/providers.json",
     .fallback = "providers.json below TERN_SHARE, else the one built in",
     .words = TI_WORDS_FILE,
     .offset = offsetof(route_args, catalogue)},
    TI_OPTS_DESK(route_args, desk),
    {.type = TI_OPT_FLAG,
     .name = "json",
     .help = "print one JSON document, schema tern.route/1",
     .offset = offsetof(route_args, json)},
    {0},
};

static const ti_operand operands[] = {
    {.metavar = "TEXT", .help = "the prompt; - reads standard input"},
    {0},
};

/* --- the text ----------------------------------------------------------------------------- */

static tern_status read_input(ti_buf *text, tern_err *err)
{
    char *block = ti_calloc(1, READ_BYTES);
    size_t n;
    tern_status status = block ? TERN_OK : ti_fail_nomem(err, "route", READ_BYTES, "the text");
    while (status == TERN_OK && (n = fread(block, 1, READ_BYTES, stdin)) > 0) {
        ti_buf_add(text, block, n);
        if (text->len > TEXT_BYTES_MAX) {
            status = ti_fail(err, TERN_LIMIT, "route", TI_NO_OFFSET,
                             "standard input has over %d MB", TEXT_BYTES_MAX >> 20);
        }
    }
    if (status == TERN_OK && ferror(stdin)) {
        status = ti_fail_errno(err, errno, "route", "standard input cannot be read");
    }
    free(block);
    return status;
}

static tern_status classify(ti_route_asked *a, const char *text, size_t len,
                            const route_args *args, tern_err *err)
{
    if (len == 0) {
        return ti_fail(err, TERN_USAGE, "route", TI_NO_OFFSET, "the text is empty");
    }
    TI_TRY(ti_classifier_open(&a->thin, args->classifier, err));
    ti_thin_ask(&a->answer, &a->thin, text, len);
    a->bytes = len;
    a->counted = args->in_tokens > 0;
    a->request.task = a->answer.thin ? TI_ROUTE_THIN : TI_ROUTE_THICK;
    a->request.in_tokens =
        a->counted ? args->in_tokens : (len + BYTES_A_TOKEN - 1) / BYTES_A_TOKEN;
    return TERN_OK;
}

static tern_status take_text(ti_route_asked *a, const ti_operands *given,
                             const route_args *args, tern_err *err)
{
    ti_buf input = {0};
    const char *text = given->items[0];
    if (strcmp(text, "-") != 0) {
        return classify(a, text, strlen(text), args, err);
    }
    tern_status status = read_input(&input, err);
    if (status == TERN_OK && input.failed) {
        status = ti_fail_nomem(err, "route", input.len, "the text");
    }
    if (status == TERN_OK) {
        status = classify(a, input.data ? input.data : "", input.len, args, err);
    }
    ti_buf_free(&input);
    return status;
}

/* --- who may answer ----------------------------------------------------------------------- */

static tern_status read_config(ti_route_asked *a, const route_args *args, tern_err *err)
{
    static const char none[] = "{\"schema\":\"tern.routing/1\"}";
    ti_providers catalogue;
    TI_TRY(ti_catalogue_open(&catalogue, args->catalogue, err));
    tern_status status =
        args->config
            ? ti_upstreams_load(&a->upstreams, args->config, &catalogue, err)
            : ti_upstreams_parse(&a->upstreams, none, sizeof none - 1, &catalogue, err);
    ti_providers_free(&catalogue);
    TI_TRY(status);
    a->policy = a->upstreams.policy;
    a->request.out_tokens =
        args->out_tokens > 0 ? args->out_tokens : a->upstreams.answer_tokens;
    return TERN_OK;
}

/* A candidate from what the model has just taken: reading a token is put at what writing one
 * takes, which is more than it does. */
static tern_status add_local(ti_route_asked *a, const route_args *args, tern_err *err)
{
    ti_upstreams *list = &a->upstreams;
    ti_local *l = &a->local;
    uint64_t us;
    if (!args->local) {
        return TERN_OK;
    }
    if (list->n == TI_ROUTE_MAX) {
        return ti_fail(err, TERN_LIMIT, "route", TI_NO_OFFSET, "over %d who may answer",
                       TI_ROUTE_MAX);
    }
    TI_TRY(ti_local_measure(l, args->local, args->tokens, err));
    const uint64_t num[] = {l->figure.time_ns, TI_PER_TOKENS}, den[] = {1000, l->n_tokens};
    if (!ti_ratio_u64(&us, num, 2, den, 2) || us > TI_ROUTE_RATE_MAX) {
        return ti_fail(err, TERN_LIMIT, "route", TI_NO_OFFSET, "it took too long");
    }
    bool modelled = l->figure.evidence == TI_EVIDENCE_MODELLED;
    uint32_t off =
        l->figure.error_permille < TI_PERMILLE ? l->figure.error_permille : TI_PERMILLE;
    list->items[list->n++] =
        (ti_upstream){.name = "this machine",
                      .model = l->model,
                      .energy_by = l->figure.meter,
                      .candidate = {.local = true,
                                    .energy = {modelled ? TI_WORD_MODELLED : TI_WORD_MEASURED,
                                               l->uj_per_tokens, l->uj_per_tokens,
                                               TI_PERMILLE - off, TI_PERMILLE + off},
                                    .speed = {TI_WORD_MEASURED, 0, us, us},
                                    .price = {.known = true},
                                    .pue_permille = TI_PERMILLE}};
    return TERN_OK;
}

/* Whoever needs a key that nobody has set cannot be asked. */
static tern_status check_keys(ti_route_asked *a, tern_err *err)
{
    ti_keys keys;
    TI_TRY(ti_keys_open(&keys, err));
    for (size_t i = 0; i < a->upstreams.n; i++) {
        ti_upstream *u = &a->upstreams.items[i];
        u->candidate.unready = u->key_name && !ti_keys_get(&keys, u->key_name);
    }
    ti_keys_close(&keys);
    return TERN_OK;
}

/* --- grids -------------------------------------------------------------------------------- */

static tern_status ask_grid(ti_route_asked *a, size_t i, const char *zone,
                            const route_args *args, tern_err *err)
{
    const ti_zone_ask ask = {&args->desk, a->request.now_s, a->request.now_s};
    ti_route_grid *grid = &a->upstreams.items[i].candidate.grid;
    for (size_t k = 0; k < i; k++) {
        const char *other = a->upstreams.items[k].zone;
        if (other && strcmp(other, zone) == 0) {
            a->grids[i] = a->grids[k];
        }
    }
    if (!a->grids[i]) {
        TI_TRY(ti_zone_look(&a->zones[a->n_zones], zone, &ask, err));
        a->grids[i] = &a->zones[a->n_zones++];
    }
    grid->known = a->grids[i]->known;
    grid->intensity_mg_kwh = a->grids[i]->intensity.intensity_mg_kwh;
    grid->basis = a->grids[i]->intensity.basis;
    return TERN_OK;
}

static tern_status ask_grids(ti_route_asked *a, const route_args *args, tern_err *err)
{
    char user[TI_ZONE_MAX * 2] = "";
    const char *here = args->zone;
    if (!here) {
        TI_TRY(ti_user_zone(user, sizeof user, err));
        here = user;
    }
    a->zones = ti_calloc(TI_ROUTE_MAX, sizeof *a->zones);
    if (!a->zones) {
        return ti_fail_nomem(err, "route", TI_ROUTE_MAX * sizeof *a->zones, "grids");
    }
    for (size_t i = 0; i < a->upstreams.n; i++) {
        ti_upstream *u = &a->upstreams.items[i];
        u->zone = !u->zone && u->candidate.local && *here ? here : u->zone;
        if (u->zone) {
            TI_TRY(ask_grid(a, i, u->zone, args, err));
        }
    }
    /* `here` may not outlive this function, and nobody looks at it any more. */
    for (size_t i = 0; i < a->upstreams.n; i++) {
        a->upstreams.items[i].zone = a->grids[i] ? a->grids[i]->zone : NULL;
    }
    return TERN_OK;
}

/* --- when --------------------------------------------------------------------------------- */

static tern_status read_times(ti_route_asked *a, const route_args *args, tern_err *err)
{
    ti_route_request *r = &a->request;
    TI_TRY(ti_desk_clock(&r->now_s, &args->desk, err));
    const ti_moment_ask ask = {.what = "deadline", .now_s = r->now_s, .after_s = r->now_s};
    if (args->deadline) {
        TI_TRY(ti_moment_parse(&r->deadline_s, args->deadline, &ask, err));
    }
    return TERN_OK;
}

static tern_status read_budget(ti_route_asked *a, const route_args *args, tern_err *err)
{
    ti_route_budget *b = &a->policy.budget;
    b->renews_s = ti_next_day_s(a->request.now_s);
    if (!args->used) {
        return TERN_OK;
    }
    if (!b->set) {
        return ti_fail(err, TERN_USAGE, "route", TI_NO_OFFSET,
                       "--used needs a budget in the configuration");
    }
    return ti_decimal_parse(&b->used_ug, args->used, strlen(args->used), TI_UG_PER_G, "used",
                            err);
}

/* --- the command -------------------------------------------------------------------------- */

static tern_status decide(ti_route_asked *a, const ti_operands *given, const route_args *args,
                          tern_err *err)
{
    ti_route_candidate candidates[TI_ROUTE_MAX];
    TI_TRY(read_times(a, args, err));
    TI_TRY(take_text(a, given, args, err));
    TI_TRY(read_config(a, args, err));
    TI_TRY(read_budget(a, args, err));
    TI_TRY(check_keys(a, err));
    TI_TRY(add_local(a, args, err));
    TI_TRY(ask_grids(a, args, err));
    for (size_t i = 0; i < a->upstreams.n; i++) {
        candidates[i] = a->upstreams.items[i].candidate;
    }
    return ti_route_decide(&a->route, &a->request, candidates, a->upstreams.n, &a->policy, err);
}

static tern_status answer(const ti_route_asked *a, bool json, tern_err *err)
{
    ti_buf out = {0};
    tern_status status = TERN_OK;
    if (json) {
        ti_route_document(&out, a);
        status = ti_print_json(&out, err);
    } else {
        ti_route_text(&out, a);
        ti_print(out.failed ? "" : out.data);
        status = out.failed ? ti_fail_nomem(err, "route", out.len, "text") : TERN_OK;
    }
    ti_buf_free(&out);
    return status;
}

static tern_status run(const void *values, const ti_operands *given, tern_err *err)
{
    const route_args *args = values;
    ti_route_asked *a = ti_calloc(1, sizeof *a);
    if (!a) {
        return ti_fail_nomem(err, "route", sizeof *a, "a decision");
    }
    ti_interrupt_catch();
    tern_status status = decide(a, given, args, err);
    if (status == TERN_OK) {
        status = answer(a, args->json, err);
    }
    free(a->zones);
    ti_upstreams_free(&a->upstreams);
    ti_thin_close(&a->thin);
    free(a);
    return status;
}

const ti_command ti_cmd_route = {
    .name = "route",
    .summary = "say who would answer a request, and why",
    .description =
        "Classifies the text, works out joules, grams, price and time for everybody who may "
        "answer it, and says who would have it by the policy, with all the reasons.  It sends "
        "nothing to anybody but questions about grids' intensities.\n\n"
        "A thin task is one that a small model does: a short everyday request of a kind that "
        "the classifier has learnt.  All else is thick.  Grams are computed, never assumed; "
        "what is not known is called unknown and never taken for zero.",
    .examples = "tern route \"wake me at seven\" --local tern-books --zone SE\n"
                "tern route --config routing.json --used 12.5 \"prove that e is irrational\"\n"
                "tern route --config routing.json --deadline 8h --json - <letter.txt",
    .opts = opts,
    .operands = operands,
    .defaults = &defaults,
    .size = sizeof defaults,
    .run = run,
};
