/* SPDX-License-Identifier: Apache-2.0 */
/* Tokenizers: small vocabularies whose tokens can be told by hand, damaged files, every
 * allocation failing, and the published vectors of nine models where the larger data is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <math.h>
#include <pthread.h>

#include "model/vocab.h"
#include "oom.h"
#include "tok_build.h"

enum { MAX_IDS = 64 };

static tb_vocab spec; /* too large for the stack of a test */

static ti_vocab *create(void)
{
    tern_err err = {0};
    ti_vocab *v = tb_create(&spec, &err);
    if (!v) {
        fail_msg("not created: %s", err.message);
    }
    return v;
}

/* The text must become exactly these tokens, a list that ends with -1. */
static void expect(const ti_vocab *v, const char *text, size_t len, uint32_t flags,
                   const tern_token *want)
{
    tern_token got[MAX_IDS];
    size_t n = 0, n_want = 0;
    tern_err err = {0};
    while (want[n_want] >= 0) {
        n_want++;
    }
    if (ti_vocab_tokenize(v, got, MAX_IDS, &n, text, len, flags, &err) != TERN_OK) {
        fail_msg("'%.*s': %s", (int)len, text, err.message);
    }
    if (n != n_want || memcmp(got, want, n * sizeof got[0]) != 0) {
        for (size_t i = 0; i < n || i < n_want; i++) {
            print_error("%zu: want %d, got %d\n", i, i < n_want ? want[i] : -1,
                        i < n ? got[i] : -1);
        }
        fail_msg("'%.*s' with flags %u", (int)len, text, (unsigned)flags);
    }
}

#define EXPECT(v, text, flags, ...) \
    expect(v, text, sizeof(text) - 1, flags, (const tern_token[]){__VA_ARGS__, -1})

/* Detokenizing must give the text back. */
static void round_trip(const ti_vocab *v, const char *text, size_t len, size_t skip)
{
    size_t n = 0, at = 0;
    tern_token *ids = malloc((len + 1) * sizeof *ids);
    assert_non_null(ids);
    tern_err err = {0};
    if (ti_vocab_tokenize(v, ids, len + 1, &n, text, len, 0, &err) != TERN_OK) {
        fail_msg("%s", err.message);
    }
    for (size_t i = 0; i < n; i++) {
        size_t size;
        const char *bytes = ti_vocab_bytes(v, ids[i], &size);
        size_t off = i == 0 ? skip : 0; /* the space that SentencePiece puts first */
        assert_true(size >= off && len - at >= size - off);
        assert_memory_equal(text + at, bytes + off, size - off);
        at += size - off;
    }
    assert_int_equal(at, len);
    free(ids);
}

/* --- byte-level BPE
 * --------------------------------------------------------------------------- */

static void test_bpe(void **state)
{
    (void)state;
    tb_bpe(&spec);
    ti_vocab *v = create();
    assert_int_equal(ti_vocab_size(v), spec.n);
    assert_int_equal(ti_vocab_bos(v), TB_BOS);
    assert_int_equal(ti_vocab_eos(v), TB_EOS);
    EXPECT(v, "hello world", 0, TB_HELLO, TB_WORLD);
    EXPECT(v, "hellohe", 0, TB_HELLO, 256);
    EXPECT(v, "aaaaaaaaaaaaa", 0, 267, 266, 'a'); /* 8 + 4 + 1 */
    EXPECT(v, "aaa", 0, 265, 'a');                /* leftmost first */
    EXPECT(v, "user", 0, 272);                    /* a merge of what a later merge makes */
    EXPECT(v, "aahello", 0, 265, TB_HELLO); /* what a merge makes may go before what waits */
    EXPECT(v, "12", 0, 269);
    EXPECT(v, "\xc3\xa9", 0, 270);
    EXPECT(v, "   x", 0, 268, ' ', 'x'); /* the last space belongs to the word */
    EXPECT(v, "it's", 0, 'i', 't', '\'', 's');
    EXPECT(v, "\n\n\n", 0, 274, '\n');
    expect(v, "", 0, 0, (const tern_token[]){-1});
    expect(v, NULL, 0, 0, (const tern_token[]){-1});
    ti_vocab_destroy(v);
    ti_vocab_destroy(NULL);
}

/* Bytes that are no UTF-8 keep their value and do not disturb their neighbours. */
static void test_invalid_utf8(void **state)
{
    (void)state;
    tb_bpe(&spec);
    ti_vocab *v = create();
    EXPECT(v, "hello\xff\xfe world", 0, TB_HELLO, 0xff, 0xfe, TB_WORLD);
    EXPECT(v, "\xe2\x96", 0, 0xe2, 0x96);
    EXPECT(v, "\xc3\xa9\xc3", 0, 270, 0xc3);
    EXPECT(v, "\xed\xa0\x80", 0, 0xed, 0xa0, 0x80); /* a surrogate */
    char all[1024];
    for (size_t i = 0; i < sizeof all; i++) {
        all[i] = (char)(i * 167 >> 2);
    }
    round_trip(v, all, sizeof all, 0);
    ti_vocab_destroy(v);
}

