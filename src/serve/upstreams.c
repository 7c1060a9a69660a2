/* SPDX-License-Identifier: Apache-2.0 */
#include "serve/upstreams.h"

#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/jval.h"
#include "carbon/basis.h"
#include "carbon/ecologits.h"
#include "carbon/units.h"

enum {
    TEXT_MAX = 500,
    TOKENS_MAX = 1 << 24,
    TOKENS_DEFAULT = 256,
    PER_TOKENS = 1000, /* rates are of so many */
    RANGE_MAX = 1000,
    TIMEOUT_MAX_S = 86400
};

static const double J_MAX = 1e5;         /* of a token */
static const double TOKENS_S_MAX = 1e8;  /* in a second */
static const double TOKENS_S_MIN = 1e-3; /* below, it does not answer */
static const double USD_MAX = 1e6;       /* of a million tokens, of a request */
static const double SECONDS_MAX = 1e7;
static const double GRAMS_MAX = 1e9;
static const double PARAMS_MAX = 1e5; /* billions */

typedef struct reader {
    ti_upstreams *out;
    const ti_providers *catalogue;
    tern_err *err;
} reader;

static tern_status wrong(const reader *r, const ti_jval *v, const char *key, const char *what)
{
    return ti_fail(r->err, TERN_CORRUPT, "routing", v->at, "'%s' %s", key, what);
}

/* True for one of the words of "a|b|c". */
static bool is_one_of(ti_str text, const char *words)
{
    for (const char *w = words; w;) {
        const char *bar = strchr(w, '|');
        size_t n = bar ? (size_t)(bar - w) : strlen(w);
        if (n == text.len && memcmp(w, text.data, n) == 0) {
            return true;
        }
        w = bar ? bar + 1 : NULL;
    }
    return false;
}

/* An object with no other members than those of "a|b|c". */
static tern_status object(const reader *r, const ti_jval *v, const char *name,
                          const char *members)
{
    if (v->type != TI_JOBJECT) {
        return wrong(r, v, name, "is no object");
    }
    for (uint32_t i = 0; i < v->n; i++) {
        const ti_jmember *m = &v->u.members[i];
        if (!is_one_of(m->key, members)) {
            return ti_fail(r->err, TERN_CORRUPT, "routing", m->value.at,
                           "unknown member '%.*s' of '%s'",
                           (int)(m->key.len < 40 ? m->key.len : 40), m->key.data, name);
        }
    }
    return TERN_OK;
}

/* A text in printable ASCII, copied; *out stays as it is where the member is not there. */
static tern_status text_of(const reader *r, const ti_jval *in, const char *key, size_t most,
                           const char **out)
{
    const ti_jval *v = ti_jval_get(in, key);
    if (ti_jval_none(v)) {
        return TERN_OK;
    }
    bool good = v->type == TI_JSTR && v->u.str.len > 0 && v->u.str.len <= most;
    for (size_t i = 0; good && i < v->u.str.len; i++) {
        good = v->u.str.data[i] >= ' ' && v->u.str.data[i] <= '~';
    }
    if (!good) {
        return wrong(r, v, key, "is no text in printable ASCII, or too long");
    }
    *out = ti_arena_strndup(&r->out->arena, v->u.str.data, v->u.str.len);
    return *out ? TERN_OK : ti_fail_nomem(r->err, "routing", v->u.str.len, key);
}

/* One of the words "a|b|c", as its number; untouched where it is not there. */
static tern_status word_of(const reader *r, const ti_jval *in, const char *key,
                           const char *const *words, uint32_t n, uint32_t *out)
{
    const ti_jval *v = ti_jval_get(in, key);
    for (uint32_t i = 0; i < n && !ti_jval_none(v); i++) {
        if (ti_jval_is(v, words[i])) {
            *out = i;
            return TERN_OK;
        }
    }
    return ti_jval_none(v) ? TERN_OK : wrong(r, v, key, "is none of the words it may be");
}

/* A number in [least, most] times scale, rounded to the nearest; untouched where it is not
 * there, which is an error when it must be. */
static tern_status number_of(const reader *r, const ti_jval *in, const char *key, bool must,
                             double least, double most, double scale, uint64_t *out)
{
    const ti_jval *v = ti_jval_get(in, key);
    double value;
    if (ti_jval_none(v) && !must) {
        return TERN_OK;
    }
    if (!ti_jval_num(v, &value) || !(value >= least && value <= most)) {
        return wrong(r, v ? v : in, key, "is no number in its range");
    }
    *out = (uint64_t)(value * scale + 0.5);
    return TERN_OK;
}

