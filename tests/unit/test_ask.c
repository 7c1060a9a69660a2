/* SPDX-License-Identifier: Apache-2.0 */
/* Bodies of requests in both dialects: what is read, and what is refused, and how. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "oom.h"
#include "serve/ask.h"

static ti_arena arena;
static ti_ask ask;
static ti_refusal why;

static bool read_text(ti_ask_kind kind, const char *text)
{
    ti_arena_free(&arena);
    why = (ti_refusal){0};
    return ti_ask_read(&ask, &arena, kind, text, strlen(text), &why);
}

static void good(ti_ask_kind kind, const char *text)
{
    if (!read_text(kind, text)) {
        fail_msg("refused: %s: %s", text, why.message);
    }
}

/* Refused with 400, naming the field. */
static void bad(ti_ask_kind kind, const char *text, const char *param, const char *code)
{
    if (read_text(kind, text)) {
        fail_msg("taken: %s", text);
    }
    assert_int_equal(why.http, 400);
    assert_string_equal(why.type, "invalid_request_error");
    assert_string_equal(why.param, param);
    assert_string_equal(why.code, code);
    assert_true(strlen(why.message) > 0);
}

#define CHAT(more) "{\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]" more "}"
#define TEXT(more) "{\"prompt\":\"hi\"" more "}"

static void test_chat(void **state)
{
    (void)state;
    good(TI_ASK_OPENAI_CHAT,
         "{\"model\":\"m\",\"messages\":[{\"role\":\"developer\",\"content\":\"be brief\"},"
         "{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"a\"},"
         "{\"type\":\"text\",\"text\":\"\\u00e9\"}]},"
         "{\"role\":\"assistant\",\"content\":\"ok\"}],"
         "\"temperature\":0.5,\"top_p\":0.9,\"top_k\":7,\"min_p\":0.05,\"seed\":-3,"
         "\"presence_penalty\":-1,\"frequency_penalty\":2,\"repeat_penalty\":1.1,"
         "\"stop\":[\"x\",\"yy\"],\"n\":2,\"max_tokens\":5,\"max_completion_tokens\":9,"
         "\"logprobs\":true,\"top_logprobs\":3,\"stream\":true,"
         "\"stream_options\":{\"include_usage\":true},\"logit_bias\":{\"12\":-100,\"7\":1.5},"
         "\"user\":\"u\",\"metadata\":{\"k\":\"v\"},\"store\":false,\"tools\":[],"
         "\"response_format\":{\"type\":\"json_object\"}}");
    assert_string_equal(ask.model, "m");
    assert_int_equal(ask.n_messages, 3);
    assert_string_equal(ask.messages[0].role, "system");
    assert_string_equal(ask.messages[1].content, "a\303\251");
    assert_string_equal(ask.messages[2].role, "assistant");
    assert_true(ask.sampler.temperature == 0.5F && ask.sampler.top_p == 0.9F);
    assert_true(ask.sampler.top_k == 7 && ask.sampler.min_p == 0.05F);
    assert_true(ask.sampler.presence_penalty == -1 && ask.sampler.frequency_penalty == 2);
    assert_true(ask.sampler.repeat_penalty == 1.1F);
    assert_true(ask.sampler.seed == (uint64_t)-3);
    assert_int_equal(ask.n_stops, 2);
    assert_string_equal(ask.stops[1], "yy");
    assert_int_equal(ask.choices, 2);
    assert_int_equal(ask.max_tokens, 9);
    assert_true(ask.logprobs && ask.stream && ask.include_usage);
    assert_int_equal(ask.top_logprobs, 3);
    assert_int_equal(ask.n_bias, 2);
    assert_true(ask.bias[0].token == 12 && ask.bias[0].bias == -100);
    assert_true(ask.bias[1].token == 7 && ask.bias[1].bias == 1.5F);
    assert_int_equal(ask.format, TI_ASK_JSON);
    good(TI_ASK_OPENAI_CHAT, CHAT(""));
    assert_int_equal(ask.gave, 0);
    assert_int_equal(ask.choices, 1);
    assert_false(ask.stream);
    assert_string_equal(ask.model, "");
}

