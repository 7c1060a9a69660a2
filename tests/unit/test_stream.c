/* SPDX-License-Identifier: Apache-2.0 */
/* Streamed text: whole characters, stop sequences, and the same text for every way of cutting
 * it into tokens. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "model/vocab.h"
#include "oom.h"
#include "tok_build.h"

enum { MAX_TEXT = 4096 };

static tb_vocab spec; /* too large for the stack of a test */
static ti_vocab *vocab;

static int set_up(void **state)
{
    tern_err err = {0};
    (void)state;
    tb_bpe(&spec);
    vocab = tb_create(&spec, &err);
    return vocab ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    ti_vocab_destroy(vocab);
    return 0;
}

static tern_stream *create(const char *const *stops, size_t n)
{
    tern_stream *s = NULL;
    tern_err err = {0};
    if (ti_stream_create(&s, vocab, stops, n, &err) != TERN_OK) {
        fail_msg("%s", err.message);
    }
    return s;
}

/* Pushes a token and compares what comes out. */
static void push(tern_stream *s, tern_token token, const char *want, bool want_stopped)
{
    size_t len = 77;
    bool stopped = !want_stopped;
    const char *text = tern_stream_push(s, token, &len, &stopped);
    if (len != strlen(want) || memcmp(text, want, len) != 0 || stopped != want_stopped) {
        fail_msg("token %d: want '%s'%s, got '%.*s'%s", token, want,
                 want_stopped ? " and a stop" : "", (int)len, text,
                 stopped ? " and a stop" : "");
    }
}

static void flush(tern_stream *s, const char *want)
{
    size_t len = 77;
    const char *text = tern_stream_flush(s, &len);
    if (len != strlen(want) || memcmp(text, want, len) != 0) {
        fail_msg("flush: want '%s', got '%.*s'", want, (int)len, text);
    }
}

#define BAD "\xef\xbf\xbd" /* U+FFFD */

static void test_whole_characters(void **state)
{
    (void)state;
    tern_stream *s = create(NULL, 0);
    push(s, TB_HELLO, "hello", false);
    push(s, TB_WORLD, " world", false);
    push(s, 0xc3, "", false);
    push(s, 0xa9, "\xc3\xa9", false);
    push(s, 0xf0, "", false);
    push(s, 0x9f, "", false);
    push(s, 0x91, "", false);
    push(s, 0x8d, "\xf0\x9f\x91\x8d", false);
    push(s, TB_EOS, "", false); /* no bytes, no effect */
    push(s, TB_THINK, "<think>", false);
    push(s, -1, "", false);
    push(s, (tern_token)spec.n, "", false);
    flush(s, "");
    tern_stream_destroy(s);
    tern_stream_destroy(NULL);
}

static void test_nul(void **state)
{
    (void)state;
    tern_stream *s = create(NULL, 0);
    size_t len;
    bool stopped;
    const char *text = tern_stream_push(s, 0, &len, &stopped);
    assert_int_equal(len, 1);
    assert_int_equal(text[0], '\0');
    tern_stream_destroy(s);
}

/* One U+FFFD for each attempt at a character, as Unicode recommends. */
static void test_no_utf8(void **state)
{
    (void)state;
    tern_stream *s = create(NULL, 0);
    push(s, 0xff, BAD, false);
    push(s, 0x80, BAD, false);
    push(s, 0xe2, "", false);
    push(s, 0x96, "", false);
    push(s, 'a', BAD "a", false); /* cut off */
    push(s, 0xe2, "", false);
    push(s, 0xe2, BAD, false); /* and begun again */
    push(s, 0x96, "", false);
    push(s, 0x81, "\xe2\x96\x81", false);
    push(s, 0xf0, "", false);
    push(s, 0x80, BAD BAD, false); /* overlong: neither byte can belong to a character */
    push(s, 0xed, "", false);
    push(s, 0xa0, BAD BAD, false); /* a surrogate */
    push(s, 0xf4, "", false);
    push(s, 0x8f, "", false);
    push(s, 0xbf, "", false);
    flush(s, BAD);
    flush(s, "");
    push(s, 'b', "b", false);
    tern_stream_destroy(s);
}