static tern_status object_of(const reader *r, const ti_jval *in, const char *key,
                             const char *members, const ti_jval **out)
{
    *out = ti_jval_get(in, key);
    if (ti_jval_none(*out)) {
        *out = NULL;
        return TERN_OK;
    }
    return object(r, *out, key, members);
}

/* --- one who answers ---------------------------------------------------------------------- */

static const char *const words[] = {"unknown", "measured", "modelled", "declared"};
enum { N_WORDS = sizeof words / sizeof *words };

static tern_status read_energy(const reader *r, const ti_jval *in, ti_upstream *u)
{
    ti_route_energy *e = &u->candidate.energy;
    uint64_t low = PER_TOKENS, high = PER_TOKENS;
    uint32_t word = TI_WORD_DECLARED;
    const ti_jval *v;
    TI_TRY(
        object_of(r, in, "energy", "in_j_per_token|out_j_per_token|low|high|word|source", &v));
    if (!v) {
        return TERN_OK;
    }
    const double scale = (double)TI_UJ_PER_J * PER_TOKENS;
    TI_TRY(number_of(r, v, "in_j_per_token", false, 0, J_MAX, scale, &e->in_uj));
    TI_TRY(number_of(r, v, "out_j_per_token", true, 0, J_MAX, scale, &e->out_uj));
    TI_TRY(number_of(r, v, "low", false, 0, 1, TI_PERMILLE, &low));
    TI_TRY(number_of(r, v, "high", false, 1, RANGE_MAX, TI_PERMILLE, &high));
    TI_TRY(word_of(r, v, "word", words, N_WORDS, &word));
    TI_TRY(text_of(r, v, "source", TEXT_MAX, &u->energy_by));
    e->low_permille = (uint32_t)low;
    e->high_permille = (uint32_t)high;
    e->word = (ti_route_word)word;
    if (word == TI_WORD_UNKNOWN) {
        return wrong(r, v, "energy", "is given, but called unknown");
    }
    return TERN_OK;
}

/* "8" or "3/30": billions of parameters used for a token, and all. */
static tern_status read_params(const reader *r, const ti_jval *in, ti_upstream *u)
{
    const ti_jval *v;
    uint64_t active = 0, total = 0;
    ti_remote remote;
    TI_TRY(object_of(r, in, "params", "active_b|total_b", &v));
    if (!v) {
        return TERN_OK;
    }
    if (u->candidate.energy.word != TI_WORD_UNKNOWN) {
        return wrong(r, v, "params", "and 'energy' exclude each other");
    }
    TI_TRY(
        number_of(r, v, "active_b", true, 1.0 / PER_TOKENS, PARAMS_MAX, PER_TOKENS, &active));
    total = active;
    TI_TRY(number_of(r, v, "total_b", false, 1.0 / PER_TOKENS, PARAMS_MAX, PER_TOKENS, &total));
    const ti_remote_ask ask = {.active_b = (double)active / PER_TOKENS,
                               .total_b = (double)total / PER_TOKENS,
                               .tokens = PER_TOKENS,
                               .pue_permille = TI_PERMILLE};
    TI_TRY(ti_remote_estimate(&remote, &ask, r->err));
    u->energy_by = TI_REMOTE_METHOD;
    u->candidate.energy = (ti_route_energy){.word = TI_WORD_MODELLED,
                                            .out_uj = remote.energy_uj,
                                            .low_permille = PER_TOKENS / TI_REMOTE_RANGE,
                                            .high_permille = PER_TOKENS * TI_REMOTE_RANGE};
    return TERN_OK;
}

/* Tokens in a second, as microseconds of 1,000. */
static uint64_t us_of(uint64_t milli_tokens_s)
{
    const uint64_t us = UINT64_C(1000000) * PER_TOKENS * PER_TOKENS;
    return (us + milli_tokens_s / 2) / milli_tokens_s;
}

