/* SPDX-License-Identifier: Apache-2.0 */
/* Published vectors: 47 texts for each of nine models, and the ids that the models' own
 * tokenizers give (no begin-of-text token, no markers recognised).  Seven vocabularies are GGUF
 * files; two come out of the converter from a tokenizer.json.  And: real files give back what
 * they were given. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/file.h"
#include "convert/convert.h"
#include "model/tok.h"

enum { MAX_FILE = 1 << 26, MAX_IDS = 4096, N_TEXTS = 47 };
static const char separator[] = "\n__ggml_vocab_test__\n";

static char *data_path(ti_buf *b, const char *name)
{
    const char *data = getenv("TERN_DATA");
    ti_buf_clear(b);
    ti_buf_addf(b, "%s/%s", data ? data : "../shared/data", name);
    assert_false(b->failed);
    return b->data;
}

/* Opens the vocabulary of a GGUF file, or returns NULL when there is no such file. */
static ti_vocab *open_vocab(const char *path)
{
    if (access(path, R_OK) != 0) {
        return NULL;
    }
    ti_gguf g;
    ti_vocab *v = NULL;
    tern_err err = {0};
    const ti_gguf_opts opts = {.directory_only = true};
    if (ti_gguf_open(&g, path, &opts, &err) != TERN_OK) {
        fail_msg("%s: %s", path, err.message);
    }
    if (ti_vocab_create(&v, &g, &err) != TERN_OK) {
        fail_msg("%s: %s", path, err.message);
    }
    ti_gguf_close(&g);
    return v;
}

static void check_text(const ti_vocab *v, int number, const char *text, size_t len,
                       const char *line)
{
    tern_token got[MAX_IDS];
    size_t n = 0, k = 0;
    tern_err err = {0};
    if (ti_vocab_tokenize(v, got, MAX_IDS, &n, text, len, 0, &err) != TERN_OK) {
        fail_msg("text %d: %s", number, err.message);
    }
    for (char *end;; line = end, k++) {
        while (*line == ' ') {
            line++;
        }
        if (*line == '\n' || *line == '\0') {
            break;
        }
        long want = strtol(line, &end, 10);
        if (k >= n || got[k] != want) {
            fail_msg("text %d '%.*s': token %zu is %d, not %ld", number, (int)len, text, k,
                     k < n ? got[k] : -1, want);
        }
    }
    assert_int_equal(k, n);
}

static void check_vectors(const ti_vocab *v, const char *name)
{
    ti_buf path = {0};
    char file[96];
    char *texts, *ids;
    size_t n_texts, n_ids;
    tern_err err;
    snprintf(file, sizeof file, "tok/vectors/ggml-vocab-%s.gguf.inp", name);
    assert_int_equal(ti_read_file(&texts, &n_texts, data_path(&path, file), MAX_FILE, &err),
                     TERN_OK);
    memcpy(strstr(file, ".inp"), ".out", 4);
    assert_int_equal(ti_read_file(&ids, &n_ids, data_path(&path, file), MAX_FILE, &err),
                     TERN_OK);
    const char *text = texts;
    const char *line = ids;
    int number = 0;
    for (;; number++) {
        const char *end = strstr(text, separator);
        size_t len = end ? (size_t)(end - text) : strlen(text);
        check_text(v, number, text, len, line);
        if (!end) {
            break;
        }
        text = end + strlen(separator);
        line = strchr(line, '\n');
        assert_non_null(line);
        line++;
    }
    assert_int_equal(number + 1, N_TEXTS);
    free(texts);
    free(ids);
    ti_buf_free(&path);
}

static void test_gguf(void **state)
{
    static const char *const names[] = {"gpt-2",        "falcon",    "starcoder", "refact",
                                        "deepseek-llm", "llama-spm", "phi-3"};
    (void)state;
    int n = 0;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        ti_buf path = {0};
        char file[64];
        snprintf(file, sizeof file, "tok/vectors/ggml-vocab-%s.gguf", names[i]);
        ti_vocab *v = open_vocab(data_path(&path, file));
        ti_buf_free(&path);
        if (v) {
            check_vectors(v, names[i]);
            ti_vocab_destroy(v);
            n++;
        }
    }
    if (n == 0) {
        print_message("SKIPPED: no vocabularies in $TERN_DATA/tok/vectors\n");
        skip();
    }
}

/* Text of many kinds, with invalid bytes; all of it comes back. */
static void round_trip(const ti_vocab *v)
{
    static const char text[] =
        "The quick brown fox; it's 12345 o'clock.\r\n\tif (a<b) { x++; }\n\n"
        "caf\xc3\xa9 \xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e "
        "\xf0\x9f\x91\xa9\xe2\x80\x8d\xf0\x9f\x94\xac <|im_start|>   end ";
    tern_token ids[512];
    size_t n = 0, at = 0;
    assert_int_equal(ti_vocab_tokenize(v, ids, 512, &n, text, sizeof text - 1, 0, NULL),
                     TERN_OK);
    for (size_t i = 0; i < n; i++) {
        size_t len;
        const char *bytes = ti_vocab_bytes(v, ids[i], &len);
        assert_true(len <= sizeof text - 1 - at);
        assert_memory_equal(bytes, text + at, len);
        at += len;
    }
    assert_int_equal(at, sizeof text - 1);
}

static void convert_and_check(const char *folder, const char *name)
{
    ti_buf in = {0}, out = {0};
    char file[64];
    tern_err err = {0};
    const char *build = getenv("TERN_BUILD");
    snprintf(file, sizeof file, "tok/%s/tokenizer.json", folder);
    if (access(data_path(&in, file), R_OK) != 0) {
        ti_buf_free(&in);
        print_message("SKIPPED: no $TERN_DATA/%s\n", file);
        skip();
    }
    ti_buf_addf(&out, "%s/test-vectors-%s-%ld.gguf", build ? build : ".", name, (long)getpid());
    if (ti_convert(in.data, out.data, NULL, &err) != TERN_OK) {
        fail_msg("%s: %s", in.data, err.message);
    }
    ti_vocab *v = open_vocab(out.data);
    assert_int_equal(remove(out.data), 0);
    check_vectors(v, name);
    round_trip(v);
    ti_vocab_destroy(v);
    ti_buf_free(&in);
    ti_buf_free(&out);
}

static void test_llama3(void **state)
{
    (void)state;
    convert_and_check("llama3", "llama-bpe");
}

static void test_qwen(void **state)
{
    (void)state;
    convert_and_check("qwen3", "qwen2");
}

static void test_any_model(void **state)
{
    (void)state;
    const char *path = getenv("TERN_TEST_GGUF");
    if (!path) {
        print_message("SKIPPED: TERN_TEST_GGUF names no file with a byte-level vocabulary\n");
        skip();
    }
    ti_vocab *v = open_vocab(path);
    assert_non_null(v);
    round_trip(v);
    ti_vocab_destroy(v);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gguf),
        cmocka_unit_test(test_llama3),
        cmocka_unit_test(test_qwen),
        cmocka_unit_test(test_any_model),
    };
    return cmocka_run_group_tests_name("tok_vectors", tests, NULL, NULL);
}
