/* SPDX-License-Identifier: Apache-2.0 */
/* A witness: every answer, restarts, damage, a disk that forgets, threads, memory that runs
 * out. What must hold: no two checkpoints that it cosigned contradict each other. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/sha256.h"
#include "ledger/base64.h"
#include "ledger/witness.h"
#include "log_sim.h"
#include "oom.h"

enum { SIZES = 40, FORK = 7 /* the two histories have so many entries in common */ };

static ti_note_signer log_signer, second_signer, other_signer;
static ti_policy policy;
static uint64_t clock_now_s = 1000;

static uint64_t fake_clock_s(void *user)
{
    (void)user;
    return clock_now_s;
}

/* --- two histories of a log --------------------------------------------------------------- */

static tern_status get_node(void *user, ti_hash *out, unsigned level, uint64_t index,
                            tern_err *err)
{
    const int *history = user;
    ti_hash leaves[64];
    size_t n = (size_t)1 << level;
    (void)err;
    assert_true(n <= 64);
    for (size_t i = 0; i < n; i++) {
        char entry[32];
        uint64_t at = (index << level) + i;
        int len = snprintf(entry, sizeof entry, "%d %llu", at < FORK ? 0 : *history,
                           (unsigned long long)at);
        ti_merkle_leaf(&leaves[i], entry, (size_t)len);
    }
    ti_merkle_fold(out, leaves, n);
    return TERN_OK;
}

static void head_of(ti_checkpoint *out, const char *origin, int history, uint64_t size)
{
    ti_nodes nodes = {get_node, &history};
    memset(out, 0, sizeof *out);
    memcpy(out->origin, origin, strlen(origin));
    out->size = size;
    assert_int_equal(ti_merkle_root(&out->root, &nodes, size, NULL), TERN_OK);
}

/* A request as a good log makes it. */
static void request_of(ti_buf *out, int history, uint64_t old, uint64_t size)
{
    ti_nodes nodes = {get_node, &history};
    ti_witness_request r = {.old_size = old};
    ti_checkpoint head;
    ti_buf note = {0};
    head_of(&head, log_signer.pub.name, history, size);
    assert_int_equal(ti_checkpoint_sign(&note, &head, &log_signer, NULL), TERN_OK);
    if (old <= size) {
        assert_int_equal(ti_merkle_consistency(&r.proof, &nodes, NULL, old, size, NULL),
                         TERN_OK);
    }
    r.note = (ti_str){note.data, note.len};
    ti_buf_clear(out);
    ti_witness_request_write(out, &r);
    assert_false(out->failed);
    ti_buf_free(&note);
}

static int setup(void **state)
{
    const uint8_t seeds[3][TI_ED25519_SEED] = {{1}, {2}, {3}};
    char key[TI_NOTE_KEY_TEXT];
    ti_buf text = {0};
    (void)state;
    ti_note_signer *signers[] = {&log_signer, &second_signer, &other_signer};
    const char *const names[] = {"example.com/log", "example.com/log", "example.com/other"};
    for (int i = 0; i < 3; i++) {
        assert_int_equal(
            ti_note_signer_make(signers[i], names[i], TI_NOTE_ED25519, seeds[i], NULL),
            TERN_OK);
        ti_note_key_write(key, &signers[i]->pub);
        ti_buf_addf(&text, "log %s\n", key);
    }
    ti_buf_adds(&text, "quorum none\n");
    assert_int_equal(ti_policy_read(&policy, text.data, text.len, NULL), TERN_OK);
    ti_buf_free(&text);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    ti_policy_free(&policy);
    return 0;
}

/* --- a witness on a simulated disk -------------------------------------------------------- */

typedef struct place {
    sim *sim;
    ti_log_io io;
    ti_witness_opts opts;
    ti_witness *witness;
} place;

static tern_status open_at(place *p, tern_err *err)
{
    p->opts =
        (ti_witness_opts){.io = &p->io, .clock_s = fake_clock_s, .name = "witness.example/w"};
    p->witness = NULL;
    return ti_witness_open(&p->witness, "state", &policy, &p->opts, err);
}

static void begin(place *p, uint64_t seed)
{
    *p = (place){.sim = sim_new(seed)};
    p->io = sim_io(p->sim, false);
    assert_int_equal(open_at(p, NULL), TERN_OK);
}

static void again(place *p)
{
    ti_witness_close(p->witness);
    sim_restart(p->sim, SIM_DROP);
    assert_int_equal(open_at(p, NULL), TERN_OK);
}