static void test_bytes(void **state)
{
    (void)state;
    tb_bpe(&spec);
    ti_vocab *v = create();
    size_t len;
    for (int byte = 0; byte < 256; byte++) {
        const char *bytes = ti_vocab_bytes(v, byte, &len);
        assert_int_equal(len, 1);
        assert_int_equal((unsigned char)bytes[0], byte);
    }
    assert_memory_equal(ti_vocab_bytes(v, TB_WORLD, &len), " world", 6);
    assert_int_equal(len, 6);
    assert_memory_equal(ti_vocab_bytes(v, TB_THINK, &len), "<think>", 7);
    assert_int_equal(len, 7);
    assert_non_null(ti_vocab_bytes(v, TB_EOS, &len)); /* control tokens say nothing */
    assert_int_equal(len, 0);
    assert_null(ti_vocab_bytes(v, (tern_token)spec.n, &len));
    assert_int_equal(len, 0);
    assert_null(ti_vocab_bytes(v, -1, &len));
    assert_false(ti_vocab_ends(v, -1));
    assert_false(ti_vocab_ends(v, (tern_token)spec.n));
    assert_false(ti_vocab_ends(v, TB_HELLO));
    assert_false(ti_vocab_ends(v, TB_BOS));
    assert_true(ti_vocab_ends(v, TB_EOS));
    assert_true(ti_vocab_ends(v, TB_EOT)); /* known by its text */
    assert_true(ti_vocab_ends(v, TB_IM_END));
    ti_vocab_destroy(v);
    /* DeepSeek's, with characters outside ASCII */
    uint32_t id = tb_add(&spec,
                         "<\xef\xbd\x9c"
                         "end\xe2\x96\x81of\xe2\x96\x81sentence\xef\xbd\x9c>",
                         TB_CONTROL, 0);
    v = create();
    assert_true(ti_vocab_ends(v, (tern_token)id));
    ti_vocab_destroy(v);
}

static void test_special(void **state)
{
    (void)state;
    tb_bpe(&spec);
    ti_vocab *v = create();
    const uint32_t special = TERN_TOKENIZE_SPECIAL;
    EXPECT(v, "<s>", special, TB_BOS);
    EXPECT(v, "<s>", 0, '<', 's', '>');
    EXPECT(v, "hello<|eot_id|> world", special, TB_HELLO, TB_EOT, TB_WORLD);
    EXPECT(v, "<|h", special, TB_HEADER);
    EXPECT(v, "<|h|>x<|h|>", special, TB_HEADER_LONG, TB_HEADER, '|', '>'); /* longest first */
    EXPECT(v, "<|<|eot_id|>", special, '<', '|', TB_EOT);
    EXPECT(v, "<think>", 0, TB_THINK); /* user-defined: always */
    EXPECT(v, "<|eot_id", special, '<', '|', 'e', 'o', 't', '_', 'i', 'd');
    EXPECT(v, "<s", special, '<', 's');
    ti_vocab_destroy(v);
}

static void test_bos(void **state)
{
    (void)state;
    const uint32_t both = TERN_TOKENIZE_BOS | TERN_TOKENIZE_SPECIAL;
    tb_bpe(&spec);
    ti_vocab *v = create();
    EXPECT(v, "a", TERN_TOKENIZE_BOS, 'a'); /* gpt-2 wants none */
    ti_vocab_destroy(v);
    spec.add_bos = 2;
    v = create();
    EXPECT(v, "a", TERN_TOKENIZE_BOS, TB_BOS, 'a');
    EXPECT(v, "", TERN_TOKENIZE_BOS, TB_BOS);
    EXPECT(v, "<s>a", both, TB_BOS, 'a'); /* once is enough */
    EXPECT(v, "<s>", both, TB_BOS);
    EXPECT(v, "<s><s>", both, TB_BOS, TB_BOS);
    EXPECT(v, "<s>", TERN_TOKENIZE_BOS, TB_BOS, '<', 's', '>');
    ti_vocab_destroy(v);
    spec.bos = 0;
    v = create();
    assert_int_equal(ti_vocab_bos(v), TERN_TOKEN_NONE);
    EXPECT(v, "a", TERN_TOKENIZE_BOS, 'a');
    ti_vocab_destroy(v);
    tb_bpe(&spec);
    spec.pre = "llama-bpe"; /* wants one unless the file says otherwise */
    v = create();
    EXPECT(v, "a", TERN_TOKENIZE_BOS, TB_BOS, 'a');
    ti_vocab_destroy(v);
    spec.add_bos = 1;
    v = create();
    EXPECT(v, "a", TERN_TOKENIZE_BOS, 'a');
    ti_vocab_destroy(v);
}

/* Too little room: the number is told, nothing is written. */
static void test_room(void **state)
{
    (void)state;
    tb_bpe(&spec);
    ti_vocab *v = create();
    tern_token ids[3] = {-7, -7, -7};
    size_t n = 0;
    tern_err err = {0};
    assert_int_equal(ti_vocab_tokenize(v, NULL, 0, &n, "abc", 3, 0, &err), TERN_LIMIT);
    assert_int_equal(n, 3);
    n = 0;
    assert_int_equal(ti_vocab_tokenize(v, ids, 2, &n, "abc", 3, 0, &err), TERN_LIMIT);
    assert_int_equal(n, 3);
    assert_int_equal(ids[0], -7);
    assert_string_equal(err.module, "tokenizer");
    assert_int_equal(ti_vocab_tokenize(v, ids, 3, &n, "abc", 3, 0, &err), TERN_OK);
    assert_int_equal(ids[2], 'c');
    assert_int_equal(ti_vocab_tokenize(v, NULL, 0, &n, "", 0, 0, &err), TERN_OK);
    assert_int_equal(n, 0);
    /* the length is judged before the text is touched */
    assert_int_equal(ti_vocab_tokenize(v, ids, 3, &n, "abc", (size_t)1 << 40, 0, &err),
                     TERN_LIMIT);
    assert_non_null(strstr(err.message, "over the limit"));
    ti_vocab_destroy(v);
}

