/* SPDX-License-Identifier: Apache-2.0 */
/* Keys, envelopes, statements, private parts, traces: what is written is read back the same,
 * and nothing else is. */
#include <fcntl.h>
#include <setjmp.h>
#include <sodium.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/le.h"
#include "ledger/dsse.h"
#include "ledger/key.h"
#include "ledger/receipt_parts.h"
#include "ledger/secrets.h"
#include "ledger/trace.h"
#include "oom.h"

static const uint8_t seed[TI_ED25519_SEED] = {1, 2, 3};
static const uint8_t salt[TI_SALT] = {7, 7, 7};

static char directory[] = "/tmp/tern-receipt-XXXXXX";

static ti_note_signer signer_named(const char *name, uint8_t first)
{
    uint8_t other[TI_ED25519_SEED];
    ti_note_signer key;
    memcpy(other, seed, sizeof other);
    other[0] = first;
    assert_int_equal(ti_note_signer_make(&key, name, TI_NOTE_ED25519, other, NULL), TERN_OK);
    return key;
}

/* Every member has a value of its own, so that two that are mixed up are seen. */
static ti_receipt sample(void)
{
    ti_receipt r = {.id = "01ARZ3NDEKTSV4RRFFQ69G5FAV", .tern_version = "0.1.0"};
    for (uint8_t i = 0; i < TI_SHA256; i++) {
        r.output.sha256[i] = i;
        r.model.sha256[i] = (uint8_t)(i + 50);
        r.input.commitment[i] = (uint8_t)(i + 100);
        r.trace.root[i] = (uint8_t)(i + 150);
    }
    r.output.bytes = 11;
    r.model.file_bytes = 98362432;
    snprintf(r.model.name, sizeof r.model.name, "a \"model\" \xc3\xa9");
    snprintf(r.model.architecture, sizeof r.model.architecture, "llama");
    snprintf(r.input.mode, sizeof r.input.mode, "chat");
    snprintf(r.stop_reason, sizeof r.stop_reason, "length");
    r.sampler = (tern_sampler_opts){.temperature = 0.8f,
                                    .top_k = 40,
                                    .top_p = 0.95f,
                                    .min_p = 0.05f,
                                    .repeat_penalty = 1.1f,
                                    .presence_penalty = -0.25f,
                                    .frequency_penalty = 1e-9f,
                                    .penalty_last_n = 64,
                                    .seed = UINT64_MAX};
    r.engine.context_tokens = 4096;
    r.engine.max_output_tokens = 512;
    snprintf(r.engine.kv, sizeof r.engine.kv, "i8");
    snprintf(r.engine.act, sizeof r.engine.act, "16");
    snprintf(r.engine.head, sizeof r.engine.head, "q8_0");
    snprintf(r.engine.i2s, sizeof r.engine.i2s, "x86");
    snprintf(r.engine.q2_0_group, sizeof r.engine.q2_0_group, "auto");
    r.work.input_tokens = 17;
    r.work.output_tokens = 42;
    r.work.macs = 123456789012;
    r.work.weight_bytes = 210987654321;
    r.has_grammar = r.has_trace = r.has_energy = r.has_carbon = true;
    snprintf(r.grammar.kind, sizeof r.grammar.kind, TI_RECEIPT_JSON_SCHEMA);
    memset(r.grammar.sha256, 0x5a, sizeof r.grammar.sha256);
    r.trace.n_tokens = 58;
    r.trace.n_layers = 30;
    r.energy.energy_uj = 3100000;
    r.energy.idle_uj = 1200000;
    r.energy.evidence = TI_RECEIPT_MODELLED;
    snprintf(r.energy.meter, sizeof r.energy.meter, "cpu-time u^0.7");
    r.energy.error_permille = 350;
    r.carbon.co2_ug = 120000;
    snprintf(r.carbon.basis, sizeof r.carbon.basis, "average life-cycle location");
    snprintf(r.carbon.source, sizeof r.carbon.source, "DE, yearly 2025");
    snprintf(r.machine.arch, sizeof r.machine.arch, "x86_64");
    snprintf(r.machine.cpu, sizeof r.machine.cpu, "some CPU");
    snprintf(r.machine.kernel, sizeof r.machine.kernel, "avx2");
    r.machine.threads = 8;
    r.time.started_unix_ms = 1700000000123;
    r.time.ended_unix_ms = 1700000002345;
    r.time.prompt_ns = 100;
    r.time.generate_ns = 200;
    return r;
}