static void end(place *p)
{
    ti_witness_close(p->witness);
    sim_free(p->sim);
}

/* Sends bytes; returns the code, 0 for a failure.  *body (NULL allowed) receives the answer. */
static unsigned post(ti_witness *w, const char *text, size_t len, ti_buf *body)
{
    ti_witness_answer answer = {0};
    tern_status status = ti_witness_add(w, &answer, text, len, NULL);
    unsigned code = status == TERN_OK ? answer.code : 0;
    assert_true(code == 0 || (answer.type && answer.body.len > 0));
    if (body) {
        ti_buf_free(body);
        *body = answer.body;
    } else {
        ti_buf_free(&answer.body);
    }
    return code;
}

static unsigned send_growth(ti_witness *w, int history, uint64_t old, uint64_t size)
{
    ti_buf text = {0};
    request_of(&text, history, old, size);
    unsigned code = post(w, text.data, text.len, NULL);
    ti_buf_free(&text);
    return code;
}

/* Where the log is shown, and the name of its file. */
static const char *file_of_log(void)
{
    static char hash[2 * TI_SHA256_BYTES + 1];
    uint8_t digest[TI_SHA256_BYTES];
    ti_sha256_of(digest, log_signer.pub.name, strlen(log_signer.pub.name));
    for (int i = 0; i < TI_SHA256_BYTES; i++) {
        snprintf(hash + 2 * i, 3, "%02x", digest[i]);
    }
    return hash;
}

/* The size that the witness shows to monitors; -1 = nothing. */
static long shown_size(ti_witness *w)
{
    ti_witness_answer answer = {0};
    const char *hash = file_of_log();
    ti_checkpoint head;
    ti_note_key keys[2] = {log_signer.pub, *ti_witness_key(w)};
    bool valid[2];
    ti_signed_note note;
    long size = -1;
    assert_int_equal(ti_witness_latest(w, &answer, hash, strlen(hash), NULL), TERN_OK);
    if (answer.code == 200) {
        assert_int_equal(ti_note_parse(&note, answer.body.data, answer.body.len, NULL),
                         TERN_OK);
        assert_int_equal(ti_note_check(&note, keys, 2, valid, NULL, NULL), TERN_OK);
        assert_true(valid[0] && valid[1]);
        assert_int_equal(ti_checkpoint_read(&head, note.text.data, note.text.len, NULL),
                         TERN_OK);
        size = (long)head.size;
    } else {
        assert_int_equal(answer.code, 404);
    }
    ti_buf_free(&answer.body);
    return size;
}

/* --- answers ------------------------------------------------------------------------------ */

static void test_sizes(void **state)
{
    place p;
    (void)state;
    begin(&p, 1);
    assert_int_equal(shown_size(p.witness), -1);
    assert_int_equal(send_growth(p.witness, 1, 3, 5), 409); /* nothing is known: old is 0 */
    assert_int_equal(send_growth(p.witness, 1, 0, 0), 200); /* the empty tree, twice */
    assert_int_equal(shown_size(p.witness), 0);
    again(&p);
    assert_int_equal(send_growth(p.witness, 1, 0, 0), 200);
    for (uint64_t old = 0; old < SIZES; old++) {
        assert_int_equal(send_growth(p.witness, 1, old, old + 1), 200);
        assert_int_equal(send_growth(p.witness, 1, old + 1, old + 1), 200); /* once more */
        assert_int_equal(send_growth(p.witness, 1, old, old), 409);         /* smaller */
        assert_int_equal(send_growth(p.witness, 1, old + 1, old), 400);
        assert_int_equal(send_growth(p.witness, 1, old + 2, old + 3), 409);
        again(&p);
        assert_int_equal(shown_size(p.witness), old + 1);
    }
    end(&p);
    for (uint64_t old = 0; old < SIZES; old++) { /* every step from every size */
        for (uint64_t size = old; size < SIZES; size += 1 + size / 8) {
            begin(&p, 2);
            assert_int_equal(send_growth(p.witness, 2, 0, old), 200);
            assert_int_equal(send_growth(p.witness, 2, old, size), 200);
            assert_int_equal(shown_size(p.witness), size);
            end(&p);
        }
    }
}

