/* SPDX-License-Identifier: Apache-2.0 */
/* Chats on their way to an upstream and back: streams cut anywhere, answers that lie, what the
 * client gets, and the day's budget. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "oom.h"
#include "serve/ration.h"
#include "serve/relay.h"
#include "serve/sse.h"

/* --- streams --------------------------------------------------------------------------------
 */

static bool add_event(void *user, ti_str data)
{
    ti_buf *all = user;
    ti_buf_addc(all, '<');
    ti_buf_add(all, data.data, data.len);
    ti_buf_addc(all, '>');
    return true;
}

static bool no_more(void *user, ti_str data)
{
    (void)user;
    (void)data;
    return false;
}

static const char stream[] =
    "\xEF\xBB\xBF"
    "data: one\n\n: a comment\n\nevent: x\ndata:two\ndata:  2\r\n\r\n"
    "data\rdata\r\rid: 7\n\ndatax: no\n\ndata: {\"a\":1}\r\n\r\ndata: cut";
static const char events[] = "<one><two\n 2><\n><{\"a\":1}>";

static void streams_cut_anywhere(void **state)
{
    const size_t len = sizeof stream - 1;
    (void)state;
    for (size_t first = 0; first <= len; first++) {
        for (size_t step = 1; step <= 7; step += 3) {
            ti_sse sse = {0};
            ti_buf all = {0};
            assert_int_equal(ti_sse_feed(&sse, stream, first, add_event, &all, NULL), TERN_OK);
            for (size_t at = first; at < len; at += step) {
                size_t n = len - at < step ? len - at : step;
                assert_int_equal(ti_sse_feed(&sse, stream + at, n, add_event, &all, NULL),
                                 TERN_OK);
            }
            assert_string_equal(all.data, events);
            assert_true(ti_sse_is_inside(&sse));
            ti_sse_free(&sse);
            ti_buf_free(&all);
        }
    }
}

static void streams_have_limits(void **state)
{
    static char text[4096];
    ti_buf all = {0};
    tern_err err;
    tern_status status = TERN_OK;
    size_t sent = 0;
    (void)state;
    memset(text, 'x', sizeof text);
    ti_sse one = {0}, many = {0}, enough = {0};
    for (; status == TERN_OK; sent += sizeof text) {
        status = ti_sse_feed(&one, text, sizeof text, add_event, &all, &err);
    }
    assert_int_equal(status, TERN_LIMIT);
    assert_in_range(sent, TI_SSE_EVENT_MAX, TI_SSE_EVENT_MAX + 2 * sizeof text);
    for (status = TERN_OK, sent = 0; status == TERN_OK; sent += 5) { /* lines without an end */
        status = ti_sse_feed(&many, "data\n", 5, add_event, &all, &err);
    }
    assert_int_equal(status, TERN_LIMIT);
    assert_in_range(sent, TI_SSE_EVENT_MAX, TI_SSE_EVENT_MAX + 10);
    assert_int_equal(all.len, 0);
    assert_int_equal(ti_sse_feed(&enough, "data: x\n\n", 9, no_more, NULL, &err),
                     TERN_CANCELLED);
    ti_sse_free(&one);
    ti_sse_free(&many);
    ti_sse_free(&enough);
}

static void streams_without_memory(void **state)
{
    bool failed = true;
    (void)state;
    for (long n = 0; failed; n++) {
        ti_sse sse = {0};
        ti_buf all = {0};
        oom_fail_at(n);
        tern_status status =
            ti_sse_feed(&sse, stream, sizeof stream - 1, add_event, &all, NULL);
        failed = oom_disarm();
        assert_true(status == TERN_OK || (failed && status == TERN_NOMEM));
        assert_true(failed || strcmp(all.data, events) == 0);
        ti_sse_free(&sse);
        ti_buf_free(&all);
    }
}

/* --- requests -------------------------------------------------------------------------------
 */