static void test_text(void **state)
{
    (void)state;
    good(TI_ASK_OPENAI_TEXT,
         "{\"prompt\":[\"a\",\"b\"],\"n\":3,\"logprobs\":5,\"stop\":\"z\"}");
    assert_int_equal(ask.n_inputs, 2);
    assert_int_equal(ask.inputs[1].text.len, 1);
    assert_true(ask.logprobs && ask.top_logprobs == 5 && ask.max_tokens == 16);
    assert_string_equal(ask.stops[0], "z");
    good(TI_ASK_OPENAI_TEXT, "{\"prompt\":[1,2,3],\"max_tokens\":2,\"echo\":true}");
    assert_int_equal(ask.n_inputs, 1);
    assert_int_equal(ask.inputs[0].n_tokens, 3);
    assert_int_equal(ask.inputs[0].tokens[2], 3);
    assert_true(ask.echo && ask.max_tokens == 2);
    good(TI_ASK_OPENAI_TEXT, "{\"prompt\":[[1,2],[3]]}");
    assert_int_equal(ask.n_inputs, 2);
    assert_int_equal(ask.inputs[1].tokens[0], 3);
    good(TI_ASK_OPENAI_TEXT, TEXT(",\"best_of\":1,\"suffix\":\"\",\"logprobs\":null"));
    assert_false(ask.logprobs);
}

static void test_embed(void **state)
{
    (void)state;
    good(TI_ASK_OPENAI_EMBED, "{\"input\":\"a\"}");
    assert_false(ask.base64);
    good(TI_ASK_OPENAI_EMBED,
         "{\"input\":[[1],[2,3]],\"encoding_format\":\"base64\",\"dimensions\":2048}");
    assert_true(ask.base64 && ask.n_inputs == 2 && ask.dimensions == 2048);
    good(TI_ASK_OLLAMA_EMBED, "{\"model\":\"m\",\"input\":[\"a\",\"b\"],\"truncate\":false}");
    assert_true(ask.n_inputs == 2 && ask.no_truncate);
    good(TI_ASK_OLLAMA_EMBED_ONE, "{\"prompt\":\"a\"}");
    bad(TI_ASK_OPENAI_EMBED, "{}", "input", "missing_required_parameter");
    bad(TI_ASK_OPENAI_EMBED, "{\"input\":[]}", "input", "invalid_value");
    bad(TI_ASK_OPENAI_EMBED, "{\"input\":[\"a\",[1]],\"x\":1,\"encoding_format\":\"int8\"}",
        "encoding_format", "invalid_value");
    bad(TI_ASK_OPENAI_EMBED, "{\"input\":[\"a\",{}]}", "input", "invalid_type");
    bad(TI_ASK_OLLAMA_EMBED, "{\"input\":[1,2]}", "input", "invalid_type");
}

