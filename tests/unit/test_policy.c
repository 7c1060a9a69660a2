/* SPDX-License-Identifier: Apache-2.0 */
/* Policies: what is one and what is not, groups in groups, and checkpoints with and without
 * their quorum. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "ledger/policy.h"
#include "oom.h"

enum { WITNESSES = 6 };

/* The keys of all tests: a log, another one, six witnesses.  Made from seeds. */
static ti_note_signer logs[2], witnesses[WITNESSES];
static char log_key[2][TI_NOTE_KEY_TEXT], witness_key[WITNESSES][TI_NOTE_KEY_TEXT];

static void make(ti_note_signer *out, char *text, const char *name, ti_note_type type,
                 uint8_t first)
{
    uint8_t seed[TI_ED25519_SEED] = {first, 7};
    assert_int_equal(ti_note_signer_make(out, name, type, seed, NULL), TERN_OK);
    ti_note_key_write(text, &out->pub);
}

static int setup(void **state)
{
    char name[32];
    (void)state;
    make(&logs[0], log_key[0], "example.com/log", TI_NOTE_ED25519, 1);
    make(&logs[1], log_key[1], "example.com/other", TI_NOTE_ED25519, 2);
    for (int i = 0; i < WITNESSES; i++) {
        snprintf(name, sizeof name, "witness.example/%d", i);
        make(&witnesses[i], witness_key[i], name, TI_NOTE_COSIGN_V1, (uint8_t)(10 + i));
    }
    return 0;
}

/* Replaces "L0", "L1" by the keys of logs and "W0".."W5" by those of witnesses where they stand
 * as "@L0" and so on. */
static void expand(ti_buf *out, const char *text)
{
    ti_buf_clear(out);
    for (; *text; text++) {
        if (*text == '@') {
            ti_buf_adds(out,
                        text[1] == 'L' ? log_key[text[2] - '0'] : witness_key[text[2] - '0']);
            text += 2;
        } else {
            ti_buf_addc(out, *text);
        }
    }
}

static tern_status read_policy(ti_policy *out, const char *text, tern_err *err)
{
    ti_buf buf = {0};
    expand(&buf, text);
    tern_status status = ti_policy_read(out, buf.data ? buf.data : "", buf.len, err);
    ti_buf_free(&buf);
    return status;
}

/* The example of the specification, with keys. */
static const char example[] = "log @L0 https://example.com/\n"
                              "\n"
                              "# two organisations\n"
                              "witness X1 @W0 https://x1.example/\n"
                              "\twitness  X2 @W1\n"
                              "witness X3 @W2\n"
                              "group X-witnesses 2 X1 X2 X3\n"
                              "  # of the second\n"
                              "witness Y1 @W3\n"
                              "witness Y2 @W4\n"
                              "witness Y3 @W5\n"
                              "group Y-witnesses any Y1 Y2 Y3\n"
                              "group X-and-Y all X-witnesses Y-witnesses \n"
                              "quorum X-and-Y\n";

static bool is(ti_str s, const char *text)
{
    return s.len == strlen(text) && memcmp(s.data, text, s.len) == 0;
}

static void test_example(void **state)
{
    ti_policy p;
    (void)state;
    assert_int_equal(read_policy(&p, example, NULL), TERN_OK);
    assert_int_equal(p.n_logs, 1);
    assert_int_equal(p.n_nodes, 9);
    assert_true(is(p.logs[0].url, "https://example.com/"));
    assert_true(is(p.nodes[0].url, "https://x1.example/") && p.nodes[1].url.len == 0);
    assert_true(is(p.nodes[3].name, "X-witnesses") && p.nodes[3].threshold == 2);
    assert_int_equal(p.quorum, 8);
    /* All sets of witnesses: nodes 0-2 are X, 4-6 are Y. */
    for (unsigned set = 0; set < 64; set++) {
        bool valid[9] = {0};
        for (unsigned i = 0; i < 6; i++) {
            valid[i + (i > 2)] = set >> i & 1;
        }
        unsigned x = (set & 1) + (set >> 1 & 1) + (set >> 2 & 1);
        assert_int_equal(ti_policy_reached(&p, valid), x >= 2 && set >> 3 != 0);
    }
    ti_policy_free(&p);
}

