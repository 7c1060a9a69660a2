/* SPDX-License-Identifier: Apache-2.0 */
#include "serve/metrics.h"

#include <inttypes.h>

static const double duration_bounds[] = {0.01, 0.02, 0.04, 0.08,  0.16,  0.32,  0.64,
                                         1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92};
static const double first_bounds[] = {0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1,
                                      0.25,  0.5,   0.75, 1.0,  2.5,  5.0,  7.5,  10.0};
static const double per_token_bounds[] = {0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2,
                                          0.3,  0.4,   0.5,  0.75,  1.0, 2.5};
static const double token_bounds[] = {
    1, 4, 16, 64, 256, 1024, 4096, 16384, 65536, 262144, 1048576, 4194304, 16777216, 67108864};

#define BOUNDS(b) b, sizeof(b) / sizeof *(b)

static const char *const operations[] = {"chat", "text_completion", "embeddings"};

static void observe(ti_histogram *h, const double *bounds, size_t n, double value)
{
    size_t i = 0;
    while (i < n && value > bounds[i]) {
        i++;
    }
    h->counts[i]++;
    h->n++;
    h->sum += value;
}

void ti_metrics_answer(ti_metrics_all *m, int operation, const ti_serve_usage *u,
                       const ti_cost *cost)
{
    const double ns = 1e9;
    observe(&m->duration_s[operation], BOUNDS(duration_bounds), (double)u->total_ns / ns);
    observe(&m->input_tokens[operation], BOUNDS(token_bounds), (double)u->prompt_tokens);
    if (operation < 2) {
        observe(&m->output_tokens[operation], BOUNDS(token_bounds), (double)u->output_tokens);
        if (u->first_ns > 0) {
            observe(&m->first_s[operation], BOUNDS(first_bounds), (double)u->first_ns / ns);
        }
        if (u->first_ns > 0 && u->output_tokens > 1 && u->total_ns > u->first_ns) {
            observe(&m->per_token_s[operation], BOUNDS(per_token_bounds),
                    (double)(u->total_ns - u->first_ns) / ns / (double)(u->output_tokens - 1));
        }
    }
    m->energy_uj += cost->has_energy ? cost->energy.energy_uj : 0;
    m->idle_uj += cost->has_energy ? cost->energy.idle_uj : 0;
    m->co2_ug += cost->has_carbon ? cost->carbon.co2_ug : 0;
}

void ti_metrics_code(ti_metrics_all *m, unsigned code)
{
    for (size_t i = 0; i < TI_CODES_MAX; i++) {
        if (m->codes[i].code == code || m->codes[i].code == 0) {
            m->codes[i].code = code;
            m->codes[i].n++;
            return;
        }
    }
}

/* --- text -----------------------------------------------------------------------------------
 */