static void test_ollama(void **state)
{
    (void)state;
    good(TI_ASK_OLLAMA_CHAT,
         CHAT(",\"options\":{\"temperature\":0,\"top_k\":20,\"top_p\":0.5,\"seed\":4,"
              "\"num_predict\":12,\"repeat_last_n\":-1,\"stop\":[\"q\"],\"num_ctx\":2048,"
              "\"mirostat\":0},\"keep_alive\":\"1h5m\",\"format\":\"json\",\"think\":false"));
    assert_true(ask.stream && ask.n_messages == 1 && ask.max_tokens == 12);
    assert_true(ask.gave & TI_GAVE_TEMPERATURE && ask.sampler.top_k == 20);
    assert_int_equal(ask.sampler.penalty_last_n, TI_ASK_TOKENS_MAX);
    assert_true(ask.gave_keep_alive && ask.keep_alive_s == 3900);
    assert_int_equal(ask.format, TI_ASK_JSON);
    good(TI_ASK_OLLAMA_CHAT, CHAT(",\"options\":{\"repeat_last_n\":0,\"presence_penalty\":1},"
                                  "\"keep_alive\":\"0\""));
    assert_true(ask.sampler.repeat_penalty == 1 && ask.sampler.presence_penalty == 0);
    assert_true(ask.gave & TI_GAVE_REPEAT && ask.gave_keep_alive && ask.keep_alive_s == 0);
    good(TI_ASK_OPENAI_CHAT, CHAT(",\"top_p\":0"));
    assert_true(ask.sampler.top_p > 0 && ask.sampler.top_p < 1e-9F);
    good(TI_ASK_OPENAI_CHAT, "{\"messages\":[{\"role\":\"assistant\",\"content\":null},"
                             "{\"role\":\"user\",\"content\":\"a\"}]}");
    assert_string_equal(ask.messages[0].content, "");
    good(TI_ASK_OLLAMA_CHAT, "{\"messages\":[]}"); /* loads the model */
    assert_int_equal(ask.n_messages, 0);
    good(TI_ASK_OLLAMA_TEXT, "{\"prompt\":\"p\",\"system\":\"s\",\"stream\":false}");
    assert_true(!ask.stream && ask.n_messages == 2);
    assert_string_equal(ask.messages[0].content, "s");
    good(TI_ASK_OLLAMA_TEXT, "{\"prompt\":\"p\",\"raw\":true,\"keep_alive\":-1}");
    assert_true(ask.n_inputs == 1 && ask.n_messages == 0 && ask.keep_alive_s == -1);
    good(TI_ASK_OLLAMA_TEXT, "{\"model\":\"m\"}");
    assert_true(ask.n_inputs == 0 && ask.n_messages == 0);
    good(TI_ASK_OLLAMA_SHOW, "{\"name\":\"m\"}");
    assert_string_equal(ask.model, "m");
    bad(TI_ASK_OLLAMA_CHAT, CHAT(",\"tools\":[{}]"), "tools", "unsupported_parameter");
    bad(TI_ASK_OLLAMA_CHAT, CHAT(",\"think\":true"), "think", "unsupported_parameter");
    bad(TI_ASK_OLLAMA_CHAT, CHAT(",\"format\":7"), "format", "invalid_value");
    bad(TI_ASK_OLLAMA_CHAT, CHAT(",\"options\":[]"), "options", "invalid_type");
    bad(TI_ASK_OLLAMA_CHAT, CHAT(",\"options\":{\"top_p\":2}"), "top_p", "invalid_value");
    bad(TI_ASK_OLLAMA_CHAT, CHAT(",\"options\":{\"num_predict\":0}"), "num_predict",
        "invalid_value");
    bad(TI_ASK_OLLAMA_CHAT, CHAT(",\"keep_alive\":\"soon\""), "keep_alive", "invalid_value");
    bad(TI_ASK_OLLAMA_TEXT, TEXT(",\"images\":[\"x\"]"), "images", "unsupported_parameter");
    bad(TI_ASK_OLLAMA_TEXT, TEXT(",\"suffix\":\"x\""), "suffix", "unsupported_parameter");
    bad(TI_ASK_OLLAMA_CHAT,
        "{\"messages\":[{\"role\":\"user\",\"content\":\"x\",\"images\":[\"a\"]}]}", "messages",
        "unsupported_value");
}

/* A schema is handed on as it was sent: the order of its members counts. */
static void test_schema(void **state)
{
    static const char schema[] = "{\"type\":\"object\", \"properties\":{\"z\":{},\"a\":"
                                 "{\"const\":\"}\\\"]\"}}}";
    char text[512];
    (void)state;
    snprintf(text, sizeof text,
             CHAT(",\"response_format\":{\"type\":\"json_schema\",\"json_schema\":"
                  "{\"name\":\"n\",\"schema\":%s ,\"strict\":true}}"),
             schema);
    good(TI_ASK_OPENAI_CHAT, text);
    assert_int_equal(ask.format, TI_ASK_SCHEMA);
    assert_int_equal(ask.schema.len, strlen(schema));
    assert_memory_equal(ask.schema.data, schema, strlen(schema));
    snprintf(text, sizeof text, CHAT(",\"format\":%s"), schema);
    good(TI_ASK_OLLAMA_CHAT, text);
    assert_memory_equal(ask.schema.data, schema, strlen(schema));
    bad(TI_ASK_OPENAI_CHAT, CHAT(",\"response_format\":{\"type\":\"json_schema\"}"),
        "response_format", "missing_required_parameter");
    bad(TI_ASK_OPENAI_CHAT, CHAT(",\"response_format\":{\"type\":\"grammar\"}"),
        "response_format", "unsupported_value");
    bad(TI_ASK_OPENAI_CHAT,
        CHAT(",\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{\"schema\":3}}"),
        "response_format", "invalid_type");
}

