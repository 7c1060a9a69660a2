/* SPDX-License-Identifier: Apache-2.0 */
/* The catalogue of providers: what is shipped, what is refused, and running out of memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "carbon/grid.h"
#include "carbon/providers.h"
#include "oom.h"

#define SOURCES                                                                                \
    "\"schema\":\"tern.providers/1\",\"sources\":[{\"id\":\"s\",\"title\":\"t\",\"url\":null," \
    "\"date\":null,\"checked\":\"2026-11-22\"}],"                                              \
    "\"unknown_pue\":{\"value\":1.56,\"source\":\"s\"}"
#define PRICE(members) \
    "{" SOURCES ",\"providers\":[{" PROVIDER ",\"price\":[{\"of\":\"m\"," members "}]}]}"
#define PROVIDER "\"name\":\"p\",\"region\":null,\"api\":\"openai\",\"base_url\":null"

static bool is(ti_str text, const char *word)
{
    return strlen(word) == text.len && memcmp(text.data, word, text.len) == 0;
}

static const ti_provider *find(const ti_providers *c, const char *name, const char *region)
{
    for (size_t i = 0; i < c->n_providers; i++) {
        if (is(c->providers[i].name, name) && is(c->providers[i].region, region)) {
            return &c->providers[i];
        }
    }
    fail_msg("no %s %s", name, region);
    return NULL;
}

/* What the pages that are named say. */
static void what_is_shipped(void **state)
{
    ti_providers c;
    (void)state;
    assert_int_equal(ti_providers_builtin(&c, NULL), TERN_OK);
    const ti_provider *p = find(&c, "scaleway", "fr-par-2");
    assert_int_equal(p->pue.low_milli, 1160);
    assert_int_equal(p->pue.high_milli, 1160);
    assert_int_equal(p->wue.low_milli, 214);
    assert_true(is(p->zone, "FR"));
    assert_true(is(p->pue.source->date, "2025-06-09"));
    p = find(&c, "ovhcloud", "GRA");
    assert_int_equal(p->pue.low_milli, 1280);
    assert_int_equal(p->pue.high_milli, 1280);
    assert_int_equal(p->renewable.low_milli, 780);
    assert_true(is(p->renewable.kind, "2021"));
    assert_int_equal(p->n_prices, 4);
    assert_true(is(p->prices[0].of, "gpt-oss-20b") && is(p->prices[0].currency, "USD"));
    assert_true(p->prices[0].by_tokens && is(p->prices[0].basis, "secondary"));
    assert_int_equal(p->prices[0].in_micro, 50000);
    assert_int_equal(p->prices[0].out_micro, 180000);
    p = find(&c, "scaleway", "Paris");
    assert_true(is(p->prices[1].basis, "published") && is(p->prices[1].currency, "EUR"));
    assert_int_equal(p->prices[1].out_micro, 3600000);
    p = find(&c, "leafcloud", "");
    assert_true(!p->prices[0].by_tokens && is(p->prices[0].per, "hour"));
    assert_int_equal(p->prices[0].in_micro, 600000);
    p = find(&c, "hetzner", "Germany");
    assert_int_equal(p->prices[0].in_micro, 10400);
    p = find(&c, "green-ai-cloud", "");
    assert_true(p->n_prices == 0 && p->prices == NULL);
    p = find(&c, "infomaniak", "Geneva D4");
    assert_int_equal(p->heat.low_milli, 1000);
    assert_true(is(p->pue.kind, "claim"));
    p = find(&c, "gensyn", "");
    assert_null(p->pue.source);
    assert_int_equal(p->zone.len, 0);
    assert_int_equal(c.unknown_pue.low_milli, 1560);
    ti_providers_free(&c);
}

/* Every figure has a source with a day on which it was looked at, and every zone is one of the
 * table's. */
