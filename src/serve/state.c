/* SPDX-License-Identifier: Apache-2.0 */
#include "serve/state.h"

#include "tern/tern.h"

void ti_recent_add(ti_recent *recent, const ti_recent_item *item)
{
    ti_recent_item *place = &recent->items[recent->n % TI_RECENT_MAX];
    *place = *item;
    place->number = ++recent->n;
}

const ti_recent_item *ti_recent_get(const ti_recent *recent, uint64_t number)
{
    if (number == 0 || number > recent->n || recent->n - number >= TI_RECENT_MAX) {
        return NULL;
    }
    return &recent->items[(number - 1) % TI_RECENT_MAX];
}

/* Ollama's and OpenAI's words for one thing are one word here. */
static const char *operation(ti_ask_kind kind)
{
    switch (kind) {
    case TI_ASK_OPENAI_CHAT:
    case TI_ASK_OLLAMA_CHAT:
        return "chat";
    case TI_ASK_OPENAI_TEXT:
    case TI_ASK_OLLAMA_TEXT:
        return "text";
    default:
        return "embeddings";
    }
}

/* In the shape that the answer itself had. */
static void add_other(ti_buf *out, const ti_recent_other *o)
{
    char basis[TI_BASIS_TEXT];
    ti_json_str(out, "upstream", o->name);
    if (o->energy_known) {
        ti_json_open(out, "energy", '{');
        ti_json_uint(out, "energy_uj", o->energy_uj);
        ti_json_uint(out, "energy_low_uj", o->energy_low_uj);
        ti_json_uint(out, "energy_high_uj", o->energy_high_uj);
        ti_json_str(out, "evidence", o->evidence);
        ti_json_str(out, "tokens", o->reported ? "reported" : "estimated");
        ti_json_close(out, '}');
    } else {
        ti_json_null(out, "energy");
    }
    if (o->grams_known) {
        ti_json_open(out, "carbon", '{');
        ti_json_uint(out, "co2_ug", o->co2_ug);
        ti_json_uint(out, "co2_low_ug", o->co2_low_ug);
        ti_json_uint(out, "co2_high_ug", o->co2_high_ug);
        ti_json_uint(out, "energy_uj", o->energy_uj);
        ti_json_uint(out, "pue_permille", o->pue_permille);
        ti_json_str(out, "zone", o->zone);
        ti_json_uint(out, "intensity_mg_kwh", o->intensity_mg_kwh);
        ti_json_str(out, "basis", ti_basis_text(basis, o->basis));
        ti_json_close(out, '}');
    } else {
        ti_json_null(out, "carbon");
    }
}

static void add_recent(ti_buf *out, const ti_recent_item *item)
{
    const ti_serve_usage *u = &item->usage;
    ti_json_open(out, NULL, '{');
    ti_json_uint(out, "number", item->number);
    ti_json_uint(out, "ended_unix_ms", item->ended_unix_ms);
    ti_json_str(out, "operation", operation(item->kind));
    ti_json_uint(out, "status", item->status);
    ti_json_uint(out, "prompt_tokens", u->prompt_tokens);
    ti_json_uint(out, "cached_tokens", u->cached_tokens);
    ti_json_uint(out, "output_tokens", u->output_tokens);
    ti_json_uint(out, "queued_ns", u->queued_ns);
    ti_json_uint(out, "first_ns", u->first_ns);
    ti_json_uint(out, "total_ns", u->total_ns);
    if (item->other.name[0]) {
        add_other(out, &item->other);
    } else {
        ti_json_null(out, "upstream");
        ti_json_cost(out, &item->cost);
    }
    ti_json_uint(out, "receipts", item->n_receipts);
    if (item->receipt[0]) {
        ti_json_str(out, "receipt", item->receipt);
    } else {
        ti_json_null(out, "receipt");
    }
    ti_json_close(out, '}');
}

static void add_model(ti_buf *out, const ti_state *s)
{
    ti_json_open(out, "model", '{');
    ti_json_str(out, "id", s->model->id);
    ti_json_str(out, "name", s->model->name);
    ti_json_str(out, "architecture", s->model->architecture);
    ti_json_str(out, "sha256", s->model->digest);
    ti_json_uint(out, "parameters", s->model->n_params);
    ti_json_uint(out, "file_bytes", s->model->file_bytes);
    ti_json_bool(out, "loaded", s->stats->loaded);
    ti_json_bool(out, "loading", s->stats->loading);
    ti_json_close(out, '}');
}

