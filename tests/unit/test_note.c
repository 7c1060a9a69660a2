/* SPDX-License-Identifier: Apache-2.0 */
/* Notes, keys, checkpoints, Ed25519: the specification's example, vectors of others, a log that
 * other software wrote, and every byte changed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <sodium.h>

#include "ledger/base64.h"
#include "ledger/log.h"
#include "oom.h"
#include "vectors.h"

/* The example of c2sp.org/signed-note. */
static const char example_key[] =
    "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k";
static const char example_note[] =
    "This is an example message.\n\n"
    "\xe2\x80\x94 example.com/foo "
    "Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsY"
    "jOBH3mFXmRKuwHjG1Yu72IneyaQM=\n";

static void test_example(void **state)
{
    ti_note_key key;
    ti_str text;
    char again[TI_NOTE_KEY_TEXT], bytes[sizeof example_note];
    tern_err err;
    (void)state;
    assert_int_equal(ti_note_key_read(&key, example_key, strlen(example_key), &err), TERN_OK);
    ti_note_key_write(again, &key);
    assert_string_equal(again, example_key);
    size_t len = sizeof example_note - 1;
    assert_int_equal(ti_note_open(&text, example_note, len, &key, &err), TERN_OK);
    assert_int_equal(text.len, 28);
    for (size_t at = 0; at < len; at++) { /* every bit counts */
        for (int bit = 0; bit < 8; bit++) {
            memcpy(bytes, example_note, len);
            bytes[at] = (char)(bytes[at] ^ (1 << bit));
            assert_int_not_equal(ti_note_open(&text, bytes, len, &key, &err), TERN_OK);
        }
        assert_int_not_equal(ti_note_open(&text, example_note, at, &key, &err), TERN_OK);
    }
}

static void test_keys_refused(void **state)
{
    static const char *const wrong[] = {
        "",
        "example.com/foo",
        "+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
        "a b+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
        "example.com/foo+530d903b+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
        "example.com/foo+530D903A+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
        "example.com/fop+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
        "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2",
        "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2kAAAA",
        "example.com/foo+530d903a",
    };
    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        ti_note_key key;
        if (ti_note_key_read(&key, wrong[i], strlen(wrong[i]), NULL) == TERN_OK) {
            fail_msg("'%s' was taken for a key", wrong[i]);
        }
    }
    assert_false(ti_note_name_valid("a\xc2\xa0"
                                    "b",
                                    4)); /* a no-break space */
    assert_false(ti_note_name_valid("a\xff", 2));
    assert_true(ti_note_name_valid("b\xc3\xbc"
                                   "cher.example/log",
                                   18));
}

static void make(ti_note_signer *out, const char *name, ti_note_type type, uint8_t seed)
{
    uint8_t bytes[32];
    memset(bytes, seed, sizeof bytes);
    assert_int_equal(ti_note_signer_make(out, name, type, bytes, NULL), TERN_OK);
}

/* A log's signature and two witnesses' cosignatures; unknown ones are ignored, a wrong one of a
 * known key spoils the note. */
static void test_many_signatures(void **state)
{
    ti_note_signer s[3];
    ti_note_key keys[3];
    ti_buf note = {0};
    ti_signed_note parsed;
    bool valid[3];
    uint64_t times[3];
    tern_err err;
    char secret[TI_NOTE_KEY_TEXT];
    ti_str text = {"example.com/log\n1\nR29sZA==\n", 27};
    (void)state;
    make(&s[0], "example.com/log", TI_NOTE_ED25519, 1);
    make(&s[1], "witness.example/a", TI_NOTE_COSIGN_V1, 2);
    make(&s[2], "witness.example/b", TI_NOTE_COSIGN_V1, 3);
    for (int i = 0; i < 3; i++) {
        ti_note_signer back;
        keys[i] = s[i].pub;
        ti_note_signer_write(secret, &s[i]);
        assert_int_equal(ti_note_signer_read(&back, secret, strlen(secret), &err), TERN_OK);
        assert_memory_equal(back.secret, s[i].secret, sizeof back.secret);
    }
    assert_int_equal(ti_note_sign(&note, text, s, 3, 1679315147, &err), TERN_OK);
    assert_int_equal(ti_note_parse(&parsed, note.data, note.len, &err), TERN_OK);
    assert_int_equal(parsed.n, 3);
    assert_int_equal(ti_note_check(&parsed, keys, 3, valid, times, &err), TERN_OK);
    assert_true(valid[0] && valid[1] && valid[2]);
    assert_true(times[0] == 0 && times[1] == 1679315147);
    assert_int_equal(ti_note_check(&parsed, keys + 1, 1, valid, NULL, &err), TERN_OK);
    ti_note_signer stranger;
    make(&stranger, "witness.example/c", TI_NOTE_COSIGN_V1, 4);
    assert_int_equal(ti_note_check(&parsed, &stranger.pub, 1, valid, NULL, &err), TERN_NO);

    char *last = strrchr(note.data, '=');
    last = last ? last - 8 : note.data + note.len - 10; /* in the last signature */
    *last = *last == 'A' ? 'B' : 'A';
    assert_int_equal(ti_note_check(&parsed, keys, 3, valid, NULL, &err), TERN_NO);
    assert_int_equal(ti_note_check(&parsed, keys, 2, valid, NULL, &err), TERN_OK);
    ti_buf_free(&note);
}

