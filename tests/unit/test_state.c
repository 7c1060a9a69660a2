/* SPDX-License-Identifier: Apache-2.0 */
/* What the page of `tern serve` is told, from values that are known, read back by a reader that
 * is not ours. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "serve/state.h"

static const ti_served model = {.id = "m", .name = "A \"model\"", .n_params = 12};
static const ti_serve_stats stats = {.loaded = true, .slots = 8, .active = 2, .queued = 3};
static const ti_attribution_sum total = {
    .metered_uj = 100, .requests_uj = 60, .idle_uj = 30, .waiting_uj = 10};
static const ti_energy_source source = {.evidence = TI_EVIDENCE_MODELLED,
                                        .meter = "a meter",
                                        .error_permille = 350,
                                        .idle_known = true,
                                        .idle_uw = 5000000,
                                        .idle_by = "tdp"};
static const ti_cost grid = {.has_carbon = true,
                             .carbon = {.pue_permille = 1000,
                                        .intensity_mg_kwh = 381000,
                                        .year = 2023,
                                        .zone = "DE",
                                        .source = "table"}};

static json_t *render(const ti_state *state)
{
    ti_buf out = {0};
    json_error_t error;
    ti_state_render(&out, state);
    assert_false(out.failed);
    json_t *root = json_loadb(out.data, out.len, JSON_REJECT_DUPLICATES, &error);
    if (!root) {
        fail_msg("%s: %s", error.text, out.data);
    }
    ti_buf_free(&out);
    return root;
}

static json_t *in(json_t *root, const char *first, const char *second)
{
    json_t *found = json_object_get(root, first);
    return second ? json_object_get(found, second) : found;
}

static void is_int(json_t *root, const char *first, const char *second, json_int_t value)
{
    assert_true(json_is_integer(in(root, first, second)));
    assert_int_equal(json_integer_value(in(root, first, second)), value);
}

static void is_text(json_t *root, const char *first, const char *second, const char *value)
{
    assert_true(json_is_string(in(root, first, second)));
    assert_string_equal(json_string_value(in(root, first, second)), value);
}

static void add_some(ti_recent *recent, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        ti_recent_item item = {.kind = (ti_ask_kind)(i % TI_ASK_KINDS), .status = 200};
        item.usage.output_tokens = i;
        ti_recent_add(recent, &item);
    }
}

static void the_ring_keeps_the_last(void **state)
{
    ti_recent *recent = calloc(1, sizeof *recent);
    (void)state;
    assert_non_null(recent);
    assert_null(ti_recent_get(recent, 0));
    assert_null(ti_recent_get(recent, 1));
    add_some(recent, TI_RECENT_MAX);
    assert_int_equal(ti_recent_get(recent, 1)->number, 1);
    assert_null(ti_recent_get(recent, TI_RECENT_MAX + 1));
    add_some(recent, 3);
    assert_null(ti_recent_get(recent, 3));
    assert_int_equal(ti_recent_get(recent, 4)->number, 4);
    assert_int_equal(ti_recent_get(recent, TI_RECENT_MAX + 3)->usage.output_tokens, 2);
    free(recent);
}

static void all_of_it(void **state)
{
    ti_recent *recent = calloc(1, sizeof *recent);
    ti_metrics_all *metrics = calloc(1, sizeof *metrics);
    ti_recent_item item = {
        .ended_unix_ms = 77,
        .kind = TI_ASK_OLLAMA_CHAT,
        .status = 200,
        .usage = {.prompt_tokens = 7, .output_tokens = 5, .total_ns = 9},
        .cost = {.has_energy = true, .energy = {.energy_uj = 60, .meter = "a meter"}},
        .n_receipts = 2,
        .receipt = "01ABC"};
    (void)state;
    assert_non_null(recent);
    assert_non_null(metrics);
    ti_recent_add(recent, &item);
    ti_metrics_answer(metrics, 0, &item.usage, &item.cost);
    const ti_state all = {.now_unix_ms = 2000,
                          .started_unix_ms = 1000,
                          .steady_ns = 555,
                          .model = &model,
                          .stats = &stats,
                          .metrics = metrics,
                          .source = &source,
                          .total = &total,
                          .grid = &grid,
                          .recent = recent,
                          .receipts = true,
                          .log_name = "a log"};
    json_t *root = render(&all);
    is_text(root, "schema", NULL, "tern.state/1");
    is_int(root, "started_unix_ms", NULL, 1000);
    is_text(root, "model", "name", "A \"model\"");
    is_int(root, "engine", "active", 2);
    is_int(root, "energy", "steady_ns", 555);
    is_int(root, "energy", "metered_uj", 100);
    is_int(root, "energy", "waiting_uj", 10);
    is_text(root, "energy", "evidence", "modelled");
    is_text(root, "energy", "idle_by", "tdp");
    is_int(root, "grid", "intensity_mg_kwh", 381000);
    is_int(root, "answers", "n", 1);
    is_int(root, "answers", "energy_uj", 60);
    is_text(root, "log", NULL, "a log");
    json_t *first = json_array_get(json_object_get(root, "recent"), 0);
    is_text(first, "operation", NULL, "chat");
    is_int(first, "output_tokens", NULL, 5);
    is_int(first, "energy", "energy_uj", 60);
    assert_true(json_is_null(in(first, "carbon", NULL)));
    is_int(first, "receipts", NULL, 2);
    is_text(first, "receipt", NULL, "01ABC");
    assert_true(json_is_null(in(first, "upstream", NULL)));
    json_decref(root);
    /* somebody else has answered: what he said, with its range, and grams that nobody knows */
    item.other = (ti_recent_other){.name = "paris",
                                   .evidence = "modelled",
                                   .energy_known = true,
                                   .energy_uj = 8,
                                   .energy_low_uj = 4,
                                   .energy_high_uj = 16};
    ti_recent_add(recent, &item);
    root = render(&all);
    json_t *second = json_array_get(json_object_get(root, "recent"), 1);
    is_text(second, "upstream", NULL, "paris");
    is_int(second, "energy", "energy_high_uj", 16);
    is_text(second, "energy", "tokens", "estimated");
    assert_true(json_is_null(in(second, "carbon", NULL)));
    json_decref(root);
    free(metrics);
    free(recent);
}