static ti_buf written(const ti_receipt *r)
{
    ti_buf text = {0};
    assert_int_equal(ti_receipt_write(&text, r, NULL), TERN_OK);
    return text;
}

/* --- receipts ----------------------------------------------------------------------------- */

static void test_round_trip(void **state)
{
    (void)state;
    for (unsigned parts = 0; parts < 16; parts++) {
        ti_receipt r = sample(), back;
        tern_err err;
        r.has_trace = parts & 1;
        r.has_energy = parts & 2;
        r.has_carbon = parts & 4;
        r.has_grammar = parts & 8;
        ti_buf text = written(&r), again = {0};
        assert_int_equal(ti_receipt_read(&back, text.data, text.len, &err), TERN_OK);
        assert_int_equal(ti_receipt_write(&again, &back, NULL), TERN_OK);
        assert_string_equal(text.data, again.data);
        assert_memory_equal(back.model.sha256, r.model.sha256, TI_SHA256);
        assert_memory_equal(back.output.sha256, r.output.sha256, TI_SHA256);
        assert_memory_equal(back.input.commitment, r.input.commitment, TI_SHA256);
        assert_string_equal(back.model.name, r.model.name);
        assert_int_equal(back.has_grammar, r.has_grammar);
        assert_string_equal(back.grammar.kind, r.has_grammar ? r.grammar.kind : "");
        assert_true(back.sampler.seed == UINT64_MAX);
        assert_true(back.sampler.temperature == 0.8f);
        assert_true(back.sampler.frequency_penalty == 1e-9f);
        assert_int_equal(back.has_energy, r.has_energy);
        assert_int_equal(back.energy.energy_uj, r.has_energy ? 3100000 : 0);
        assert_int_equal(back.energy.evidence, r.has_energy ? TI_RECEIPT_MODELLED : 0);
        ti_buf_free(&text);
        ti_buf_free(&again);
    }
}

/* One text replaced by another must be refused, at the right place. */
static void expect_refused(const char *from, const char *to, tern_status want)
{
    ti_receipt r = sample(), back;
    tern_err err = {.status = TERN_OK};
    ti_buf text = written(&r), changed = {0};
    const char *at = strstr(text.data, from);
    assert_non_null(at);
    ti_buf_add(&changed, text.data, (size_t)(at - text.data));
    ti_buf_adds(&changed, to);
    ti_buf_adds(&changed, at + strlen(from));
    memset(&back, 0x5a, sizeof back);
    ti_receipt before = back;
    tern_status status = ti_receipt_read(&back, changed.data, changed.len, &err);
    if (status != want) {
        print_error("%s -> %s: %s\n", from, to, err.message);
    }
    assert_int_equal(status, want);
    assert_memory_equal(&back, &before, sizeof back);
    assert_true(err.offset < changed.len);
    ti_buf_free(&text);
    ti_buf_free(&changed);
}

