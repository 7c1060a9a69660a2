/* SPDX-License-Identifier: Apache-2.0 */
/* Answers in both dialects, from values that are known: the whole text of each, read back by a
 * reader that is not ours. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "ledger/base64.h"
#include "serve/metrics.h"
#include "serve/render.h"

static const char digest[] = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

static const ti_serve_usage usage = {.prompt_tokens = 7,
                                     .cached_tokens = 3,
                                     .output_tokens = 5,
                                     .queued_ns = 10,
                                     .prompt_ns = 1000,
                                     .first_ns = 2000,
                                     .total_ns = 5000};

static ti_cost some_cost(void)
{
    ti_cost cost = {.has_energy = true,
                    .has_carbon = true,
                    .energy = {.energy_uj = 123, .idle_uj = 45, .meter = "a \"meter\""},
                    .carbon = {.energy_uj = 168,
                               .pue_permille = 1000,
                               .co2_ug = 9,
                               .intensity_mg_kwh = 200000,
                               .year = 2024,
                               .zone = "DE",
                               .source = "table"},
                    .carbon_age_s = 86400 * 12 + 5};
    cost.energy.evidence = TI_EVIDENCE_MODELLED;
    return cost;
}

static json_t *parse(const char *text, size_t len)
{
    json_error_t error;
    json_t *root = json_loadb(text, len, JSON_REJECT_DUPLICATES, &error);
    if (!root) {
        fail_msg("%s: %.*s", error.text, (int)len, text);
    }
    return root;
}

/* The value at "a.b.0.c". */
static json_t *at(json_t *root, const char *path)
{
    while (root && *path) {
        char key[64];
        size_t n = strcspn(path, ".");
        assert_true(n < sizeof key);
        memcpy(key, path, n);
        key[n] = '\0';
        root = json_is_array(root) ? json_array_get(root, strtoul(key, NULL, 10))
                                   : json_object_get(root, key);
        path += n + (path[n] == '.');
    }
    return root;
}

static void is_text(json_t *root, const char *path, const char *text)
{
    const char *found = json_string_value(at(root, path));
    if (!found || strcmp(found, text) != 0) {
        fail_msg("%s is '%s', not '%s'", path, found ? found : "(none)", text);
    }
}

static void is_int(json_t *root, const char *path, json_int_t value)
{
    assert_true(json_is_integer(at(root, path)));
    assert_int_equal(json_integer_value(at(root, path)), value);
}

static void add(ti_choice *c, const char *text, ti_serve_reason reason, const char *receipt)
{
    ti_buf_adds(&c->text, text);
    c->reason = reason;
    memcpy(c->receipt, receipt, strlen(receipt) + 1);
}

/* A token, e with an accent, and two that it was chosen from. */
static void add_token(ti_choice *c, ti_ask_kind kind)
{
    ti_serve_top top[] = {{.logprob = -0.25F, .bytes = {"\303\251", 2}},
                          {.logprob = -2.5F, .bytes = {"\303", 1}},
                          {.logprob = -3, .bytes = {"\303", 1}}};
    ti_serve_event event = {
        .has_logprob = true, .logprob = top[0], .top = top, .n_top = 3, .text = {"x", 1}};
    ti_add_logprob(c, kind, &event);
}

static void test_openai_whole(void **state)
{
    ti_choice choices[2] = {{.echo = {NULL, 0}}};
    ti_ask ask = {.logprobs = true};
    ti_cost cost = some_cost();
    ti_told told = {.kind = TI_ASK_OPENAI_CHAT,
                    .id = "chatcmpl-1",
                    .model = "m",
                    .digest = digest,
                    .created_s = 12,
                    .ask = &ask,
                    .choices = choices,
                    .n_choices = 2,
                    .usage = &usage,
                    .cost = &cost};
    ti_buf out = {0};
    (void)state;
    add(&choices[0], "a\"\n\303\251", TI_SERVE_STOP, "01ABC");
    add(&choices[1], "", TI_SERVE_CONTEXT, "01DEF");
    add_token(&choices[0], TI_ASK_OPENAI_CHAT);
    add_token(&choices[0], TI_ASK_OPENAI_CHAT);
    ti_render_whole(&out, &told);
    json_t *root = parse(out.data, out.len);
    is_text(root, "object", "chat.completion");
    is_text(root, "id", "chatcmpl-1");
    is_text(root, "system_fingerprint", "fp_0123456789abcdef");
    is_int(root, "created", 12);
    is_text(root, "choices.0.message.content", "a\"\n\303\251");
    is_text(root, "choices.0.message.role", "assistant");
    is_text(root, "choices.0.finish_reason", "stop");
    is_text(root, "choices.1.finish_reason", "length");
    is_text(root, "choices.1.receipt", "01DEF");
    assert_int_equal(json_array_size(at(root, "choices.0.logprobs.content")), 2);
    is_text(root, "choices.0.logprobs.content.1.token", "\303\251");
    is_int(root, "choices.0.logprobs.content.0.bytes.1", 0xa9);
    assert_true(json_real_value(at(root, "choices.0.logprobs.content.0.logprob")) == -0.25);
    is_text(root, "choices.0.logprobs.content.0.top_logprobs.1.token", "\357\277\275");
    is_int(root, "usage.total_tokens", 12);
    is_int(root, "usage.prompt_tokens_details.cached_tokens", 3);
    is_int(root, "energy.energy_uj", 123);
    is_text(root, "energy.evidence", "modelled");
    is_text(root, "energy.meter", "a \"meter\"");
    is_int(root, "carbon.co2_ug", 9);
    is_int(root, "carbon.intensity_mg_kwh", 200000);
    is_int(root, "carbon.age_days", 12);
    is_text(root, "receipt", "01ABC");
    json_decref(root);
    ti_buf_free(&out);
    ti_choice_free(&choices[0]);
    ti_choice_free(&choices[1]);
}