static tern_status read_speed(const reader *r, const ti_jval *in, ti_upstream *u)
{
    ti_route_speed *s = &u->candidate.speed;
    uint64_t reads = 0, writes = 0;
    uint32_t word = TI_WORD_DECLARED;
    const ti_jval *v;
    TI_TRY(object_of(r, in, "speed", "start_s|in_tokens_s|out_tokens_s|word", &v));
    if (!v) {
        return TERN_OK;
    }
    TI_TRY(number_of(r, v, "start_s", false, 0, SECONDS_MAX, 1e6, &s->start_us));
    TI_TRY(
        number_of(r, v, "in_tokens_s", true, TOKENS_S_MIN, TOKENS_S_MAX, PER_TOKENS, &reads));
    TI_TRY(
        number_of(r, v, "out_tokens_s", true, TOKENS_S_MIN, TOKENS_S_MAX, PER_TOKENS, &writes));
    TI_TRY(word_of(r, v, "word", words, N_WORDS, &word));
    s->word = (ti_route_word)word;
    if (word == TI_WORD_UNKNOWN) {
        return wrong(r, v, "speed", "is given, but called unknown");
    }
    s->in_us = us_of(reads);
    s->out_us = us_of(writes);
    return TERN_OK;
}

static tern_status read_times(const reader *r, const ti_jval *in, ti_upstream *u)
{
    const ti_jval *v;
    u->times =
        (ti_upstream_times){.connect_s = 5, .first_byte_s = 60, .idle_s = 30, .whole_s = 600};
    TI_TRY(object_of(r, in, "timeouts", "connect_s|first_byte_s|idle_s|whole_s", &v));
    const struct {
        const char *name;
        uint32_t *to;
    } all[] = {{"connect_s", &u->times.connect_s},
               {"first_byte_s", &u->times.first_byte_s},
               {"idle_s", &u->times.idle_s},
               {"whole_s", &u->times.whole_s}};
    for (size_t i = 0; v && i < sizeof all / sizeof *all; i++) {
        uint64_t seconds = *all[i].to;
        TI_TRY(number_of(r, v, all[i].name, false, 1, TIMEOUT_MAX_S, 1, &seconds));
        *all[i].to = (uint32_t)seconds;
    }
    return TERN_OK;
}

static tern_status read_price(const reader *r, const ti_jval *in, ti_upstream *u)
{
    ti_route_price *p = &u->candidate.price;
    const ti_jval *v;
    p->known = u->candidate.local; /* nobody asks money for it */
    TI_TRY(object_of(r, in, "price", "in_usd|out_usd", &v));
    if (!v) {
        return TERN_OK;
    }
    p->known = true;
    TI_TRY(number_of(r, v, "in_usd", true, 0, USD_MAX, 1e6, &p->in_micro_usd));
    return number_of(r, v, "out_usd", true, 0, USD_MAX, 1e6, &p->out_micro_usd);
}

static bool begins(const char *text, const char *with)
{
    return strncmp(text, with, strlen(with)) == 0;
}

/* True for http://localhost, 127.0.0.1 and [::1], with a port or a path behind it. */
bool ti_upstream_is_here(const char *url)
{
    static const char *const hosts[] = {"http://localhost", "http://127.0.0.1", "http://[::1]"};
    for (size_t i = 0; i < sizeof hosts / sizeof *hosts; i++) {
        size_t n = strlen(hosts[i]);
        if (begins(url, hosts[i]) && (url[n] == ':' || url[n] == '/' || url[n] == 0)) {
            return true;
        }
    }
    return false;
}

static tern_status check_url(const reader *r, const ti_jval *in, const ti_upstream *u)
{
    const char *url = u->base_url;
    if (!begins(url, "https://") && !begins(url, "http://")) {
        return wrong(r, in, "base_url", "begins with neither https:// nor http://");
    }
    if (strpbrk(url, " \"<>\\^`{|}@?#")) {
        return wrong(r, in, "base_url", "has a character that no address of an API has");
    }
    if (url[strlen(url) - 1] == '/') {
        return wrong(r, in, "base_url", "ends with a slash");
    }
    if (u->key_name && !begins(url, "https://") && !ti_upstream_is_here(url)) {
        return wrong(r, in, "base_url", "would carry a key over plain HTTP");
    }
    return TERN_OK;
}

