/* SPDX-License-Identifier: Apache-2.0 */
/* What a mask costs: bench_grammar MODEL.gguf
 *
 * Reads a text in pieces of four bytes, as if each were a token, and asks for the mask before
 * each: once with nothing known, then again when states and masks are kept.  CPU time. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "model/matcher.h"
#include "model/weights.h"

enum { PIECE = 4, MASKS = 64 };

static const char schema[] =
    "{\"type\":\"object\",\"properties\":{\"name\":{\"type\":\"string\"},\"age\":{\"type\":"
    "\"integer\",\"minimum\":0,\"maximum\":120},\"tags\":{\"type\":\"array\",\"items\":{"
    "\"type\":\"string\",\"maxLength\":20}}},\"required\":[\"name\",\"age\",\"tags\"]}";
static const struct {
    const char *name;
    tern_grammar_kind kind;
    const char *grammar, *text;
} cases[] = {{"JSON object", TERN_GRAMMAR_JSON, "",
              "{\"name\": \"The old man and the sea\", \"list\": [1, 2.5, {\"a\": null}]}"},
             {"schema", TERN_GRAMMAR_SCHEMA, schema,
              "{\"name\": \"The old man and the sea\", \"age\": 42, \"tags\": [\"a story\", "
              "\"of the sea\"]}"}};

static double cpu_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static int by_size(const void *a, const void *b)
{
    const double *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

static void fail(const char *what)
{
    fprintf(stderr, "%s\n", what);
    exit(1);
}

static void measure(ti_matcher *m, const char *text, const char *name, const char *when)
{
    double us[MASKS], sum = 0;
    size_t n = 0, len = strlen(text);
    ti_matcher_restart(m);
    for (size_t at = 0; at < len && n < MASKS; at += PIECE) {
        const uint64_t *mask;
        tern_err err;
        bool fits = false;
        double start = cpu_us();
        if (ti_matcher_mask(m, UINT64_MAX, &mask, &err) != TERN_OK) {
            fail(err.message);
        }
        us[n] = cpu_us() - start;
        sum += us[n++];
        size_t size = len - at < PIECE ? len - at : PIECE;
        if (ti_matcher_read(m, text + at, size, &fits, &err) != TERN_OK || !fits) {
            fail("the text does not fit");
        }
    }
    qsort(us, n, sizeof *us, by_size);
    printf("%-12s %-6s %3zu masks: mean %7.1f us, median %7.1f us, highest %7.1f us\n", name,
           when, n, sum / (double)n, us[n / 2], us[n - 1]);
}

int main(int argc, char **argv)
{
    const tern_model_opts opts = {.vocab_only = true};
    const ti_trie *trie = NULL;
    tern_model *model = NULL;
    tern_err err;
    if (argc != 2) {
        fail("usage: bench_grammar MODEL.gguf");
    }
    if (tern_model_open(&model, argv[1], &opts, &err) != TERN_OK) {
        fail(err.message);
    }
    double start = cpu_us();
    if (ti_vocab_trie(&trie, model->vocab, &err) != TERN_OK) {
        fail(err.message);
    }
    printf("trie of %u tokens: %zu nodes, %.1f bytes a token, %.1f ms\n", trie->n_vocab,
           trie->n, (double)ti_trie_bytes(trie) / (double)trie->n_vocab,
           (cpu_us() - start) / 1e3);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        tern_grammar *g = NULL;
        ti_matcher *m = NULL;
        start = cpu_us();
        if (tern_grammar_create(&g, cases[i].kind, cases[i].grammar, strlen(cases[i].grammar),
                                &err) != TERN_OK ||
            ti_matcher_create(&m, g, trie, NULL, &err) != TERN_OK) {
            fail(err.message);
        }
        printf("%-12s made in %.1f ms, %.1f MB\n", cases[i].name, (cpu_us() - start) / 1e3,
               (double)ti_matcher_bytes(m) / 1e6);
        measure(m, cases[i].text, cases[i].name, "first");
        measure(m, cases[i].text, cases[i].name, "again");
        ti_matcher_destroy(m);
        tern_grammar_destroy(g);
    }
    tern_model_close(model);
    return 0;
}