static void test_openai_text(void **state)
{
    ti_choice choice = {.echo = {"say ", 4}};
    ti_ask ask = {.logprobs = true, .echo = true};
    ti_cost cost = {.has_energy = false};
    ti_told told = {.kind = TI_ASK_OPENAI_TEXT,
                    .id = "cmpl-1",
                    .model = "m",
                    .digest = "",
                    .ask = &ask,
                    .choices = &choice,
                    .n_choices = 1,
                    .usage = &usage,
                    .cost = &cost};
    ti_buf out = {0};
    (void)state;
    add(&choice, "it", TI_SERVE_SEQUENCE, "");
    add_token(&choice, TI_ASK_OPENAI_TEXT);
    add_token(&choice, TI_ASK_OPENAI_TEXT);
    ti_render_whole(&out, &told);
    json_t *root = parse(out.data, out.len);
    is_text(root, "object", "text_completion");
    is_text(root, "choices.0.text", "say it");
    is_text(root, "choices.0.logprobs.tokens.0", "\303\251");
    is_int(root, "choices.0.logprobs.text_offset.1", 1);
    assert_int_equal(json_object_size(at(root, "choices.0.logprobs.top_logprobs.0")), 2);
    assert_true(json_is_null(at(root, "energy")) && json_is_null(at(root, "carbon")));
    assert_true(json_is_null(at(root, "receipt")));
    json_decref(root);
    ti_buf_free(&out);
    ti_choice_free(&choice);
}

/* Splits "data: {...}\n\n" and returns the object; NULL for [DONE]. */
static json_t *next_event(const char **text)
{
    const char *end = strstr(*text, "\n\n");
    assert_memory_equal(*text, "data: ", 6);
    assert_non_null(end);
    const char *start = *text + 6;
    *text = end + 2;
    return strncmp(start, "[DONE]", 6) == 0 ? NULL : parse(start, (size_t)(end - start));
}

static void test_openai_stream(void **state)
{
    ti_choice choice = {.reason = TI_SERVE_LENGTH};
    ti_ask ask = {.stream = true, .include_usage = true, .logprobs = true};
    ti_cost cost = some_cost();
    ti_told told = {.kind = TI_ASK_OPENAI_CHAT,
                    .id = "chatcmpl-1",
                    .model = "m",
                    .digest = digest,
                    .ask = &ask,
                    .choices = &choice,
                    .n_choices = 1,
                    .usage = &usage,
                    .cost = &cost};
    ti_buf out = {0};
    (void)state;
    add_token(&choice, TI_ASK_OPENAI_CHAT);
    ti_render_piece(&out, &told, 0, &choice, true, (ti_str){"ab", 2});
    assert_int_equal(choice.logprobs.len, 0);
    ti_render_piece(&out, &told, 0, &choice, false, (ti_str){"", 0});
    ti_render_end(&out, &told);
    const char *at_text = out.data;
    json_t *event = next_event(&at_text);
    is_text(event, "object", "chat.completion.chunk");
    is_text(event, "choices.0.delta.role", "assistant");
    is_text(event, "choices.0.delta.content", "ab");
    is_text(event, "choices.0.logprobs.content.0.token", "\303\251");
    assert_true(json_is_null(at(event, "usage")));
    assert_true(json_is_null(at(event, "choices.0.finish_reason")));
    json_decref(event);
    event = next_event(&at_text);
    assert_null(at(event, "choices.0.delta.role"));
    json_decref(event);
    event = next_event(&at_text);
    is_text(event, "choices.0.finish_reason", "length");
    assert_null(at(event, "energy"));
    json_decref(event);
    event = next_event(&at_text);
    assert_int_equal(json_array_size(at(event, "choices")), 0);
    is_int(event, "usage.completion_tokens", 5);
    is_int(event, "energy.energy_uj", 123);
    json_decref(event);
    assert_null(next_event(&at_text));
    assert_string_equal(at_text, "");
    ti_buf_clear(&out);
    ask.include_usage = false; /* then the cost is in the chunk that ends it */
    ti_render_end(&out, &told);
    at_text = out.data;
    event = next_event(&at_text);
    is_text(event, "choices.0.finish_reason", "length");
    is_int(event, "carbon.co2_ug", 9);
    assert_null(at(event, "usage"));
    json_decref(event);
    assert_null(next_event(&at_text));
    ti_buf_free(&out);
    ti_choice_free(&choice);
}