static void test_refusals(void **state)
{
    static const struct {
        const char *more, *param, *code;
    } rows[] = {
        {",\"temperature\":2.1", "temperature", "invalid_value"},
        {",\"temperature\":\"1\"", "temperature", "invalid_value"},
        {",\"top_p\":-0.1", "top_p", "invalid_value"},
        {",\"n\":0", "n", "invalid_value"},
        {",\"n\":17", "n", "invalid_value"},
        {",\"max_tokens\":0", "max_tokens", "invalid_value"},
        {",\"max_tokens\":1.5", "max_tokens", "invalid_value"},
        {",\"max_completion_tokens\":-1", "max_completion_tokens", "invalid_value"},
        {",\"seed\":1.5", "seed", "invalid_value"},
        {",\"stop\":\"\"", "stop", "invalid_value"},
        {",\"stop\":[1]", "stop", "invalid_value"},
        {",\"stop\":7", "stop", "invalid_value"},
        {",\"stream\":1", "stream", "invalid_type"},
        {",\"stream_options\":{}", "stream_options", "invalid_value"},
        {",\"top_logprobs\":2", "top_logprobs", "invalid_value"},
        {",\"logprobs\":true,\"top_logprobs\":21", "top_logprobs", "invalid_value"},
        {",\"tools\":[{\"type\":\"function\"}]", "tools", "unsupported_parameter"},
        {",\"functions\":[{}]", "functions", "unsupported_parameter"},
        {",\"audio\":{}", "audio", "unsupported_parameter"},
        {",\"modalities\":[\"audio\"]", "modalities", "unsupported_value"},
        {",\"logit_bias\":{\"x\":1}", "logit_bias", "invalid_value"},
        {",\"logit_bias\":{\"1\":101}", "logit_bias", "invalid_value"},
        {",\"model\":3", "model", "invalid_type"},
    };
    char text[512];
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        snprintf(text, sizeof text, CHAT("%s"), rows[i].more);
        bad(TI_ASK_OPENAI_CHAT, text, rows[i].param, rows[i].code);
    }
    bad(TI_ASK_OPENAI_CHAT, "{}", "messages", "missing_required_parameter");
    bad(TI_ASK_OPENAI_CHAT, "{\"messages\":[]}", "messages", "invalid_value");
    bad(TI_ASK_OPENAI_CHAT, "{\"messages\":\"x\"}", "messages", "invalid_type");
    bad(TI_ASK_OPENAI_CHAT, "{\"messages\":[3]}", "messages", "invalid_type");
    bad(TI_ASK_OPENAI_CHAT, "{\"messages\":[{\"role\":\"user\"}]}", "messages", "invalid_type");
    bad(TI_ASK_OPENAI_CHAT, "{\"messages\":[{\"role\":\"tool\",\"content\":\"x\"}]}",
        "messages", "unsupported_value");
    bad(TI_ASK_OPENAI_CHAT,
        "{\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"image_url\"}]}]}",
        "messages", "unsupported_value");
    bad(TI_ASK_OPENAI_TEXT, "{}", "prompt", "missing_required_parameter");
    bad(TI_ASK_OPENAI_TEXT, "{\"prompt\":[]}", "prompt", "invalid_value");
    bad(TI_ASK_OPENAI_TEXT, "{\"prompt\":[-1]}", "prompt", "invalid_value");
    bad(TI_ASK_OPENAI_TEXT, TEXT(",\"best_of\":2"), "best_of", "unsupported_value");
    bad(TI_ASK_OPENAI_TEXT, TEXT(",\"suffix\":\"s\""), "suffix", "unsupported_parameter");
    bad(TI_ASK_OPENAI_TEXT, TEXT(",\"echo\":true,\"logprobs\":1"), "echo", "unsupported_value");
    bad(TI_ASK_OPENAI_TEXT, TEXT(",\"logprobs\":6"), "logprobs", "invalid_value");
}