/* The pieces of llama-bpe that are tokens are taken whole, although no merge leads there. */
static void test_whole_piece(void **state)
{
    (void)state;
    tb_bpe(&spec);
    uint32_t id = tb_add(&spec, "xyz", TB_NORMAL, 0);
    ti_vocab *v = create();
    EXPECT(v, "xyz", 0, 'x', 'y', 'z');
    ti_vocab_destroy(v);
    spec.pre = "llama-bpe";
    v = create();
    EXPECT(v, "xyz", 0, (tern_token)id);
    EXPECT(v, "xyzz", 0, 'x', 'y', 'z', 'z');
    ti_vocab_destroy(v);
}

/* Holes, empty tokens, repeated tokens, odd tokens. */
static void test_odd_vocabulary(void **state)
{
    (void)state;
    tb_bpe(&spec);
    uint32_t empty = tb_add(&spec, "", TB_NORMAL, 0);
    uint32_t empty_marker = tb_add(&spec, "", TB_CONTROL, 0);
    uint32_t again = tb_add(&spec, "hello", TB_NORMAL, 0);
    uint32_t marker_again = tb_add(&spec, "<s>", TB_CONTROL, 0);
    uint32_t odd = tb_add(&spec, "with space", TB_NORMAL, 0);
    uint32_t unused = tb_add(&spec, "<unused>", TB_UNUSED, 0);
    uint32_t undefined = tb_add(&spec, "<undefined>", 0, 0);
    spec.pre = "llama-bpe";
    ti_vocab *v = create();
    size_t len;
    EXPECT(v, "hello", 0, TB_HELLO);
    EXPECT(v, "<s>", TERN_TOKENIZE_SPECIAL, TB_BOS);
    EXPECT(v, "<unused>", TERN_TOKENIZE_SPECIAL, '<', 'u', 'n', 271, 'e', 'd', '>');
    (void)ti_vocab_bytes(v, (tern_token)empty, &len);
    assert_int_equal(len, 0);
    (void)ti_vocab_bytes(v, (tern_token)empty_marker, &len);
    assert_int_equal(len, 0);
    assert_memory_equal(ti_vocab_bytes(v, (tern_token)again, &len), "hello", 5);
    (void)ti_vocab_bytes(v, (tern_token)marker_again, &len);
    assert_int_equal(len, 0);
    assert_memory_equal(ti_vocab_bytes(v, (tern_token)odd, &len), "with space", 10);
    assert_int_equal(len, 10);
    (void)ti_vocab_bytes(v, (tern_token)unused, &len);
    assert_int_equal(len, 0);
    (void)ti_vocab_bytes(v, (tern_token)undefined, &len);
    assert_int_equal(len, 0);
    ti_vocab_destroy(v);
}

/* A byte without a token is read as U+FFFD, else as the unknown token, else refused. */
static void test_missing_byte(void **state)
{
    (void)state;
    tb_bpe(&spec);
    spec.tokens[0xff].type = TB_UNUSED;
    ti_vocab *v = create();
    EXPECT(v, "a\xff", 0, 'a', 0xef, 0xbf, 0xbd);
    ti_vocab_destroy(v);
    spec.tokens[0xef].type = TB_UNUSED;
    v = create();
    tern_token ids[8];
    size_t n = 77;
    tern_err err = {0};
    assert_int_equal(ti_vocab_tokenize(v, ids, 8, &n, "a\xff", 2, 0, &err), TERN_UNSUPPORTED);
    assert_int_equal(n, 77);
    assert_non_null(strstr(err.message, "0xff"));
    ti_vocab_destroy(v);
    uint32_t unk = tb_add(&spec, "<unk>", TB_UNKNOWN, 0);
    spec.unk = unk + 1;
    v = create();
    EXPECT(v, "a\xff", 0, 'a', (tern_token)unk);
    EXPECT(v, "<unk>", TERN_TOKENIZE_SPECIAL, (tern_token)unk);
    ti_vocab_destroy(v);
    spec.tokens[unk].type = TB_CONTROL; /* "<|endoftext|>" as the unknown token: not that */
    v = create();
    assert_int_equal(ti_vocab_tokenize(v, ids, 8, &n, "a\xff", 2, 0, &err), TERN_UNSUPPORTED);
    ti_vocab_destroy(v);
    tb_bpe(&spec); /* byte tokens stand in */
    spec.tokens[0x01].type = TB_UNUSED;
    uint32_t byte = tb_add(&spec, "<0x01>", TB_BYTE, 0);
    v = create();
    EXPECT(v, "\x01", 0, (tern_token)byte);
    ti_vocab_destroy(v);
}

/* Phi-3: markers swallow the white space after them, except three. */
static void test_rstrip(void **state)
{
    (void)state;
    static const char *const names[] = {"Phi-3 mini", "my PHI3.5"};
    for (size_t i = 0; i < 2; i++) {
        tb_bpe(&spec);
        spec.name = names[i];
        ti_vocab *v = create();
        EXPECT(v, "<|eot_id|>\n\t a", TERN_TOKENIZE_SPECIAL, TB_EOT, 'a');
        EXPECT(v, "<s> a", TERN_TOKENIZE_SPECIAL, TB_BOS, ' ', 'a');
        EXPECT(v, "<|eot_id|> ", TERN_TOKENIZE_SPECIAL, TB_EOT);
        ti_vocab_destroy(v);
    }
    tb_bpe(&spec);
    spec.name = "phi-2 ph phi-";
    ti_vocab *v = create();
    EXPECT(v, "<|eot_id|> a", TERN_TOKENIZE_SPECIAL, TB_EOT, ' ', 'a');
    ti_vocab_destroy(v);
}