static void test_ollama(void **state)
{
    ti_choice choice = {.reason = TI_SERVE_STOP};
    ti_ask ask = {.stream = true};
    ti_cost cost = some_cost();
    ti_told told = {.kind = TI_ASK_OLLAMA_CHAT,
                    .id = "x",
                    .model = "m",
                    .digest = digest,
                    .created_s = 1700000000,
                    .ask = &ask,
                    .choices = &choice,
                    .n_choices = 1,
                    .usage = &usage,
                    .cost = &cost,
                    .load_ns = 77};
    ti_buf out = {0};
    (void)state;
    add(&choice, "whole", TI_SERVE_STOP, "01ABC");
    ti_render_piece(&out, &told, 0, &choice, true, (ti_str){"pi", 2});
    size_t first = out.len;
    assert_true(out.data[first - 1] == '\n');
    ti_render_end(&out, &told);
    json_t *piece = parse(out.data, first), *end = parse(out.data + first, out.len - first);
    is_text(piece, "message.content", "pi");
    is_text(piece, "created_at", "2023-11-14T22:13:20.000000000Z");
    assert_true(json_is_false(at(piece, "done")));
    assert_true(json_is_true(at(end, "done")));
    is_text(end, "done_reason", "stop");
    is_text(end, "message.content", "");
    is_int(end, "total_duration", 5000);
    is_int(end, "load_duration", 77);
    is_int(end, "prompt_eval_count", 7);
    is_int(end, "prompt_eval_duration", 1000);
    is_int(end, "eval_count", 5);
    is_int(end, "eval_duration", 3990);
    is_text(end, "receipt", "01ABC");
    json_decref(piece);
    json_decref(end);
    ti_buf_clear(&out);
    told.kind = TI_ASK_OLLAMA_TEXT;
    ti_render_whole(&out, &told);
    json_t *root = parse(out.data, out.len);
    is_text(root, "response", "whole");
    is_int(root, "energy.idle_uj", 45);
    json_decref(root);
    ti_buf_free(&out);
    ti_choice_free(&choice);
}

static void test_errors(void **state)
{
    ti_refusal why;
    ti_buf out = {0};
    (void)state;
    ti_refuse(&why, "n", NULL, "too %s", "many");
    ti_render_error(&out, TI_ASK_OPENAI_TEXT, &why);
    assert_string_equal(out.data, "{\"error\":{\"message\":\"too many\",\"type\":"
                                  "\"invalid_request_error\",\"param\":\"n\",\"code\":null}}");
    ti_buf_clear(&out);
    ti_render_error(&out, TI_ASK_OLLAMA_TEXT, &why);
    assert_string_equal(out.data, "{\"error\":\"too many\"}");
    ti_buf_clear(&out);
    ti_render_stream_error(&out, TI_ASK_OPENAI_CHAT, &why);
    assert_memory_equal(out.data, "data: {\"error\":", 15);
    ti_buf_free(&out);
}