/* The other history is refused from each size on that the two do not share. */
static void test_fork(void **state)
{
    place p;
    (void)state;
    for (uint64_t old = 1; old < 20; old++) {
        for (uint64_t size = old; size < 24; size++) {
            begin(&p, 3);
            bool shared = old <= FORK;
            assert_int_equal(send_growth(p.witness, 1, 0, old), 200);
            assert_int_equal(send_growth(p.witness, 2, old, size), shared ? 200 : 422);
            again(&p);
            assert_int_equal(shown_size(p.witness), shared ? size : old);
            end(&p);
        }
    }
}

/* Replaces the first `from` by `to`. */
static void replace(ti_buf *text, const char *from, const char *to)
{
    char *at = strstr(text->data, from);
    assert_non_null(at);
    ti_buf out = {0};
    ti_buf_add(&out, text->data, (size_t)(at - text->data));
    ti_buf_adds(&out, to);
    ti_buf_adds(&out, at + strlen(from));
    ti_buf_free(text);
    *text = out;
}

/* Signs a text by `signer` and puts it behind "old 0". */
static void signed_request(ti_buf *out, const char *head, const char *text,
                           const ti_note_signer *signer)
{
    ti_buf_clear(out);
    ti_buf_adds(out, head);
    assert_int_equal(ti_note_sign(out, (ti_str){text, strlen(text)}, signer, 1, 0, NULL),
                     TERN_OK);
}

static const char empty_root[] = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";
static const char some_hash[] = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";

/* 409: the size as the specification wants it, and nothing else. */
static void test_conflict(void **state)
{
    place p;
    ti_buf text = {0};
    ti_witness_answer answer;
    (void)state;
    begin(&p, 4);
    assert_int_equal(send_growth(p.witness, 1, 0, 5), 200);
    request_of(&text, 1, 3, 9);
    assert_int_equal(ti_witness_add(p.witness, &answer, text.data, text.len, NULL), TERN_OK);
    assert_int_equal(answer.code, 409);
    assert_string_equal(answer.type, "text/x.tlog.size");
    assert_string_equal(answer.body.data, "5\n");
    ti_buf_free(&answer.body);
    ti_buf_free(&text);
    end(&p);
}

/* 422: proofs that are changed, too short, too long, where none may be. */
static void test_proofs(void **state)
{
    enum { LINE = 45 }; /* bytes of a hash's line */
    place p;
    ti_buf good = {0}, text = {0};
    (void)state;
    begin(&p, 4);
    assert_int_equal(send_growth(p.witness, 1, 0, 5), 200);
    request_of(&good, 1, 5, 9);
    char *hashes = strchr(good.data, '\n') + 1;
    hashes[5] = hashes[5] == 'A' ? 'B' : 'A';
    assert_int_equal(post(p.witness, good.data, good.len, NULL), 422);
    request_of(&good, 1, 5, 9);
    hashes = strchr(good.data, '\n') + 1;
    ti_buf_adds(&text, "old 5\n");
    ti_buf_adds(&text, hashes + LINE);
    assert_int_equal(post(p.witness, text.data, text.len, NULL), 422);
    ti_buf_clear(&text);
    ti_buf_adds(&text, "old 5\n");
    ti_buf_add(&text, hashes, LINE);
    ti_buf_adds(&text, hashes);
    assert_int_equal(post(p.witness, text.data, text.len, NULL), 422);
    request_of(&text, 1, 5, 5);
    replace(&text, "old 5\n", "old 5\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n");
    assert_int_equal(post(p.witness, text.data, text.len, NULL), 422);
    assert_int_equal(shown_size(p.witness), 5);
    assert_int_equal(post(p.witness, good.data, good.len, NULL), 200);
    ti_buf_free(&text);
    ti_buf_free(&good);
    end(&p);
}