static void add_engine(ti_buf *out, const ti_serve_stats *e)
{
    ti_json_open(out, "engine", '{');
    ti_json_uint(out, "slots", e->slots);
    ti_json_uint(out, "active", e->active);
    ti_json_uint(out, "queued", e->queued);
    ti_json_uint(out, "prompt_tokens", e->prompt_tokens);
    ti_json_uint(out, "cached_tokens", e->cached_tokens);
    ti_json_uint(out, "output_tokens", e->output_tokens);
    ti_json_uint(out, "cancelled", e->cancelled);
    ti_json_uint(out, "refused", e->refused);
    ti_json_close(out, '}');
}

/* What the meter said, and how it knows. */
static void add_energy(ti_buf *out, const ti_state *s)
{
    if (!s->source || !s->total) {
        ti_json_null(out, "energy");
        return;
    }
    ti_json_open(out, "energy", '{');
    ti_json_uint(out, "steady_ns", s->steady_ns);
    ti_json_uint(out, "metered_uj", s->total->metered_uj);
    ti_json_uint(out, "requests_uj", s->total->requests_uj);
    ti_json_uint(out, "idle_uj", s->total->idle_uj);
    ti_json_uint(out, "waiting_uj", s->total->waiting_uj);
    ti_json_str(out, "evidence", ti_evidence_name(s->source->evidence));
    ti_json_str(out, "meter", s->source->meter);
    ti_json_uint(out, "error_permille", s->source->error_permille);
    ti_json_uint(out, "meters_denied", s->source->n_denied);
    ti_json_bool(out, "idle_known", s->source->idle_known);
    ti_json_uint(out, "idle_uw", s->source->idle_uw);
    ti_json_str(out, "idle_by", s->source->idle_by ? s->source->idle_by : "none");
    ti_json_close(out, '}');
}

static void add_answers(ti_buf *out, const ti_state *s)
{
    const ti_metrics_all *m = s->metrics;
    ti_json_open(out, "answers", '{');
    ti_json_uint(out, "n", m->duration_s[0].n + m->duration_s[1].n + m->duration_s[2].n);
    ti_json_uint(out, "energy_uj", m->energy_uj);
    ti_json_uint(out, "idle_uj", m->idle_uj);
    ti_json_uint(out, "co2_ug", m->co2_ug);
    ti_json_uint(out, "receipts", m->receipts);
    ti_json_close(out, '}');
}

void ti_state_render(ti_buf *out, const ti_state *s)
{
    uint64_t first = s->recent->n < TI_RECENT_MAX ? 1 : s->recent->n - TI_RECENT_MAX + 1;
    ti_json_open(out, NULL, '{');
    ti_json_str(out, "schema", "tern.state/1");
    ti_json_str(out, "version", tern_version());
    ti_json_uint(out, "now_unix_ms", s->now_unix_ms);
    ti_json_uint(out, "started_unix_ms", s->started_unix_ms);
    add_model(out, s);
    add_engine(out, s->stats);
    add_energy(out, s);
    if (s->grid && s->grid->has_carbon) {
        ti_json_footprint(out, "grid", &s->grid->carbon);
    } else {
        ti_json_null(out, "grid");
    }
    add_answers(out, s);
    ti_json_routing(out, s->routing);
    ti_json_bool(out, "receipts", s->receipts);
    if (s->log_name) {
        ti_json_str(out, "log", s->log_name);
    } else {
        ti_json_null(out, "log");
    }
    ti_json_uint(out, "last", s->recent->n);
    ti_json_open(out, "recent", '[');
    /* A number above the last is of a server that was here before: everything is new. */
    uint64_t since = s->since <= s->recent->n ? s->since : 0;
    for (uint64_t i = since >= first ? since + 1 : first; i <= s->recent->n; i++) {
        add_recent(out, ti_recent_get(s->recent, i));
    }
    ti_json_close(out, ']');
    ti_json_close(out, '}');
}
