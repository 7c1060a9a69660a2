/* SPDX-License-Identifier: Apache-2.0 */
/* The default model answers as the float64 reference does, token for token, and rightly. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

#include "golden.h"
#include "tern/session.h"

enum { MAX_IDS = 256, PROMPTS = 20 };

static tern_model *model;

/* Where `tern pull` keeps it (src/cli/models.c). */
static bool find_model(char *path, size_t size)
{
    static const char file[] = "models/SmolLM2-135M-Instruct.Q4_1.gguf";
    const char *own = getenv("TERN_CACHE"), *xdg = getenv("XDG_CACHE_HOME");
    const char *home = getenv("HOME");
    if (own && *own) {
        snprintf(path, size, "%s/%s", own, file);
    } else if (xdg && *xdg == '/') {
        snprintf(path, size, "%s/tern/%s", xdg, file);
    } else {
        snprintf(path, size, "%s/.cache/tern/%s", home ? home : "", file);
    }
    return access(path, R_OK) == 0;
}

static int setup(void **state)
{
    (void)state;
    char path[1024];
    tern_err err;
    if (find_model(path, sizeof path) && tern_model_open(&model, path, NULL, &err) != TERN_OK) {
        print_error("%s\n", err.message);
        return 1;
    }
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    tern_model_close(model);
    return 0;
}

static void need_model(void)
{
    if (!model) {
        print_message(
            "SKIPPED: the default model is not in the cache (./dev setup obtains it)\n");
        skip();
    }
}

/* The tokens that follow a prompt, up to `n`, the one that ends the answer included. */
static size_t answer(tern_session *s, const tern_token *prompt, size_t n_prompt,
                     tern_token *out, size_t n)
{
    tern_err err;
    assert_int_equal(tern_session_truncate(s, 0, &err), TERN_OK);
    assert_int_equal(tern_session_feed(s, prompt, n_prompt, &err), TERN_OK);
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(tern_session_next(s, &out[i], &err), TERN_OK);
        if (tern_model_token_ends(model, out[i])) {
            return i + 1;
        }
    }
    return n;
}

static void test_greedy_tokens(void **state)
{
    (void)state;
    need_model();
    static char golden[32768];
    golden_read("smollm2.greedy", golden, sizeof golden);
    const tern_session_opts opts = {.n_ctx = 256};
    tern_session *s = NULL;
    tern_err err;
    assert_int_equal(tern_session_create(&s, model, &opts, &err), TERN_OK);
    int prompts = 0;
    for (const char *at = golden; *at;) {
        if (*at == '#' || *at == '\n') {
            at += strcspn(at, "\n") + 1;
            continue;
        }
        tern_token prompt[MAX_IDS], expected[MAX_IDS], got[MAX_IDS];
        size_t n_prompt = golden_ids(&at, prompt, MAX_IDS);
        size_t n = golden_ids(&at, expected, MAX_IDS);
        assert_in_range(n_prompt, 10, MAX_IDS - 1);
        assert_in_range(n, 3, MAX_IDS - 1);
        size_t n_got = answer(s, prompt, n_prompt, got, n);
        for (size_t i = 0; i < n; i++) {
            if (i >= n_got || got[i] != expected[i]) {
                fail_msg("prompt %d: token %zu is %d, must be %d", prompts + 1, i,
                         i < n_got ? (int)got[i] : -1, (int)expected[i]);
            }
        }
        prompts++;
    }
    assert_int_equal(prompts, PROMPTS);
    tern_session_destroy(s);
}

/* The prompts of the golden file are what the chat template makes of the questions. */
static void test_chat_tokens(void **state)
{
    (void)state;
    need_model();
    const char *source = getenv("TERN_SOURCE");
    char path[1024], question[256];
    static char golden[32768];
    snprintf(path, sizeof path, "%s/tests/data/prompts20.txt", source ? source : ".");
    golden_read("smollm2.greedy", golden, sizeof golden);
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    const char *at = golden;
    int prompts = 0;
    while (fgets(question, sizeof question, f)) {
        question[strcspn(question, "\n")] = '\0';
        while (*at == '#') {
            at += strcspn(at, "\n") + 1;
        }
        tern_token expected[MAX_IDS], rest[MAX_IDS], got[MAX_IDS];
        size_t n = golden_ids(&at, expected, MAX_IDS), n_got = 0;
        (void)golden_ids(&at, rest, MAX_IDS);
        const tern_message message = {"user", question};
        tern_err err;
        assert_int_equal(
            tern_model_chat_tokens(model, got, MAX_IDS, &n_got, &message, 1, true, &err),
            TERN_OK);
        assert_int_equal(n_got, n);
        assert_memory_equal(got, expected, n * sizeof *got);
        prompts++;
    }
    fclose(f);
    assert_int_equal(prompts, PROMPTS);
}

static void test_capital_of_france(void **state)
{
    (void)state;
    need_model();
    const tern_message message = {"user", "What is the capital of France?"};
    tern_token prompt[MAX_IDS], got[24];
    size_t n = 0;
    char text[512] = "";
    size_t used = 0;
    tern_session *s = NULL;
    tern_err err;
    assert_int_equal(
        tern_model_chat_tokens(model, prompt, MAX_IDS, &n, &message, 1, true, &err), TERN_OK);
    assert_int_equal(tern_session_create(&s, model, NULL, &err), TERN_OK);
    size_t n_got = answer(s, prompt, n, got, sizeof got / sizeof got[0]);
    for (size_t i = 0; i < n_got; i++) {
        size_t len;
        const char *bytes = tern_model_token_bytes(model, got[i], &len);
        len = len < sizeof text - 1 - used ? len : 0;
        memcpy(text + used, bytes, len);
        used += len;
    }
    text[used] = '\0';
    if (!strstr(text, "Paris")) {
        fail_msg("the answer is '%s'", text);
    }
    tern_session_destroy(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_greedy_tokens),
        cmocka_unit_test(test_chat_tokens),
        cmocka_unit_test(test_capital_of_france),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