/* 403: another key of this name, a changed signature, also beside a good one.  404. */
static void test_signatures(void **state)
{
    place p;
    ti_buf text = {0}, good = {0}, body = {0};
    char checkpoint[512];
    (void)state;
    begin(&p, 4);
    snprintf(checkpoint, sizeof checkpoint, "%s\n9\n%s\n", log_signer.pub.name, some_hash);
    signed_request(&text, "old 0\n\n", checkpoint, &other_signer);
    assert_int_equal(post(p.witness, text.data, text.len, NULL), 403);
    signed_request(&text, "old 0\n\n", checkpoint, &second_signer); /* it has two keys */
    assert_int_equal(post(p.witness, text.data, text.len, NULL), 200);
    end(&p);
    begin(&p, 4);
    request_of(&good, 1, 0, 9);
    request_of(&text, 1, 0, 9);
    char *last = text.data + text.len - 20;
    *last = *last == 'A' ? 'B' : 'A';
    assert_int_equal(post(p.witness, text.data, text.len, NULL), 403);
    ti_buf_add(&body, good.data, good.len);
    ti_buf_adds(&body, strstr(text.data, "\xe2\x80\x94"));
    assert_int_equal(post(p.witness, body.data, body.len, NULL), 403);
    request_of(&text, 1, 0, 9);
    replace(&text, "example.com/log\n", "example.com/lag\n");
    assert_int_equal(post(p.witness, text.data, text.len, NULL), 404);
    /* None of that changed anything; unknown signatures are ignored, and not kept. */
    assert_int_equal(shown_size(p.witness), -1);
    ti_buf_adds(&good, "\xe2\x80\x94 somebody.example AAAAAAAAAAA=\n");
    ti_buf_free(&body);
    assert_int_equal(post(p.witness, good.data, good.len, &body), 200);
    assert_null(strstr(body.data, "somebody"));
    assert_int_equal(shown_size(p.witness), 9);
    ti_buf_free(&body);
    ti_buf_free(&good);
    ti_buf_free(&text);
    end(&p);
}

/* Each log has its own state; the empty tree has one root, and nothing comes before it. */
static void test_empty_tree(void **state)
{
    static const char with_proof[] = "old 0\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n\n";
    place p;
    ti_buf text = {0};
    char empty[512], wrong[512], three[512];
    const char *name = other_signer.pub.name;
    (void)state;
    snprintf(empty, sizeof empty, "%s\n0\n%s\n", name, empty_root);
    snprintf(wrong, sizeof wrong, "%s\n0\n%s\n", name, some_hash);
    snprintf(three, sizeof three, "%s\n3\n%s\nan extension\n", name, some_hash);
    const struct {
        const char *head, *checkpoint;
        unsigned code;
    } asked[] = {
        {"old 0\n\n", wrong, 422}, {with_proof, empty, 422},  {"old 0\n\n", empty, 200},
        {with_proof, three, 422},  {"old 0\n\n", wrong, 422}, {"old 0\n\n", three, 200},
        {"old 0\n\n", empty, 409}, {"old 3\n\n", empty, 400}, {"old 3\n\n", three, 200},
    };
    begin(&p, 4);
    assert_int_equal(send_growth(p.witness, 1, 0, 5), 200);
    for (size_t i = 0; i < sizeof asked / sizeof *asked; i++) {
        signed_request(&text, asked[i].head, asked[i].checkpoint, &other_signer);
        assert_int_equal(post(p.witness, text.data, text.len, NULL), asked[i].code);
    }
    assert_int_equal(shown_size(p.witness), 5);
    ti_buf_free(&text);
    end(&p);
}

/* 400: what is no request; every cut and every changed byte of one is refused, one way or the
 * other (in the text of the log's signature line nothing is left open). */
static void test_malformed(void **state)
{
    static const char *const wrong[] = {
        "",
        "\n",
        "old\n\n",
        "old 1",
        "old -1\n\n",
        "old 01\n\n",
        "old 9223372036854775808\n\n",
        "old 0\n",
        "old 0\nAAAA\n\n",
        "old 0\n\n",
        "old 0\n\nexample.com/log\n1\nAAAA\n\n",
        "old 0\r\n\r\n",
        "Old 0\n\n",
    };
    place p;
    ti_buf text = {0}, copy = {0};
    (void)state;
    begin(&p, 5);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        assert_int_equal(post(p.witness, wrong[i], strlen(wrong[i]), NULL), 400);
    }
    request_of(&text, 1, 0, 9);
    for (int n = 63; n <= 64; n++) { /* so many hashes are read, no more */
        ti_buf_clear(&copy);
        ti_buf_adds(&copy, "old 0\n");
        for (int i = 0; i < n; i++) {
            ti_buf_adds(&copy, "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n");
        }
        ti_buf_adds(&copy, text.data + 6);
        assert_int_equal(post(p.witness, copy.data, copy.len, NULL), n == 63 ? 422 : 400);
    }
    for (size_t len = 0; len < text.len; len++) {
        unsigned code = post(p.witness, text.data, len, NULL);
        assert_true(code == 400 || code == 403);
    }
    for (size_t at = 0; at < text.len; at++) {
        for (int bit = 0; bit < 8; bit++) {
            text.data[at] = (char)(text.data[at] ^ (1 << bit));
            unsigned code = post(p.witness, text.data, text.len, NULL);
            if (code != 400 && code != 403 && code != 404 && code != 409) {
                fail_msg("bit %d of byte %zu: %u", bit, at, code);
            }
            text.data[at] = (char)(text.data[at] ^ (1 << bit));
        }
    }
    assert_int_equal(shown_size(p.witness), -1);
    assert_int_equal(post(p.witness, text.data, text.len, NULL), 200);
    ti_buf_free(&text);
    ti_buf_free(&copy);
    end(&p);
}