static void test_refused(void **state)
{
    (void)state;
    static const struct {
        const char *from, *to;
        tern_status want;
    } cases[] = {
        {"receipt:v1", "receipt:v2", TERN_UNSUPPORTED},
        {"urn:tern:receipt:v1", "https://slsa.dev/provenance/v1", TERN_UNSUPPORTED},
        {"Statement/v1", "Statement/v0.1", TERN_UNSUPPORTED},
        {"\"tokens\":58", "\"tokens\":058", TERN_CORRUPT},
        {"\"tokens\":58", "\"tokens\":58.0", TERN_CORRUPT},
        {"\"tokens\":58", "\"tokens\":-58", TERN_CORRUPT},
        {"\"tokens\":58", "\"tokens\": 58", TERN_CORRUPT},
        {"\"tokens\":58", "\"tokens\":\"58\"", TERN_CORRUPT},
        {"\"tokens\":58", "\"tokens\":4294967296", TERN_CORRUPT},
        {"\"tokens\":58,", "", TERN_CORRUPT},
        {"\"energy_uj\":3100000", "\"energy_uj\":3100000000000000000000", TERN_CORRUPT},
        {"\"energy_uj\":3100000", "\"energy_uj\":9007199254740992", TERN_CORRUPT},
        {"\"modelled\"", "\"certain\"", TERN_CORRUPT},
        {"\"0.8\"", "\"0.80\"", TERN_CORRUPT},
        {"\"0.8\"", "\"nan\"", TERN_CORRUPT},
        {"\"0.8\"", "\"1e99\"", TERN_CORRUPT},
        {"\"0.8\"", "\"0x1\"", TERN_CORRUPT},
        {"\"0.8\"", "0.8", TERN_CORRUPT},
        {"\"18446744073709551615\"", "\"18446744073709551616\"", TERN_CORRUPT},
        {"\"18446744073709551615\"", "\"-1\"", TERN_CORRUPT},
        {"\"18446744073709551615\"", "\"\"", TERN_CORRUPT},
        {"\"chat\"", "\"CHAT\"", TERN_CORRUPT},
        {"000102", "000g02", TERN_CORRUPT},
        {"0a0b0c", "0A0b0c", TERN_CORRUPT},
        {"\"threads\":8", "\"threads\":8,\"more\":1", TERN_CORRUPT},
        {"\"threads\":8", "\"threads\":8,\"threads\":8", TERN_CORRUPT},
        {"\"name\":\"output\"", "\"name\":\"input\"", TERN_CORRUPT},
        {"01ARZ3", "01arz3", TERN_CORRUPT},
        {"{\"_type\"", " {\"_type\"", TERN_CORRUPT},
        {"\"carbon\":{", "\"carbon\":null,\"x\":{", TERN_CORRUPT},
        {"some CPU", "some C\\u0050U", TERN_CORRUPT},
        {"\"kernel\":\"avx2\"", "\"kernel\":\"0123456789012345678901234567890123456789\"",
         TERN_CORRUPT},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        expect_refused(cases[i].from, cases[i].to, cases[i].want);
    }
}

static void test_every_byte(void **state)
{
    (void)state;
    ti_receipt r = sample(), back;
    ti_buf text = written(&r);
    tern_err err;
    for (size_t n = 0; n < text.len; n++) { /* cut */
        assert_int_not_equal(ti_receipt_read(&back, text.data, n, &err), TERN_OK);
    }
    for (size_t i = 0; i < text.len; i++) { /* a flipped bit is refused or is another receipt */
        for (unsigned bit = 0; bit < 8; bit++) {
            text.data[i] = (char)(text.data[i] ^ (1 << bit));
            if (ti_receipt_read(&back, text.data, text.len, NULL) == TERN_OK) {
                ti_buf again = written(&back);
                assert_int_equal(again.len, text.len);
                assert_memory_equal(again.data, text.data, text.len);
                ti_buf_free(&again);
            }
            text.data[i] = (char)(text.data[i] ^ (1 << bit));
        }
    }
    ti_buf_free(&text);
    char *long_text = calloc(1, TI_RECEIPT_MAX + 1);
    assert_non_null(long_text);
    assert_int_equal(ti_receipt_read(&back, long_text, TI_RECEIPT_MAX + 1, &err), TERN_LIMIT);
    free(long_text);
}

static void test_fractions(void **state)
{
    (void)state;
    static const float values[] = {0, 1, 0.1f, 1.0f / 3, 3.4028235e38f, 1e-45f, -0.7f, 100};
    uint32_t bits = 12345;
    char text[TI_RECEIPT_WORD];
    float back;
    for (size_t i = 0; i < 20000; i++) {
        float v = i < sizeof values / sizeof *values ? values[i] : ti_bits_float(bits);
        bits = bits * 1664525u + 1013904223u;
        if ((ti_float_bits(v) & 0x7f800000u) == 0x7f800000u) {
            continue; /* samplers refuse infinities and NaN */
        }
        ti_receipt_fraction(text, v);
        assert_true(ti_receipt_number(&back, text));
        assert_int_equal(ti_float_bits(back), ti_float_bits(v));
    }
    ti_receipt_fraction(text, 0.8f);
    assert_string_equal(text, "0.8");
    static const char *const wrong[] = {"",    "-",   "+1",  ".5", "1.", "01",  "1e",   "1e+",
                                        "inf", "nan", "0x1", "1 ", " 1", "1,5", "1e999"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        assert_false(ti_receipt_number(&back, wrong[i]));
    }
}