static const char body[] =
    "{\"model\":\"auto\",\"messages\":[{\"role\":\"system\",\"content\":\"be \\\"kind\\\"\"},\n"
    "{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"a\"},{\"type\":\"text\","
    "\"text\":\"b\"}]},{\"role\":\"assistant\",\"content\":null}],\"stream\":true,"
    "\"stream_options\":{\"include_usage\":false},\"temperature\":0.70,\"n\":2,"
    "\"max_tokens\":10,\"stop\":[\"]\",\"}\\\\\"],\"tern\":{\"deadline\":\"8h\"}}";

static bool ask_of(ti_relay_ask *out, ti_arena *arena, const char *text, ti_refusal *why)
{
    *why = (ti_refusal){0};
    return ti_relay_read(out, arena, text, strlen(text), why);
}

static void a_request_goes_on(void **state)
{
    ti_arena arena = {0};
    ti_relay_ask ask;
    ti_refusal why;
    ti_buf out = {0};
    (void)state;
    assert_true(ask_of(&ask, &arena, body, &why));
    assert_string_equal(ask.model, "auto");
    assert_string_equal(ask.deadline, "8h");
    assert_true(ask.stream && !ask.include_usage);
    assert_int_equal(ask.choices, 2);
    assert_int_equal(ask.max_tokens, 10);
    assert_int_equal(ask.question.len, 3);
    assert_memory_equal(ask.question.data, "a\nb", 3);
    assert_int_equal(ask.message_bytes, 9 + 3);
    ti_relay_request(&out, &ask, "far \"away\"");
    assert_string_equal(
        out.data,
        "{\"model\":\"far \\\"away\\\"\",\"max_tokens\":10,\"messages\":[{\"role\":\"system\","
        "\"content\":\"be \\\"kind\\\"\"}, {\"role\":\"user\",\"content\":[{\"type\":\"text\","
        "\"text\":\"a\"},{\"type\":\"text\",\"text\":\"b\"}]},{\"role\":\"assistant\","
        "\"content\":null}],\"n\":2,\"stop\":[\"]\",\"}\\\\\"],\"stream\":true,"
        "\"temperature\":0.70,\"stream_options\":{\"include_usage\":true}}");
    ti_buf_free(&out);
    ti_arena_free(&arena);
}

static void requests_that_are_refused(void **state)
{
    static const char *const bad[] = {
        "",
        "[]",
        "{}",
        "{\"messages\":[]}",
        "{\"messages\":[1]}",
        "{\"messages\":[{}],\"model\":1}",
        "{\"messages\":[{}],\"stream\":\"yes\"}",
        "{\"messages\":[{}],\"n\":0}",
        "{\"messages\":[{}],\"n\":17}",
        "{\"messages\":[{}],\"max_tokens\":-1}",
        "{\"messages\":[{}],\"max_tokens\":1e9}",
        "{\"messages\":[{}],\"tern\":[]}",
        "{\"messages\":[{}],\"tern\":{\"deadline\":8}}",
        "{\"messages\":[{}],\"stream_options\":{\"include_usage\":1}}",
    };
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        ti_arena arena = {0};
        ti_relay_ask ask;
        ti_refusal why;
        assert_false(ask_of(&ask, &arena, bad[i], &why));
        assert_int_equal(why.http, 400);
        ti_arena_free(&arena);
    }
    for (size_t n = 0; n < sizeof body - 1; n++) { /* cut anywhere */
        ti_arena arena = {0};
        ti_relay_ask ask;
        ti_refusal why = {0};
        char *cut = malloc(n + 1);
        memcpy(cut, body, n);
        assert_false(ti_relay_read(&ask, &arena, cut, n, &why));
        free(cut);
        ti_arena_free(&arena);
    }
}

/* --- answers --------------------------------------------------------------------------------
 */

