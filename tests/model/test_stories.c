/* SPDX-License-Identifier: Apache-2.0 */
/* stories260K, a trained model: converted from llama2.c's files, it tells the story that
 * llama2.c tells. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

#include "convert/convert.h"
#include "golden.h"
#include "tern/session.h"
#include "tiny.h"

enum { MAX_STORY = 400, MIN_STORY = 200, BEGIN = 1 };

static char golden[8192];

/* Opens the model, or skips the test where the data is not. */
static tern_model *open_stories(const tern_model_opts *opts)
{
    const char *data = getenv("TERN_DATA");
    char in[1024], tokenizer[1024], out[TINY_PATH_BYTES * 2];
    snprintf(in, sizeof in, "%s/weights/stories260K/stories260K.bin", data ? data : "");
    snprintf(tokenizer, sizeof tokenizer, "%s/weights/stories260K/tok512.bin",
             data ? data : "");
    if (!data || access(in, R_OK) != 0) {
        print_message("SKIPPED: TERN_DATA has no weights/stories260K\n");
        skip();
    }
    snprintf(out, sizeof out, "%s", tiny_path("stories.gguf"));
    const ti_convert_opts convert = {.tokenizer = tokenizer};
    tern_err err = {.message = ""};
    tern_model *model = NULL;
    if (ti_convert(in, out, &convert, &err) != TERN_OK ||
        tern_model_open(&model, out, opts, &err) != TERN_OK) {
        fail_msg("%s", err.message);
    }
    golden_read("stories260K.greedy", golden, sizeof golden);
    return model;
}

/* The session's answer to the token that begins a text. */
static void tell(const tern_model *model, const tern_session_opts *opts, tern_token *story,
                 size_t n)
{
    const tern_token begin = BEGIN;
    tern_session *s = NULL;
    tern_err err;
    assert_int_equal(tern_session_create(&s, model, opts, &err), TERN_OK);
    assert_int_equal(tern_session_feed(s, &begin, 1, &err), TERN_OK);
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(tern_session_next(s, &story[i], &err), TERN_OK);
    }
    tern_session_destroy(s);
}

static void test_tokens(void **state)
{
    (void)state;
    tern_model *model = open_stories(NULL);
    tern_token expected[MAX_STORY], story[MAX_STORY];
    const char *at = golden;
    size_t n = golden_ids(&at, expected, MAX_STORY);
    assert_in_range(n, MIN_STORY, MAX_STORY);
    tell(model, NULL, story, n);
    for (size_t i = 0; i < n; i++) {
        if (story[i] != expected[i]) {
            fail_msg("token %zu is %d, must be %d", i, (int)story[i], (int)expected[i]);
        }
    }
    tern_model_close(model);
}

static void test_text(void **state)
{
    (void)state;
    tern_model *model = open_stories(NULL);
    tern_token story[MAX_STORY];
    char text[4096];
    size_t used = 0, len;
    bool stopped;
    tern_stream *stream = NULL;
    tern_err err;
    const char *expected = golden;
    size_t n = golden_ids(&expected, story, MAX_STORY);
    tell(model, NULL, story, n);
    assert_int_equal(tern_stream_create(&stream, model, NULL, 0, &err), TERN_OK);
    for (size_t i = 0; i <= n; i++) {
        const char *piece = i < n ? tern_stream_push(stream, story[i], &len, &stopped)
                                  : tern_stream_flush(stream, &len);
        assert_true(len < sizeof text - used);
        memcpy(text + used, piece, len);
        used += len;
    }
    text[used] = '\0';
    tern_stream_destroy(stream);
    /* llama2.c prints no blank at the start of a text, and the file ends with a newline */
    size_t blank = text[0] == ' ' && expected[0] != ' ';
    size_t length = strlen(expected);
    length -= length > 0 && expected[length - 1] == '\n';
    assert_in_range(length, 500, sizeof text);
    assert_int_equal(used - blank, length);
    assert_memory_equal(text + blank, expected, length);
    tern_model_close(model);
}

/* The cache in int8, and every kernel set: the first sentences are the same. */
static void test_int8_cache(void **state)
{
    (void)state;
    enum { FIRST = 50 };
    tern_model *model = open_stories(NULL);
    const tern_session_opts opts = {.kv = TERN_KV_I8, .threads = 2};
    tern_token expected[MAX_STORY], story[FIRST];
    const char *at = golden;
    assert_in_range(golden_ids(&at, expected, MAX_STORY), FIRST, MAX_STORY);
    tell(model, &opts, story, FIRST);
    assert_memory_equal(story, expected, sizeof story);
    tern_model_close(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tokens),
        cmocka_unit_test(test_text),
        cmocka_unit_test(test_int8_cache),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