/* Tokens that keys name as begin and end are markers, whatever their type says. */
static void test_named_markers(void **state)
{
    (void)state;
    tb_bpe(&spec);
    uint32_t eot = tb_add(&spec, "[END]", TB_NORMAL, 0);
    uint32_t eom = tb_add(&spec, "<more>", TB_USER, 0);
    uint32_t word = tb_add(&spec, "\xc4\x8a\xc4\x8a\xc4\x8a", TB_NORMAL, 0);
    uint32_t end = tb_add(&spec, "<|im_end|>", TB_NORMAL, 0);
    spec.eot = eot + 1;
    spec.eom = eom + 1;
    spec.eos = word + 1;
    ti_vocab *v = create();
    size_t len;
    assert_true(ti_vocab_ends(v, (tern_token)eot));
    assert_true(ti_vocab_ends(v, (tern_token)eom));
    assert_true(ti_vocab_ends(v, (tern_token)word));
    assert_false(ti_vocab_ends(v, (tern_token)end)); /* no control token, not named */
    (void)ti_vocab_bytes(v, (tern_token)eot, &len);
    assert_int_equal(len, 0);
    EXPECT(v, "[END]", TERN_TOKENIZE_SPECIAL, (tern_token)eot);
    EXPECT(v, "<more>", 0, '<', 'm', 261, 'e', '>');
    (void)ti_vocab_bytes(v, (tern_token)word, &len); /* looks like text: stays text */
    assert_int_equal(len, 3);
    ti_vocab_destroy(v);
    tb_bpe(&spec);
    spec.eos = UINT32_MAX; /* written as 0xfffffffe + 1: out of range */
    tern_err err = {0};
    assert_null(tb_create(&spec, &err));
    assert_int_equal(err.status, TERN_CORRUPT);
}

/* Old files have no types: the named ids are markers, the rest is text. */
static void test_no_types(void **state)
{
    (void)state;
    tb_bpe(&spec);
    spec.no_types = true;
    ti_vocab *v = create();
    EXPECT(v, "hello<s>", TERN_TOKENIZE_SPECIAL, TB_HELLO, TB_BOS);
    EXPECT(v, "hello", 0, TB_HELLO);
    ti_vocab_destroy(v);
    tb_spm(&spec);
    spec.no_types = true;
    spec.bos = spec.eos = spec.unk = 0; /* and SentencePiece has its own places for them */
    v = create();
    assert_int_equal(ti_vocab_bos(v), 1);
    assert_int_equal(ti_vocab_eos(v), 2);
    EXPECT(v, "<s>!", TERN_TOKENIZE_SPECIAL, 1, TB_SPM_PIECES, TB_SPM_BYTES + '!');
    ti_vocab_destroy(v);
}

/* --- pre-tokenizers --------------------------------------------------------------------------
 */

/* A file without a pre-tokenizer is accepted when the vocabulary tells which one it is. */
static void test_guess(void **state)
{
    (void)state;
    tb_bpe(&spec);
    spec.pre = NULL;
    tern_err err = {0};
    assert_null(tb_create(&spec, &err));
    assert_int_equal(err.status, TERN_UNSUPPORTED);
    assert_non_null(strstr(err.message, "tokenizer.ggml.pre is missing"));
    spec.pre = "no-such";
    assert_null(tb_create(&spec, &err));
    assert_int_equal(err.status, TERN_UNSUPPORTED);
    assert_non_null(strstr(err.message, "'no-such'"));
    /* 128256 tokens of Llama 3 in a file of BitNet */
    ti_vocab v = {.n_tokens = 128256};
    uint32_t *at = calloc(128257, sizeof *at);
    assert_non_null(at);
    v.at = at;
    v.blob = "<|begin_of_text|>";
    assert_null(ti_pre_guess(&v));
    for (uint32_t i = 128001; i <= 128256; i++) {
        at[i] = 17;
    }
    assert_ptr_equal(ti_pre_guess(&v), ti_pre_find("llama-bpe", 9));
    free(at);
}

struct pieces {
    size_t cut[256];
    size_t n, at;
};

static tern_status add_piece(void *ctx, const char *piece, size_t len, tern_err *err)
{
    struct pieces *p = ctx;
    (void)piece;
    (void)err;
    assert_true(len > 0 && p->n < 256);
    p->at += len;
    p->cut[p->n++] = p->at;
    return TERN_OK;
}

/* Pieces of a text, written with bars between them. */
static void expect_pieces(const char *rule, const char *text, const char *want)
{
    const ti_pre_rule *r = ti_pre_find(rule, strlen(rule));
    assert_non_null(r);
    for (int jit = 0; jit < 2; jit++) {
        ti_pretok *pre = NULL;
        struct pieces p = {.n = 0};
        assert_int_equal(ti_pretok_create(&pre, r, jit, NULL), TERN_OK);
        assert_int_equal(ti_pretok_split(pre, text, strlen(text), add_piece, &p, NULL),
                         TERN_OK);
        char got[512];
        size_t k = 0, from = 0;
        for (size_t i = 0; i < p.n; i++) {
            got[k++] = '|';
            memcpy(got + k, text + from, p.cut[i] - from);
            k += p.cut[i] - from;
            from = p.cut[i];
        }
        got[k] = '\0';
        assert_string_equal(got, want);
        ti_pretok_destroy(pre);
    }
}