static void test_ids(void **state)
{
    (void)state;
    char a[TI_RECEIPT_ID + 1], b[TI_RECEIPT_ID + 1];
    ti_receipt_make_id(a, 1469918176385); /* the example of the specification of ULIDs */
    assert_memory_equal(a, "01ARYZ6S41", 10);
    ti_receipt_make_id(b, 1469918176386);
    assert_true(strcmp(a, b) < 0);
    assert_int_equal(strspn(a, "0123456789ABCDEFGHJKMNPQRSTVWXYZ"), TI_RECEIPT_ID);
}

static void test_commitment(void **state)
{
    (void)state;
    static const tern_token tokens[] = {1, 2, 3};
    static const char *const stops[] = {"a", "bc"}, *const moved[] = {"ab", "c"};
    uint8_t base[TI_SHA256], other[TI_SHA256], expected[TI_SHA256], salted[TI_SALT] = {0};
    /* Computed here from the text in the header, byte by byte. */
    static const char preimage_tail[] = "\3\0\0\0\1\0\0\0\2\0\0\0\3\0\0\0"
                                        "\2\0\0\0\1\0\0\0a\2\0\0\0bc";
    uint8_t preimage[12 + TI_SALT + sizeof preimage_tail - 1];
    memcpy(preimage, "tern.input/1", 12);
    memcpy(preimage + 12, salt, TI_SALT);
    memcpy(preimage + 12 + TI_SALT, preimage_tail, sizeof preimage_tail - 1);
    crypto_hash_sha256(expected, preimage, sizeof preimage);
    ti_commit_input(base, salt, tokens, 3, stops, 2);
    assert_memory_equal(base, expected, sizeof base);
    ti_commit_input(other, salt, tokens, 3, moved, 2);
    assert_memory_not_equal(base, other, sizeof base);
    ti_commit_input(other, salted, tokens, 3, stops, 2);
    assert_memory_not_equal(base, other, sizeof base);
    ti_commit_input(other, salt, tokens, 2, stops, 2);
    assert_memory_not_equal(base, other, sizeof base);
}

/* --- envelopes ---------------------------------------------------------------------------- */

static void test_pae(void **state)
{
    (void)state;
    ti_buf pae = {0}; /* the example of the specification (protocol.md) */
    ti_dsse_pae(&pae, "http://example.com/HelloWorld", "hello world", 11);
    assert_string_equal(pae.data, "DSSEv1 29 http://example.com/HelloWorld 11 hello world");
    ti_buf_free(&pae);
}

static void test_envelope(void **state)
{
    (void)state;
    ti_note_signer key = signer_named("one", 1), other = signer_named("one", 2);
    ti_note_key keys[2] = {other.pub, key.pub};
    ti_buf text = {0};
    ti_dsse e = {0};
    size_t which = 9;
    tern_err err;
    static const char payload[] = "{\"a\":\0001}"; /* any bytes */
    assert_int_equal(ti_dsse_sign(&text, "x/y", payload, sizeof payload, &key, &err), TERN_OK);
    assert_int_equal(ti_dsse_parse(&e, text.data, text.len, &err), TERN_OK);
    assert_int_equal(e.len, sizeof payload);
    assert_memory_equal(e.payload, payload, sizeof payload);
    assert_string_equal(e.type, "x/y");
    assert_int_equal(ti_dsse_verify(&e, keys, 2, &which, &err), TERN_OK);
    assert_int_equal(which, 1);
    assert_int_equal(ti_dsse_verify(&e, keys, 1, &which, &err), TERN_NO);
    assert_int_equal(ti_dsse_verify(&e, keys, 0, &which, &err), TERN_NO);
    e.payload[0] ^= 1; /* the payload, the type, the signature: each is covered */
    assert_int_equal(ti_dsse_verify(&e, keys, 2, &which, &err), TERN_NO);
    e.payload[0] ^= 1;
    e.type[0] ^= 1;
    assert_int_equal(ti_dsse_verify(&e, keys, 2, &which, &err), TERN_NO);
    e.type[0] ^= 1;
    e.sigs[0].sig[40] ^= 1;
    assert_int_equal(ti_dsse_verify(&e, keys, 2, &which, &err), TERN_NO);
    e.sigs[0].sig[40] ^= 1;
    e.sigs[0].len--;
    assert_int_equal(ti_dsse_verify(&e, keys, 2, &which, &err), TERN_NO);
    ti_dsse_free(&e);
    ti_buf_free(&text);
}