/* The time in a cosignature never goes back; a machine that does not know it cosigns nothing.
 */
static void test_time(void **state)
{
    static const uint64_t clock_s[] = {5000, 4000, 6000, 6000};
    static const uint64_t signed_s[] = {5000, 5000, 6000, 6000};
    place p;
    (void)state;
    begin(&p, 6);
    for (uint64_t i = 0; i < 4; i++) {
        ti_witness_answer answer;
        ti_buf text = {0}, note = {0};
        ti_signed_note parsed;
        bool valid;
        uint64_t time_s;
        clock_now_s = clock_s[i];
        request_of(&text, 1, i, i + 1);
        assert_int_equal(ti_witness_add(p.witness, &answer, text.data, text.len, NULL),
                         TERN_OK);
        assert_int_equal(answer.code, 200);
        ti_buf_adds(&note, strstr(text.data, "example.com/log\n"));
        ti_buf_add(&note, answer.body.data, answer.body.len);
        assert_int_equal(ti_note_parse(&parsed, note.data, note.len, NULL), TERN_OK);
        assert_int_equal(
            ti_note_check(&parsed, ti_witness_key(p.witness), 1, &valid, &time_s, NULL),
            TERN_OK);
        assert_int_equal(time_s, signed_s[i]);
        ti_buf_free(&answer.body);
        ti_buf_free(&text);
        ti_buf_free(&note);
        again(&p);
    }
    clock_now_s = 0;
    assert_int_equal(send_growth(p.witness, 1, 4, 5), 0);
    clock_now_s = 1000;
    assert_true(ti_witness_alive(p.witness));
    assert_int_equal(shown_size(p.witness), 4);
    assert_int_equal(send_growth(p.witness, 1, 4, 5), 200);
    end(&p);
}

/* --- state -------------------------------------------------------------------------------- */

static void test_key_and_lock(void **state)
{
    place p, other;
    tern_err err = {0};
    ti_note_key first;
    size_t len;
    (void)state;
    begin(&p, 7);
    first = *ti_witness_key(p.witness);
    assert_string_equal(first.name, "witness.example/w");
    assert_int_equal(first.type, TI_NOTE_COSIGN_V1);
    other = p;
    assert_int_equal(open_at(&other, &err), TERN_UNAVAILABLE);
    assert_int_equal(send_growth(p.witness, 1, 0, 5), 200);
    again(&p);
    assert_memory_equal(&first, ti_witness_key(p.witness), sizeof first);
    ti_witness_close(p.witness);

    ti_witness_opts opts = p.opts;
    opts.name = "witness.example/x";
    assert_int_equal(ti_witness_open(&p.witness, "state", &policy, &opts, &err), TERN_USAGE);
    opts.name = "a b";
    assert_int_equal(ti_witness_open(&p.witness, "state", &policy, &opts, &err), TERN_USAGE);
    opts.name = NULL; /* the key has one */
    assert_int_equal(ti_witness_open(&p.witness, "state", &policy, &opts, &err), TERN_OK);
    ti_witness_close(p.witness);
    assert_int_equal(ti_witness_open(&p.witness, "elsewhere", &policy, &opts, &err), TERN_OK);
    assert_memory_equal(ti_witness_key(p.witness)->name, "tern-witness/", 13);
    ti_witness_close(p.witness);

    /* Without its key a state is not continued with another one. */
    assert_non_null(sim_bytes(p.sim, "state/key", &len));
    assert_int_equal(p.io.unlink(p.io.user, "state/key"), 0);
    assert_int_equal(open_at(&p, &err), TERN_CORRUPT);
    assert_non_null(strstr(err.message, "'state/key' is missing"));
    assert_null(sim_bytes(p.sim, "state/key", &len));
    p.witness = NULL;
    end(&p);
}