/* Texts that are no JSON, or more of it than there may be. */
static void test_hostile(void **state)
{
    ti_buf text = {0};
    (void)state;
    bad(TI_ASK_OPENAI_CHAT, "", "", "invalid_json");
    bad(TI_ASK_OPENAI_CHAT, "{\"messages\":", "", "invalid_json");
    bad(TI_ASK_OPENAI_CHAT, "[]", "", "invalid_json");
    bad(TI_ASK_OPENAI_CHAT, "{\"a\":1,\"a\":2}", "", "invalid_json");
    bad(TI_ASK_OPENAI_CHAT, CHAT(",\"x\":\"\xff\""), "", "invalid_json");
    assert_non_null(strstr(why.message, "at byte "));
    bad(TI_ASK_OPENAI_CHAT, CHAT(",\"x\":\"\\ud800\""), "", "invalid_json");
    bad(TI_ASK_OPENAI_CHAT, CHAT(",\"x\":\"\\u0000\""), "", "invalid_json");
    for (int i = 0; i < 100; i++) { /* nesting */
        ti_buf_addc(&text, '[');
    }
    ti_buf_addc(&text, '\0');
    bad(TI_ASK_OPENAI_CHAT, text.data, "", "invalid_json");
    const struct {
        const char *start, *item, *end, *param;
        int n;
    } many[] = {{"{\"messages\":[", "{\"role\":\"user\",\"content\":\"x\"}", "]}", "messages",
                 TI_ASK_MESSAGES + 1},
                {"{\"messages\":[{\"role\":\"user\",\"content\":[",
                 "{\"type\":\"text\",\"text\":\"x\"}", "]}]}", "messages", TI_ASK_PARTS + 1},
                {CHAT(",\"stop\":["), "\"x\"", "]}", "stop", TI_ASK_STOPS + 1},
                {"{\"prompt\":[", "\"x\"", "]}", "prompt", TI_ASK_PROMPTS + 1},
                {"{\"input\":[", "\"x\"", "]}", "input", TI_ASK_INPUTS + 1}};
    for (size_t i = 0; i < sizeof many / sizeof many[0]; i++) {
        ti_ask_kind kind = i < 3    ? TI_ASK_OPENAI_CHAT
                           : i == 3 ? TI_ASK_OPENAI_TEXT
                                    : TI_ASK_OPENAI_EMBED;
        ti_buf_clear(&text);
        ti_buf_adds(&text, many[i].start);
        if (i == 2) { /* CHAT() has closed the object */
            text.len -= 1;
        }
        for (int j = 0; j < many[i].n; j++) {
            ti_buf_adds(&text, j ? "," : "");
            ti_buf_adds(&text, many[i].item);
        }
        ti_buf_adds(&text, many[i].end);
        bad(kind, text.data, many[i].param, "invalid_value");
    }
    ti_buf_free(&text);
    char *large = calloc(1, TI_ASK_BODY_MAX + 1);
    assert_non_null(large);
    assert_false(
        ti_ask_read(&ask, &arena, TI_ASK_OPENAI_CHAT, large, TI_ASK_BODY_MAX + 1, &why));
    assert_int_equal(why.http, 413);
    free(large);
}

/* Without memory a request is refused with 503, and nothing is lost. */
static void test_memory(void **state)
{
    static const char text[] =
        CHAT(",\"stop\":[\"a\",\"b\"],\"logit_bias\":{\"1\":1},\"model\":\"m\","
             "\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{\"schema\":{}}}");
    (void)state;
    for (long n = 0;; n++) {
        ti_arena_free(&arena);
        oom_fail_at(n);
        bool taken = ti_ask_read(&ask, &arena, TI_ASK_OPENAI_CHAT, text, strlen(text), &why);
        bool failed = oom_disarm();
        if (!failed) {
            assert_true(taken);
            break;
        }
        assert_false(taken);
        assert_int_equal(why.http, 503);
        assert_true(why.retry_s > 0);
    }
}

/* What was read does not need the text, and the tree is not kept: fields that nobody reads take
 * no memory while the answer is made. */