static void test_envelope_texts(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool good;
    } cases[] = {
        {"{\"payloadType\":\"a\",\"payload\":\"+/8=\",\"signatures\":[{\"sig\":\"AA==\"}]}",
         true},
        {"{\"payloadType\":\"a\",\"payload\":\"-_8=\",\"signatures\":[{\"sig\":\"AA==\"}]}",
         true},
        {"{\"payloadType\":\"a\",\"payload\":\"+_8=\",\"signatures\":[{\"sig\":\"AA==\"}]}",
         false},
        {"{\"payloadType\":\"a\",\"payload\":\"+/8\",\"signatures\":[{\"sig\":\"AA==\"}]}",
         false},
        {"{\"payloadType\":\"a\",\"payload\":\"+/9=\",\"signatures\":[{\"sig\":\"AA==\"}]}",
         false},
        {"{\"payloadType\":\"a\",\"payload\":\"+/8= \",\"signatures\":[{\"sig\":\"AA==\"}]}",
         false},
        {"{\"payloadType\":\"a\",\"payload\":\"\",\"signatures\":[{\"sig\":\"\",\"keyid\":"
         "\"k\","
         "\"other\":{}}],\"more\":1}",
         true},
        {"{\"payloadType\":\"a\",\"payload\":\"\",\"signatures\":[]}", false},
        {"{\"payloadType\":\"a\",\"payload\":\"\",\"signatures\":{}}", false},
        {"{\"payloadType\":\"a\",\"payload\":\"\",\"signatures\":[1]}", false},
        {"{\"payloadType\":1,\"payload\":\"\",\"signatures\":[{\"sig\":\"\"}]}", false},
        {"{\"payloadType\":\"a\",\"signatures\":[{\"sig\":\"\"}]}", false},
        {"{\"payloadType\":\"a\",\"payload\":\"\"}", false},
        {"{\"payloadType\":\"a\",\"payload\":\"\",\"payload\":\"\",\"signatures\":[{\"sig\":"
         "\"\"}]}",
         false},
        {"[]", false},
        {"", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ti_dsse e = {0};
        tern_err err = {.status = TERN_OK};
        tern_status status = ti_dsse_parse(&e, cases[i].text, strlen(cases[i].text), &err);
        if ((status == TERN_OK) != cases[i].good) {
            print_error("%s: %s\n", cases[i].text, err.message);
        }
        assert_int_equal(status, cases[i].good ? TERN_OK : TERN_CORRUPT);
        assert_true(cases[i].good || err.offset <= strlen(cases[i].text));
        ti_dsse_free(&e);
    }
}

/* --- keys in files ------------------------------------------------------------------------ */

static void path_in(char *out, size_t cap, const char *name)
{
    snprintf(out, cap, "%s/%s", directory, name);
}

static void test_key_file(void **state)
{
    (void)state;
    char path[128], public_path[160], text[TI_NOTE_KEY_TEXT];
    ti_note_signer key, again;
    ti_note_key pub;
    struct stat st;
    bool made = false;
    tern_err err;
    path_in(path, sizeof path, "receipt.key");
    snprintf(public_path, sizeof public_path, "%s.pub", path);
    umask(0); /* the worst */
    assert_int_equal(ti_key_load_or_make(&key, path, "me", &made, &err), TERN_OK);
    assert_true(made);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_int_equal(ti_key_load_or_make(&again, path, "me", &made, &err), TERN_OK);
    assert_false(made);
    assert_memory_equal(&key, &again, sizeof key.secret);
    assert_int_equal(ti_key_public(&pub, public_path, &err), TERN_OK);
    assert_memory_equal(pub.key, key.pub.key, sizeof pub.key);
    ti_note_key_write(text, &pub);
    assert_int_equal(ti_key_public(&pub, text, &err), TERN_OK);
    assert_string_equal(pub.name, "me");
    umask(022);
    /* Nobody else may read it, by any bit. */
    for (mode_t bit = 1; bit <= 040; bit <<= 1) {
        assert_int_equal(chmod(path, 0600 | bit), 0);
        memset(&again, 0x5a, sizeof again);
        assert_int_equal(ti_key_load(&again, path, &err), TERN_USAGE);
        assert_int_equal(again.secret[5], 0x5a);
        assert_int_equal(ti_key_load_or_make(&again, path, "me", &made, &err), TERN_USAGE);
    }
    assert_int_equal(chmod(path, 0600), 0);
    assert_int_equal(truncate(path, 30), 0);
    assert_int_equal(ti_key_load(&again, path, &err), TERN_CORRUPT);
    assert_int_equal(ti_key_load_or_make(&again, path, "me", &made, &err), TERN_CORRUPT);
    assert_int_equal(ti_key_load(&again, directory, &err), TERN_USAGE);
    path_in(path, sizeof path, "none/receipt.key");
    assert_int_equal(ti_key_load_or_make(&again, path, "me", &made, &err), TERN_IO);
}