/* What is not known is null, and never 0. */
static void nothing_is_known(void **state)
{
    ti_recent *recent = calloc(1, sizeof *recent);
    ti_metrics_all *metrics = calloc(1, sizeof *metrics);
    (void)state;
    assert_non_null(recent);
    assert_non_null(metrics);
    add_some(recent, 1);
    const ti_state none = {
        .model = &model, .stats = &stats, .metrics = metrics, .recent = recent};
    json_t *root = render(&none);
    assert_true(json_is_null(in(root, "energy", NULL)));
    assert_true(json_is_null(in(root, "grid", NULL)));
    assert_true(json_is_null(in(root, "routing", NULL)));
    assert_true(json_is_null(in(root, "log", NULL)));
    json_t *first = json_array_get(json_object_get(root, "recent"), 0);
    assert_true(json_is_null(in(first, "energy", NULL)));
    assert_true(json_is_null(in(first, "receipt", NULL)));
    json_decref(root);
    free(metrics);
    free(recent);
}

static void only_what_is_new(void **state)
{
    static const struct {
        uint64_t since;
        size_t n;
        json_int_t first;
    } rows[] = {
        {0, TI_RECENT_MAX, 7},
        {6, TI_RECENT_MAX, 7},
        {7, TI_RECENT_MAX - 1, 8},
        {69, 1, 70},
        {70, 0, 0},
        {71, TI_RECENT_MAX, 7},
        {UINT64_MAX, TI_RECENT_MAX, 7},
    };
    ti_recent *recent = calloc(1, sizeof *recent);
    ti_metrics_all *metrics = calloc(1, sizeof *metrics);
    (void)state;
    assert_non_null(recent);
    assert_non_null(metrics);
    add_some(recent, TI_RECENT_MAX + 6);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const ti_state s = {.model = &model,
                            .stats = &stats,
                            .metrics = metrics,
                            .recent = recent,
                            .since = rows[i].since};
        json_t *root = render(&s);
        json_t *list = json_object_get(root, "recent");
        assert_int_equal(json_array_size(list), rows[i].n);
        if (rows[i].n > 0) {
            is_int(json_array_get(list, 0), "number", NULL, rows[i].first);
        }
        is_int(root, "last", NULL, TI_RECENT_MAX + 6);
        json_decref(root);
    }
    free(metrics);
    free(recent);
}