static void test_kept(void **state)
{
    enum { VALUES = 100000 };
    ti_buf text = {0};
    (void)state;
    ti_buf_adds(&text, "{\"prompt\":[\"one\",\"t\\u0077o\"],\"metadata\":[0");
    for (size_t i = 0; i < VALUES; i++) {
        ti_buf_adds(&text, ",0");
    }
    ti_buf_adds(&text, "]}");
    assert_false(text.failed);
    good(TI_ASK_OPENAI_TEXT, text.data);
    memset(text.data, 'x', text.len);
    assert_int_equal(ask.n_inputs, 2);
    assert_memory_equal(ask.inputs[0].text.data, "one", 3);
    assert_memory_equal(ask.inputs[1].text.data, "two", 3);
    assert_true(arena.bytes < 100000);
    ti_buf_clear(&text);
    ti_buf_adds(&text, "{\"prompt\":\"p\",\"metadata\":[0");
    for (size_t i = 0; i < TI_ASK_VALUES; i++) {
        ti_buf_adds(&text, ",0");
    }
    ti_buf_adds(&text, "]}");
    assert_false(text.failed);
    assert_false(read_text(TI_ASK_OPENAI_TEXT, text.data));
    assert_int_equal(why.http, 413);
    ti_buf_clear(&text); /* commas of a text are none */
    ti_buf_adds(&text, "{\"prompt\":\"\\\"");
    for (size_t i = 0; i < TI_ASK_VALUES; i++) {
        ti_buf_adds(&text, ",,");
    }
    ti_buf_adds(&text, "\"}");
    good(TI_ASK_OPENAI_TEXT, text.data);
    ti_buf_free(&text);
    ti_arena_free(&arena);
}

static void test_sampler(void **state)
{
    static const tern_sampler_opts none = {0};
    static const tern_sampler_opts file = {
        .temperature = 0.6F, .min_p = 0.1F, .repeat_penalty = 1.1F, .penalty_last_n = 32};
    (void)state;
    good(TI_ASK_OPENAI_CHAT, CHAT(",\"min_p\":0.2,\"frequency_penalty\":1"));
    tern_sampler_opts s = ti_ask_sampler(&ask, TI_ASK_OPENAI_CHAT, &file, 5);
    assert_true(s.temperature == 0.6F && s.min_p == 0.2F && s.repeat_penalty == 1.1F);
    assert_true(s.penalty_last_n == 32 && s.frequency_penalty == 1 && s.seed == 5);
    s = ti_ask_sampler(&ask, TI_ASK_OPENAI_CHAT, &none, 5);
    assert_true(s.temperature == 1 && s.min_p == 0.2F && s.repeat_penalty == 0);
    good(TI_ASK_OPENAI_CHAT, CHAT(",\"temperature\":0,\"seed\":9"));
    s = ti_ask_sampler(&ask, TI_ASK_OPENAI_CHAT, &file, 5);
    assert_true(s.temperature == 0 && s.min_p == 0 && s.repeat_penalty == 0 && s.seed == 9);
    good(TI_ASK_OLLAMA_CHAT, CHAT(""));
    s = ti_ask_sampler(&ask, TI_ASK_OLLAMA_CHAT, &none, 5);
    assert_true(s.temperature == 0.8F && s.top_k == 40 && s.top_p == 0.9F);
}

static void test_statuses(void **state)
{
    static const struct {
        tern_status status;
        unsigned http;
    } rows[] = {{TERN_USAGE, 400},       {TERN_UNSUPPORTED, 400}, {TERN_LIMIT, 400},
                {TERN_UNAVAILABLE, 503}, {TERN_NOMEM, 503},       {TERN_IO, 500},
                {TERN_CORRUPT, 500},     {TERN_INTERNAL, 500}};
    tern_err err = {.message = "text"};
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        ti_refusal_of(&why, rows[i].status, &err);
        assert_int_equal(why.http, rows[i].http);
        assert_string_equal(why.message, "text");
    }
}

static int clean(void **state)
{
    (void)state;
    ti_arena_free(&arena);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_chat, clean),
        cmocka_unit_test_teardown(test_text, clean),
        cmocka_unit_test_teardown(test_embed, clean),
        cmocka_unit_test_teardown(test_ollama, clean),
        cmocka_unit_test_teardown(test_schema, clean),
        cmocka_unit_test_teardown(test_refusals, clean),
        cmocka_unit_test_teardown(test_hostile, clean),
        cmocka_unit_test_teardown(test_kept, clean),
        cmocka_unit_test_teardown(test_memory, clean),
        cmocka_unit_test_teardown(test_sampler, clean),
        cmocka_unit_test_teardown(test_statuses, clean),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
