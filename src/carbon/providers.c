/* SPDX-License-Identifier: Apache-2.0 */
#include "carbon/providers.h"

#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/jval.h"

/* share/providers.json, compiled in. */
extern const unsigned char ti_providers_json[];
extern const size_t ti_providers_json_len;

enum {
    PUE_MAX_MILLI = 10000,
    WUE_MAX_MILLI = 100000,
    ALL_MILLI = 1000, /* 100 % */
    TEXT_MAX = 500,
    PARAMS_MAX_B = 1000000,
    STREAMS_MAX = 1000000
};

typedef struct reader {
    ti_providers *out;
    tern_err *err;
} reader;

static tern_status wrong(const reader *r, const ti_jval *v, const char *what)
{
    return ti_fail(r->err, TERN_CORRUPT, "providers", v ? v->at : TI_NO_OFFSET, "%s", what);
}

static bool is(ti_str text, const char *word)
{
    return strlen(word) == text.len && memcmp(text.data, word, text.len) == 0;
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
static tern_status object(const reader *r, const ti_jval *v, const char *members)
{
    if (!v || v->type != TI_JOBJECT) {
        return wrong(r, v, "not an object");
    }
    for (uint32_t i = 0; i < v->n; i++) {
        ti_str key = v->u.members[i].key;
        if (!is_one_of(key, members)) {
            return ti_fail(r->err, TERN_CORRUPT, "providers", v->u.members[i].value.at,
                           "unknown member '%.*s'", (int)(key.len < 40 ? key.len : 40),
                           key.data);
        }
    }
    return TERN_OK;
}

static bool is_printable(ti_str text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] < ' ' || text.data[i] > '~') {
            return false;
        }
    }
    return text.len > 0 && text.len <= TEXT_MAX;
}

/* A text; where `optional`, also nothing. */
static tern_status text_of(const reader *r, const ti_jval *in, const char *key, bool optional,
                           ti_str *out)
{
    const ti_jval *v = ti_jval_get(in, key);
    *out = (ti_str){.data = ""};
    if (optional && ti_jval_none(v)) {
        return TERN_OK;
    }
    if (!v || v->type != TI_JSTR || !is_printable(v->u.str)) {
        return ti_fail(r->err, TERN_CORRUPT, "providers", v ? v->at : in->at,
                       "'%s' is no text in printable ASCII", key);
    }
    *out = v->u.str;
    return TERN_OK;
}

static tern_status word_of(const reader *r, const ti_jval *in, const char *key,
                           const char *words, ti_str *out)
{
    TI_TRY(text_of(r, in, key, false, out));
    if (!is_one_of(*out, words)) {
        return ti_fail(r->err, TERN_CORRUPT, "providers", in->at, "'%s' is none of %s", key,
                       words);
    }
    return TERN_OK;
}

static tern_status source_of(const reader *r, const ti_jval *in, const char *key,
                             const ti_provider_source **out)
{
    ti_str id;
    TI_TRY(text_of(r, in, key, false, &id));
    for (size_t i = 0; i < r->out->n_sources; i++) {
        ti_str known = r->out->sources[i].id;
        if (known.len == id.len && memcmp(known.data, id.data, id.len) == 0) {
            *out = &r->out->sources[i];
            return TERN_OK;
        }
    }
    return ti_fail(r->err, TERN_CORRUPT, "providers", in->at, "'%s': no such source", key);
}

/* A number from 0 to `most`, in parts of 1/scale, rounded to the nearest. */
static tern_status number_of(const reader *r, const ti_jval *in, const char *key, double scale,
                             double most, uint64_t *out)
{
    const ti_jval *v = ti_jval_get(in, key);
    double value;
    if (!ti_jval_num(v, &value) || !(value >= 0 && value * scale <= most)) {
        return ti_fail(r->err, TERN_CORRUPT, "providers", v ? v->at : in->at,
                       "'%s' is no number in its range", key);
    }
    *out = (uint64_t)(value * scale + 0.5);
    return TERN_OK;
}