/* What is refused, with a part of the reason. */
static void test_refused(void **state)
{
    static const struct {
        const char *text, *why;
    } wrong[] = {
        {"", "no line 'quorum NAME'"},
        {"log @L0\n", "no line 'quorum NAME'"},
        {"quorum a\n", "line 1: no line before this one defines 'a'"},
        {"quorum none\nquorum none\n", "line 2: a second quorum"},
        {"quorum\n", "a name is missing"},
        {"quorum none none\n", "too many words, from 'none'"},
        {"logs @L0\nquorum none\n", "not 'log', 'witness', 'group' or 'quorum' but 'logs'"},
        {"log\nquorum none\n", "a key is missing"},
        {"log example.com/log\nquorum none\n", "line 1: a key begins with a name"},
        {"log @W0\nquorum none\n", "a log's key has type 1"},
        {"witness a @L0\nquorum a\n", "a witness's key has type 4"},
        {"log @L0 u u\nquorum none\n", "too many words, from 'u'"},
        {"log @L0\nlog @L0\nquorum none\n", "this log's key was there already"},
        {"witness\nquorum none\n", "a name is missing"},
        {"witness a\nquorum none\n", "a key is missing"},
        {"witness none @W0\nquorum none\n", "there is already something called 'none'"},
        {"witness a @W0\nwitness a @W1\nquorum a\n", "already something called 'a'"},
        {"witness a @W0\nwitness b @W0\nquorum a\n", "this witness's key was there already"},
        {"witness a @W0\ngroup a any a\nquorum a\n", "already something called 'a'"},
        {"group g any g\nquorum g\n", "no line before this one defines 'g'"},
        {"group g any h\ngroup h any g\nquorum g\n", "no line before this one defines 'h'"},
        {"group g any none\nquorum g\n", "no line before this one defines 'none'"},
        {"witness a @W0\ngroup g all\nquorum g\n", "a group needs one of its members"},
        {"witness a @W0\ngroup g\nquorum g\n", "'all', 'any' or a number"},
        {"witness a @W0\ngroup g 0 a\nquorum g\n", "a group needs one of its members"},
        {"witness a @W0\ngroup g 2 a\nquorum g\n", "a group needs one of its members"},
        {"witness a @W0\ngroup g 01 a\nquorum g\n", "nor a number: '01'"},
        {"witness a @W0\ngroup g most a\nquorum g\n", "nor a number: 'most'"},
        {"witness a @W0\ngroup g 99999999999999999999 a\nquorum g\n", "nor a number"},
        {"witness a @W0\ngroup g any a a\nquorum g\n", "there is already a group with 'a'"},
        {"witness a @W0\ngroup g any a\ngroup h any a\nquorum g\n", "already a group with 'a'"},
        {"quorum g\nwitness g @W0\n", "no line before this one defines 'g'"},
        {"quorum none\r\n", "a control character"},
        {"quorum none\n\x7f\n", "line 2: a control character"},
        {"log x+aaaaaaaa+BgAA\nquorum none\n", "line 1: a key of type 0x06"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        ti_policy p;
        tern_err err = {0};
        if (read_policy(&p, wrong[i].text, &err) == TERN_OK) {
            fail_msg("taken for a policy: %s", wrong[i].text);
        }
        if (!strstr(err.message, wrong[i].why)) {
            fail_msg("'%s', not '%s'", err.message, wrong[i].why);
        }
    }
}

/* Names are bytes; a last line without its newline counts; the order of logs does not. */
static void test_accepted(void **state)
{
    static const char *const right[] = {
        "quorum none",
        "quorum none\nlog @L0\nlog @L1\n",
        "witness \xff\xfe @W0\nquorum \xff\xfe\n",
        "witness a @W0\ngroup none-such any a\ngroup b any none-such\ngroup c 1 b\nquorum c\n",
        "witness a @W0\nwitness b @W1\ngroup g all a\nquorum b\n",
        "\n \t\n#\n \t# quorum twice\nquorum\tnone\t\n",
    };
    (void)state;
    for (size_t i = 0; i < sizeof right / sizeof *right; i++) {
        ti_policy p;
        tern_err err = {0};
        if (read_policy(&p, right[i], &err) != TERN_OK) {
            fail_msg("%s: %s", right[i], err.message);
        }
        ti_policy_free(&p);
    }
}

/* As many as the specification wants to be possible, and more than there may be. */
static void test_many(void **state)
{
    ti_buf text = {0};
    ti_policy p;
    tern_err err = {0};
    (void)state;
    for (int i = 0; i < 64; i++) {
        ti_note_signer s;
        char key[TI_NOTE_KEY_TEXT];
        make(&s, key, "example.com/many", TI_NOTE_ED25519, (uint8_t)(100 + i));
        ti_buf_addf(&text, "log %s\n", key);
        make(&s, key, "w", TI_NOTE_COSIGN_V1, (uint8_t)(100 + i));
        ti_buf_addf(&text, "witness w%d %s\n", i, key);
        ti_buf_addf(&text, i ? "group g%d any w%d g%d\n" : "group g%d any w%d\n", i, i, i - 1);
    }
    ti_buf_adds(&text, "quorum g63\n");
    assert_int_equal(ti_policy_read(&p, text.data, text.len, &err), TERN_OK);
    bool valid[128] = {true}; /* w0, under 64 groups */
    assert_true(ti_policy_reached(&p, valid));
    valid[0] = false;
    assert_false(ti_policy_reached(&p, valid));
    ti_policy_free(&p);
    ti_buf_clear(&text);
    for (int last = TI_POLICY_NODES - 1; last <= TI_POLICY_NODES; last++) {
        ti_buf_clear(&text);
        ti_buf_addf(&text, "witness g0 %s\n", witness_key[0]);
        for (int i = 1; i <= last; i++) {
            ti_buf_addf(&text, "group g%d any g%d\n", i, i - 1);
        }
        ti_buf_addf(&text, "quorum g%d\n", last);
        tern_status status = ti_policy_read(&p, text.data, text.len, &err);
        assert_int_equal(status, last < TI_POLICY_NODES ? TERN_OK : TERN_LIMIT);
        if (status == TERN_OK) {
            ti_policy_free(&p);
        }
    }
    ti_buf_free(&text);
}

/* A checkpoint of log `l` with the cosignatures of the witnesses in `set`. */
static void note_of(ti_buf *out, int l, unsigned set)
{
    ti_checkpoint c = {.size = 9};
    ti_str text;
    ti_buf_clear(out);
    memcpy(c.origin, logs[l].pub.name, sizeof c.origin);
    assert_int_equal(ti_checkpoint_sign(out, &c, &logs[l], NULL), TERN_OK);
    size_t len = (size_t)(strstr(out->data, "\n\n") + 1 - out->data);
    char copy[512];
    assert_true(len < sizeof copy);
    memcpy(copy, out->data, len);
    text = (ti_str){copy, len};
    for (unsigned i = 0; i < WITNESSES; i++) {
        if (set >> i & 1) {
            assert_int_equal(ti_note_sign_line(out, &witnesses[i], text, 1000 + i, NULL),
                             TERN_OK);
        }
    }
}

static void test_check(void **state)
{
    ti_policy p;
    ti_policy_found found;
    ti_buf note = {0};
    tern_err err = {0};
    (void)state;
    assert_int_equal(read_policy(&p, example, &err), TERN_OK);
    for (unsigned set = 0; set < 64; set++) {
        unsigned x = (set & 1) + (set >> 1 & 1) + (set >> 2 & 1);
        note_of(&note, 0, set);
        tern_status status = ti_policy_check(&found, &p, NULL, note.data, note.len, &err);
        assert_int_equal(status, x >= 2 && set >> 3 != 0 ? TERN_OK : TERN_NO);
        if (status == TERN_OK) {
            assert_int_equal(found.checkpoint.size, 9);
            assert_string_equal(found.log.name, "example.com/log");
            assert_int_equal(found.first_time_s, set & 1 ? 1000 : 1001);
            ti_buf_free(&found.names);
        } else {
            assert_non_null(strstr(err.message, "the quorum 'X-and-Y' is not reached"));
        }
    }
    note_of(&note, 0, 0x0b); /* X1, X2, Y1 */
    assert_int_equal(ti_policy_check(&found, &p, NULL, note.data, note.len, &err), TERN_OK);
    assert_string_equal(found.names.data, "X1, X2, Y1");
    assert_int_equal(found.witnesses, 3);
    ti_buf_free(&found.names);

    /* A wrong signature of a known key spoils the note, though the others are enough. */
    note_of(&note, 0, 0x0f);
    char *last = note.data + note.len - 20;
    *last = *last == 'A' ? 'B' : 'A';
    assert_int_equal(ti_policy_check(&found, &p, NULL, note.data, note.len, &err), TERN_NO);
    /* Another log; no log; a policy without one. */
    note_of(&note, 1, 0x3f);
    assert_int_equal(ti_policy_check(&found, &p, NULL, note.data, note.len, &err), TERN_NO);
    assert_int_equal(ti_policy_check(&found, &p, &logs[1].pub, note.data, note.len, &err),
                     TERN_NO);
    ti_policy_free(&p);
    assert_int_equal(read_policy(&p, "witness a @W0\nquorum a\n", &err), TERN_OK);
    assert_int_equal(ti_policy_check(&found, &p, NULL, note.data, note.len, &err), TERN_USAGE);
    assert_int_equal(ti_policy_check(&found, &p, &logs[1].pub, note.data, note.len, &err),
                     TERN_OK);
    ti_buf_free(&found.names);
    assert_int_equal(ti_policy_check(&found, &p, &logs[0].pub, note.data, note.len, &err),
                     TERN_NO);
    ti_policy_free(&p);
    ti_buf_free(&note);
}

/* Cosignatures alone are not enough: the log must have signed. */
static void test_unsigned(void **state)
{
    ti_policy p;
    ti_policy_found found;
    ti_buf note = {0};
    tern_err err = {0};
    (void)state;
    assert_int_equal(read_policy(&p, "log @L0\nwitness a @W0\nquorum a\n", &err), TERN_OK);
    note_of(&note, 0, 1);
    char *blank = strstr(note.data, "\n\n") + 2, *second = strchr(blank, '\n') + 1;
    memmove(blank, second, strlen(second) + 1);
    note.len = strlen(note.data);
    assert_int_equal(ti_policy_check(&found, &p, NULL, note.data, note.len, &err), TERN_NO);
    assert_non_null(strstr(err.message, "not signed by 'example.com/log'"));
    ti_policy_free(&p);
    ti_buf_free(&note);
}

static void test_out_of_memory(void **state)
{
    ti_buf text = {0}, note = {0};
    (void)state;
    expand(&text, example);
    note_of(&note, 0, 0x3f);
    for (long n = 0;; n++) {
        ti_policy p = {.quorum = 77};
        ti_policy_found found = {.witnesses = 77};
        oom_fail_at(n);
        tern_status status = ti_policy_read(&p, text.data, text.len, NULL);
        bool untouched = p.quorum == 77;
        if (status == TERN_OK) {
            status = ti_policy_check(&found, &p, NULL, note.data, note.len, NULL);
            untouched = found.witnesses == 77;
            ti_policy_free(&p);
        }
        bool failed = oom_disarm();
        assert_int_equal(status, failed ? TERN_NOMEM : TERN_OK);
        assert_int_equal(untouched, failed);
        if (!failed) {
            ti_buf_free(&found.names);
            break;
        }
    }
    ti_buf_free(&text);
    ti_buf_free(&note);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_example),       cmocka_unit_test(test_refused),
        cmocka_unit_test(test_accepted),      cmocka_unit_test(test_many),
        cmocka_unit_test(test_check),         cmocka_unit_test(test_unsigned),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
