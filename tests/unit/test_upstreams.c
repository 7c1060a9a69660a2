/* SPDX-License-Identifier: Apache-2.0 */
/* The configuration of routing: what it means, and what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "oom.h"
#include "serve/upstreams.h"

static const char good[] =
    "{\"schema\":\"tern.routing/1\",\"answer_tokens\":100,"
    "\"policy\":{\"first\":\"grams\",\"price_max_usd\":0.01,\"time_max_s\":30,"
    "\"budget\":{\"g_per_day\":50,\"reserve_g\":0.5,\"at_end\":\"smaller\","
    "\"basis\":\"marginal/operational/location\"}},"
    "\"local\":[{\"name\":\"laptop\",\"model\":\"tern-books\",\"context\":512,"
    "\"energy\":{\"in_j_per_token\":0.4,\"out_j_per_token\":4,\"low\":0.9,\"high\":1.1,"
    "\"word\":\"measured\",\"source\":\"powercap\"},"
    "\"speed\":{\"in_tokens_s\":100,\"out_tokens_s\":10,\"word\":\"measured\"}}],"
    "\"upstreams\":["
    "{\"name\":\"fr\",\"model\":\"llama-3.1-8b\",\"base_url\":\"https://api.example.org/v1\","
    "\"key_env\":\"FR_KEY\",\"provider\":\"scaleway/fr-par-2\",\"params\":{\"active_b\":8.03},"
    "\"speed\":{\"start_s\":0.3,\"in_tokens_s\":2000,\"out_tokens_s\":50},"
    "\"price\":{\"in_usd\":0.2,\"out_usd\":0.2}},"
    "{\"name\":\"se\",\"model\":\"m\",\"base_url\":\"http://localhost:8080/"
    "v1\",\"key_env\":\"K\","
    "\"zone\":\"SE\",\"pue\":1.1,\"good_for\":\"thin\"}]}";

static tern_status parse(ti_upstreams *out, const char *text, const ti_providers *catalogue,
                         tern_err *err)
{
    return ti_upstreams_parse(out, text, strlen(text), catalogue, err);
}

static void what_it_says(void **state)
{
    ti_providers catalogue;
    ti_upstreams u;
    (void)state;
    assert_int_equal(ti_providers_builtin(&catalogue, NULL), TERN_OK);
    assert_int_equal(parse(&u, good, &catalogue, NULL), TERN_OK);
    ti_providers_free(&catalogue);
    assert_int_equal(u.n, 3);
    assert_int_equal(u.answer_tokens, 100);
    assert_int_equal(u.policy.first, TI_ROUTE_FEWEST_GRAMS);
    assert_int_equal(u.policy.price_max_pusd, 10000000000);
    assert_int_equal(u.policy.time_max_us, 30000000);
    assert_true(u.policy.budget.set);
    assert_int_equal(u.policy.budget.day_ug, 50000000);
    assert_int_equal(u.policy.budget.reserve_ug, 500000);
    assert_int_equal(u.policy.budget.end, TI_ROUTE_END_SMALLER);
    assert_int_equal(u.policy.budget.basis.kind, TI_MARGINAL);

    const ti_route_candidate *laptop = &u.items[0].candidate;
    assert_string_equal(u.items[0].name, "laptop");
    assert_true(laptop->local && !laptop->thick && laptop->price.known);
    assert_int_equal(laptop->context_tokens, 512);
    assert_int_equal(laptop->energy.in_uj, 400000000);
    assert_int_equal(laptop->energy.out_uj, 4000000000);
    assert_int_equal(laptop->energy.low_permille, 900);
    assert_int_equal(laptop->energy.word, TI_WORD_MEASURED);
    assert_int_equal(laptop->speed.in_us, 10000000);
    assert_int_equal(laptop->speed.out_us, 100000000);

    const ti_route_candidate *fr = &u.items[1].candidate;
    assert_true(!fr->local && fr->thick);
    assert_string_equal(u.items[1].zone, "FR");
    assert_string_equal(u.items[1].key_name, "FR_KEY");
    assert_int_equal(fr->pue_permille, 1160);
    assert_int_equal(fr->energy.word, TI_WORD_MODELLED);
    assert_int_equal(fr->energy.high_permille, 10000);
    /* EcoLogits v0.9 for 8.03 billion: 0.321 J a token at a PUE of 1.2 (its own vector). */
    assert_in_range(fr->energy.out_uj, 267000000, 268000000);
    assert_int_equal(fr->speed.start_us, 300000);
    assert_int_equal(fr->price.in_micro_usd, 200000);

    const ti_route_candidate *se = &u.items[2].candidate;
    assert_string_equal(u.items[2].zone, "SE");
    assert_false(se->thick);
    assert_int_equal(se->energy.word, TI_WORD_UNKNOWN);
    assert_int_equal(se->speed.word, TI_WORD_UNKNOWN);
    assert_false(se->price.known);
    ti_upstreams_free(&u);
}