static const char answer[] =
    "{\n \"id\": \"x\",\n \"energy\": 5, \"choices\": [{\"index\":0,\"message\":{\"role\":"
    "\"assistant\",\"content\":\"12345678\"},\"finish_reason\":\"stop\"}],\n"
    " \"usage\": {\"prompt_tokens\": 7, \"completion_tokens\": 3}}";

static tern_status piece_of(ti_relay_piece *out, ti_arena *arena, const char *text,
                            tern_err *err)
{
    return ti_relay_piece_read(out, arena, text, strlen(text), err);
}

static void what_answers_say(void **state)
{
    ti_arena arena = {0};
    ti_relay_piece p;
    tern_err err;
    (void)state;
    assert_int_equal(piece_of(&p, &arena, answer, &err), TERN_OK);
    assert_true(p.has_choices && p.ends && p.has_usage);
    assert_int_equal(p.text_bytes, 8);
    assert_int_equal(p.in, 7);
    assert_int_equal(p.out, 3);
    assert_int_equal(piece_of(&p, &arena, "{\"choices\":[],\"usage\":null}", &err), TERN_OK);
    assert_true(!p.has_choices && !p.ends && !p.has_usage);
    assert_int_equal(
        piece_of(&p, &arena,
                 "{\"choices\":[{\"delta\":{\"content\":\"a\",\"tool_calls\":[{\"id\":\"i\","
                 "\"function\":{\"name\":\"bc\",\"arguments\":\"{}\"}}]}}]}",
                 &err),
        TERN_OK);
    assert_int_equal(p.text_bytes, 5);
    static const char *const bad[] = {"",
                                      "[]",
                                      "{}",
                                      "{\"choices\":1}",
                                      "{\"choices\":[1]}",
                                      "{\"choices\":[{\"delta\":2}]}",
                                      "{\"choices\":[{\"message\":null}]}"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(piece_of(&p, &arena, bad[i], &err), TERN_CORRUPT);
    }
    assert_int_equal(piece_of(&p, &arena, "{\"error\":{\"message\":\"too\\nhot\"}}", &err),
                     TERN_UNAVAILABLE);
    assert_string_equal(err.message, "too?hot"); /* one line, whatever they send */
    assert_int_equal(piece_of(&p, &arena, "{\"error\":\"no\"}", &err), TERN_UNAVAILABLE);
    assert_string_equal(err.message, "no");
    ti_arena_free(&arena);
}

static void usages_that_cannot_be(void **state)
{
    static const struct {
        const char *usage;
        bool good;
    } rows[] = {
        {"{\"prompt_tokens\":7,\"completion_tokens\":3}", true},
        {"{\"prompt_tokens\":7,\"completion_tokens\":20}", true},
        {"{\"prompt_tokens\":7,\"completion_tokens\":21}", false}, /* max_tokens x n */
        {"{\"prompt_tokens\":7,\"completion_tokens\":0}", false},  /* something was said */
        {"{\"prompt_tokens\":0,\"completion_tokens\":3}", false},
        {"{\"prompt_tokens\":9000000,\"completion_tokens\":3}", false},
        {"{\"prompt_tokens\":-7,\"completion_tokens\":3}", false},
        {"{\"prompt_tokens\":7.5,\"completion_tokens\":3}", false},
        {"{\"prompt_tokens\":7}", false},
        {"[]", false},
        {"\"many\"", false},
    };
    ti_arena arena = {0};
    ti_relay_ask ask;
    ti_refusal why;
    (void)state;
    assert_true(ask_of(&ask, &arena, body, &why));
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        ti_relay_piece p;
        ti_buf text = {0};
        ti_buf_addf(&text, "{\"choices\":[],\"usage\":%s}", rows[i].usage);
        assert_int_equal(piece_of(&p, &arena, text.data, NULL), TERN_OK);
        ti_relay_tokens t = ti_relay_count(&ask, &p, 9);
        assert_int_equal(t.reported, rows[i].good);
        assert_int_equal(t.in, rows[i].good ? 7 : 3); /* 12 bytes of messages */
        assert_true(rows[i].good || t.out == 3);      /* 9 bytes */
        ti_buf_free(&text);
    }
    ti_arena_free(&arena);
}