/* --- routing --------------------------------------------------------------------------------
 */

static ti_upstream others[] = {
    {.name = "here", .model = "m", .candidate = {.local = true}},
    {.name = "paris", .model = "large", .zone = "FR", .candidate = {.thick = true}},
    {.name = "oslo", .model = "larger", .zone = "NO", .candidate = {.thick = true}}};
static const bool served[] = {true, false, false};
static const ti_basis average = {TI_AVERAGE, TI_LIFE_CYCLE, TI_LOCATION};
static const ti_basis marginal = {TI_MARGINAL, TI_LIFE_CYCLE, TI_LOCATION};

static ti_route_row grams(uint64_t low, uint64_t middle, uint64_t high)
{
    return (ti_route_row){.energy_known = true,
                          .grams_known = true,
                          .energy_uj = 10,
                          .co2_ug = middle,
                          .co2_low_ug = low,
                          .co2_high_ug = high};
}

static void who_is_alone(void **state)
{
    ti_upstreams list = {.items = others, .n = 3};
    ti_upstream here = others[0];
    const bool nobody[] = {false, false, false};
    ti_tally t;
    (void)state;
    ti_tally_begin(&t, &list, served); /* this machine does not do every task */
    assert_int_equal(t.alone, 1);
    others[0].candidate.thick = true;
    ti_tally_begin(&t, &list, served);
    assert_int_equal(t.alone, 0);
    ti_tally_begin(&t, &list, nobody); /* its model is not the one that is served */
    assert_int_equal(t.alone, 1);
    others[0] = here;
    list.n = 1;
    ti_tally_begin(&t, &list, served);
    assert_int_equal(t.alone, TI_TALLY_NOBODY);
}

static void what_is_saved(void **state)
{
    const ti_upstreams list = {.items = others, .n = 3};
    const ti_route_row small = grams(8, 10, 12), large = grams(50, 100, 300), none = {0};
    const ti_tally_figure mine = {&small, TI_WORD_MEASURED, average};
    const ti_tally_figure alone = {&large, TI_WORD_MODELLED, average};
    const ti_tally_figure odd = {&small, TI_WORD_DECLARED, marginal};
    const ti_tally_figure unknown = {.row = &none};
    ti_tally t;
    (void)state;
    ti_tally_begin(&t, &list, served);
    ti_tally_add(&t, 1, &alone, &alone); /* who would have done it anyway saves nothing */
    assert_int_equal(ti_tally_saved_of(&t).co2_ug, 0);
    assert_int_equal(t.word, TI_WORD_UNKNOWN);
    ti_tally_add(&t, 0, &mine, &alone);
    ti_tally_add(&t, 0, &mine, &alone);
    assert_int_equal(ti_tally_saved_of(&t).co2_ug, 180);
    assert_int_equal(ti_tally_saved_of(&t).low_ug, 2 * (50 - 12));
    assert_int_equal(ti_tally_saved_of(&t).high_ug, 2 * (300 - 8));
    assert_int_equal(t.word, TI_WORD_MODELLED); /* the weaker of the two */
    ti_tally_add(&t, 0, &odd, &alone);          /* never compared with another basis, */
    ti_tally_add(&t, 0, &unknown, &alone);      /* nor unknown taken for zero */
    ti_tally_add(&t, 0, &mine, &odd);
    assert_int_equal(ti_tally_saved_of(&t).co2_ug, 180);
    assert_int_equal(t.compared, 3);
    assert_int_equal(t.moved, 2);
    assert_int_equal(t.not_compared, 3);
    assert_int_equal(t.by[0].answers, 5);
    assert_int_equal(t.by[0].unknown, 2);
    assert_int_equal(t.by[0].took.co2_ug, 30);
    t.failed_ug = 200; /* what came to nothing is no saving */
    assert_int_equal(ti_tally_saved_of(&t).co2_ug, -20);
    t.took.high_ug = UINT64_MAX;
    assert_true(ti_tally_saved_of(&t).low_ug == INT64_MIN);
}