static void test_pieces(void **state)
{
    (void)state;
    expect_pieces("gpt-2", "I'm 1234 co-op's  x\n\n y", "|I|'m| 1234| co|-|op|'s| | x|\n\n| y");
    expect_pieces("smollm", " 1234 a", "| |1|2|3|4| a");
    expect_pieces("llama-bpe", "I'M 12345 !?\n\n x", "|I|'M| |123|45| !?\n\n| x");
    expect_pieces("llama-bpe", "\xc2\xa0word\t\tx", "|\xc2\xa0word|\t|\tx");
    expect_pieces("qwen2", "123 'lla", "|1|2|3| '|lla");
    expect_pieces("falcon", "ab, $5 12345", "|ab|,| |$|5| |123|45");
    expect_pieces("default", "a+b 1234", "|a|+|b| |123|4");
    expect_pieces("deepseek-llm", "a\nb  c12  ", "|a|\n|b| | c|12|  ");
    expect_pieces("deepseek-coder", "ab, 12", "|ab|,| |1|2");
    expect_pieces("deepseek-v3", "#define x 1234", "|#define| x| |123|4");
    expect_pieces("gpt-4o", "HelloWorld's/ 1234", "|Hello|World's|/| |123|4");
    expect_pieces("tekken", "HelloWORLD 12", "|Hello|WORLD| |1|2");
    expect_pieces("qwen35", "e\xcc\x81x 12", "|e\xcc\x81x| |1|2");
    /* U+180E is white space for PCRE2 and for nobody who trained a tokenizer */
    expect_pieces("gpt-2", " \xe1\xa0\x8ex", "| \xe1\xa0\x8e|x");
}

/* Interpreter and compiled code cut alike, for every rule, over text with everything in it. */
static void test_jit_is_only_faster(void **state)
{
    (void)state;
    static const char *const names[] = {
        "default", "gpt-2",  "smollm", "llama-bpe",      "qwen2",       "qwen35",
        "gpt-4o",  "tekken", "falcon", "deepseek-coder", "deepseek-v3", "deepseek-llm"};
    static const char *const parts[] = {"a",
                                        "B",
                                        "'s",
                                        "'LL",
                                        " ",
                                        "\n",
                                        "\r",
                                        "\t",
                                        "7",
                                        "\xc3\xa9",
                                        ".",
                                        "\"/",
                                        "\xcc\x81",
                                        "\xe6\x97\xa5",
                                        "\xff",
                                        "_",
                                        "$",
                                        "\xc2\xa0",
                                        "\xe3\x80\x80",
                                        "\xf0\x9f\x91\x8d"};
    uint64_t seed = 42;
    for (size_t k = 0; k < sizeof names / sizeof names[0]; k++) {
        ti_pretok *slow = NULL, *fast = NULL;
        const ti_pre_rule *rule = ti_pre_find(names[k], strlen(names[k]));
        assert_int_equal(ti_pretok_create(&slow, rule, false, NULL), TERN_OK);
        assert_int_equal(ti_pretok_create(&fast, rule, true, NULL), TERN_OK);
        for (int round = 0; round < 300; round++) {
            char text[256];
            size_t len = 0;
            while (len < 100) {
                seed = seed * 6364136223846793005u + 1442695040888963407u;
                const char *part = parts[(seed >> 33) % (sizeof parts / sizeof parts[0])];
                memcpy(text + len, part, strlen(part));
                len += strlen(part);
            }
            struct pieces a = {.n = 0}, b = {.n = 0};
            assert_int_equal(ti_pretok_split(slow, text, len, add_piece, &a, NULL), TERN_OK);
            assert_int_equal(ti_pretok_split(fast, text, len, add_piece, &b, NULL), TERN_OK);
            assert_int_equal(a.n, b.n);
            assert_int_equal(a.at, len);
            assert_memory_equal(a.cut, b.cut, a.n * sizeof a.cut[0]);
        }
        ti_pretok_destroy(slow);
        ti_pretok_destroy(fast);
    }
}

/* --- SentencePiece
 * ----------------------------------------------------------------------------- */