/* A changed bit in the state is noticed at the start, or it is one that says nothing: the log's
 * signature, which is only kept for others. */
static void test_damage(void **state)
{
    place p;
    size_t len = 0;
    (void)state;
    begin(&p, 8);
    assert_int_equal(send_growth(p.witness, 1, 0, 9), 200);
    ti_witness_close(p.witness);
    char path[80];
    snprintf(path, sizeof path, "state/%s", file_of_log());
    assert_non_null(sim_bytes(p.sim, path, &len));
    unsigned noticed = 0, harmless = 0;
    for (size_t at = 0; at < len; at++) {
        for (int bit = 0; bit < 8; bit++) {
            sim_bytes(p.sim, path, &len)[at] ^= (uint8_t)(1 << bit);
            tern_status status = open_at(&p, NULL);
            if (status == TERN_OK) {
                assert_int_equal(send_growth(p.witness, 2, 9, 9), 422);
                harmless++;
                ti_witness_close(p.witness);
            } else {
                assert_int_equal(status, TERN_CORRUPT);
                noticed++;
            }
            sim_bytes(p.sim, path, &len)[at] ^= (uint8_t)(1 << bit);
        }
    }
    assert_true(noticed > harmless && harmless < 8 * 120);
    assert_int_equal(open_at(&p, NULL), TERN_OK);
    assert_int_equal(shown_size(p.witness), 9);
    end(&p);
}

/* After a failed write nothing is cosigned by this handle; the next one goes on from what is on
 * the disk. */
static void test_failed_writes(void **state)
{
    (void)state;
    for (uint64_t n = 0; n < 2; n++) { /* the file's sync; that of the directory is the same */
        place p;
        begin(&p, 9 + n);
        assert_int_equal(send_growth(p.witness, 1, 0, 3), 200);
        sim_fail_sync(p.sim, n);
        assert_int_equal(send_growth(p.witness, 1, 3, 9), 0);
        assert_false(ti_witness_alive(p.witness));
        assert_int_equal(send_growth(p.witness, 1, 3, 9), 0);
        assert_int_equal(send_growth(p.witness, 2, 3, 9), 0);
        again(&p);
        long size = shown_size(p.witness);
        assert_true(size == 3 || size == 9);
        assert_int_equal(send_growth(p.witness, 1, (uint64_t)size, 9), 200);
        end(&p);
    }
}

/* --- crashes: lives from seeds ------------------------------------------------------------ */

typedef struct seen {
    int history; /* 0 = both */
    uint64_t size;
} seen;

static unsigned long from_env(const char *name, unsigned long fallback)
{
    const char *text = getenv(name);
    return text ? strtoul(text, NULL, 10) : fallback;
}

/* Two logs of the same name and key, each with its own history, ask at random. */
static void ask_at_random(place *p, ti_rng *rng, seen *s, unsigned long seed)
{
    ti_buf text = {0}, body = {0};
    uint64_t old[3] = {s->size, s->size, s->size};
    for (unsigned i = 0; i < 12; i++) {
        int history = 1 + (int)(ti_rng_next(rng) % 2);
        uint64_t size = old[history] + ti_rng_next(rng) % 4;
        size = size < 60 ? size : 60;
        request_of(&text, history, old[history], size);
        unsigned code = post(p->witness, text.data, text.len, &body);
        if (code == 200) {
            if (size < s->size || (s->history && s->history != history && size > FORK)) {
                fail_msg("seed %lu: history %d of %llu after %d of %llu", seed, history,
                         (unsigned long long)size, s->history, (unsigned long long)s->size);
            }
            s->history = size > FORK ? history : s->history;
            s->size = old[history] = size;
        } else if (code == 409) {
            old[history] = strtoull(body.data, NULL, 10);
            /* What was not acknowledged may be there; what was must be. */
            assert_true(old[history] >= s->size);
        } else if (code == 0) {
            assert_true(sim_crashed(p->sim) || !ti_witness_alive(p->witness));
            break;
        } else {
            assert_int_equal(code, 422);
        }
    }
    ti_buf_free(&text);
    ti_buf_free(&body);
}