static void test_out_of_memory(void **state)
{
    ti_note_signer signer;
    ti_checkpoint c = {.origin = "example.com/log", .size = 3};
    (void)state;
    make(&signer, "example.com/log", TI_NOTE_ED25519, 9);
    for (long n = 0;; n++) {
        ti_buf note = {0};
        tern_err err = {0};
        oom_fail_at(n);
        tern_status status = ti_checkpoint_sign(&note, &c, &signer, &err);
        bool failed = oom_disarm();
        assert_int_equal(status, failed ? TERN_NOMEM : TERN_OK);
        ti_buf_free(&note);
        if (!failed) {
            break;
        }
    }
}

/* One form only, and no bytes over 127 (which libsodium's reader takes). */
static void test_base64(void **state)
{
    (void)state;
    for (size_t n = 0; n <= 40; n++) {
        uint8_t bytes[40], back[40];
        ti_buf text = {0};
        randombytes_buf(bytes, sizeof bytes);
        ti_base64_write(&text, bytes, n);
        char *t = text.data;
        assert_true(ti_base64_read(back, n, t ? t : "", text.len));
        assert_memory_equal(bytes, back, n);
        for (size_t i = 0; i < text.len; i++) {
            char before = t[i];
            for (int c = 0; c < 256; c++) {
                ti_buf again = {0};
                t[i] = (char)c;
                if (ti_base64_read(back, n, t, text.len)) {
                    ti_base64_write(&again, back, n);
                    assert_string_equal(again.data, t);
                }
                ti_buf_free(&again);
            }
            t[i] = before;
        }
        for (size_t m = 0; m <= 40; m++) {
            assert_true(m == n || !ti_base64_read(back, m, t ? t : "", text.len));
        }
        ti_buf_free(&text);
    }
}

/* The two alphabets are not mixed, and what does not fit is refused. */
static void test_base64_decode(void **state)
{
    static const struct {
        const char *text;
        size_t cap, usual, url; /* bytes decoded; 9 = refused */
    } cases[] = {
        {"", 0, 0, 0},     {"+/+/", 3, 3, 9},     {"-_-_", 3, 9, 3},  {"+_+_", 3, 9, 9},
        {"MDEy", 2, 9, 9}, {"MDE=", 2, 2, 2},     {"MA==", 1, 1, 1},  {"MA==", 0, 9, 9},
        {"MB==", 3, 9, 9}, {"MDF=", 3, 9, 9},     {"MA=", 3, 9, 9},   {"M===", 3, 9, 9},
        {"====", 3, 9, 9}, {"MA==MDEy", 6, 9, 9}, {"MD Ey", 3, 9, 9},
    };
    enum { REFUSED = 9 };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint8_t out[REFUSED];
        for (int url = 0; url < 2; url++) {
            size_t n = REFUSED, want = url ? cases[i].url : cases[i].usual;
            bool good =
                ti_base64_decode(out, cases[i].cap, &n, cases[i].text, strlen(cases[i].text),
                                 url ? TI_BASE64_URL : TI_BASE64);
            assert_int_equal(good, want != REFUSED);
            assert_int_equal(n, want);
        }
    }
}

static void test_checkpoints(void **state)
{
    static const char root[] = "Wqx3HImawpLnS/Gv4ubjAvi1WIOy0b8Ze0amvqbavKk=";
    static const struct {
        const char *before, *after;
        bool good;
    } cases[] = {
        {"o\n3\n", "\n", true},
        {"o\n0\n", "\n", true},
        {"o\n3\n", "\nmore\n", true},
        {"o\n03\n", "\n", false},
        {"o\n-3\n", "\n", false},
        {"o\n\n", "\n", false},
        {"\n3\n", "\n", false},
        {"o\n3\n", "", false},
        {"o\n3\n", "\n\n", false},
        {"o\n3\n", "\nmore", false},
        {"o\n3\n", "=\n", false},
        {"o\n3 \n", "\n", false},
        {"o\n+3\n", "\n", false},
        {"o\n9223372036854775808\n", "\n", false},
        {"o\n9223372036854775807\n", "\n", true},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[256];
        ti_checkpoint c;
        int n = snprintf(text, sizeof text, "%s%s%s", cases[i].before, root, cases[i].after);
        tern_status status = ti_checkpoint_read(&c, text, (size_t)n, NULL);
        if ((status == TERN_OK) != cases[i].good) {
            fail_msg("case %zu: %s", i, text);
        }
    }
}

/* --- Ed25519
 * ------------------------------------------------------------------------------------ */

static size_t bytes_of(uint8_t *out, size_t cap, const ti_jval *v)
{
    size_t n = 0;
    assert_non_null(v);
    assert_int_equal(sodium_hex2bin(out, cap, v->u.str.data, v->u.str.len, NULL, &n, NULL), 0);
    return n;
}