static void what_is_refused(void **state)
{
#define UP "{\"schema\":\"tern.routing/1\",\"upstreams\":[{\"name\":\"a\",\"model\":\"m\","
    static const struct {
        const char *text, *message;
    } cases[] = {
        {"[]", "'configuration' is no object"},
        {"{}", "'schema' is not tern.routing/1"},
        {"{\"schema\":\"tern.routing/1\",\"keys\":1}", "unknown member 'keys'"},
        {"{\"schema\":\"tern.routing/1\",\"local\":{}}", "'local' is no array"},
        {"{\"schema\":\"tern.routing/1\",\"local\":[{\"model\":\"m\"}]}", "'name' is missing"},
        {"{\"schema\":\"tern.routing/"
         "1\",\"local\":[{\"name\":\"a\",\"model\":\"m\",\"pue\":2}]}",
         "unknown member 'pue'"},
        {"{\"schema\":\"tern.routing/1\",\"local\":[{\"name\":\"a\",\"model\":\"m\"},{\"name\":"
         "\"a\",\"model\":\"m\"}]}",
         "'a' is there twice"},
        {UP "\"key\":\"secret\"}]}", "unknown member 'key'"},
        {UP "\"good_for\":\"thin\"}]}", "'base_url' is missing"},
        {UP "\"base_url\":\"ftp://x\"}]}", "neither https:// nor http://"},
        {UP "\"base_url\":\"https://user:secret@x/v1\"}]}", "has a character"},
        {UP "\"base_url\":\"https://x/v1/\"}]}", "ends with a slash"},
        {UP "\"base_url\":\"http://x/v1\",\"key_env\":\"K\"}]}", "over plain HTTP"},
        {UP "\"base_url\":\"http://localhost.example/v1\",\"key_env\":\"K\"}]}",
         "over plain HTTP"},
        {UP "\"base_url\":\"https://x\",\"pue\":0.9}]}", "'pue' is no number in its range"},
        {UP "\"base_url\":\"https://x\",\"context\":0}]}", "'context' is no number"},
        {UP "\"base_url\":\"https://x\",\"good_for\":\"all\"}]}", "none of the words"},
        {UP "\"base_url\":\"https://x\",\"provider\":\"nobody\"}]}", "nobody in the catalogue"},
        {UP "\"base_url\":\"https://x\",\"energy\":{\"out_j_per_token\":-1}}]}",
         "'out_j_per_token' is no number"},
        {UP "\"base_url\":\"https://x\",\"energy\":{\"out_j_per_token\":1,\"low\":1.5}}]}",
         "'low' is no number"},
        {UP
         "\"base_url\":\"https://x\",\"energy\":{\"out_j_per_token\":1},\"params\":{\"active_"
         "b\":1}}]}",
         "exclude each other"},
        {UP "\"base_url\":\"https://x\",\"params\":{\"active_b\":8,\"total_b\":7}}]}", ""},
        {UP "\"base_url\":\"https://x\",\"speed\":{\"in_tokens_s\":0,\"out_tokens_s\":1}}]}",
         "'in_tokens_s' is no number"},
        {UP "\"base_url\":\"https://x\",\"timeouts\":{\"idle_s\":0}}]}",
         "'idle_s' is no number in its range"},
        {UP "\"base_url\":\"https://x\",\"timeouts\":{\"whole_s\":86401}}]}",
         "'whole_s' is no number in its range"},
        {UP "\"base_url\":\"https://x\",\"timeouts\":{\"total_s\":1}}]}",
         "unknown member 'total_s' of 'timeouts'"},
        {UP "\"base_url\":\"https://x\",\"timeouts\":30}]}", "'timeouts' is no object"},
        {"{\"schema\":\"tern.routing/1\",\"policy\":{\"budget\":{}}}",
         "'g_per_day' is no number"},
        {"{\"schema\":\"tern.routing/"
         "1\",\"policy\":{\"budget\":{\"g_per_day\":1,\"basis\":\"x\"}"
         "}}",
         "is no basis"},
    };
#undef UP
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ti_upstreams u = {.n = 7};
        tern_err err = {0};
        assert_int_not_equal(parse(&u, cases[i].text, NULL, &err), TERN_OK);
        assert_int_equal(u.n, 7);
        if (!strstr(err.message, cases[i].message)) {
            fail_msg("'%s' gives '%s'", cases[i].text, err.message);
        }
        assert_null(strstr(err.message, "secret"));
    }
}