/* "scaleway/fr-par-2": zone, PUE and address as the catalogue has them. */
static tern_status read_provider(const reader *r, const ti_jval *in, ti_upstream *u,
                                 uint64_t *pue)
{
    const char *name = NULL;
    TI_TRY(text_of(r, in, "provider", TEXT_MAX, &name));
    if (!name) {
        return TERN_OK;
    }
    for (size_t i = 0; r->catalogue && i < r->catalogue->n_providers; i++) {
        const ti_provider *p = &r->catalogue->providers[i];
        size_t n = p->name.len, m = p->region.len;
        if (strlen(name) != n + (m ? m + 1 : 0) || memcmp(name, p->name.data, n) != 0 ||
            (m && (name[n] != '/' || memcmp(name + n + 1, p->region.data, m) != 0))) {
            continue;
        }
        const ti_provider_figure *f = p->pue.source ? &p->pue : &r->catalogue->unknown_pue;
        *pue = p->pue.source ? (f->low_milli + f->high_milli) / 2 : f->high_milli;
        u->zone =
            p->zone.len ? ti_arena_strndup(&r->out->arena, p->zone.data, p->zone.len) : NULL;
        if (p->zone.len && !u->zone) {
            return ti_fail_nomem(r->err, "routing", p->zone.len, "a zone");
        }
        return TERN_OK;
    }
    return wrong(r, in, name,
                 "is nobody in the catalogue ('tern providers' lists NAME REGION)");
}

static tern_status read_one(const reader *r, const ti_jval *in, bool local, ti_upstream *u)
{
    static const char *const tasks[] = {"thin", "thick"};
    uint64_t pue = TI_PERMILLE, context = 0;
    uint32_t task = local ? TI_ROUTE_THIN : TI_ROUTE_THICK;
    TI_TRY(object(r, in, local ? "local" : "upstreams",
                  local ? "name|model|good_for|context|zone|energy|speed"
                        : "name|model|base_url|key_env|good_for|context|zone|pue|provider|"
                          "params|energy|speed|price|timeouts"));
    u->candidate.local = local;
    TI_TRY(text_of(r, in, "name", TI_UPSTREAMS_NAME_MAX, &u->name));
    TI_TRY(text_of(r, in, "model", TEXT_MAX, &u->model));
    TI_TRY(text_of(r, in, "base_url", TEXT_MAX, &u->base_url));
    TI_TRY(text_of(r, in, "key_env", TI_UPSTREAMS_NAME_MAX, &u->key_name));
    if (!u->name || !u->model || (!local && !u->base_url)) {
        return wrong(r, in, !u->name ? "name" : !u->model ? "model" : "base_url", "is missing");
    }
    TI_TRY(local ? TERN_OK : check_url(r, in, u));
    TI_TRY(read_provider(r, in, u, &pue));
    TI_TRY(text_of(r, in, "zone", TI_UPSTREAMS_NAME_MAX, &u->zone));
    TI_TRY(number_of(r, in, "pue", false, 1, 10, TI_PERMILLE, &pue));
    TI_TRY(number_of(r, in, "context", false, 1, TOKENS_MAX, 1, &context));
    TI_TRY(word_of(r, in, "good_for", tasks, 2, &task));
    u->candidate.thick = task == TI_ROUTE_THICK;
    u->candidate.context_tokens = context;
    u->candidate.pue_permille = (uint32_t)pue;
    TI_TRY(read_energy(r, in, u));
    TI_TRY(read_params(r, in, u));
    TI_TRY(read_speed(r, in, u));
    TI_TRY(local ? TERN_OK : read_times(r, in, u));
    return read_price(r, in, u);
}

/* --- all ---------------------------------------------------------------------------------- */

static tern_status read_budget(const reader *r, const ti_jval *in, ti_route_budget *b)
{
    static const char *const ends[] = {"queue", "refuse", "smaller"};
    const ti_jval *v, *basis;
    uint32_t end = TI_ROUTE_END_QUEUE;
    TI_TRY(object_of(r, in, "budget", "g_per_day|reserve_g|at_end|basis", &v));
    if (!v) {
        return TERN_OK;
    }
    b->set = true;
    TI_TRY(number_of(r, v, "g_per_day", true, 0, GRAMS_MAX, (double)TI_UG_PER_G, &b->day_ug));
    TI_TRY(
        number_of(r, v, "reserve_g", false, 0, GRAMS_MAX, (double)TI_UG_PER_G, &b->reserve_ug));
    TI_TRY(word_of(r, v, "at_end", ends, 3, &end));
    b->end = (ti_route_end)end;
    basis = ti_jval_get(v, "basis");
    if (!ti_jval_none(basis) &&
        (basis->type != TI_JSTR ||
         !ti_basis_parse(&b->basis, basis->u.str.data, basis->u.str.len))) {
        return wrong(r, basis, "basis", "is no basis, as average/life-cycle/location is one");
    }
    return TERN_OK;
}