static void what_a_client_gets(void **state)
{
    const ti_upstream u = {.name = "paris", .zone = "FR", .energy_by = "EcoLogits"};
    const ti_route_candidate c = {.energy = {.word = TI_WORD_MODELLED},
                                  .pue_permille = 1200,
                                  .grid = {.known = true, .intensity_mg_kwh = 56000}};
    const ti_route_row row = {.energy_known = true,
                              .grams_known = true,
                              .energy_uj = 10,
                              .energy_low_uj = 1,
                              .energy_high_uj = 100,
                              .co2_ug = 20,
                              .co2_low_ug = 2,
                              .co2_high_ug = 200};
    const ti_route_row nothing = {0};
    ti_relay_cost cost = {&u, &c, &row, {4, 5, false}, NULL};
    ti_arena arena = {0};
    ti_relay_piece p;
    ti_buf out = {0};
    (void)state;
    assert_int_equal(piece_of(&p, &arena, answer, NULL), TERN_OK);
    ti_relay_write(&out, &p, TI_RELAY_USAGE_COUNTED, &cost);
    assert_string_equal(
        out.data,
        "{\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":"
        "\"12345678\"},\"finish_reason\":\"stop\"}],\"id\":\"x\",\"usage\":{\"prompt_tokens\":"
        "4,"
        "\"completion_tokens\":5,\"total_tokens\":9},\"energy\":{\"energy_uj\":10,"
        "\"energy_low_uj\":1,\"energy_high_uj\":100,\"evidence\":\"modelled\",\"source\":"
        "\"EcoLogits\",\"tokens\":\"estimated\",\"upstream\":\"paris\"},\"carbon\":{\"co2_ug\":"
        "20,"
        "\"co2_low_ug\":2,\"co2_high_ug\":200,\"energy_uj\":10,\"pue_permille\":1200,\"zone\":"
        "\"FR\",\"intensity_mg_kwh\":56000,\"basis\":\"average/life-cycle/location\"},"
        "\"receipt\":null}");
    ti_buf_clear(&out);
    cost.row = &nothing; /* what nobody knows is null, and not zero */
    ti_relay_write(&out, &p, TI_RELAY_USAGE_DROP, &cost);
    assert_non_null(strstr(out.data, "\"energy\":null,\"carbon\":null,\"receipt\":null}"));
    assert_null(strstr(out.data, "usage"));
    ti_buf_free(&out);
    ti_arena_free(&arena);
}

static void headers(void **state)
{
    ti_upstream items[2] = {{.name = "a; b=\"c\","}, {.name = "d"}};
    const ti_upstreams list = {.items = items, .n = 2};
    ti_route route = {.n = 2, .n_whys = TI_ROUTE_WHYS_MAX};
    char text[TI_RELAY_HEADER_MAX];
    (void)state;
    ti_relay_header(text, &route, &list, 0, TI_ROUTE_THIN, 1);
    assert_non_null(strstr(text, "to=a__b__c__; action=upstream; task=thin; attempt=1; why="));
    route.rows[0] = (ti_route_row){.energy_known = true,
                                   .grams_known = true,
                                   .energy_uj = UINT64_MAX,
                                   .co2_ug = UINT64_MAX,
                                   .co2_low_ug = UINT64_MAX,
                                   .co2_high_ug = UINT64_MAX};
    for (uint32_t i = 0; i < TI_ROUTE_WHYS_MAX; i++) {
        route.whys[i] = (ti_route_why){TI_RWHY_LOCAL_COSTS, INT64_MIN, INT64_MIN};
    }
    ti_relay_header(text, &route, &list, 0, TI_ROUTE_THICK, UINT32_MAX);
    assert_in_range(strlen(text), 300, TI_RELAY_HEADER_MAX - 1);
    for (size_t i = 0; text[i]; i++) {
        assert_in_range(text[i], ' ', '~');
    }
    for (ti_route_code c = 0; c < TI_RWHY_CODES; c++) {
        assert_non_null(ti_route_code_name(c));
    }
}