/* --- figures ------------------------------------------------------------------------------ */

static tern_status read_pue(const reader *r, const ti_jval *in, ti_provider_figure *out)
{
    const ti_jval *v = ti_jval_get(in, "pue");
    uint64_t low, high;
    if (ti_jval_none(v)) {
        return TERN_OK;
    }
    TI_TRY(object(r, v, "low|high|kind|source"));
    TI_TRY(number_of(r, v, "low", ALL_MILLI, PUE_MAX_MILLI, &low));
    TI_TRY(number_of(r, v, "high", ALL_MILLI, PUE_MAX_MILLI, &high));
    TI_TRY(word_of(r, v, "kind", "measured|published|claim", &out->kind));
    if (low < ALL_MILLI || high < low) {
        return wrong(r, v, "a PUE under 1, or its ends the wrong way round");
    }
    out->low_milli = (uint32_t)low;
    out->high_milli = (uint32_t)high;
    return source_of(r, v, "source", &out->source);
}

static tern_status read_value(const reader *r, const ti_jval *in, const char *key,
                              uint32_t most_milli, ti_provider_figure *out)
{
    const ti_jval *v = ti_jval_get(in, key);
    uint64_t value;
    if (ti_jval_none(v)) {
        return TERN_OK;
    }
    TI_TRY(object(r, v, "value|source"));
    TI_TRY(number_of(r, v, "value", ALL_MILLI, most_milli, &value));
    out->low_milli = out->high_milli = (uint32_t)value;
    return source_of(r, v, "source", &out->source);
}

/* A share in percent, and since when. */
static tern_status read_share(const reader *r, const ti_jval *in, const char *key,
                              ti_provider_figure *out)
{
    const ti_jval *v = ti_jval_get(in, key), *year;
    uint64_t value;
    if (ti_jval_none(v)) {
        return TERN_OK;
    }
    TI_TRY(object(r, v, "percent|since|year|source"));
    TI_TRY(number_of(r, v, "percent", 10, ALL_MILLI, &value));
    TI_TRY(text_of(r, v, "since", true, &out->kind));
    year = ti_jval_get(v, "year");
    if (!ti_jval_none(year)) {
        uint64_t checked;
        TI_TRY(number_of(r, v, "year", 1, 2100, &checked));
        char *text = ti_arena_alloc(&r->out->arena, 5);
        if (!text) {
            return ti_fail_nomem(r->err, "providers", 5, "a year");
        }
        for (int i = 3; i >= 0; i--, checked /= 10) {
            text[i] = (char)('0' + checked % 10);
        }
        out->kind = (ti_str){.data = text, .len = 4};
    }
    out->low_milli = out->high_milli = (uint32_t)value;
    return source_of(r, v, "source", &out->source);
}

/* --- rows --------------------------------------------------------------------------------- */

static tern_status read_source(const reader *r, const ti_jval *v, ti_provider_source *out)
{
    TI_TRY(object(r, v, "id|title|url|date|checked"));
    TI_TRY(text_of(r, v, "id", false, &out->id));
    TI_TRY(text_of(r, v, "title", false, &out->title));
    TI_TRY(text_of(r, v, "url", true, &out->url));
    TI_TRY(text_of(r, v, "date", true, &out->date));
    return text_of(r, v, "checked", false, &out->checked);
}

