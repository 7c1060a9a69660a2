/* SPDX-License-Identifier: Apache-2.0 */
/* The tokenizers of Llama 3 and Qwen 3, converted, must give the tokens that the models' own
 * tokenizers gave for llama.cpp's test texts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/file.h"
#include "convert/convert.h"
#include "convert_build.h"
#include "model/tok.h"

enum { MAX_TOKENS = 1024, MAX_BYTES = 1 << 20 };

/* The path of something in the larger test data, or a skipped test. */
static void data_path(char to[256], const char *name)
{
    const char *data = getenv("TERN_DATA");
    snprintf(to, 256, "%s/%s", data ? data : "../shared/data", name);
    if (access(to, R_OK) != 0) {
        print_message("SKIPPED: '%s' is not there\n", to);
        skip();
    }
}

/* One line of numbers; *text moves behind it. */
static size_t read_line(tern_token *out, char **text)
{
    size_t n = 0;
    char *end = strchr(*text, '\n');
    assert_non_null(end);
    while (*text < end) {
        char *next;
        long id = strtol(*text, &next, 10);
        if (next == *text || next > end) {
            break;
        }
        assert_true(n < MAX_TOKENS);
        out[n++] = (tern_token)id;
        *text = next;
    }
    *text = end + 1;
    return n;
}

/* The texts are separated by a line of its own; the tokens have a line each. */
static void check_vectors(const ti_vocab *v, const char *inputs, const char *outputs)
{
    static const char separator[] = "\n__ggml_vocab_test__\n";
    char *texts, *tokens, *line, *text;
    size_t size, checked = 0;
    tern_token want[MAX_TOKENS], have[MAX_TOKENS];
    assert_int_equal(ti_read_file(&texts, &size, inputs, MAX_BYTES, NULL), TERN_OK);
    assert_int_equal(ti_read_file(&tokens, &size, outputs, MAX_BYTES, NULL), TERN_OK);
    line = tokens;
    text = texts;
    while (*text) {
        char *end = strstr(text, separator);
        size_t n = 0, len = end ? (size_t)(end - text) : strlen(text), expected;
        tern_err err = {0};
        if (!end) {
            break; /* after the last separator */
        }
        expected = read_line(want, &line);
        if (ti_vocab_tokenize(v, have, MAX_TOKENS, &n, text, len, 0, &err) != TERN_OK) {
            fail_msg("text %zu: %s", checked, err.message);
        }
        if (n != expected || memcmp(want, have, n * sizeof *have) != 0) {
            fail_msg("text %zu '%.*s': %zu tokens, %zu were expected, or others", checked,
                     (int)len, text, n, expected);
        }
        checked++;
        text = end + sizeof separator - 1;
    }
    assert_true(checked > 40);
    free(texts);
    free(tokens);
}

static void converted_vectors(const char *tokenizer, const char *vectors)
{
    char in[256], inputs[300], outputs[300], dir[64], out[160];
    ti_gguf g;
    ti_vocab *v = NULL;
    tern_err err = {0};
    data_path(in, tokenizer);
    data_path(inputs, vectors);
    snprintf(outputs, sizeof outputs, "%s", inputs);
    memcpy(outputs + strlen(outputs) - 4, ".out", 5);
    cb_folder(dir);
    cb_path(out, dir, "v.gguf");
    if (ti_convert(in, out, NULL, &err) != TERN_OK ||
        ti_gguf_open(&g, out, NULL, &err) != TERN_OK ||
        ti_vocab_create(&v, &g, &err) != TERN_OK) {
        fail_msg("%s: %s", err.module, err.message);
    }
    ti_gguf_close(&g);
    cb_remove(dir);
    check_vectors(v, inputs, outputs);
    ti_vocab_destroy(v);
}

static void llama3(void **state)
{
    (void)state;
    converted_vectors("tok/llama3/tokenizer.json", "tok/vectors/ggml-vocab-llama-bpe.gguf.inp");
}

static void qwen3(void **state)
{
    (void)state;
    converted_vectors("tok/qwen3/tokenizer.json", "tok/vectors/ggml-vocab-qwen2.gguf.inp");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(llama3),
        cmocka_unit_test(qwen3),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