static void live(unsigned long seed)
{
    static const sim_mode modes[] = {SIM_RANDOM, SIM_RANDOM, SIM_DROP, SIM_KEEP};
    place p = {.sim = sim_new(seed)};
    ti_rng rng;
    seen s = {0, 0};
    p.io = sim_io(p.sim, false);
    ti_rng_seed(&rng, seed);
    for (unsigned round = 0; round < 12; round++) {
        sim_crash_at(p.sim, ti_rng_next(&rng) % 60);
        if (ti_rng_next(&rng) % 5 == 0) {
            sim_fail_sync(p.sim, ti_rng_next(&rng) % 8);
        }
        tern_err err = {0};
        tern_status status = open_at(&p, &err);
        if (status == TERN_OK) {
            ask_at_random(&p, &rng, &s, seed);
        } else if (!sim_crashed(p.sim) && status != TERN_IO) {
            fail_msg("seed %lu: refused: %s", seed, err.message);
        }
        ti_witness_close(p.witness);
        sim_restart(p.sim, modes[ti_rng_next(&rng) % 4]);
    }
    sim_crash_at(p.sim, UINT64_MAX);
    assert_int_equal(open_at(&p, NULL), TERN_OK);
    assert_true(shown_size(p.witness) >= (long)s.size || s.size == 0);
    end(&p);
}

/* TERN_SEED=N TERN_SEEDS=1 repeats one of them. */
static void test_crashes(void **state)
{
    unsigned long first = from_env("TERN_SEED", 1), n = from_env("TERN_SEEDS", 80);
    (void)state;
    for (unsigned long seed = first; seed < first + n; seed++) {
        live(seed);
    }
}

/* --- a real directory --------------------------------------------------------------------- */

enum { FOLDER = 128 };

/* In memory where that is possible: the disk is not what is tested here. */
static void make_folder(char dir[FOLDER])
{
    bool memory = access("/dev/shm", W_OK) == 0;
    snprintf(dir, FOLDER, "%s/tern-witness-XXXXXX", memory ? "/dev/shm" : P_tmpdir);
    assert_non_null(mkdtemp(dir));
}

/* Fails when there is anything that does not belong there. */
static void remove_folder(const char *dir)
{
    char path[FOLDER + 80];
    static const char *const names[] = {"key", "vkey", "lock"};
    for (int i = 0; i < 3; i++) {
        snprintf(path, sizeof path, "%s/%s", dir, names[i]);
        assert_int_equal(remove(path), 0);
    }
    snprintf(path, sizeof path, "%s/%s", dir, file_of_log());
    assert_int_equal(remove(path), 0);
    assert_int_equal(remove(dir), 0);
}

/* --- threads, on a real directory --------------------------------------------------------- */

typedef struct client {
    ti_witness *witness;
    int history;
    unsigned refused;
    uint64_t reached;
} client;

static void *ask_many(void *arg)
{
    client *c = arg;
    ti_buf text = {0}, body = {0};
    uint64_t old = 0;
    for (uint64_t size = 1; size <= SIZES && c->refused == 0;) {
        request_of(&text, c->history, old, size);
        unsigned code = post(c->witness, text.data, text.len, &body);
        if (code == 200) {
            c->reached = old = size++;
        } else if (code == 409) {
            old = strtoull(body.data, NULL, 10);
            size = size > old ? size : old;
        } else {
            c->refused = code;
        }
    }
    ti_buf_free(&text);
    ti_buf_free(&body);
    return NULL;
}

static void test_threads(void **state)
{
    enum { CLIENTS = 6 };
    char dir[FOLDER];
    pthread_t threads[CLIENTS];
    client clients[CLIENTS] = {{0}};
    ti_witness *witness, *other;
    tern_err err = {0};
    (void)state;
    make_folder(dir);
    assert_int_equal(ti_witness_open(&witness, dir, &policy, NULL, &err), TERN_OK);
    assert_int_equal(ti_witness_open(&other, dir, &policy, NULL, &err), TERN_UNAVAILABLE);
    for (int i = 0; i < CLIENTS; i++) {
        clients[i] = (client){.witness = witness, .history = 1 + i % 2};
        assert_int_equal(pthread_create(&threads[i], NULL, ask_many, &clients[i]), 0);
    }
    uint64_t reached[3] = {0};
    for (int i = 0; i < CLIENTS; i++) {
        pthread_join(threads[i], NULL);
        int h = clients[i].history;
        assert_true(clients[i].refused == 0 || clients[i].refused == 422);
        reached[h] = clients[i].reached > reached[h] ? clients[i].reached : reached[h];
    }
    /* One history went to its end, the other nowhere past what they share. */
    assert_int_equal(reached[1] > reached[2] ? reached[1] : reached[2], SIZES);
    assert_true((reached[1] > reached[2] ? reached[2] : reached[1]) <= FORK);
    assert_int_equal(shown_size(witness), SIZES);
    ti_witness_close(witness);
    assert_int_equal(ti_witness_open(&witness, dir, &policy, NULL, &err), TERN_OK);
    assert_int_equal(shown_size(witness), SIZES);
    ti_witness_close(witness);
    remove_folder(dir);
}