static void head(ti_buf *out, const char *name, const char *type, const char *help)
{
    ti_buf_addf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

/* A value of a label: quotes, backslashes and newlines escaped. */
static void add_label(ti_buf *out, const char *name, const char *value)
{
    ti_buf_addf(out, "%s=\"", name);
    for (const char *c = value; *c; c++) {
        if (*c == '\n') {
            ti_buf_adds(out, "\\n");
            continue;
        }
        ti_buf_adds(out, *c == '"' || *c == '\\' ? "\\" : "");
        ti_buf_addc(out, *c);
    }
    ti_buf_addc(out, '"');
}

/* The labels that all of gen_ai_... have, without the closing brace. */
static void add_labels(ti_buf *out, int operation, const char *model, const char *type)
{
    ti_buf_addc(out, '{');
    add_label(out, "gen_ai_operation_name", operations[operation]);
    ti_buf_addc(out, ',');
    add_label(out, "gen_ai_provider_name", "tern");
    ti_buf_addc(out, ',');
    add_label(out, "gen_ai_request_model", model);
    if (type) {
        ti_buf_addc(out, ',');
        add_label(out, "gen_ai_token_type", type);
    }
}

static void add_histogram(ti_buf *out, const char *name, const ti_histogram *h,
                          const double *bounds, size_t n, int operation, const char *model,
                          const char *type)
{
    uint64_t sum = 0;
    if (h->n == 0) {
        return;
    }
    for (size_t i = 0; i <= n; i++) {
        sum += h->counts[i];
        ti_buf_addf(out, "%s_bucket", name);
        add_labels(out, operation, model, type);
        if (i < n) {
            ti_buf_addf(out, ",le=\"%.10g\"} %" PRIu64 "\n", bounds[i], sum);
        } else {
            ti_buf_addf(out, ",le=\"+Inf\"} %" PRIu64 "\n", sum);
        }
    }
    ti_buf_addf(out, "%s_sum", name);
    add_labels(out, operation, model, type);
    ti_buf_addf(out, "} %.9g\n%s_count", h->sum, name);
    add_labels(out, operation, model, type);
    ti_buf_addf(out, "} %" PRIu64 "\n", h->n);
}

static void add_histograms(ti_buf *out, const ti_metrics_all *m, const char *model)
{
    const char *name = "gen_ai_server_request_duration_seconds";
    head(out, name, "histogram", "From request to the end of its answer");
    for (int i = 0; i < 3; i++) {
        add_histogram(out, name, &m->duration_s[i], BOUNDS(duration_bounds), i, model, NULL);
    }
    name = "gen_ai_server_time_to_first_token_seconds";
    head(out, name, "histogram", "From request to its first token");
    for (int i = 0; i < 2; i++) {
        add_histogram(out, name, &m->first_s[i], BOUNDS(first_bounds), i, model, NULL);
    }
    name = "gen_ai_server_time_per_output_token_seconds";
    head(out, name, "histogram", "Time of each token after the first");
    for (int i = 0; i < 2; i++) {
        add_histogram(out, name, &m->per_token_s[i], BOUNDS(per_token_bounds), i, model, NULL);
    }
    name = "gen_ai_client_token_usage";
    head(out, name, "histogram", "Tokens of a request and of its answer");
    for (int i = 0; i < 3; i++) {
        add_histogram(out, name, &m->input_tokens[i], BOUNDS(token_bounds), i, model, "input");
    }
    for (int i = 0; i < 2; i++) {
        add_histogram(out, name, &m->output_tokens[i], BOUNDS(token_bounds), i, model,
                      "output");
    }
}

static void one(ti_buf *out, const char *name, const char *type, const char *help,
                uint64_t value)
{
    head(out, name, type, help);
    ti_buf_addf(out, "%s %" PRIu64 "\n", name, value);
}

static void add_stats(ti_buf *out, const ti_serve_stats *s)
{
    one(out, "tern_model_loaded", "gauge", "1 while the model is in memory", s->loaded);
    one(out, "tern_model_resident_bytes", "gauge", "Memory of its weights", s->resident_bytes);
    one(out, "tern_model_loads_total", "counter", "How often it was opened", s->loads);
    one(out, "tern_answers_active", "gauge", "Answers being made", s->active);
    one(out, "tern_requests_queued", "gauge", "Requests that wait", s->queued);
    one(out, "tern_kv_bytes", "gauge", "Keys and values, what is kept for later included",
        s->kv_bytes);
    one(out, "tern_kv_cached_bytes", "gauge", "Of these, kept for later", s->cached_bytes);
    one(out, "tern_requests_total", "counter", "Requests that the engine took", s->requests);
    one(out, "tern_requests_refused_total", "counter", "Requests for which there was no room",
        s->refused);
    one(out, "tern_requests_cancelled_total", "counter", "Requests whose client left",
        s->cancelled);
    one(out, "tern_requests_failed_total", "counter", "Requests that failed", s->failed);
    one(out, "tern_prompt_tokens_total", "counter", "Tokens of prompts", s->prompt_tokens);
    one(out, "tern_prompt_tokens_cached_total", "counter", "Of these, not computed again",
        s->cached_tokens);
    one(out, "tern_output_tokens_total", "counter", "Tokens of answers", s->output_tokens);
    one(out, "tern_tokens_not_made_total", "counter",
        "Tokens that answers might still have had whose client left, at most",
        s->tokens_not_made);
    head(out, "tern_energy_not_spent_joules_total", "counter",
         "What these would have cost: an estimate");
    ti_buf_addf(out, "tern_energy_not_spent_joules_total %.6f\n", (double)s->saved_uj / 1e6);
}

static void add_energy(ti_buf *out, const ti_metrics_all *m, const ti_attribution_sum *total,
                       const ti_energy_source *source)
{
    const double uj = 1e6;
    const struct {
        const char *line;
        uint64_t value;
    } rows[] = {{"requests", m->energy_uj}, {"idle", m->idle_uj}};
    head(out, "tern_answers_energy_joules_total", "counter",
         "Given to answers: what they added, and their part of the idle line");
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        ti_buf_adds(out, "tern_answers_energy_joules_total{");
        add_label(out, "line", rows[i].line);
        ti_buf_addc(out, ',');
        add_label(out, "evidence", ti_evidence_name(source->evidence));
        ti_buf_addc(out, ',');
        add_label(out, "meter", source->meter);
        ti_buf_addf(out, "} %.6f\n", (double)rows[i].value / uj);
    }
    const struct {
        const char *name, *help;
        uint64_t value;
    } sums[] = {
        {"tern_metered_energy_joules_total", "What the meter or model counted",
         total->metered_uj},
        {"tern_requests_energy_joules_total", "Of it, above idle, for requests",
         total->requests_uj},
        {"tern_idle_energy_joules_total", "Of it, drawn anyway", total->idle_uj},
    };
    for (size_t i = 0; i < sizeof sums / sizeof sums[0]; i++) {
        head(out, sums[i].name, "counter", sums[i].help);
        ti_buf_addf(out, "%s %.6f\n", sums[i].name, (double)sums[i].value / uj);
    }
}

void ti_metrics_render(ti_buf *out, const ti_metrics_all *m, const ti_serve_stats *stats,
                       const ti_served *model, const ti_attribution_sum *total,
                       const ti_energy_source *source)
{
    add_histograms(out, m, model->id);
    add_stats(out, stats);
    if (total && source) {
        add_energy(out, m, total, source);
    }
    head(out, "tern_answers_co2_grams_total", "counter", "Of the answers whose grid is known");
    ti_buf_addf(out, "tern_answers_co2_grams_total %.9f\n", (double)m->co2_ug / 1e6);
    one(out, "tern_receipts_total", "counter", "Receipts that were written", m->receipts);
    head(out, "tern_http_responses_total", "counter", "Answers of the API by status");
    for (size_t i = 0; i < TI_CODES_MAX && m->codes[i].code; i++) {
        ti_buf_addf(out, "tern_http_responses_total{code=\"%u\"} %" PRIu64 "\n",
                    m->codes[i].code, m->codes[i].n);
    }
}