static void every_figure_has_a_source(void **state)
{
    ti_providers c;
    ti_grid grid;
    size_t unknown = 0, priced = 0;
    (void)state;
    assert_int_equal(ti_providers_builtin(&c, NULL), TERN_OK);
    assert_int_equal(ti_grid_builtin(&grid, NULL), TERN_OK);
    for (size_t i = 0; i < c.n_sources; i++) {
        assert_int_equal(c.sources[i].checked.len, 10);
        assert_true(c.sources[i].url.len > 0);
        assert_true(c.sources[i].title.len > 0);
    }
    for (size_t i = 0; i < c.n_providers; i++) {
        const ti_provider *p = &c.providers[i];
        char zone[8];
        const ti_grid_row *row;
        assert_int_equal(p->zone.len > 0, p->zone_source != NULL);
        unknown += p->zone.len == 0;
        if (p->zone.len > 0) {
            snprintf(zone, sizeof zone, "%.*s", (int)p->zone.len, p->zone.data);
            assert_int_equal(ti_grid_find(&row, &grid, zone, NULL, NULL), TERN_OK);
        }
        assert_true(!p->pue.source || p->pue.low_milli >= 1000);
        assert_true(!p->zone_source || p->zone_source->url.len > 0);
        assert_true(!p->heat.source || p->heat.source->url.len > 0);
        assert_true(!p->renewable.source || p->renewable.source->url.len > 0);
        for (size_t k = 0; k < p->n_prices; k++) {
            assert_true(p->prices[k].in_micro > 0 && p->prices[k].out_micro > 0);
            assert_non_null(p->prices[k].source);
        }
        priced += p->n_prices > 0;
    }
    assert_true(unknown > 0 && c.n_hardware > 0 && priced > 0 && priced < c.n_providers);
    for (size_t i = 0; i < c.n_hardware; i++) {
        assert_non_null(c.hardware[i].source);
        assert_int_equal(c.hardware[i].known, !is(c.hardware[i].evidence, "unknown"));
    }
    ti_grid_free(&grid);
    ti_providers_free(&c);
}

static void refused(const char *text, const char *because)
{
    ti_providers c = {.n_providers = 7};
    tern_err err;
    tern_status status = ti_providers_parse(&c, text, strlen(text), &err);
    if (status != TERN_CORRUPT || !strstr(err.message, because)) {
        fail_msg("%s\n  gave %d: %s, not '%s'", text, (int)status,
                 status == TERN_OK ? "" : err.message, because);
    }
    assert_int_equal(c.n_providers, 7);
}