/* Each clock by itself; those that are not named are the usual ones. */
static void timeouts(void **state)
{
    static const char text[] =
        "{\"schema\":\"tern.routing/1\",\"upstreams\":["
        "{\"name\":\"a\",\"model\":\"m\",\"base_url\":\"https://x\"},"
        "{\"name\":\"b\",\"model\":\"m\",\"base_url\":\"https://x\","
        "\"timeouts\":{\"first_byte_s\":7}},"
        "{\"name\":\"c\",\"model\":\"m\",\"base_url\":\"https://x\",\"timeouts\":"
        "{\"connect_s\":1,\"first_byte_s\":2,\"idle_s\":3,\"whole_s\":86400}}]}";
    static const ti_upstream_times want[] = {
        {5, 60, 30, 600}, {5, 7, 30, 600}, {1, 2, 3, 86400}};
    ti_upstreams u;
    (void)state;
    assert_int_equal(parse(&u, text, NULL, NULL), TERN_OK);
    for (size_t i = 0; i < 3; i++) {
        const ti_upstream_times *t = &u.items[i].times;
        assert_int_equal(t->connect_s, want[i].connect_s);
        assert_int_equal(t->first_byte_s, want[i].first_byte_s);
        assert_int_equal(t->idle_s, want[i].idle_s);
        assert_int_equal(t->whole_s, want[i].whole_s);
    }
    ti_upstreams_free(&u);
}

static void cut_anywhere(void **state)
{
    ti_providers catalogue;
    (void)state;
    assert_int_equal(ti_providers_builtin(&catalogue, NULL), TERN_OK);
    for (size_t len = 0; len + 1 < sizeof good; len++) {
        ti_upstreams u;
        assert_int_equal(ti_upstreams_parse(&u, good, len, &catalogue, NULL), TERN_CORRUPT);
    }
    ti_providers_free(&catalogue);
}

static void too_many(void **state)
{
    static char text[16384];
    ti_upstreams u;
    size_t n =
        (size_t)snprintf(text, sizeof text, "{\"schema\":\"tern.routing/1\",\"local\":[");
    (void)state;
    for (int i = 0; i <= TI_ROUTE_MAX; i++) {
        n += (size_t)snprintf(text + n, sizeof text - n, "%s{\"name\":\"n%d\",\"model\":\"m\"}",
                              i ? "," : "", i);
    }
    snprintf(text + n, sizeof text - n, "]}");
    assert_int_equal(parse(&u, text, NULL, NULL), TERN_LIMIT);
}

static void without_memory(void **state)
{
    ti_providers catalogue;
    (void)state;
    assert_int_equal(ti_providers_builtin(&catalogue, NULL), TERN_OK);
    for (long n = 0;; n++) {
        ti_upstreams u = {0};
        oom_fail_at(n);
        tern_status status = parse(&u, good, &catalogue, NULL);
        bool failed = oom_disarm();
        assert_int_equal(status, failed ? TERN_NOMEM : TERN_OK);
        ti_upstreams_free(&u);
        if (!failed) {
            assert_true(n > 1);
            break;
        }
    }
    ti_providers_free(&catalogue);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_it_says),   cmocka_unit_test(what_is_refused),
        cmocka_unit_test(cut_anywhere),   cmocka_unit_test(too_many),
        cmocka_unit_test(without_memory), cmocka_unit_test(timeouts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