static void test_vector(void **state)
{
    tern_sdr sdr = {.words = {1, 0, 0}};
    ti_buf out = {0};
    float values[TERN_SDR_BITS];
    size_t n;
    (void)state;
    sdr.words[TERN_SDR_BITS / 64 - 1] = UINT64_C(1) << 63;
    ti_json_vector(&out, NULL, &sdr, false);
    json_t *root = parse(out.data, out.len);
    assert_int_equal(json_array_size(root), TERN_SDR_BITS);
    double on = json_real_value(json_array_get(root, 0));
    assert_true(on * on * TERN_SDR_ON > 0.999999 && on * on * TERN_SDR_ON < 1.000001);
    assert_int_equal(json_integer_value(json_array_get(root, 1)), 0);
    json_decref(root);
    ti_buf_clear(&out);
    ti_json_vector(&out, NULL, &sdr, true);
    assert_true(ti_base64_decode((uint8_t *)values, sizeof values, &n, out.data + 1,
                                 out.len - 2, TI_BASE64));
    assert_int_equal(n, sizeof values);
    assert_true(values[0] == (float)on && values[1] == 0);
    assert_true(values[TERN_SDR_BITS - 1] == (float)on);
    ti_buf_free(&out);
}

static void test_models(void **state)
{
    ti_served m = {.id = "m",
                   .name = "Model",
                   .architecture = "llama",
                   .weight_type = "TQ1_0",
                   .modified_s = 1700000000,
                   .file_bytes = 99,
                   .n_params = 6100000,
                   .n_ctx = 512,
                   .n_ctx_train = 512,
                   .recommended = {.temperature = 0.5F}};
    ti_serve_stats stats = {.resident_bytes = 55, .unload_in_ns = UINT64_MAX};
    ti_buf out = {0};
    (void)state;
    memcpy(m.digest, digest, sizeof digest);
    ti_openai_model(&out, &m);
    json_t *root = parse(out.data, out.len);
    is_text(root, "object", "model");
    is_text(root, "tern.sha256", digest);
    json_decref(root);
    ti_buf_clear(&out);
    ti_ollama_model(&out, &m, &stats, 1700000000);
    root = parse(out.data, out.len);
    is_int(root, "size", 55);
    is_text(root, "details.parameter_size", "6.1M");
    is_text(root, "expires_at", "2055-07-24T00:00:00.000000000Z");
    json_decref(root);
    ti_buf_clear(&out);
    ti_ollama_show(&out, &m);
    root = parse(out.data, out.len);
    is_text(root, "parameters", "temperature 0.5");
    json_t *info = at(root, "model_info");
    assert_int_equal(json_integer_value(json_object_get(info, "llama.context_length")), 512);
    json_decref(root);
    ti_buf_free(&out);
}

static void test_metrics(void **state)
{
    ti_metrics_all all = {.receipts = 2};
    ti_served m = {.id = "a\"b"};
    ti_serve_stats stats = {.loaded = true, .requests = 4};
    ti_attribution_sum total = {.metered_uj = 1500000};
    ti_energy_source source = {.evidence = TI_EVIDENCE_MODELLED, .meter = "model"};
    ti_cost cost = some_cost();
    ti_buf out = {0};
    (void)state;
    ti_metrics_answer(&all, 0, &usage, &cost);
    ti_metrics_answer(&all, 1, &usage, &cost);
    ti_metrics_code(&all, 200);
    ti_metrics_code(&all, 429);
    ti_metrics_code(&all, 200);
    ti_metrics_render(&out, &all, &stats, &m, &total, &source);
    static const char *const lines[] = {
        "gen_ai_server_request_duration_seconds_bucket{gen_ai_operation_name=\"chat\","
        "gen_ai_provider_name=\"tern\",gen_ai_request_model=\"a\\\"b\",le=\"0.01\"} 1\n",
        "gen_ai_client_token_usage_sum{gen_ai_operation_name=\"text_completion\","
        "gen_ai_provider_name=\"tern\",gen_ai_request_model=\"a\\\"b\","
        "gen_ai_token_type=\"input\"} 7\n",
        "gen_ai_client_token_usage_bucket{gen_ai_operation_name=\"chat\","
        "gen_ai_provider_name=\"tern\",gen_ai_request_model=\"a\\\"b\","
        "gen_ai_token_type=\"output\",le=\"4\"} 0\n",
        "tern_metered_energy_joules_total 1.500000\n",
        "tern_answers_energy_joules_total{line=\"requests\",evidence=\"modelled\","
        "meter=\"model\"} 0.000246\n",
        "tern_http_responses_total{code=\"200\"} 2\n",
        "tern_http_responses_total{code=\"429\"} 1\n",
        "tern_receipts_total 2\n",
    };
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        if (!strstr(out.data, lines[i])) {
            fail_msg("no line %s in\n%s", lines[i], out.data);
        }
    }
    ti_buf_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_openai_whole),  cmocka_unit_test(test_openai_text),
        cmocka_unit_test(test_openai_stream), cmocka_unit_test(test_ollama),
        cmocka_unit_test(test_errors),        cmocka_unit_test(test_vector),
        cmocka_unit_test(test_models),        cmocka_unit_test(test_metrics),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