static void what_is_refused(void **state)
{
    (void)state;
    refused("[]", "not an object");
    refused("{}", "schema");
    refused("{\"schema\":\"tern.providers/2\"}", "schema");
    refused("{" SOURCES ",\"more\":1}", "unknown member 'more'");
    refused("{" SOURCES ",\"providers\":{}}", "not a list");
    refused("{" SOURCES ",\"providers\":[{\"name\":\"p\"}]}", "'api'");
    refused("{" SOURCES ",\"providers\":[{" PROVIDER ",\"green\":true}]}", "'green'");
    refused("{" SOURCES ",\"providers\":[{" PROVIDER ",\"zone\":\"FR\"}]}", "'zone_source'");
    refused("{" SOURCES ",\"providers\":[{" PROVIDER
            ",\"zone\":\"FR\",\"zone_source\":\"x\"}]}",
            "no such source");
    refused("{" SOURCES ",\"providers\":[{" PROVIDER
            ",\"pue\":{\"low\":1.1,\"high\":1.2,\"kind\":\"claim\"}}]}",
            "'source'");
    refused("{" SOURCES ",\"providers\":[{" PROVIDER
            ",\"pue\":{\"low\":0.9,\"high\":1.2,\"kind\":\"claim\",\"source\":\"s\"}}]}",
            "PUE under 1");
    refused("{" SOURCES ",\"providers\":[{" PROVIDER
            ",\"pue\":{\"low\":1.3,\"high\":1.2,\"kind\":\"claim\",\"source\":\"s\"}}]}",
            "wrong way round");
    refused("{" SOURCES ",\"providers\":[{" PROVIDER
            ",\"pue\":{\"low\":1.1,\"high\":1.2,\"kind\":\"guess\",\"source\":\"s\"}}]}",
            "none of");
    refused("{" SOURCES ",\"providers\":[{" PROVIDER
            ",\"pue\":{\"low\":1.1,\"high\":\"1.2\",\"kind\":\"claim\",\"source\":\"s\"}}]}",
            "'high'");
    refused("{" SOURCES ",\"providers\":[{" PROVIDER
            ",\"heat_reuse\":{\"percent\":101,\"source\":\"s\"}}]}",
            "'percent'");
    refused("{" SOURCES ",\"providers\":[{" PROVIDER ",\"note\":\"\\u00e9\"}]}", "'note'");
    refused(PRICE("\"per\":\"day\",\"amount\":1,\"currency\":\"EUR\",\"basis\":\"published\","
                  "\"source\":\"s\""),
            "'per'");
    refused(PRICE("\"per\":\"hour\",\"amount\":1,\"currency\":\"euro\",\"basis\":\"published\","
                  "\"source\":\"s\""),
            "'currency'");
    refused(PRICE("\"per\":\"hour\",\"amount\":1,\"currency\":\"EUR\",\"basis\":\"guess\","
                  "\"source\":\"s\""),
            "'basis'");
    refused(PRICE("\"per\":\"hour\",\"amount\":1,\"currency\":\"EUR\",\"basis\":\"published\""),
            "'source'");
    refused(PRICE("\"per\":\"hour\",\"in\":1,\"out\":2,\"currency\":\"EUR\",\"basis\":"
                  "\"published\",\"source\":\"s\""),
            "for a time");
    refused(PRICE("\"per\":\"million tokens\",\"amount\":1,\"currency\":\"EUR\",\"basis\":"
                  "\"published\",\"source\":\"s\""),
            "for a time");
    refused(PRICE("\"per\":\"million tokens\",\"in\":1,\"currency\":\"EUR\",\"basis\":"
                  "\"published\",\"source\":\"s\""),
            "'out'");
    refused(PRICE("\"per\":\"hour\",\"amount\":-1,\"currency\":\"EUR\",\"basis\":\"published\","
                  "\"source\":\"s\""),
            "'amount'");
    refused("{" SOURCES ",\"hardware\":[{\"name\":\"h\",\"covers\":\"card\",\"evidence\":"
            "\"measured\",\"source\":\"s\"}]}",
            "without a figure");
    refused("{" SOURCES ",\"hardware\":[{\"name\":\"h\",\"covers\":\"card\",\"evidence\":"
            "\"unknown\",\"joules_per_token\":1,\"source\":\"s\"}]}",
            "without evidence");
    refused("{\"schema\":\"tern.providers/1\",\"sources\":[],\"unknown_pue\":null}",
            "unknown_pue");
}

static void without_memory(void **state)
{
    static const char text[] =
        "{" SOURCES ",\"providers\":[{" PROVIDER
        ",\"renewable\":{\"percent\":50,\"year\":2024,\"source\":\"s\"},\"price\":["
        "{\"of\":\"m\",\"per\":\"million tokens\",\"in\":1,\"out\":2,\"currency\":\"CHF\","
        "\"basis\":\"secondary\",\"source\":\"s\"}]}]}";
    (void)state;
    for (long n = 0;; n++) {
        ti_providers c = {0};
        oom_fail_at(n);
        tern_status status = ti_providers_parse(&c, text, sizeof text - 1, NULL);
        bool failed = oom_disarm();
        assert_int_equal(status, failed ? TERN_NOMEM : TERN_OK);
        assert_int_equal(c.n_providers, failed ? 0 : 1);
        if (!failed) {
            assert_true(is(c.providers[0].renewable.kind, "2024"));
            assert_int_equal(c.providers[0].prices[0].out_micro, 2000000);
            ti_providers_free(&c);
            assert_true(n > 0);
            return;
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_shipped),
        cmocka_unit_test(every_figure_has_a_source),
        cmocka_unit_test(what_is_refused),
        cmocka_unit_test(without_memory),
    };
    return cmocka_run_group_tests_name("providers", tests, NULL, NULL);
}