static void test_spm(void **state)
{
    (void)state;
    tb_spm(&spec);
    ti_vocab *v = create();
    const tern_token space = TB_SPM_PIECES, p = TB_SPM_PIECES;
    EXPECT(v, "hello", 0, p + 13); /* with the space before it */
    EXPECT(v, "hello world", 0, p + 13, p + 17);
    EXPECT(v, "hello\xe2\x96\x81world", 0, p + 13, p + 17); /* U+2581 is a space */
    EXPECT(v, "aaa", 0, space, p + 19, p + 8);
    EXPECT(v, "\xc3\xa9", 0, space, TB_SPM_BYTES + 0xc3, TB_SPM_BYTES + 0xa9);
    EXPECT(v, "\xff", 0, space, TB_SPM_BYTES + 0xff);
    EXPECT(v, "hello", TERN_TOKENIZE_BOS, 1, p + 13);
    EXPECT(v, "<s>hello</s>hello", TERN_TOKENIZE_SPECIAL, 1, p + 13, 2, p + 13);
    EXPECT(v, "<s>", 0, space, TB_SPM_BYTES + '<', TB_SPM_BYTES + 's', TB_SPM_BYTES + '>');
    expect(v, "", 0, 0, (const tern_token[]){-1});
    EXPECT(v, "<0x41>", 0, space, TB_SPM_BYTES + '<', TB_SPM_BYTES + '0', TB_SPM_BYTES + 'x',
           TB_SPM_BYTES + '4', TB_SPM_BYTES + '1', TB_SPM_BYTES + '>');
    size_t len;
    assert_memory_equal(ti_vocab_bytes(v, p + 13, &len), " hello", 6);
    assert_int_equal(len, 6);
    assert_memory_equal(ti_vocab_bytes(v, TB_SPM_BYTES + 0x41, &len), "A", 1);
    (void)ti_vocab_bytes(v, 0, &len); /* <unk> */
    assert_int_equal(len, 0);
    static const char text[] = "hello world, caf\xc3\xa9 \xff\xfe\n\t aaaa";
    round_trip(v, text, sizeof text - 1, 1);
    ti_vocab_destroy(v);
    spec.space_prefix = 1;
    v = create();
    EXPECT(v, "hello", 0, p + 12);
    ti_vocab_destroy(v);
}

/* Without byte tokens a character that is no token is one unknown token. */
static void test_spm_unknown(void **state)
{
    (void)state;
    tb_spm(&spec);
    for (size_t i = 0; i < 256; i++) {
        spec.tokens[TB_SPM_BYTES + i].type = TB_UNUSED;
    }
    ti_vocab *v = create();
    EXPECT(v, "\xc3\xa9h", 0, TB_SPM_PIECES, 0, TB_SPM_PIECES + 1);
    ti_vocab_destroy(v);
    spec.unk = UINT32_MAX; /* + 1: no token */
    spec.tokens[0].text[1] = 'x';
    tern_err err = {0};
    assert_null(tb_create(&spec, &err)); /* 0xfffffffe is out of range */
    spec.unk = 0;
    v = create();
    size_t n;
    assert_int_equal(ti_vocab_tokenize(v, NULL, 0, &n, "\xc3\xa9", 2, 0, &err),
                     TERN_UNSUPPORTED);
    assert_non_null(strstr(err.message, "0xc3"));
    ti_vocab_destroy(v);
}

/* --- damage
 * ------------------------------------------------------------------------------------- */

static void refuse(tern_status want, const char *text)
{
    tern_err err = {0};
    ti_vocab *v = tb_create(&spec, &err);
    ti_vocab_destroy(v);
    if (v || err.status != want || !strstr(err.message, text)) {
        fail_msg("wanted %s '%s', got %s '%s'", tern_status_name(want), text,
                 v ? "OK" : tern_status_name(err.status), err.message);
    }
    assert_string_equal(err.module, strstr(text, "key") ? "gguf" : "tokenizer");
}

static void test_damage_bpe(void **state)
{
    (void)state;
    tb_bpe(&spec);
    spec.model = "bert";
    refuse(TERN_UNSUPPORTED, "'bert'");
    tb_bpe(&spec);
    spec.no_tokens = true;
    refuse(TERN_CORRUPT, "tokens is missing");
    tb_bpe(&spec);
    spec.tokens_as_ints = true;
    refuse(TERN_CORRUPT, "no array of strings");
    tb_bpe(&spec);
    spec.n = 0;
    refuse(TERN_CORRUPT, "empty");
    for (int more = -1; more <= 1; more += 2) {
        tb_bpe(&spec);
        spec.more_types = more;
        refuse(TERN_CORRUPT, "token_type has");
    }
    tb_bpe(&spec);
    spec.float_types = true;
    refuse(TERN_CORRUPT, "no array of numbers");
    tb_bpe(&spec);
    spec.tokens[5].type = 7;
    refuse(TERN_CORRUPT, "token 5 has no such type: 7");
    spec.tokens[5].type = -1;
    refuse(TERN_CORRUPT, "no such type: -1");
    spec.tokens[5].type = TB_BYTE;
    refuse(TERN_CORRUPT, "token 5 of type byte");
    tb_bpe(&spec);
    spec.no_merges = true;
    refuse(TERN_CORRUPT, "merges is missing");
    tb_bpe(&spec);
    spec.bos = (uint32_t)spec.n + 1;
    refuse(TERN_CORRUPT, "bos_token_id is 283, but there are 283 tokens");
    tb_bpe(&spec);
    spec.unk = 1000000;
    refuse(TERN_CORRUPT, "unknown_token_id");
    tb_bpe(&spec);
    spec.extra_spaces = true;
    refuse(TERN_UNSUPPORTED, "normalised");
    tb_bpe(&spec);
    spec.charsmap = true;
    refuse(TERN_UNSUPPORTED, "normalised");
}

static void test_damage_merges(void **state)
{
    (void)state;
    static const char *const wrong[] = {"h x", "hx",     "h ",   " h",   "",       "h e l", " ",
                                        "  ",  "\xff a", "zz a", "a zz", "he  ll", "<s> a"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        const char *list[2] = {"h e", wrong[i]};
        tb_bpe(&spec);
        spec.merges = list;
        spec.n_merges = 2;
        refuse(TERN_CORRUPT, "merge 1 '");
    }
    tb_bpe(&spec);
    spec.n_merges = 0; /* bytes only: allowed */
    ti_vocab *v = create();
    EXPECT(v, "he", 0, 'h', 'e');
    ti_vocab_destroy(v);
    static const char *const twice[] = {"h e", "l l", "h e"}; /* the first stays */
    spec.merges = twice;
    spec.n_merges = 3;
    v = create();
    EXPECT(v, "hell", 0, 256, 257);
    ti_vocab_destroy(v);
}