/* --- the client's side -------------------------------------------------------------------- */

static void test_answers_read(void **state)
{
    place p;
    ti_buf text = {0}, body = {0}, lines = {0}, many = {0};
    tern_err err = {0};
    (void)state;
    begin(&p, 11);
    request_of(&text, 1, 0, 9);
    assert_int_equal(post(p.witness, text.data, text.len, &body), 200);
    const char *from = strstr(text.data, "example.com/log\n");
    ti_str head = {from, (size_t)(strstr(from, "\n\n") + 1 - from)};
    const ti_note_key *key = ti_witness_key(p.witness);
    assert_int_equal(ti_witness_answer_read(&lines, key, head, body.data, body.len, &err),
                     TERN_OK);
    assert_string_equal(lines.data, body.data);
    ti_buf_clear(&lines);
    for (int i = 0; i < 20; i++) { /* one line of each witness, and nobody else's */
        ti_buf_adds(&many, "\xe2\x80\x94 somebody.example AAAAAAAAAAA=\n");
        ti_buf_add(&many, body.data, body.len);
    }
    assert_int_equal(ti_witness_answer_read(&lines, key, head, many.data, many.len, &err),
                     TERN_OK);
    assert_string_equal(lines.data, body.data);
    assert_int_equal(
        ti_witness_answer_read(&lines, &other_signer.pub, head, body.data, body.len, &err),
        TERN_NO);
    head.len -= 10;
    head.data += 1; /* another text */
    assert_int_not_equal(ti_witness_answer_read(&lines, key, head, body.data, body.len, &err),
                         TERN_OK);
    assert_int_equal(ti_witness_answer_read(&lines, key, head, "", 0, &err), TERN_CORRUPT);
    ti_buf_free(&text);
    ti_buf_free(&body);
    ti_buf_free(&lines);
    ti_buf_free(&many);
    end(&p);
}

static void test_out_of_memory(void **state)
{
    ti_buf text = {0};
    (void)state;
    request_of(&text, 1, 3, 9);
    for (long n = 0;; n++) {
        char dir[FOLDER];
        ti_witness *w;
        ti_witness_answer answer = {.code = 77};
        make_folder(dir);
        assert_int_equal(ti_witness_open(&w, dir, &policy, NULL, NULL), TERN_OK);
        assert_int_equal(send_growth(w, 1, 0, 3), 200);
        oom_fail_at(n);
        tern_status status = ti_witness_add(w, &answer, text.data, text.len, NULL);
        bool failed = oom_disarm();
        if (status != TERN_OK) {
            assert_int_equal(status, TERN_NOMEM);
            assert_int_equal(answer.code, 77);
            assert_int_equal(shown_size(w), 3); /* it goes on from there */
            assert_int_equal(post(w, text.data, text.len, NULL), 200);
        } else {
            assert_int_equal(answer.code, 200);
            ti_buf_free(&answer.body);
        }
        assert_int_equal(shown_size(w), 9);
        ti_witness_close(w);
        oom_fail_at(n);
        status = ti_witness_open(&w, dir, &policy, NULL, NULL);
        bool failed_open = oom_disarm();
        assert_int_equal(status, failed_open ? TERN_NOMEM : TERN_OK);
        ti_witness_close(failed_open ? NULL : w);
        remove_folder(dir);
        if (!failed && !failed_open) {
            break;
        }
    }
    ti_buf_free(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sizes),         cmocka_unit_test(test_fork),
        cmocka_unit_test(test_conflict),      cmocka_unit_test(test_proofs),
        cmocka_unit_test(test_signatures),    cmocka_unit_test(test_empty_tree),
        cmocka_unit_test(test_malformed),     cmocka_unit_test(test_time),
        cmocka_unit_test(test_key_and_lock),  cmocka_unit_test(test_damage),
        cmocka_unit_test(test_failed_writes), cmocka_unit_test(test_crashes),
        cmocka_unit_test(test_threads),       cmocka_unit_test(test_answers_read),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