static tern_status read_price(const reader *r, const ti_jval *v, ti_provider_price *out)
{
    const double micro = 1e6, most = 1e12;
    TI_TRY(object(r, v, "of|per|in|out|amount|currency|basis|source"));
    TI_TRY(text_of(r, v, "of", false, &out->of));
    TI_TRY(word_of(r, v, "per", "million tokens|hour|month", &out->per));
    TI_TRY(word_of(r, v, "currency", "EUR|USD|CHF", &out->currency));
    TI_TRY(word_of(r, v, "basis", "published|secondary", &out->basis));
    out->by_tokens = is(out->per, "million tokens");
    const char *in = out->by_tokens ? "in" : "amount";
    if (ti_jval_get(v, out->by_tokens ? "amount" : "in") ||
        (!out->by_tokens && ti_jval_get(v, "out"))) {
        return wrong(r, v, "'in' and 'out' are for tokens, 'amount' is for a time");
    }
    TI_TRY(number_of(r, v, in, micro, most, &out->in_micro));
    TI_TRY(number_of(r, v, out->by_tokens ? "out" : in, micro, most, &out->out_micro));
    return source_of(r, v, "source", &out->source);
}

/* Room for the items of an array that may be absent. */
static tern_status rows(const reader *r, const ti_jval *v, size_t size, void *out, size_t *n)
{
    void **items = out;
    *n = 0;
    *items = NULL;
    if (ti_jval_none(v)) {
        return TERN_OK;
    }
    if (v->type != TI_JARRAY) {
        return wrong(r, v, "not a list");
    }
    if (v->n > TI_PROVIDERS_MAX) {
        return ti_fail(r->err, TERN_LIMIT, "providers", v->at, "more than %d rows",
                       TI_PROVIDERS_MAX);
    }
    *items = ti_arena_calloc(&r->out->arena, v->n > 0 ? v->n : 1, size);
    if (!*items) {
        return ti_fail_nomem(r->err, "providers", v->n * size, "rows");
    }
    *n = v->n;
    return TERN_OK;
}

static tern_status read_provider(const reader *r, const ti_jval *v, ti_provider *out)
{
    const ti_jval *prices = ti_jval_get(v, "price");
    TI_TRY(object(r, v,
                  "name|region|api|base_url|zone|zone_source|pue|wue_l_kwh|heat_reuse|"
                  "renewable|price|note"));
    TI_TRY(text_of(r, v, "name", false, &out->name));
    TI_TRY(text_of(r, v, "region", true, &out->region));
    TI_TRY(word_of(r, v, "api", "openai|own|iaas|unknown", &out->api));
    TI_TRY(text_of(r, v, "base_url", true, &out->base_url));
    TI_TRY(text_of(r, v, "zone", true, &out->zone));
    TI_TRY(text_of(r, v, "note", true, &out->note));
    if (out->zone.len > 0) {
        TI_TRY(source_of(r, v, "zone_source", &out->zone_source));
    }
    TI_TRY(read_pue(r, v, &out->pue));
    TI_TRY(read_value(r, v, "wue_l_kwh", WUE_MAX_MILLI, &out->wue));
    TI_TRY(read_share(r, v, "heat_reuse", &out->heat));
    TI_TRY(read_share(r, v, "renewable", &out->renewable));
    TI_TRY(rows(r, prices, sizeof *out->prices, &out->prices, &out->n_prices));
    for (size_t i = 0; i < out->n_prices; i++) {
        TI_TRY(read_price(r, &prices->u.items[i], &out->prices[i]));
    }
    return TERN_OK;
}