/* Many processes that need the key at once end with the same one, whole. */
static void test_key_race(void **state)
{
    (void)state;
    enum { PROCESSES = 8, ROUNDS = 10 };
    char path[128];
    path_in(path, sizeof path, "receipt.key");
    for (int round = 0; round < ROUNDS; round++) {
        int pipes[2];
        ti_note_signer key;
        assert_true(unlink(path) == 0 || round == 0);
        assert_int_equal(pipe(pipes), 0);
        for (int i = 0; i < PROCESSES; i++) {
            pid_t child = fork();
            assert_true(child >= 0);
            if (child == 0) {
                bool made = false;
                memset(&key, 0, sizeof key);
                bool good = ti_key_load_or_make(&key, path, "me", &made, NULL) == TERN_OK;
                uint8_t said[2] = {(uint8_t)(good ? key.pub.key[0] : 0), made};
                _exit(write(pipes[1], said, sizeof said) != sizeof said || !good);
            }
        }
        uint8_t said[PROCESSES][2];
        int makers = 0;
        assert_int_equal(close(pipes[1]), 0);
        for (int i = 0; i < PROCESSES; i++) {
            int status = 1;
            assert_true(wait(&status) > 0);
            assert_int_equal(status, 0);
            assert_int_equal(read(pipes[0], said[i], 2), 2);
            makers += said[i][1];
        }
        close(pipes[0]);
        assert_int_equal(makers, 1);
        assert_int_equal(ti_key_load(&key, path, NULL), TERN_OK);
        for (int i = 0; i < PROCESSES; i++) {
            assert_int_equal(said[i][0], key.pub.key[0]);
        }
    }
}

/* --- private parts ------------------------------------------------------------------------ */

static void test_secrets(void **state)
{
    (void)state;
    static const tern_token in[] = {5, 6}, out[] = {7};
    static const char *const stops[] = {"\n\n", "\xc3\xa9"};
    ti_secrets s = {.id = "01ARZ3NDEKTSV4RRFFQ69G5FAV",
                    .has_input = true,
                    .input = in,
                    .n_input = 2,
                    .output = out,
                    .n_output = 1,
                    .stops = stops,
                    .n_stops = 2},
               back;
    ti_buf text = {0};
    tern_err err;
    memcpy(s.salt, salt, sizeof s.salt);
    for (int with = 0; with < 2; with++) {
        s.has_input = with;
        s.grammar = with ? "root ::= \"\\n\"" : NULL;
        ti_buf_clear(&text);
        assert_int_equal(ti_secrets_write(&text, &s, NULL), TERN_OK);
        assert_int_equal(ti_secrets_parse(&back, text.data, text.len, &err), TERN_OK);
        assert_string_equal(back.id, s.id);
        assert_memory_equal(back.salt, salt, sizeof salt);
        assert_int_equal(back.has_input, with);
        assert_int_equal(back.n_input, with ? 2 : 0);
        assert_true(with ? strcmp(back.grammar, s.grammar) == 0 : !back.grammar);
        assert_true(!with || (back.input[1] == 6 && back.output[0] == 7 &&
                              strcmp(back.stops[1], "\xc3\xa9") == 0));
        ti_secrets_free(&back);
        for (size_t n = 0; n + 1 < text.len; n++) { /* the newline may be missing */
            assert_int_not_equal(ti_secrets_parse(&back, text.data, n, NULL), TERN_OK);
        }
    }
    ti_buf_free(&text);
    static const char *const wrong[] = {
        "{}",
        "[]",
        "{\"schema\":\"tern.receipt-private/2\"}",
        "{\"schema\":\"tern.receipt-private/1\",\"receipt_id\":\"x\",\"salt\":\"\"}",
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        assert_int_not_equal(ti_secrets_parse(&back, wrong[i], strlen(wrong[i]), NULL),
                             TERN_OK);
    }
}

