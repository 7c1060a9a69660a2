/* SPDX-License-Identifier: Apache-2.0 */
/* Errors, memory, buffers and JSON, UTF-8, numbers in bytes.  JSON is read back by jansson. */
#include <errno.h>
#include <jansson.h>
#include <locale.h>
#include <math.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/le.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "oom.h"
#include "tern/version.h"

static uint64_t random_state = 88172645463325252u;

static uint64_t rnd(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state;
}

/* --- errors ---------------------------------------------------------------------------- */

static void statuses(void **state)
{
    (void)state;
    assert_string_equal(tern_status_name(TERN_OK), "OK");
    assert_string_equal(tern_status_name(TERN_CORRUPT), "CORRUPT");
    assert_string_equal(tern_status_text(TERN_NOMEM), "out of memory");
    assert_int_equal(tern_status_exit_code(TERN_OK), 0);
    assert_int_equal(tern_status_exit_code(TERN_USAGE), 2);
    assert_int_equal(tern_status_exit_code(TERN_LIMIT), 4);
    for (int i = TERN_OK; i <= TERN_INTERNAL; i++) {
        assert_non_null(tern_status_name((tern_status)i));
        assert_true(strlen(tern_status_text((tern_status)i)) > 1);
        assert_in_range(tern_status_exit_code((tern_status)i), 0, 255);
        assert_int_equal(tern_status_exit_code((tern_status)i) == 0, i == TERN_OK);
    }
    const int strange[] = {TERN_INTERNAL + 1, -1, 1 << 20};
    for (size_t i = 0; i < 3; i++) {
        tern_status s = (tern_status)strange[i];
        assert_string_equal(tern_status_name(s), "?");
        assert_string_equal(tern_status_text(s), "unknown status");
        assert_int_equal(tern_status_exit_code(s), 70);
    }
    char version[32];
    snprintf(version, sizeof version, "%d.%d.%d", TERN_VERSION_MAJOR, TERN_VERSION_MINOR,
             TERN_VERSION_PATCH);
    assert_string_equal(tern_version(), TERN_VERSION);
    assert_string_equal(tern_version(), version);
}

static void fail_fills_the_record(void **state)
{
    (void)state;
    tern_err err;
    memset(&err, 0xee, sizeof err);
    assert_int_equal(ti_fail(&err, TERN_CORRUPT, "gguf", 4096, "tensor '%s': %d", "blk.3", 7),
                     TERN_CORRUPT);
    assert_int_equal(err.status, TERN_CORRUPT);
    assert_string_equal(err.module, "gguf");
    assert_int_equal(err.offset, 4096);
    assert_string_equal(err.message, "tensor 'blk.3': 7");

    assert_int_equal(ti_fail(NULL, TERN_LIMIT, "gguf", 0, "%d", 1), TERN_LIMIT);
    assert_int_equal(ti_fail_errno(NULL, ENOENT, "file", "x"), TERN_IO);
    assert_int_equal(ti_fail_nomem(NULL, "file", 1, "x"), TERN_NOMEM);

    assert_int_equal(ti_fail_errno(&err, ENOENT, "file", "cannot open '%s'", "a"), TERN_IO);
    assert_string_equal(err.message, "cannot open 'a': No such file or directory");
    assert_true(err.offset == TI_NO_OFFSET);
    assert_int_equal(ti_fail_errno(&err, 123456, "file", "x"), TERN_IO);
    assert_non_null(strstr(err.message, "123456"));
    assert_int_equal(ti_fail_nomem(&err, "pool", UINT64_MAX, "a pool"), TERN_NOMEM);
    assert_string_equal(err.message, "out of memory: 18446744073709551615 bytes for a pool");

    ti_fail(&err, TERN_IO, "a module with a very long name", 0, "x");
    assert_string_equal(err.module, "a module with a very lo");
    /* a message that contains the one it replaces */
    ti_fail(&err, TERN_IO, "file", 0, "first");
    ti_fail(&err, TERN_CORRUPT, err.module, 0, "second: %s", err.message);
    assert_string_equal(err.message, "second: first");
    assert_string_equal(err.module, "file");
}