static void test_damage_spm(void **state)
{
    (void)state;
    tb_spm(&spec);
    spec.no_scores = true;
    refuse(TERN_CORRUPT, "scores is missing");
    for (int more = -1; more <= 1; more += 2) {
        tb_spm(&spec);
        spec.more_scores = more;
        refuse(TERN_CORRUPT, "scores has");
    }
    tb_spm(&spec);
    spec.tokens[260].score = (float)NAN;
    refuse(TERN_CORRUPT, "token 260 has no finite score");
    spec.tokens[260].score = (float)INFINITY;
    refuse(TERN_CORRUPT, "finite");
    static const char *const bytes[] = {"<0x-1>", "<0x1g>", "<0xg1>", "<0x100>",
                                        "<0x1>",  "",       "x0x41>", "<0x41x"};
    for (size_t i = 0; i < sizeof bytes / sizeof bytes[0]; i++) {
        tb_spm(&spec);
        tb_set(&spec, 20, bytes[i]);
        refuse(TERN_CORRUPT, "token 20 of type byte is no byte");
    }
    tb_spm(&spec);
    tb_set(&spec, 20, "<0xfF>"); /* hexadecimal in any case; a byte twice */
    ti_vocab *v = create();
    size_t len;
    assert_memory_equal(ti_vocab_bytes(v, 20, &len), "\xff", 1);
    EXPECT(v, "\xff", 0, TB_SPM_PIECES, 20);
    ti_vocab_destroy(v);
}

/* A token longer than the limit, and every prefix of a good file. */
static void test_limits(void **state)
{
    (void)state;
    ti_buf b = {0};
    gb_head(&b, 3, 0, 3);
    gb_kv_str(&b, "tokenizer.ggml.model", "gpt2");
    gb_kv_str(&b, "tokenizer.ggml.pre", "gpt-2");
    gb_key(&b, "tokenizer.ggml.tokens", TI_GGUF_ARRAY);
    gb_u32(&b, TI_GGUF_STRING);
    gb_u64(&b, 1);
    gb_u64(&b, TI_VOCAB_MAX_TOKEN_BYTES + 1);
    gb_fill(&b, TI_VOCAB_MAX_TOKEN_BYTES + 1, 'x');
    tern_err err = {0};
    ti_vocab *v = NULL;
    assert_int_equal(tb_open(&v, &b, &err), TERN_LIMIT);
    assert_non_null(strstr(err.message, "token 0 has 4097 bytes"));
    assert_null(v);
    ti_buf_free(&b);
    gb_head(&b, 3, 0, 2);
    gb_kv_str(&b, "tokenizer.ggml.model", "gpt2");
    gb_key(&b, "tokenizer.ggml.tokens", TI_GGUF_ARRAY);
    gb_u32(&b, TI_GGUF_STRING);
    gb_u64(&b, TI_VOCAB_MAX_TOKENS + 1);
    static const char none[1 << 16];
    for (size_t i = 0; i < (TI_VOCAB_MAX_TOKENS + 1) * sizeof(uint64_t); i += sizeof none) {
        ti_buf_add(&b, none, sizeof none); /* empty tokens */
    }
    assert_int_equal(tb_open(&v, &b, &err), TERN_LIMIT);
    assert_non_null(strstr(err.message, "4194305 tokens are over"));
    ti_buf_free(&b);
    tb_spm(&spec);
    tb_write(&b, &spec);
    for (size_t len = 0; len < b.len; len += 1 + len / 64) {
        ti_buf cut = {.data = b.data, .len = len};
        assert_int_not_equal(tb_open(&v, &cut, &err), TERN_OK);
        assert_null(v);
    }
    ti_buf_free(&b);
}

/* --- cost and company
 * ---------------------------------------------------------------------------- */

/* A megabyte of one character: far beyond reach for anything quadratic. */
static void test_long_runs(void **state)
{
    (void)state;
    static const char *const runs[] = {"a", " ", "\n", "1", "!", "\xe6\x97\xa5", "<|", "\xff"};
    enum { BYTES = 1 << 20 };
    char *text = malloc(BYTES + 1);
    assert_non_null(text);
    for (int which = 0; which < 3; which++) {
        if (which < 2) {
            tb_bpe(&spec);
            spec.pre = which ? "deepseek-llm" : "llama-bpe";
        } else {
            tb_spm(&spec);
        }
        ti_vocab *v = create();
        for (size_t k = 0; k < sizeof runs / sizeof runs[0]; k++) {
            size_t len = strlen(runs[k]);
            for (size_t i = 0; i < BYTES; i++) {
                text[i] = runs[k][i % len];
            }
            text[BYTES - BYTES % len] = 'x';
            round_trip(v, text, BYTES - BYTES % len, which == 2);
            round_trip(v, text, BYTES - BYTES % len + (BYTES % len > 0), which == 2);
        }
        ti_vocab_destroy(v);
    }
    free(text);
}