static void test_wycheproof(void **state)
{
    vectors v;
    unsigned valid = 0;
    (void)state;
    vectors_open(&v, "ledger/ed25519_wycheproof.json");
    for (uint32_t i = 0; i < v.root.n; i++) {
        const ti_jval *c = &v.root.u.items[i];
        uint8_t key[32], msg[4096], sig[256];
        assert_int_equal(bytes_of(key, sizeof key, ti_jval_get(c, "pk")), 32);
        size_t len = bytes_of(msg, sizeof msg, ti_jval_get(c, "msg"));
        size_t sig_len = bytes_of(sig, sizeof sig, ti_jval_get(c, "sig"));
        bool good = sig_len == 64 && ti_ed25519_check(sig, key, msg, len);
        if (good != ti_jval_is(ti_jval_get(c, "result"), "valid")) {
            fail_msg("test %d", (int)ti_jval_get(c, "tcId")->u.integer);
        }
        valid += good;
    }
    assert_int_equal(v.root.n, 151);
    assert_true(valid > 50);
    vectors_close(&v);
}

/* The edge cases of CCTV decide which of the readings of RFC 8032 this is: the strict one of
 * libsodium.  No key or R of small order, no second encoding, no multiplication by the
 * cofactor. */
static void test_cctv(void **state)
{
    static const char *const refused[] = {"low_order_A", "low_order_R", "non_canonical_A",
                                          "non_canonical_R", "low_order_residue"};
    vectors v;
    unsigned accepted = 0;
    (void)state;
    vectors_open(&v, "ledger/ed25519_cctv.json");
    for (uint32_t i = 0; i < v.root.n; i++) {
        const ti_jval *c = &v.root.u.items[i], *flags = ti_jval_get(c, "flags");
        const ti_jval *msg = ti_jval_get(c, "msg");
        uint8_t key[32], sig[64];
        bool want = true;
        for (uint32_t f = 0; flags && flags->type == TI_JARRAY && f < flags->n; f++) {
            for (size_t r = 0; r < sizeof refused / sizeof *refused; r++) {
                want = want && !ti_jval_is(&flags->u.items[f], refused[r]);
            }
        }
        assert_int_equal(bytes_of(key, sizeof key, ti_jval_get(c, "key")), 32);
        assert_int_equal(bytes_of(sig, sizeof sig, ti_jval_get(c, "sig")), 64);
        if (ti_ed25519_check(sig, key, msg->u.str.data, msg->u.str.len) != want) {
            fail_msg("vector %u: %s", i, want ? "refused" : "accepted");
        }
        accepted += want;
    }
    assert_int_equal(v.root.n, 914);
    assert_true(accepted > 0);
    vectors_close(&v);
}

/* --- a log that Tessera wrote
 * --------------------------------------------------------------------- */

static void test_golden_log(void **state)
{
    char dir[1024], path[1200], *text;
    size_t len;
    const char *source = getenv("TERN_SOURCE");
    ti_log_view *view;
    ti_frontier frontier = {0};
    tern_err err;
    (void)state;
    snprintf(dir, sizeof dir, "%s/tests/data/ledger/golden", source ? source : ".");
    assert_int_equal(ti_log_view_open(&view, dir, NULL, NULL, &err), TERN_OK);
    assert_int_equal(ti_log_view_checkpoint(view)->size, 15);
    for (uint64_t n = 0; n <= 15; n++) {
        ti_checkpoint c;
        ti_hash root;
        ti_proof proof;
        ti_frontier_root(&frontier, &root);
        snprintf(path, sizeof path, "%s/checkpoint.%d", dir, (int)n);
        assert_int_equal(ti_read_file(&text, &len, path, 4096, &err), TERN_OK);
        assert_int_equal(ti_checkpoint_open(&c, text, len, ti_log_view_key(view), &err),
                         TERN_OK);
        free(text);
        assert_int_equal(c.size, n);
        assert_true(ti_hash_equal(&c.root, &root));
        assert_int_equal(ti_log_view_consistency(view, &proof, &root, n, &err), TERN_OK);
        assert_true(ti_hash_equal(&c.root, &root));
        if (n < 15) {
            ti_buf entry = {0};
            ti_hash leaf;
            assert_int_equal(ti_log_view_entry(view, &entry, n, &err), TERN_OK);
            ti_merkle_leaf(&leaf, entry.data, entry.len);
            ti_frontier_add(&frontier, &leaf);
            ti_buf_free(&entry);
        }
    }
    ti_log_view_close(view);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_example),
        cmocka_unit_test(test_keys_refused),
        cmocka_unit_test(test_many_signatures),
        cmocka_unit_test(test_out_of_memory),
        cmocka_unit_test(test_checkpoints),
        cmocka_unit_test(test_base64),
        cmocka_unit_test(test_base64_decode),
        cmocka_unit_test(test_wycheproof),
        cmocka_unit_test(test_cctv),
        cmocka_unit_test(test_golden_log),
    };
    return sodium_init() < 0 ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