/* --- traces ------------------------------------------------------------------------------- */

enum { TOKENS = 7, LAYERS = 3, WIDTH = 5 };

static void fill(ti_trace *t, uint32_t wrong_token, uint32_t wrong_layer)
{
    for (uint32_t p = TOKENS; p-- > 0;) { /* the order of calls does not matter */
        for (uint32_t l = 0; l < LAYERS; l++) {
            float x[WIDTH] = {1, 2, (float)p, (float)l, 0};
            x[4] = p == wrong_token && l == wrong_layer ? -0.0f : 0.0f; /* bits, not values */
            ti_trace_row(t, p, (tern_token)(100 + p), l, x, WIDTH);
        }
    }
}

static void test_trace_format(void **state)
{
    (void)state;
    ti_trace t = {0};
    uint8_t key[TI_SHA256], preimage[12 + TI_SALT], leaf[16 + 4 * WIDTH], hash[TI_HASH_BYTES];
    memcpy(preimage, "tern.trace/1", 12);
    memcpy(preimage + 12, salt, TI_SALT);
    crypto_hash_sha256(key, preimage, sizeof preimage);
    assert_int_equal(ti_trace_init(&t, salt, TOKENS, LAYERS, NULL), TERN_OK);
    fill(&t, UINT32_MAX, 0);
    /* Position 4, layer 2, from the text in the header. */
    const float x[WIDTH] = {1, 2, 4, 2, 0};
    ti_store_u32(leaf, 4);
    ti_store_u32(leaf + 4, 104);
    ti_store_u32(leaf + 8, 2);
    ti_store_u32(leaf + 12, WIDTH);
    for (size_t i = 0; i < WIDTH; i++) {
        ti_store_f32(leaf + 16 + 4 * i, x[i]);
    }
    crypto_generichash_blake2b(hash, sizeof hash, leaf, sizeof leaf, key, sizeof key);
    assert_memory_equal(t.hashes[4 * LAYERS + 2].b, hash, sizeof hash);
    /* The root of two entries, by hand. */
    uint8_t root[TI_SHA256];
    ti_hash a, b, top;
    ti_merkle_leaf(&a, t.hashes[0].b, TI_HASH_BYTES);
    ti_merkle_leaf(&b, t.hashes[1].b, TI_HASH_BYTES);
    ti_merkle_node(&top, &a, &b);
    ti_merkle_leaf(&a, t.hashes[2].b, TI_HASH_BYTES);
    ti_merkle_node(&top, &top, &a);
    ti_trace_root(&t, 1, root);
    assert_memory_equal(root, top.b, sizeof root);
    ti_trace_free(&t);
}

static void test_trace_difference(void **state)
{
    (void)state;
    ti_trace a = {0}, b = {0};
    uint32_t token, layer;
    assert_int_equal(ti_trace_init(&a, salt, TOKENS, LAYERS, NULL), TERN_OK);
    assert_int_equal(ti_trace_init(&b, salt, TOKENS, LAYERS, NULL), TERN_OK);
    fill(&a, UINT32_MAX, 0);
    fill(&b, UINT32_MAX, 0);
    assert_false(ti_trace_difference(&a, &b, &token, &layer));
    for (uint32_t t = 0; t < TOKENS; t++) {
        for (uint32_t l = 0; l < LAYERS; l++) {
            fill(&b, t, l);
            assert_true(ti_trace_difference(&a, &b, &token, &layer));
            assert_int_equal(token, t);
            assert_int_equal(layer, l);
        }
    }
    b.n_tokens = 3; /* of what both have */
    fill(&a, UINT32_MAX, 0);
    b.n_tokens = TOKENS;
    fill(&b, 5, 0);
    b.n_tokens = 5;
    assert_false(ti_trace_difference(&a, &b, &token, &layer));
    ti_trace_free(&a);
    ti_trace_free(&b);
}