static void *tokenize_often(void *arg)
{
    const ti_vocab *v = arg;
    static const char text[] = "hello world <|eot_id|> caf\xc3\xa9 1234 aaaaaaa";
    tern_token first[MAX_IDS], ids[MAX_IDS];
    size_t n_first = 0, n = 0;
    if (ti_vocab_tokenize(v, first, MAX_IDS, &n_first, text, sizeof text - 1, 2, NULL) !=
        TERN_OK) {
        return NULL;
    }
    for (int i = 0; i < 2000; i++) {
        if (ti_vocab_tokenize(v, ids, MAX_IDS, &n, text, sizeof text - 1, 2, NULL) != TERN_OK ||
            n != n_first || memcmp(ids, first, n * sizeof ids[0]) != 0) {
            return NULL;
        }
    }
    return arg;
}

static void test_threads(void **state)
{
    (void)state;
    tb_bpe(&spec);
    spec.pre = "llama-bpe";
    ti_vocab *v = create();
    pthread_t threads[4];
    for (int i = 0; i < 4; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, tokenize_often, v), 0);
    }
    for (int i = 0; i < 4; i++) {
        void *result = NULL;
        assert_int_equal(pthread_join(threads[i], &result), 0);
        assert_ptr_equal(result, v);
    }
    ti_vocab_destroy(v);
}

/* Every request for memory fails once, while a vocabulary is built and while it is used. */
static void test_no_memory(void **state)
{
    (void)state;
    static const char chat[] = "{{'<|im_start|>'+message['role']+'\n'+message['content']"
                               "+'<|im_end|>'+'\n'}}";
    static const char text[] =
        "hello <s> \xff 12 aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa b";
    for (int which = 0; which < 3; which++) {
        ti_buf file = {0};
        ti_gguf g;
        tern_err err = {0};
        which == 1 ? tb_spm(&spec) : tb_bpe(&spec);
        spec.pre = which == 1 ? NULL : which == 2 ? "llama-bpe" : "gpt-2";
        spec.chat = chat;
        spec.add_bos = 2;
        tb_write(&file, &spec);
        assert_int_equal(ti_gguf_parse(&g, file.data, file.len, NULL, &err), TERN_OK);
        ti_vocab *v = NULL;
        bool failed = true;
        for (long k = 0; failed; k++) {
            ti_vocab_destroy(v);
            v = NULL;
            oom_fail_at(k);
            tern_status status = ti_vocab_create(&v, &g, &err);
            failed = oom_disarm();
            /* without memory for machine code the expressions are interpreted */
            assert_true(status == TERN_OK || (failed && status == TERN_NOMEM && !v));
            assert_true(k < 10000);
        }
        ti_gguf_close(&g);
        failed = true;
        for (long k = 0; failed; k++) {
            tern_token ids[MAX_IDS] = {-7};
            size_t n = 0;
            oom_fail_at(k);
            tern_status status =
                ti_vocab_tokenize(v, ids, MAX_IDS, &n, text, sizeof text - 1, 3, &err);
            failed = oom_disarm();
            assert_int_equal(status, failed ? TERN_NOMEM : TERN_OK);
            assert_true(!failed || (n == 0 && ids[0] == -7));
            assert_true(k < 10000);
        }
        ti_vocab_destroy(v);
        ti_buf_free(&file);
    }
}

/* The same for vocabularies so large that every table is a request of its own. */
static void test_no_memory_large(void **state)
{
    (void)state;
    static const char *const names[] = {"gpt-2", "llama-spm"};
    for (int which = 0; which < 2; which++) {
        char path[1024];
        const char *data = getenv("TERN_DATA");
        snprintf(path, sizeof path, "%s/tok/vectors/ggml-vocab-%s.gguf",
                 data ? data : "../shared/data", names[which]);
        ti_gguf g;
        tern_err err = {0};
        const ti_gguf_opts opts = {.directory_only = true};
        if (ti_gguf_open(&g, path, &opts, &err) != TERN_OK) {
            print_message("SKIPPED: no %s\n", path);
            skip();
        }
        bool failed = true;
        int refused = 0;
        for (long k = 0; failed; k++) {
            ti_vocab *v = NULL;
            oom_fail_at(k);
            tern_status status = ti_vocab_create(&v, &g, &err);
            failed = oom_disarm();
            assert_true(status == TERN_OK || (failed && status == TERN_NOMEM && !v));
            refused += status == TERN_NOMEM;
            ti_vocab_destroy(v);
        }
        assert_true(refused >= 5);
        ti_gguf_close(&g);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bpe),
        cmocka_unit_test(test_invalid_utf8),
        cmocka_unit_test(test_bytes),
        cmocka_unit_test(test_special),
        cmocka_unit_test(test_bos),
        cmocka_unit_test(test_room),
        cmocka_unit_test(test_whole_piece),
        cmocka_unit_test(test_odd_vocabulary),
        cmocka_unit_test(test_missing_byte),
        cmocka_unit_test(test_rstrip),
        cmocka_unit_test(test_named_markers),
        cmocka_unit_test(test_no_types),
        cmocka_unit_test(test_guess),
        cmocka_unit_test(test_pieces),
        cmocka_unit_test(test_jit_is_only_faster),
        cmocka_unit_test(test_spm),
        cmocka_unit_test(test_spm_unknown),
        cmocka_unit_test(test_damage_bpe),
        cmocka_unit_test(test_damage_merges),
        cmocka_unit_test(test_damage_spm),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_long_runs),
        cmocka_unit_test(test_threads),
        cmocka_unit_test(test_no_memory),
        cmocka_unit_test(test_no_memory_large),
    };
    return cmocka_run_group_tests_name("tok", tests, NULL, NULL);
}