/* --- the day's budget -----------------------------------------------------------------------
 */

static const ti_basis usual = {TI_AVERAGE, TI_LIFE_CYCLE, TI_LOCATION};
enum { NOON = 1795348800, DAY_S = 86400 }; /* 2026-11-22T12:00Z */

static char folder[64], path[96];

static int make_folder(void **state)
{
    (void)state;
    assert_int_equal(setenv("TZ", "UTC0", 1), 0);
    snprintf(folder, sizeof folder, "/tmp/tern-ration-XXXXXX");
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/b.json", folder);
    return 0;
}

static int remove_folder(void **state)
{
    char lock[128];
    (void)state;
    snprintf(lock, sizeof lock, "%s.lock", path);
    unlink(path);
    unlink(lock);
    return rmdir(folder);
}

static uint64_t used_at(ti_ration *r, int64_t now_s)
{
    uint64_t used;
    int64_t renews;
    ti_ration_look(r, now_s, &used, &renews);
    assert_int_equal(renews % DAY_S, 0);
    return used;
}

static void write_file(const char *text)
{
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static void a_day_is_charged(void **state)
{
    ti_ration *r, *other;
    ti_ration_share share, old;
    (void)state;
    assert_int_equal(ti_ration_open(&r, path, usual, NOON, NULL), TERN_OK);
    assert_int_equal(ti_ration_open(&other, path, usual, NOON, NULL), TERN_UNAVAILABLE);
    assert_int_equal(ti_ration_take(r, &share, NOON, 100, NULL), TERN_OK);
    assert_int_equal(used_at(r, NOON), 100);
    ti_ration_close(r); /* as a crash would: what was expected is in the file */
    assert_int_equal(ti_ration_open(&r, path, usual, NOON + 1, NULL), TERN_OK);
    assert_int_equal(used_at(r, NOON), 100);
    assert_int_equal(ti_ration_settle(r, &share, 30, NULL), TERN_OK);
    assert_int_equal(ti_ration_settle(r, &share, 40, NULL), TERN_OK); /* not twice */
    assert_int_equal(used_at(r, NOON), 40);
    assert_int_equal(ti_ration_take(r, &old, NOON, 7, NULL), TERN_OK);
    assert_int_equal(used_at(r, NOON + DAY_S), 0); /* the next day */
    assert_int_equal(ti_ration_settle(r, &old, 9, NULL), TERN_OK);
    assert_int_equal(used_at(r, NOON + DAY_S), 0);
    assert_int_equal(ti_ration_take(r, &share, NOON + DAY_S, UINT64_MAX, NULL), TERN_OK);
    assert_true(used_at(r, NOON) > 1000000); /* a clock set back has no second day */
    ti_ration_close(r);
    assert_int_equal(ti_ration_open(&r, path, usual, NOON, NULL), TERN_OK);
    assert_true(used_at(r, NOON) > 1000000);
    ti_ration_close(r);
}

static void files_that_are_none(void **state)
{
    static const char good[] = "{\"schema\":\"tern.budget/1\",\"day\":20261122,\"used_ug\":5,"
                               "\"basis\":\"average/life-cycle/location\"}";
    const ti_basis marginal = {TI_MARGINAL, TI_OPERATIONAL, TI_LOCATION};
    ti_ration *r;
    (void)state;
    for (size_t n = 0; n < sizeof good - 1; n++) {
        char cut[sizeof good];
        memcpy(cut, good, n);
        cut[n] = '\0';
        write_file(cut);
        assert_int_equal(ti_ration_open(&r, path, usual, NOON, NULL), TERN_CORRUPT);
    }
    write_file("{\"schema\":\"tern.budget/1\",\"day\":20261122,\"used_ug\":-5,"
               "\"basis\":\"average/life-cycle/location\"}");
    assert_int_equal(ti_ration_open(&r, path, usual, NOON, NULL), TERN_CORRUPT);
    write_file(good);
    assert_int_equal(ti_ration_open(&r, path, marginal, NOON, NULL), TERN_USAGE);
    assert_int_equal(ti_ration_open(&r, path, marginal, NOON + DAY_S, NULL), TERN_OK);
    ti_ration_close(r);
    for (long n = 0;; n++) {
        oom_fail_at(n);
        tern_status status = ti_ration_open(&r, path, usual, NOON, NULL);
        bool failed = oom_disarm();
        assert_true(status == TERN_OK || (failed && status == TERN_NOMEM));
        if (status == TERN_OK) {
            assert_int_equal(used_at(r, NOON), 5);
            ti_ration_close(r);
        }
        if (!failed) {
            break;
        }
    }
}

/* --- Ollama's API ---------------------------------------------------------------------------
 */

static const char ollamas[] =
    "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"a\\n\\\"b\\\"\"}],"
    "\"stream\":false,\"options\":{\"temperature\":0.7,\"top_p\":0.9,\"seed\":-1,\"num_"
    "predict\":9,"
    "\"presence_penalty\":1,\"frequency_penalty\":-0.5,\"top_k\":3,\"min_p\":0.1,\"repeat_"
    "penalty\":"
    "1.2,\"stop\":[\"x\",\"\\t\"]},\"format\":{\"type\" "
    ":\"object\"},\"tern\":{\"deadline\":\"8h\"}}";
static const char openais[] =
    "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"a\\n\\\"b\\\"\"}],"
    "\"stream\":false,\"temperature\":0.7,\"top_p\":0.9,\"seed\":-1,\"max_tokens\":9,"
    "\"presence_penalty\":1,\"frequency_penalty\":-0.5,\"stop\":[\"x\",\"\\t\"],"
    "\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{\"name\":\"answer\","
    "\"schema\":"
    "{\"type\" :\"object\"}}},\"tern\":{\"deadline\":\"8h\"}}";

/* Says a body of Ollama's in OpenAI's words; NULL when those are none for it. */
static char *said_of(ti_ask_kind kind, const char *text)
{
    ti_arena arena = {0};
    ti_ask ask;
    ti_refusal why;
    ti_buf out = {0};
    assert_true(ti_ask_read(&ask, &arena, kind, text, strlen(text), &why));
    if (ti_relay_can_say(&ask)) {
        ti_relay_say(&out, &ask);
        assert_false(out.failed);
    }
    ti_arena_free(&arena);
    return out.data;
}

static void ollamas_words(void **state)
{
    static const char *const mine[] = {"{\"prompt\":\"a\",\"raw\":true}",
                                       "{\"prompt\":\"a\",\"logprobs\":true}", "{}",
                                       "{\"prompt\":\"\",\"keep_alive\":0}"};
    (void)state;
    char *said = said_of(TI_ASK_OLLAMA_CHAT, ollamas);
    assert_string_equal(said, openais);
    free(said);
    said =
        said_of(TI_ASK_OLLAMA_TEXT, "{\"system\":\"s\",\"prompt\":\"p\",\"format\":\"json\"}");
    assert_string_equal(said,
                        "{\"model\":\"\",\"messages\":[{\"role\":\"system\",\"content\":\"s\"},"
                        "{\"role\":\"user\",\"content\":\"p\"}],\"stream\":true,"
                        "\"response_format\":{\"type\":\"json_object\"}}");
    free(said);
    for (size_t i = 0; i < sizeof mine / sizeof mine[0]; i++) {
        assert_null(said_of(TI_ASK_OLLAMA_TEXT, mine[i]));
    }
}

/* The end of a stream of Ollama's, or the whole of an answer, of one object of OpenAI's. */
static bool ended(ti_buf *out, ti_ask_kind kind, const char *text, bool whole)
{
    static const ti_route_row nothing;
    static const ti_upstream nobody = {.name = "nobody"};
    const ti_relay_cost cost = {.upstream = &nobody,
                                .candidate = &nobody.candidate,
                                .row = &nothing,
                                .tokens = {3, 4, false}};
    const ti_ask ask = {0};
    const ti_serve_usage times = {.queued_ns = 5, .prompt_ns = 6, .total_ns = 18};
    const ti_told told = {.kind = kind, .model = "m", .ask = &ask, .usage = &times};
    ti_arena arena = {0};
    ti_relay_piece piece;
    bool good = ti_relay_piece_read(&piece, &arena, text, strlen(text), NULL) == TERN_OK;
    if (good) {
        ti_relay_ollama_end(out, &told, &piece, &cost, whole);
    }
    ti_arena_free(&arena);
    return good && !out->failed;
}

static void ollamas_answers(void **state)
{
#define HEAD "{\"model\":\"m\",\"created_at\":\"1970-01-01T00:00:00.000000000Z\","
#define FIGURES                                                                        \
    "\"total_duration\":18,\"load_duration\":0,\"prompt_eval_count\":3,"               \
    "\"prompt_eval_duration\":6,\"eval_count\":4,\"eval_duration\":7,\"energy\":null," \
    "\"carbon\":null,\"receipt\":null}"
    static const char object[] =
        "{\"choices\":[{\"index\":0,\"message\":{\"content\":\"Hi\\n\"},"
        "\"finish_reason\":\"length\"}]}";
    static const char delta[] =
        "{\"choices\":[{\"delta\":{\"content\":\"Hi\"},\"finish_reason\":\"stop\"}]}";
    static const char whole[] =
        HEAD "\"message\":{\"role\":\"assistant\",\"content\":\"Hi\\n\"},"
             "\"done\":true,\"done_reason\":\"length\"," FIGURES;
    static const char stream_end[] =
        HEAD "\"response\":\"Hi\",\"done\":false}\n" HEAD
             "\"response\":\"\",\"done\":true,\"done_reason\":\"stop\"," FIGURES "\n";
    ti_buf out = {0};
    bool failed = true;
    (void)state;
    for (long n = 0; failed; n++) {
        oom_fail_at(n);
        bool good = ended(&out, TI_ASK_OLLAMA_CHAT, object, true);
        failed = oom_disarm();
        assert_true(good || failed);
        if (!failed) {
            assert_string_equal(out.data, whole);
        }
        ti_buf_free(&out);
    }
    assert_true(ended(&out, TI_ASK_OLLAMA_TEXT, delta, false));
    assert_string_equal(out.data, stream_end);
    ti_buf_free(&out);
    assert_true(ended(&out, TI_ASK_OLLAMA_TEXT, "{\"choices\":[{\"delta\":null}]}", false));
    assert_string_equal(out.data, strchr(stream_end, '\n') + 1);
    ti_buf_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(streams_cut_anywhere),
        cmocka_unit_test(streams_have_limits),
        cmocka_unit_test(streams_without_memory),
        cmocka_unit_test(a_request_goes_on),
        cmocka_unit_test(requests_that_are_refused),
        cmocka_unit_test(what_answers_say),
        cmocka_unit_test(usages_that_cannot_be),
        cmocka_unit_test(what_a_client_gets),
        cmocka_unit_test(headers),
        cmocka_unit_test(ollamas_words),
        cmocka_unit_test(ollamas_answers),
        cmocka_unit_test_setup_teardown(a_day_is_charged, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(files_that_are_none, make_folder, remove_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
