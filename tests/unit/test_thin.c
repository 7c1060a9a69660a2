/* SPDX-License-Identifier: Apache-2.0 */
/* The thin/thick classifier: the shipped file gives the integers that training wrote down, and
 * damaged files are refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/mem.h"
#include "model/thin.h"
#include "model/thin_text.h"
#include "oom.h"

enum { LINE = 4096, PATH = 4096, FILE_MAX = 8 << 20 };

static char *model;
static size_t model_size;

static void in_source(char out[PATH], const char *below)
{
    const char *source = getenv("TERN_SOURCE");
    snprintf(out, PATH, "%s/%s", source ? source : ".", below);
}

static int load(void **state)
{
    char path[PATH];
    (void)state;
    in_source(path, "models/tern-thin.gguf");
    return ti_read_file(&model, &model_size, path, FILE_MAX, NULL) == TERN_OK ? 0 : -1;
}

static int unload(void **state)
{
    (void)state;
    free(model);
    return 0;
}

/* "\xHH" in a line of the vectors stands for a byte. */
static size_t unescape(char *text)
{
    size_t n = 0;
    for (const char *p = text; *p; n++) {
        unsigned byte;
        if (p[0] == '\\' && p[1] == 'x') {
            char hex[3] = {p[2], p[3], 0};
            byte = (unsigned)strtoul(hex, NULL, 16);
            p += 4;
        } else {
            byte = (unsigned char)*p++;
        }
        text[n] = (char)byte;
    }
    return n;
}

/* Lines of "words TAB intent TAB score TAB weak TAB text", written by train/route with other
 * code: the same integers, whatever the machine. */
static void as_training_has_it(void **state)
{
    char path[PATH], line[LINE];
    ti_thin thin;
    size_t n = 0, thick = 0;
    (void)state;
    in_source(path, "tests/data/thin/vectors.tsv");
    assert_int_equal(ti_thin_parse(&thin, model, model_size, NULL), TERN_OK);
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    while (fgets(line, sizeof line, f)) {
        char *end;
        ti_thin_answer a;
        unsigned long long words = strtoull(line, &end, 10);
        char *name = end + 1, *tab = strchr(name, '\t');
        assert_non_null(tab);
        long score = strtol(tab + 1, &end, 10), gain = strtol(end + 1, &end, 10);
        char *text = end + 1;
        text[strcspn(text, "\n")] = 0;
        ti_thin_ask(&a, &thin, text, unescape(text));
        assert_int_equal(a.words, words);
        assert_int_equal(a.score, score);
        assert_int_equal(a.gain, gain);
        assert_int_equal(thin.names[a.intent].len, tab - name);
        assert_memory_equal(thin.names[a.intent].data, name, tab - name);
        assert_int_equal(a.thin, a.score >= thin.threshold);
        thick += !a.thin;
        n++;
    }
    fclose(f);
    assert_true(n >= 100 && thick > 10 && thick < n - 10);
    ti_thin_close(&thin);
}

static void known_requests(void **state)
{
    static const struct {
        const char *text;
        bool thin;
    } cases[] = {
        {"set an alarm for seven tomorrow morning", true},
        {"what is the weather like in london", true},
        {"PLEASE TELL ME A JOKE", true},
        {"prove that the square root of two is irrational and generalise the argument to all "
         "primes",
         false},
        {"write a recursive descent parser for arithmetic expressions in haskell", false},
    };
    ti_thin thin;
    (void)state;
    assert_int_equal(ti_thin_parse(&thin, model, model_size, NULL), TERN_OK);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ti_thin_answer a;
        ti_thin_ask(&a, &thin, cases[i].text, strlen(cases[i].text));
        if (a.thin != cases[i].thin) {
            fail_msg("'%s': score %d", cases[i].text, (int)a.score);
        }
        assert_true(a.known_permille <= 1000 && a.other_permille <= 1000);
    }
    ti_thin_close(&thin);
}

static void count_feature(void *to, uint32_t hash, int32_t times)
{
    uint64_t *sum = to;
    *sum += hash * (uint64_t)times;
}

static void any_bytes_are_a_text(void **state)
{
    ti_thin thin;
    ti_thin_answer a;
    uint64_t sum = 0, other = 0;
    (void)state;
    assert_int_equal(ti_thin_parse(&thin, model, model_size, NULL), TERN_OK);
    ti_thin_ask(&a, &thin, "", 0);
    assert_int_equal(a.words, 0);
    assert_false(a.thin);
    char *text = malloc(1 << 20);
    assert_non_null(text);
    for (size_t i = 0; i < 1 << 20; i++) {
        text[i] = (char)(i * i >> 3 ^ i);
    }
    ti_thin_ask(&a, &thin, text, 1 << 20);
    memset(text, 'a', 1 << 20); /* one word */
    ti_thin_ask(&a, &thin, text, 1 << 20);
    assert_int_equal(a.words, 1);
    free(text);
    /* Case and what stands between words do not matter; a NUL is such. */
    assert_int_equal(ti_thin_features("Don't stop", 10, count_feature, &sum), 3);
    assert_int_equal(ti_thin_features("DON'T\0 stop", 11, count_feature, &other), 3);
    assert_true(sum == other);
    ti_thin_close(&thin);
}

/* Every length cut off, and every byte of the head changed: refused, or still a classifier. */
static void damaged_files(void **state)
{
    ti_thin thin = {0};
    const ti_thin before = thin;
    tern_err err = {0};
    (void)state;
    for (size_t size = 0; size < model_size; size += size < 512 ? 7 : 40013) {
        assert_true(ti_thin_parse(&thin, model, size, &err) != TERN_OK);
        assert_memory_equal(&thin, &before, sizeof thin);
    }
    char *copy = malloc(model_size);
    assert_non_null(copy);
    memcpy(copy, model, model_size);
    for (size_t at = 0; at < 3000; at += 97) {
        copy[at] ^= 0x15;
        if (ti_thin_parse(&thin, copy, model_size, &err) == TERN_OK) {
            ti_thin_answer a;
            ti_thin_ask(&a, &thin, "hello", 5);
            ti_thin_close(&thin);
        }
        copy[at] = model[at];
    }
    copy[model_size - 100] = (char)0xff; /* codes that stand for no weight */
    assert_int_equal(ti_thin_parse(&thin, copy, model_size, &err), TERN_CORRUPT);
    free(copy);
}

static void without_memory(void **state)
{
    (void)state;
    for (long n = 0;; n++) {
        ti_thin thin = {0};
        oom_fail_at(n);
        tern_status status = ti_thin_parse(&thin, model, model_size, NULL);
        bool failed = oom_disarm();
        assert_int_equal(status, failed ? TERN_NOMEM : TERN_OK);
        ti_thin_close(&thin);
        if (!failed) {
            assert_true(n > 3);
            break;
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(as_training_has_it),   cmocka_unit_test(known_requests),
        cmocka_unit_test(any_bytes_are_a_text), cmocka_unit_test(damaged_files),
        cmocka_unit_test(without_memory),
    };
    return cmocka_run_group_tests(tests, load, unload);
}