static tern_status read_hardware(const reader *r, const ti_jval *v, ti_provider_hardware *out)
{
    const double uj = 1e6, most_uj = 1e12;
    uint64_t params = 0, streams = 0;
    TI_TRY(object(r, v,
                  "name|model|params_b|streams|joules_per_token|covers|evidence|source|note"));
    TI_TRY(text_of(r, v, "name", false, &out->name));
    TI_TRY(text_of(r, v, "model", true, &out->model));
    TI_TRY(text_of(r, v, "note", true, &out->note));
    TI_TRY(word_of(r, v, "covers", "card|package|machine|unknown", &out->covers));
    TI_TRY(
        word_of(r, v, "evidence", "measured|self-reported|secondary|unknown", &out->evidence));
    TI_TRY(source_of(r, v, "source", &out->source));
    out->known = !ti_jval_none(ti_jval_get(v, "joules_per_token"));
    if (out->known != !is(out->evidence, "unknown")) {
        return wrong(r, v, "a figure without evidence, or evidence without a figure");
    }
    if (out->known) {
        TI_TRY(number_of(r, v, "joules_per_token", uj, most_uj, &out->energy_uj));
    }
    if (!ti_jval_none(ti_jval_get(v, "params_b"))) {
        TI_TRY(number_of(r, v, "params_b", 1000, PARAMS_MAX_B * 1000.0, &params));
    }
    if (!ti_jval_none(ti_jval_get(v, "streams"))) {
        TI_TRY(number_of(r, v, "streams", 1, STREAMS_MAX, &streams));
    }
    out->params_m = (uint32_t)params;
    out->streams = (uint32_t)streams;
    return TERN_OK;
}

static tern_status read_all(const reader *r, const ti_jval *root)
{
    ti_providers *o = r->out;
    const ti_jval *sources = ti_jval_get(root, "sources");
    const ti_jval *providers = ti_jval_get(root, "providers");
    const ti_jval *hardware = ti_jval_get(root, "hardware");
    TI_TRY(object(r, root, "schema|sources|unknown_pue|providers|hardware"));
    if (!ti_jval_is(ti_jval_get(root, "schema"), "tern.providers/1")) {
        return wrong(r, root, "its schema is not tern.providers/1");
    }
    TI_TRY(rows(r, sources, sizeof *o->sources, &o->sources, &o->n_sources));
    for (size_t i = 0; i < o->n_sources; i++) {
        TI_TRY(read_source(r, &sources->u.items[i], &o->sources[i]));
    }
    TI_TRY(read_value(r, root, "unknown_pue", PUE_MAX_MILLI, &o->unknown_pue));
    if (!o->unknown_pue.source || o->unknown_pue.low_milli < ALL_MILLI) {
        return wrong(r, root, "'unknown_pue' is missing, or under 1");
    }
    TI_TRY(rows(r, providers, sizeof *o->providers, &o->providers, &o->n_providers));
    for (size_t i = 0; i < o->n_providers; i++) {
        TI_TRY(read_provider(r, &providers->u.items[i], &o->providers[i]));
    }
    TI_TRY(rows(r, hardware, sizeof *o->hardware, &o->hardware, &o->n_hardware));
    for (size_t i = 0; i < o->n_hardware; i++) {
        TI_TRY(read_hardware(r, &hardware->u.items[i], &o->hardware[i]));
    }
    return TERN_OK;
}

tern_status ti_providers_parse(ti_providers *out, const char *text, size_t len, tern_err *err)
{
    ti_providers made = {0};
    ti_jval root;
    reader r = {.out = &made, .err = err};
    tern_status status = ti_jval_parse(&root, &made.arena, text, len, "providers", err);
    if (status == TERN_OK) {
        status = read_all(&r, &root);
    }
    if (status != TERN_OK) {
        ti_providers_free(&made);
        return status;
    }
    *out = made;
    return TERN_OK;
}

tern_status ti_providers_builtin(ti_providers *out, tern_err *err)
{
    return ti_providers_parse(out, (const char *)ti_providers_json, ti_providers_json_len, err);
}

tern_status ti_providers_load(ti_providers *out, const char *path, tern_err *err)
{
    char *text;
    size_t len;
    ti_providers made;
    TI_TRY(ti_read_file(&text, &len, path, TI_PROVIDERS_BYTES_MAX, err));
    tern_status status = ti_providers_parse(&made, text, len, err);
    if (status != TERN_OK) {
        free(text);
        return status;
    }
    made.text = text;
    *out = made;
    return TERN_OK;
}

void ti_providers_free(ti_providers *providers)
{
    ti_arena_free(&providers->arena);
    free(providers->text);
    *providers = (ti_providers){0};
}