static void test_stop(void **state)
{
    (void)state;
    static const char *const stops[] = {"world", "\n\n", "lo!"};
    tern_stream *s = create(stops, 3);
    push(s, 'a', "a", false);
    push(s, TB_HELLO, "hel", false); /* "lo" may be the start of "lo!" */
    push(s, ' ', "lo ", false);
    push(s, 'w', "", false);
    push(s, 'o', "", false);
    push(s, 'w', "wo", false);
    push(s, 'o', "", false);
    push(s, 'r', "", false);
    push(s, 'l', "", false);
    push(s, 'd', "", true);
    push(s, 'x', "", true); /* it stays stopped */
    flush(s, "");
    tern_stream_destroy(s);
    s = create(stops, 3);
    push(s, TB_WORLD, " ", true); /* inside one token */
    tern_stream_destroy(s);
    s = create(stops, 3);
    push(s, TB_HELLO, "hel", false);
    push(s, '!', "", true);
    tern_stream_destroy(s);
    s = create(stops, 3);
    push(s, '\n', "", false);
    push(s, TB_EOS, "", false);
    flush(s, "\n"); /* it was none */
    push(s, '\n', "", false);
    push(s, 0xe2, "", false);
    flush(s, "\n" BAD);
    tern_stream_destroy(s);
}

/* What is complete first wins, wherever tokens are cut; of two that end together the longer. */
static void test_first_stop(void **state)
{
    (void)state;
    static const char *const stops[] = {"hello!", "ll", "ell"};
    tern_stream *s = create(stops, 3);
    push(s, TB_HELLO, "h", true);
    tern_stream_destroy(s);
    s = create(stops, 3);
    push(s, 'h', "", false);
    push(s, 'e', "", false);
    push(s, 'l', "", false);
    push(s, 'l', "h", true);
    tern_stream_destroy(s);
    static const char *const replaced[] = {BAD};
    s = create(replaced, 1);
    push(s, 'a', "a", false);
    push(s, 0xff, "", true);
    tern_stream_destroy(s);
    s = create(replaced, 1);
    push(s, 0xe2, "", false);
    flush(s, ""); /* what is replaced at the end can be a stop as well */
    tern_stream_destroy(s);
}

/* Joins all that a stream gives for these bytes, each cut at random into tokens. */
static size_t stream_all(char *out, const char *text, size_t len, const char *const *stops,
                         size_t n_stops, uint64_t *seed)
{
    tern_stream *s = create(stops, n_stops);
    size_t at = 0, n;
    bool stopped = false;
    for (size_t i = 0; i < len && !stopped;) {
        *seed = *seed * 6364136223846793005u + 1442695040888963407u;
        tern_token token = (unsigned char)text[i];
        size_t size = 1;
        for (uint32_t id = 256; id < TB_BOS && (*seed >> 40) % 2; id++) {
            ti_str known = ti_vocab_text(vocab, id);
            if (known.len > size && known.len <= len - i &&
                memcmp(known.data, text + i, known.len) == 0) {
                token = (tern_token)id;
                size = known.len;
            }
        }
        const char *part = tern_stream_push(s, token, &n, &stopped);
        assert_int_equal(ti_utf8_complete(part, n), n);
        memcpy(out + at, part, n);
        at += n;
        i += size;
    }
    const char *rest = tern_stream_flush(s, &n);
    memcpy(out + at, rest, n);
    assert_true(!stopped || n == 0);
    tern_stream_destroy(s);
    return at + n;
}

static void test_cuts_do_not_matter(void **state)
{
    (void)state;
    static const char *const stops[] = {"aab", "lo w", "\n\n", "or\xc3\xa9", "12"};
    static const char *const parts[] = {"hello", " world", "a",  "aaaa", "b",    "\n",
                                        "\xc3",  "\xa9",   "or", "\xff", "user", "1"};
    uint64_t seed = 7;
    for (int round = 0; round < 500; round++) {
        char text[256], one[MAX_TEXT], other[MAX_TEXT];
        size_t len = 0;
        while (len < 60) {
            seed = seed * 6364136223846793005u + 1442695040888963407u;
            const char *part = parts[(seed >> 33) % (sizeof parts / sizeof parts[0])];
            memcpy(text + len, part, strlen(part));
            len += strlen(part);
        }
        size_t n_stops = (size_t)round % 6;
        size_t n_one = stream_all(one, text, len, stops, n_stops, &seed);
        size_t n_other = stream_all(other, text, len, stops, n_stops, &seed);
        assert_int_equal(n_one, n_other);
        assert_memory_equal(one, other, n_one);
        for (size_t i = 0; i < n_stops; i++) { /* and no stop is in what came out */
            size_t size = strlen(stops[i]);
            for (size_t at = 0; at + size <= n_one; at++) {
                assert_true(memcmp(one + at, stops[i], size) != 0);
            }
        }
    }
}