static tern_status read_policy(const reader *r, const ti_jval *root)
{
    static const char *const firsts[] = {"local", "grams"};
    ti_route_policy *p = &r->out->policy;
    uint32_t first = TI_ROUTE_LOCAL_FIRST;
    const ti_jval *v;
    *p = (ti_route_policy){.price_max_pusd = TI_ROUTE_NO_LIMIT,
                           .time_max_us = TI_ROUTE_NO_LIMIT};
    TI_TRY(object_of(r, root, "policy", "first|price_max_usd|time_max_s|budget", &v));
    if (!v) {
        return TERN_OK;
    }
    TI_TRY(word_of(r, v, "first", firsts, 2, &first));
    p->first = (ti_route_first)first;
    TI_TRY(number_of(r, v, "price_max_usd", false, 0, USD_MAX, 1e12, &p->price_max_pusd));
    TI_TRY(number_of(r, v, "time_max_s", false, 0, SECONDS_MAX, 1e6, &p->time_max_us));
    return read_budget(r, v, &p->budget);
}

static tern_status read_list(const reader *r, const ti_jval *root, const char *key, bool local)
{
    ti_upstreams *out = r->out;
    const ti_jval *list = ti_jval_get(root, key);
    if (ti_jval_none(list)) {
        return TERN_OK;
    }
    if (list->type != TI_JARRAY) {
        return wrong(r, list, key, "is no array");
    }
    for (uint32_t i = 0; i < list->n; i++) {
        const ti_jval *in = &list->u.items[i];
        if (out->n == TI_ROUTE_MAX) {
            return ti_fail(r->err, TERN_LIMIT, "routing", in->at, "over %d who may answer",
                           TI_ROUTE_MAX);
        }
        ti_upstream *u = &out->items[out->n];
        TI_TRY(read_one(r, in, local, u));
        for (size_t k = 0; k < out->n; k++) {
            if (strcmp(out->items[k].name, u->name) == 0) {
                return wrong(r, in, u->name, "is there twice");
            }
        }
        out->n++;
    }
    return TERN_OK;
}

static tern_status read_root(const reader *r, const ti_jval *root)
{
    uint64_t tokens = TOKENS_DEFAULT;
    TI_TRY(object(r, root, "configuration", "schema|policy|answer_tokens|local|upstreams"));
    if (!ti_jval_is(ti_jval_get(root, "schema"), "tern.routing/1")) {
        return wrong(r, root, "schema", "is not tern.routing/1");
    }
    TI_TRY(read_policy(r, root));
    TI_TRY(number_of(r, root, "answer_tokens", false, 1, TOKENS_MAX, 1, &tokens));
    r->out->answer_tokens = (uint32_t)tokens;
    TI_TRY(read_list(r, root, "local", true));
    return read_list(r, root, "upstreams", false);
}

tern_status ti_upstreams_parse(ti_upstreams *out, const char *text, size_t len,
                               const ti_providers *catalogue, tern_err *err)
{
    ti_upstreams made = {0};
    ti_arena tree = {0};
    ti_jval root;
    reader r = {&made, catalogue, err};
    if (len > TI_UPSTREAMS_BYTES_MAX) {
        return ti_fail(err, TERN_LIMIT, "routing", TI_NO_OFFSET, "over %d bytes",
                       TI_UPSTREAMS_BYTES_MAX);
    }
    made.items = ti_arena_calloc(&made.arena, TI_ROUTE_MAX, sizeof *made.items);
    tern_status status =
        made.items ? ti_jval_parse(&root, &tree, text, len, "routing", err)
                   : ti_fail_nomem(err, "routing", TI_ROUTE_MAX * sizeof *made.items, "rows");
    if (status == TERN_OK) {
        status = read_root(&r, &root);
    }
    ti_arena_free(&tree);
    if (status != TERN_OK) {
        ti_upstreams_free(&made);
        return status;
    }
    *out = made;
    return TERN_OK;
}

tern_status ti_upstreams_load(ti_upstreams *out, const char *path,
                              const ti_providers *catalogue, tern_err *err)
{
    char *text;
    size_t size;
    TI_TRY(ti_read_file(&text, &size, path, TI_UPSTREAMS_BYTES_MAX, err));
    tern_status status = ti_upstreams_parse(out, text, size, catalogue, err);
    free(text);
    return status;
}

void ti_upstreams_free(ti_upstreams *upstreams)
{
    ti_arena_free(&upstreams->arena);
    *upstreams = (ti_upstreams){0};
}