static void test_trace_file(void **state)
{
    (void)state;
    ti_trace t = {0}, back = {0};
    char path[128];
    FILE *f;
    uint8_t bytes[4096];
    struct stat st;
    path_in(path, sizeof path, "trace");
    assert_int_equal(ti_trace_init(&t, salt, TOKENS, LAYERS, NULL), TERN_OK);
    fill(&t, UINT32_MAX, 0);
    assert_int_equal(ti_trace_save(&t, TOKENS - 1, path, NULL), TERN_OK);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 077, 0);
    f = fopen(path, "rb");
    assert_non_null(f);
    size_t n = fread(bytes, 1, sizeof bytes, f);
    fclose(f);
    assert_int_equal(ti_trace_parse(&back, bytes, n, NULL), TERN_OK);
    assert_int_equal(back.n_tokens, TOKENS - 1);
    assert_int_equal(back.n_layers, LAYERS);
    assert_memory_equal(back.hashes, t.hashes, (TOKENS - 1) * LAYERS * sizeof *t.hashes);
    ti_trace_free(&back);
    for (size_t cut = 0; cut < n; cut++) {
        assert_int_equal(ti_trace_parse(&back, bytes, cut, NULL), TERN_CORRUPT);
    }
    ti_store_u32(bytes + 13, UINT32_MAX);
    ti_store_u32(bytes + 17, UINT32_MAX);
    assert_int_equal(ti_trace_parse(&back, bytes, n, NULL), TERN_LIMIT);
    assert_int_equal(ti_trace_init(&back, salt, UINT32_MAX, UINT32_MAX, NULL), TERN_LIMIT);
    ti_trace_free(&t);
}

/* --- memory ------------------------------------------------------------------------------- */

static void test_oom(void **state)
{
    (void)state;
    ti_note_signer key = signer_named("one", 1);
    static const tern_token in[] = {5, 6};
    static const char *const stops[] = {"x"};
    ti_secrets s = {.id = "01ARZ3NDEKTSV4RRFFQ69G5FAV",
                    .has_input = true,
                    .input = in,
                    .n_input = 2,
                    .stops = stops,
                    .n_stops = 1};
    ti_receipt r = sample(), back;
    for (long n = 0;; n++) {
        ti_buf statement = {0}, envelope = {0}, secret = {0};
        ti_dsse e = {0};
        ti_secrets read = {.id = ""};
        ti_trace t = {0};
        size_t which;
        oom_fail_at(n);
        tern_status status = ti_receipt_write(&statement, &r, NULL);
        status = status
                     ? status
                     : ti_dsse_sign(&envelope, "x", statement.data, statement.len, &key, NULL);
        status = status ? status : ti_dsse_parse(&e, envelope.data, envelope.len, NULL);
        status = status ? status : ti_dsse_verify(&e, &key.pub, 1, &which, NULL);
        status = status ? status : ti_receipt_read(&back, (char *)e.payload, e.len, NULL);
        status = status ? status : ti_secrets_write(&secret, &s, NULL);
        status = status ? status : ti_secrets_parse(&read, secret.data, secret.len, NULL);
        status = status ? status : ti_trace_init(&t, salt, 2, 2, NULL);
        bool failed = oom_disarm();
        ti_buf_free(&statement);
        ti_buf_free(&envelope);
        ti_buf_free(&secret);
        ti_dsse_free(&e);
        ti_secrets_free(&read);
        ti_trace_free(&t);
        assert_int_equal(status, failed ? TERN_NOMEM : TERN_OK);
        if (!failed) {
            assert_true(n > 10);
            break;
        }
    }
}

static int set_up(void **state)
{
    (void)state;
    return sodium_init() < 0 || !mkdtemp(directory);
}

static int tear_down(void **state)
{
    (void)state;
    static const char *const names[] = {"receipt.key", "receipt.key.pub", "trace"};
    char path[128];
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        path_in(path, sizeof path, names[i]);
        unlink(path);
    }
    return rmdir(directory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_every_byte),
        cmocka_unit_test(test_fractions),
        cmocka_unit_test(test_ids),
        cmocka_unit_test(test_commitment),
        cmocka_unit_test(test_pae),
        cmocka_unit_test(test_envelope),
        cmocka_unit_test(test_envelope_texts),
        cmocka_unit_test(test_key_file),
        cmocka_unit_test(test_key_race),
        cmocka_unit_test(test_secrets),
        cmocka_unit_test(test_trace_format),
        cmocka_unit_test(test_trace_difference),
        cmocka_unit_test(test_trace_file),
        cmocka_unit_test(test_oom),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