static void refuse(const char *const *stops, size_t n, tern_status want, const char *text)
{
    tern_stream *s = NULL;
    tern_err err = {0};
    assert_int_equal(ti_stream_create(&s, vocab, stops, n, &err), want);
    assert_null(s);
    assert_string_equal(err.module, "stream");
    if (!strstr(err.message, text)) {
        fail_msg("wanted '%s', got '%s'", text, err.message);
    }
}

static void test_limits(void **state)
{
    (void)state;
    char longest[258];
    const char *many[65];
    memset(longest, 'a', 257);
    longest[257] = '\0';
    for (size_t i = 0; i < 65; i++) {
        many[i] = "stop";
    }
    refuse(many, 65, TERN_LIMIT, "65 stop sequences");
    many[63] = longest;
    refuse(many, 64, TERN_LIMIT, "stop sequence 63 is over");
    many[63] = "";
    refuse(many, 64, TERN_USAGE, "stop sequence 63 is empty");
    many[63] = NULL;
    refuse(many, 64, TERN_USAGE, "stop sequence 63 is empty");
    many[63] = "a\xc3";
    refuse(many, 64, TERN_USAGE, "stop sequence 63 is no UTF-8");
    many[63] = longest + 1; /* 256 bytes */
    tern_stream *s = create(many, 64);
    for (int i = 0; i < 255; i++) {
        push(s, 'a', "", false);
    }
    longest[255] = 'b'; /* now none of it can be a stop: 255 times a, and b */
    longest[256] = '\0';
    push(s, 'b', longest, false);
    tern_stream_destroy(s);
}

/* The longest token, all of it invalid, behind the longest text that may wait. */
static void test_fits(void **state)
{
    (void)state;
    char stop[257], bytes[TB_MAX_TEXT] = "";
    for (size_t n = 0; n + 4 < TB_MAX_TEXT;) {
        n += tb_byte_char(0xff, bytes + n);
    }
    tb_bpe(&spec);
    uint32_t id = tb_add(&spec, bytes, TB_NORMAL, 0);
    tern_err err = {0};
    ti_vocab *v = tb_create(&spec, &err);
    assert_non_null(v);
    memset(stop, 'a', 256);
    stop[256] = '\0';
    const char *stops[] = {stop};
    tern_stream *s = NULL;
    assert_int_equal(ti_stream_create(&s, v, stops, 1, &err), TERN_OK);
    for (int i = 0; i < 255; i++) {
        push(s, 'a', "", false);
    }
    push(s, 0xf0, "", false);
    push(s, 0x9f, "", false);
    push(s, 0x91, "", false);
    size_t len;
    bool stopped;
    (void)tern_stream_push(s, (tern_token)id, &len, &stopped);
    size_t n;
    (void)ti_vocab_bytes(v, (tern_token)id, &n);
    assert_int_equal(len, 255 + 3 + 3 * n);
    tern_stream_destroy(s);
    ti_vocab_destroy(v);
    tb_bpe(&spec);
}

/* One allocation to create, none after. */
static void test_memory(void **state)
{
    (void)state;
    static const char *const stops[] = {"hello!", "x"};
    tern_stream *s = NULL;
    tern_err err = {0};
    oom_fail_at(0);
    assert_int_equal(ti_stream_create(&s, vocab, stops, 2, &err), TERN_NOMEM);
    assert_true(oom_disarm());
    assert_null(s);
    s = create(stops, 2);
    oom_fail_at(0);
    for (tern_token t = 0; t < (tern_token)spec.n; t++) {
        size_t len;
        bool stopped;
        (void)tern_stream_push(s, t, &len, &stopped);
        (void)tern_stream_flush(s, &len);
    }
    assert_int_equal(oom_count(), 0);
    assert_false(oom_disarm());
    tern_stream_destroy(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_whole_characters), cmocka_unit_test(test_nul),
        cmocka_unit_test(test_no_utf8),          cmocka_unit_test(test_stop),
        cmocka_unit_test(test_first_stop),       cmocka_unit_test(test_cuts_do_not_matter),
        cmocka_unit_test(test_limits),           cmocka_unit_test(test_fits),
        cmocka_unit_test(test_memory),
    };
    return cmocka_run_group_tests_name("stream", tests, set_up, tear_down);
}