static void routing_is_told(void **state)
{
    ti_upstreams list = {.items = others, .n = 3, .policy = {.first = TI_ROUTE_LOCAL_FIRST}};
    const ti_route_row small = grams(8, 10, 12), large = grams(50, 100, 300);
    ti_recent *recent = calloc(1, sizeof *recent);
    ti_metrics_all *metrics = calloc(1, sizeof *metrics);
    ti_routing routing = {.list = &list, .used_ug = 7, .renews_s = 99};
    (void)state;
    assert_non_null(recent);
    assert_non_null(metrics);
    const ti_state s = {.model = &model,
                        .stats = &stats,
                        .metrics = metrics,
                        .recent = recent,
                        .routing = &routing};
    ti_tally_begin(&routing.tally, &list, served);
    json_t *root = render(&s);
    json_t *told = json_object_get(root, "routing");
    assert_true(json_is_null(in(told, "budget", NULL))); /* none is set */
    assert_true(json_is_null(in(told, "basis", NULL)));
    is_int(told, "savings", "moved", 0);
    json_decref(root);

    list.policy.budget = (ti_route_budget){
        .set = true, .day_ug = 50, .basis = average, .end = TI_ROUTE_END_SMALLER};
    ti_tally_begin(&routing.tally, &list, served);
    ti_tally_add(&routing.tally, 0, &(ti_tally_figure){&small, TI_WORD_MEASURED, average},
                 &(ti_tally_figure){&large, TI_WORD_DECLARED, average});
    routing.failed[2] = 4;
    routing.paused[2] = true;
    root = render(&s);
    told = json_object_get(root, "routing");
    is_int(told, "budget", "day_ug", 50);
    is_int(told, "budget", "used_ug", 7);
    is_int(told, "budget", "renews_unix_s", 99);
    is_text(told, "budget", "at_end", "smaller");
    is_text(told, "savings", "alone", "paris");
    is_int(told, "savings", "co2_ug", 90);
    is_int(told, "savings", "co2_low_ug", 38);
    is_int(told, "savings", "co2_high_ug", 292);
    is_text(told, "savings", "evidence", "declared");
    json_t *oslo = json_array_get(json_object_get(told, "by"), 2);
    is_int(oslo, "failures", NULL, 4);
    assert_true(json_is_true(in(oslo, "paused", NULL)));
    is_int(json_array_get(json_object_get(told, "by"), 0), "co2_ug", NULL, 10);
    json_decref(root);

    list.n = 1; /* nobody is good for everything */
    ti_tally_begin(&routing.tally, &list, served);
    root = render(&s);
    assert_true(json_is_null(in(json_object_get(root, "routing"), "savings", NULL)));
    json_decref(root);
    free(metrics);
    free(recent);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(the_ring_keeps_the_last),
                                       cmocka_unit_test(all_of_it),
                                       cmocka_unit_test(nothing_is_known),
                                       cmocka_unit_test(only_what_is_new),
                                       cmocka_unit_test(who_is_alone),
                                       cmocka_unit_test(what_is_saved),
                                       cmocka_unit_test(routing_is_told)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