/* What is printed may end up in a terminal. */
static void messages_are_printable(void **state)
{
    (void)state;
    tern_err err;
    static const struct {
        const char *in, *out;
    } rows[] = {
        {"plain", "plain"},
        {"\x1b[31m", "?[31m"},
        {"a\nb\tc\x7f", "a?b?c?"},
        {"caf\xc3\xa9 \xf0\x9f\x8c\x8d", "caf\xc3\xa9 \xf0\x9f\x8c\x8d"},
        {"\x9b"
         "31m",
         "?31m"},                            /* CSI as one byte: not UTF-8 */
        {"\xc2\x9b", "?"},                   /* the same as a character */
        {"\xc0\xaf \xed\xa0\x80", "?? ???"}, /* overlong, surrogate */
        {"end \xe2\x82", "end ??"},          /* not cut by us: wrong in the input */
        {"", ""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        ti_fail(&err, TERN_CORRUPT, "gguf", 0, "%s", rows[i].in);
        assert_string_equal(err.message, rows[i].out);
    }
    /* Cut at every place of a row of characters of 1 to 4 bytes: always whole UTF-8. */
    for (size_t lead = 0; lead < 8; lead++) {
        char text[600] = "";
        memset(text, 'x', lead);
        for (size_t at = lead; at + 10 < sizeof text; at += 10) {
            memcpy(text + at, "a\xc3\xa9\xe2\x82\xac\xf0\x9f\x8c\x8d", 11);
        }
        ti_fail(&err, TERN_CORRUPT, "gguf", 0, "%s", text);
        size_t len = strlen(err.message);
        assert_in_range(len, sizeof err.message - 4, sizeof err.message - 1);
        assert_memory_equal(err.message, text, len);
        assert_int_equal(ti_utf8_complete(err.message, len), len);
    }
}

static tern_status try_it(tern_status status, int *reached)
{
    TI_TRY(status);
    *reached = 1;
    return TERN_OK;
}

static void try_returns(void **state)
{
    (void)state;
    int reached = 0;
    assert_int_equal(try_it(TERN_NO, &reached), TERN_NO);
    assert_int_equal(reached, 0);
    assert_int_equal(try_it(TERN_OK, &reached), TERN_OK);
    assert_int_equal(reached, 1);
}

/* Runs `fn` in a child; returns the signal that ended it, 0 if none did. */
static int signal_of(void (*fn)(void))
{
    fflush(NULL);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        fclose(stderr);
        signal(SIGABRT, SIG_DFL); /* cmocka and the sanitizers may have put theirs */
        fn();
        _exit(0);
    }
    int status = 0;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

static void assert_false_expression(void)
{
    TI_ASSERT(1 + 1 == 3);
}

static void assert_true_expression(void)
{
    TI_ASSERT(1 + 1 == 2);
}

static void encode_a_surrogate(void)
{
    char out[4];
    ti_utf8_encode(0xd800, out);
}

static void assertions_abort(void **state)
{
    (void)state;
    assert_int_equal(signal_of(assert_false_expression), SIGABRT);
    assert_int_equal(signal_of(assert_true_expression), 0);
    assert_int_equal(signal_of(encode_a_surrogate), SIGABRT);
}

/* --- memory ---------------------------------------------------------------------------- */

static void checked_sizes(void **state)
{
    (void)state;
    uint64_t u = 7;
    assert_true(ti_mul_u64(1u << 31, 1u << 31, &u));
    assert_true(u == (uint64_t)1 << 62);
    assert_false(ti_mul_u64((uint64_t)1 << 32, (uint64_t)1 << 32, &u));
    assert_true(ti_add_u64(UINT64_MAX - 1, 1, &u));
    assert_false(ti_add_u64(UINT64_MAX, 1, &u));
    size_t s;
    assert_false(ti_mul_size(SIZE_MAX, 2, &s));
    assert_true(ti_mul_size(SIZE_MAX, 0, &s));
    assert_int_equal(s, 0);
    assert_int_equal(ti_round_up(0, 64), 0);
    assert_int_equal(ti_round_up(1, 64), 64);
    assert_int_equal(ti_round_up(64, 64), 64);
    assert_int_equal(ti_round_up(65, 64), 128);
}

static int all_zero(const void *memory, size_t n)
{
    const unsigned char *p = memory;
    for (size_t i = 0; i < n; i++) {
        if (p[i]) {
            return 0;
        }
    }
    return 1;
}

static void plain_memory(void **state)
{
    (void)state;
    unsigned char *p = ti_calloc(3, 100);
    assert_non_null(p);
    assert_true(all_zero(p, 300));
    free(p);
    p = ti_calloc(0, 8);
    assert_non_null(p);
    free(p);
    assert_null(ti_calloc(SIZE_MAX / 2, 3));
    const size_t sizes[] = {0, 1, 63, 64, 65, 100000};
    for (size_t i = 0; i < 6; i++) {
        p = ti_alloc_aligned(sizes[i]);
        assert_non_null(p);
        assert_int_equal((uintptr_t)p % TI_ALIGN, 0);
        memset(p, 1, sizes[i]);
        free(p);
        p = ti_alloc_pages(sizes[i] * 40);
        assert_non_null(p);
        assert_true(all_zero(p, sizes[i] * 40));
        memset(p, 1, sizes[i] * 40);
        ti_free_pages(p, sizes[i] * 40);
    }
    assert_null(ti_alloc_aligned(SIZE_MAX));
    assert_null(ti_alloc_aligned(SIZE_MAX - TI_ALIGN + 1));
    assert_null(ti_alloc_pages(SIZE_MAX / 2));
    ti_free_pages(NULL, 1);
}

static void arenas(void **state)
{
    (void)state;
    ti_arena arena = {0};
    enum { N = 2000 };
    struct {
        unsigned char *p;
        size_t size;
        unsigned char value;
    } *all = calloc(N, sizeof *all);
    assert_non_null(all);
    for (size_t i = 0; i < N; i++) {
        size_t size = rnd() % 100 == 0 ? rnd() % 200000 : rnd() % 300;
        all[i].p = ti_arena_alloc(&arena, size);
        all[i].size = size;
        all[i].value = (unsigned char)(i % 255 + 1);
        assert_non_null(all[i].p);
        assert_int_equal((uintptr_t)all[i].p % 16, 0);
        assert_true(all_zero(all[i].p, size));
        memset(all[i].p, all[i].value, size);
    }
    size_t sum = 0;
    for (size_t i = 0; i < N; i++) { /* nobody wrote into anybody else's */
        sum += all[i].size;
        for (size_t j = 0; j < all[i].size; j++) {
            assert_int_equal(all[i].p[j], all[i].value);
        }
    }
    assert_in_range(arena.bytes, sum, sum + sum / 4);
    free(all);
    char *copy = ti_arena_strndup(&arena, "hello world", 5);
    assert_string_equal(copy, "hello");
    assert_string_equal(ti_arena_strndup(&arena, NULL, 0), "");
    assert_null(ti_arena_alloc(&arena, SIZE_MAX));
    assert_null(ti_arena_alloc(&arena, SIZE_MAX - 32));
    assert_null(ti_arena_calloc(&arena, SIZE_MAX / 4, 8));
    assert_null(ti_arena_strndup(&arena, "x", SIZE_MAX));
    assert_non_null(ti_arena_calloc(&arena, 3, 8));
    ti_arena_free(&arena);
    assert_null(arena.blocks);
    assert_int_equal(arena.bytes, 0);
    ti_arena_free(&arena);
}

/* A large object gets a block of its own and leaves the half-empty one in use. */
static void arena_keeps_its_block(void **state)
{
    (void)state;
    ti_arena arena = {0};
    char *a = ti_arena_alloc(&arena, 16);
    assert_non_null(ti_arena_alloc(&arena, 1000000));
    char *b = ti_arena_alloc(&arena, 16);
    assert_ptr_equal(b, a + 16);
    ti_arena_free(&arena);
}

/* --- buffers and JSON ------------------------------------------------------------------ */

static void buffers(void **state)
{
    (void)state;
    ti_buf buf = {0};
    ti_buf_clear(&buf);
    ti_buf_add(&buf, "", 0);
    assert_int_equal(buf.len, 0);
    assert_string_equal(buf.data, "");
    for (int i = 0; i < 1000; i++) {
        ti_buf_addf(&buf, "%d,", i);
        assert_int_equal(buf.data[buf.len], 0);
    }
    assert_int_equal(buf.len, 10 * 2 + 90 * 3 + 900 * 4);
    assert_memory_equal(buf.data, "0,1,2,", 6);
    assert_string_equal(buf.data + buf.len - 4, "999,");
    ti_buf_clear(&buf);
    assert_int_equal(buf.len, 0);
    ti_buf_adds(&buf, "ab");
    ti_buf_addc(&buf, '\0');
    ti_buf_add(&buf, "c\0d", 3);
    assert_int_equal(buf.len, 6);
    assert_memory_equal(buf.data, "ab\0c\0d", 7);
    assert_false(buf.failed);
    /* a length that no memory has fails once and for all, without a trace in the data */
    ti_buf_add(&buf, "x", SIZE_MAX / 2);
    assert_true(buf.failed);
    ti_buf_adds(&buf, "more");
    ti_buf_addf(&buf, "%d", 5);
    assert_int_equal(buf.len, 6);
    ti_buf_clear(&buf);
    assert_true(buf.failed);
    ti_buf_free(&buf);
    assert_false(buf.failed);
    assert_null(buf.data);
    ti_buf_free(&buf);
}

static void write_document(ti_buf *buf)
{
    ti_json_open(buf, NULL, '{');
    ti_json_str(buf, "name", "a \"b\"\\ \n\t\x01\x7f\xc2\x85 \xc3\xa9");
    ti_json_int(buf, "min", INT64_MIN);
    ti_json_uint(buf, "big", 9007199254740993u);
    ti_json_open(buf, "list", '[');
    ti_json_int(buf, NULL, 1);
    ti_json_bool(buf, NULL, true);
    ti_json_open(buf, NULL, '{');
    ti_json_close(buf, '}');
    ti_json_open(buf, NULL, '[');
    ti_json_close(buf, ']');
    ti_json_str(buf, NULL, "[");
    ti_json_num(buf, NULL, 0.1, 17);
    ti_json_close(buf, ']');
    ti_json_num(buf, "nan", (double)NAN, 6);
    ti_json_num(buf, "inf", (double)-INFINITY, 6);
    ti_json_num(buf, "third", 1.0 / 3.0, 3);
    ti_json_num(buf, "tiny", -1.5e-300, 99);
    ti_json_bool(buf, "no", false);
    ti_json_str(buf, "key \"\n[", "{");
    ti_json_int(buf, "last", 0);
    ti_json_close(buf, '}');
}

static const char document[] =
    "{\"name\":\"a \\\"b\\\"\\\\ \\n\\t\\u0001\\u007f\\u0085 \xc3\xa9\","
    "\"min\":-9223372036854775808,\"big\":9007199254740993,"
    "\"list\":[1,true,{},[],\"[\",0.10000000000000001],\"nan\":null,\"inf\":null,"
    "\"third\":0.333,\"tiny\":-1.5000000000000001e-300,\"no\":false,"
    "\"key \\\"\\n[\":\"{\",\"last\":0}";

static void json(void **state)
{
    (void)state;
    ti_buf buf = {0};
    write_document(&buf);
    assert_string_equal(buf.data, document);
    json_t *value = json_loadb(buf.data, buf.len, JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(value);
    assert_true(json_integer_value(json_object_get(value, "big")) == 9007199254740993);
    json_decref(value);
    /* JSON Lines: a value after a newline needs no comma */
    ti_buf_addc(&buf, '\n');
    size_t first = buf.len;
    ti_json_open(&buf, NULL, '[');
    ti_json_close(&buf, ']');
    assert_string_equal(buf.data + first, "[]");
    ti_buf_free(&buf);
}

/* The decimal point of JSON is not the user's. */
static void json_in_other_locales(void **state)
{
    (void)state;
    static const char *const with_comma[] = {"de_DE.UTF-8", "fr_FR.UTF-8", "de_DE.utf8",
                                             "pt_BR.UTF-8", "ru_RU.UTF-8", "nl_NL.UTF-8"};
    const char *got = NULL;
    for (size_t i = 0; i < 6 && !got; i++) {
        got = setlocale(LC_NUMERIC, with_comma[i]);
    }
    if (!got) {
        print_message("SKIPPED: no locale with a decimal comma is installed\n");
        skip();
    }
    ti_buf buf = {0};
    ti_json_num(&buf, NULL, 1.5, 6);
    setlocale(LC_NUMERIC, "C");
    assert_string_equal(buf.data, "1.5");
    ti_buf_free(&buf);
}

/* Any bytes at all become valid JSON; valid UTF-8 comes back as it was. */
static void json_of_any_bytes(void **state)
{
    (void)state;
    for (int round = 0; round < 3000; round++) {
        char text[64];
        size_t len = rnd() % sizeof text;
        for (size_t i = 0; i < len; i++) {
            text[i] = (char)(round % 2 ? rnd() % 128 : rnd() % 256);
        }
        ti_buf buf = {0};
        ti_json_strn(&buf, NULL, text, len);
        json_t *value = json_loadb(buf.data, buf.len, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
        assert_non_null(value);
        if (round % 2) {
            assert_int_equal(json_string_length(value), len);
            assert_memory_equal(json_string_value(value), text, len);
        }
        json_decref(value);
        ti_buf_free(&buf);
    }
}

/* --- UTF-8 ----------------------------------------------------------------------------- */

static void utf8_every_character(void **state)
{
    (void)state;
    for (uint32_t code = 0; code <= 0x10ffff; code++) {
        if (code >= 0xd800 && code <= 0xdfff) {
            continue;
        }
        char bytes[5] = {0, 0, 0, 0, 'x'};
        size_t n = ti_utf8_encode(code, bytes);
        size_t want = code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
        uint32_t back = 0;
        if (n != want || ti_utf8_decode(bytes, n, &back) != n || back != code ||
            ti_utf8_decode(bytes, 5, &back) != n || ti_utf8_complete(bytes, n) != n) {
            fail_msg("U+%04X", code);
        }
        for (size_t cut = 1; cut < n; cut++) { /* incomplete: not shown, not decoded */
            if (ti_utf8_decode(bytes, cut, &back) != 0 || ti_utf8_complete(bytes, cut) != 0) {
                fail_msg("U+%04X cut to %zu bytes", code, cut);
            }
        }
    }
}

/* There are as many valid sequences of each length as there are characters of that length, so
 * (with the round trip above) nothing else is accepted. */
static void utf8_nothing_else(void **state)
{
    (void)state;
    static const unsigned char edge[] = {0x00, 0x7f, 0x80, 0xbf, 0xc0, 0xff};
    size_t count[5] = {0};
    uint32_t code = 0;
    for (unsigned a = 0; a < 256; a++) {
        char s[4] = {(char)a, 0, 0, 0};
        count[1] += ti_utf8_decode(s, 1, &code) == 1;
        for (unsigned b = 0; b < 256; b++) {
            s[1] = (char)b;
            count[2] += ti_utf8_decode(s, 2, &code) == 2;
            for (unsigned c = 0; c < 256; c++) {
                s[2] = (char)c;
                count[3] += ti_utf8_decode(s, 3, &code) == 3;
                for (size_t d = 0; a >= 0xf0 && d < sizeof edge; d++) {
                    s[3] = (char)edge[d];
                    count[4] += ti_utf8_decode(s, 4, &code) == 4;
                }
            }
        }
    }
    assert_int_equal(count[1], 0x80);
    assert_int_equal(count[2], 0x800 - 0x80);
    assert_int_equal(count[3], 0x10000 - 0x800 - 0x800);
    assert_int_equal(count[4], 0x100000 / 64 * 2); /* 0x80 and 0xbf of 64 last bytes */
    code = 5;
    assert_int_equal(ti_utf8_decode("", 0, &code), 0);
    assert_int_equal(ti_utf8_decode("\xff", 1, &code), 0);
    assert_int_equal(code, 5);
}

static void utf8_complete_prefix(void **state)
{
    (void)state;
    assert_int_equal(ti_utf8_complete("", 0), 0);
    assert_int_equal(ti_utf8_complete("ab\xe2\x82", 4), 2);
    assert_int_equal(ti_utf8_complete("ab\xe2\x82\xac", 5), 5);
    assert_int_equal(ti_utf8_complete("ab\xf0\x9f\x8c", 5), 2);
    /* wrong already: holding it back would not mend it */
    assert_int_equal(ti_utf8_complete("ab\x80\x80", 4), 4);
    assert_int_equal(ti_utf8_complete("\x80\x80\x80\x80", 4), 4);
    assert_int_equal(ti_utf8_complete("ab\xed\xa0", 4), 4);
    assert_int_equal(ti_utf8_complete("ab\xc0", 3), 3);
    assert_int_equal(ti_utf8_complete("ab\xff", 3), 3);
    /* streaming any text in any pieces loses nothing and never shows half a character */
    const char text[] = "a\xc3\xa9\xe2\x82\xac\xf0\x9f\x8c\x8dz";
    for (size_t cut = 0; cut < sizeof text; cut++) {
        size_t shown = ti_utf8_complete(text, cut);
        assert_in_range(cut - shown, 0, 3);
        uint32_t code;
        for (size_t i = 0; i < shown;) {
            size_t n = ti_utf8_decode(text + i, shown - i, &code);
            assert_true(n > 0);
            i += n;
        }
    }
}

/* --- numbers in bytes ------------------------------------------------------------------ */

static void little_endian(void **state)
{
    (void)state;
    unsigned char b[16] = {0xff, 1, 2, 3, 4, 5, 6, 7, 0x88, 0xff};
    assert_int_equal(ti_load_u16(b + 1), 0x0201);
    assert_int_equal(ti_load_u32(b + 1), 0x04030201);
    assert_true(ti_load_u64(b + 1) == 0x8807060504030201u);
    ti_store_u64(b + 3, 0x1122334455667788u);
    assert_int_equal(b[3], 0x88);
    assert_int_equal(b[10], 0x11);
    assert_true(ti_load_u64(b + 3) == 0x1122334455667788u);
    ti_store_f32(b + 1, -1.5f);
    assert_true(ti_load_f32(b + 1) == -1.5f);
    assert_int_equal(ti_load_u32(b + 1), 0xbfc00000);
    ti_store_u64(b, 0x3ff8000000000000u);
    assert_true(ti_load_f64(b) == 1.5);
}

/* --- when memory ends ------------------------------------------------------------------ */

static void buffer_without_memory(void **state)
{
    (void)state;
    for (long n = 0;; n++) {
        ti_buf buf = {0};
        oom_fail_at(n);
        write_document(&buf);
        bool failed_one = oom_disarm();
        assert_int_equal(buf.failed, failed_one);
        if (!failed_one) {
            assert_string_equal(buf.data, document);
            ti_buf_free(&buf);
            assert_true(n >= 2); /* it does allocate: first block, growth */
            break;
        }
        ti_buf_free(&buf);
    }
}

static void arena_without_memory(void **state)
{
    (void)state;
    for (long n = 0;; n++) {
        ti_arena arena = {0};
        oom_fail_at(n);
        char *a = ti_arena_strndup(&arena, "abc", 3);
        void *b = ti_arena_calloc(&arena, 100, 1000);
        bool failed_one = oom_disarm();
        assert_int_equal(!a || !b, failed_one);
        ti_arena_free(&arena);
        if (!failed_one) {
            assert_int_equal(n, 2);
            break;
        }
    }
    oom_fail_at(0);
    assert_null(ti_calloc(1, 1));
    oom_fail_at(0);
    assert_null(ti_alloc_aligned(1));
    oom_disarm();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(statuses),
        cmocka_unit_test(fail_fills_the_record),
        cmocka_unit_test(messages_are_printable),
        cmocka_unit_test(try_returns),
        cmocka_unit_test(assertions_abort),
        cmocka_unit_test(checked_sizes),
        cmocka_unit_test(plain_memory),
        cmocka_unit_test(arenas),
        cmocka_unit_test(arena_keeps_its_block),
        cmocka_unit_test(buffers),
        cmocka_unit_test(json),
        cmocka_unit_test(json_in_other_locales),
        cmocka_unit_test(json_of_any_bytes),
        cmocka_unit_test(utf8_every_character),
        cmocka_unit_test(utf8_nothing_else),
        cmocka_unit_test(utf8_complete_prefix),
        cmocka_unit_test(little_endian),
        cmocka_unit_test(buffer_without_memory),
        cmocka_unit_test(arena_without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
