/* SPDX-License-Identifier: Apache-2.0 */
/* tokenizer.json and llama2.c's tokenizer: small ones made here, and the real ones of Llama 3,
 * Qwen 3 and stories260K where the larger test data is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "convert/llama2c.h"
#include "convert/tokjson.h"
#include "convert_model.h"
#include "oom.h"

static bool str_is(ti_str s, const char *text)
{
    return s.len == strlen(text) && memcmp(s.data, text, s.len) == 0;
}

/* --- small tokenizers -------------------------------------------------------------------- */

typedef struct parsed {
    ti_arena arena;
    ti_tokjson t;
} parsed;

static tern_status parse(parsed *p, const char *text, const char *config, uint32_t n_vocab,
                         tern_err *err)
{
    ti_jval tokenizer, settings;
    p->arena = (ti_arena){0};
    tern_status status =
        ti_jval_parse(&tokenizer, &p->arena, text, strlen(text), "tokenizer.json", err);
    if (status == TERN_OK && config) {
        status = ti_jval_parse(&settings, &p->arena, config, strlen(config), "config", err);
    }
    if (status == TERN_OK) {
        status = ti_tokjson_read(&p->t, &p->arena, &tokenizer, config ? &settings : NULL,
                                 n_vocab, err);
    }
    if (status != TERN_OK) {
        ti_arena_free(&p->arena);
    }
    return status;
}

static void reads(void **state)
{
    (void)state;
    for (int pairs = 0; pairs < 2; pairs++) {
        parsed p;
        tern_err err = {0};
        char *text = cb_tokenizer_json(CB_PRE_LLAMA3, true, pairs);
        assert_int_equal(parse(&p, text, CB_TOKENIZER_CONFIG, 0, &err), TERN_OK);
        assert_string_equal(p.t.pre, "llama-bpe");
        assert_int_equal(p.t.n, CB_TOKENS);
        assert_int_equal(p.t.n_merges, 2);
        assert_true(str_is(p.t.merges[0], "t h") && str_is(p.t.merges[1], "th e"));
        assert_true(str_is(p.t.tokens['A'], "A") && str_is(p.t.tokens[' '], "\xc4\xa0"));
        assert_true(str_is(p.t.tokens['"'], "\"") && str_is(p.t.tokens['\\'], "\\"));
        assert_true(str_is(p.t.tokens[CB_THINK], "<think>"));
        assert_int_equal(p.t.types['A'], 1);
        assert_int_equal(p.t.types[CB_BOS], 3);
        assert_int_equal(p.t.types[CB_THINK], 4);
        assert_int_equal(p.t.bos, CB_BOS);
        assert_int_equal(p.t.eos, CB_EOS);
        assert_int_equal(p.t.pad, -1);
        assert_int_equal(p.t.add_bos, 1);
        assert_int_equal(p.t.add_eos, 0);
        assert_true(str_is(p.t.chat_template, "{{ x }}"));
        ti_arena_free(&p.arena);
        assert_int_equal(parse(&p, text, NULL, 300, &err), TERN_OK);
        assert_int_equal(p.t.n, 300);
        assert_true(str_is(p.t.tokens[299], "[PAD299]"));
        assert_int_equal(p.t.types[299], 5);
        assert_int_equal(p.t.bos, CB_BOS); /* the template's first token */
        assert_int_equal(p.t.eos, -1);
        assert_null(p.t.chat_template.data);
        ti_arena_free(&p.arena);
        free(text);
    }
}

/* Every pipeline that has a name, and its neighbours that have none. */
static void pre_tokenizers(void **state)
{
    (void)state;
    static const char byte_level[] = "{\"type\":\"ByteLevel\",\"add_prefix_space\":false}";
    static const char smollm[] =
        "{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"Digits\",\"individual_digits\":"
        "true},{\"type\":\"ByteLevel\",\"add_prefix_space\":false,\"use_regex\":true}]}";
    static const struct {
        const char *pre;
        bool ignore_merges;
        const char *want;
    } known[] = {
        {CB_PRE_LLAMA3, true, "llama-bpe"}, {CB_PRE_LLAMA3, false, "dbrx"},
        {CB_PRE_QWEN2, false, "qwen2"},     {byte_level, false, "gpt-2"},
        {smollm, false, "smollm"},
    };
    parsed p;
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        char *text = cb_tokenizer_json(known[i].pre, known[i].ignore_merges, false);
        assert_int_equal(parse(&p, text, NULL, 0, NULL), TERN_OK);
        assert_string_equal(p.t.pre, known[i].want);
        ti_arena_free(&p.arena);
        free(text);
    }
    static const struct {
        const char *from, *to; /* in the pre-tokenizer of Llama 3 */
        const char *message;
    } unknown[] = {
        {"{1,3}", "{1,2}", "\\p{N}{1,2}| ?"},
        {"Isolated", "Removed", "'Sequence' is not known"},
        {"\"invert\":false", "\"invert\":true", "'Sequence' is not known"},
        {"\"Regex\"", "\"String\"", "'Sequence' is not known"},
        {"\"use_regex\":false", "\"use_regex\":true", "is not known"},
        {"\"add_prefix_space\":false", "\"add_prefix_space\":true", "is not known"},
        {"\"type\":\"Sequence\"", "\"type\":\"Metaspace\"", "is not known"},
        {"\"type\":\"Sequence\"", "\"kind\":7", "is not known"},
        {"\"pretokenizers\":[", "\"pretokenizers\":[7,", "is not known"},
        {"\"type\":\"Split\"", "\"type\":\"Digits\"", "is not known"},
    };
    for (size_t i = 0; i < sizeof unknown / sizeof unknown[0]; i++) {
        tern_err err = {0};
        char *text = cb_tokenizer_json(CB_PRE_LLAMA3, true, false);
        text = cb_replace(text, unknown[i].from, unknown[i].to);
        assert_int_equal(parse(&p, text, NULL, 0, &err), TERN_UNSUPPORTED);
        if (!strstr(err.message, unknown[i].message)) {
            fail_msg("wanted '%s', got '%s'", unknown[i].message, err.message);
        }
        free(text);
    }
    tern_err err = {0};
    char *text = cb_tokenizer_json("null", true, false);
    assert_int_equal(parse(&p, text, NULL, 0, &err), TERN_UNSUPPORTED);
    assert_non_null(strstr(err.message, "'null' is not known"));
    free(text);
    text = cb_tokenizer_json(byte_level, true, false);
    assert_int_equal(parse(&p, text, NULL, 0, &err), TERN_UNSUPPORTED);
    assert_non_null(strstr(err.message, "ignore_merges with the pre-tokenizer of gpt-2"));
    free(text);
}

static void refuses(void **state)
{
    (void)state;
    static const struct {
        const char *from, *to;
        tern_status status;
        const char *message;
    } bad[] = {
        {"\"normalizer\":null", "\"normalizer\":{\"type\":\"Lowercase\"}", TERN_UNSUPPORTED,
         "normalizer 'Lowercase'"},
        {"\"normalizer\":null", "\"normalizer\":7", TERN_UNSUPPORTED, "normalizer '?'"},
        {"\"decoder\":{\"type\":\"ByteLevel\"}", "\"decoder\":{\"type\":\"Metaspace\"}",
         TERN_UNSUPPORTED, "decoder 'Metaspace'"},
        {"\"decoder\":{\"type\":\"ByteLevel\"}", "\"decoder\":null", TERN_UNSUPPORTED,
         "decoder '?'"},
        {"\"model\":{\"type\":\"BPE\"", "\"model\":{\"type\":\"Unigram\"", TERN_UNSUPPORTED,
         "model 'Unigram'"},
        {"\"model\":{", "\"modell\":{", TERN_CORRUPT, "there is no model"},
        {"\"byte_fallback\":false", "\"byte_fallback\":true", TERN_UNSUPPORTED,
         "SentencePiece vocabulary"},
        {"\"dropout\":null", "\"dropout\":0.1", TERN_UNSUPPORTED, "dropout"},
        {"\"dropout\":null", "\"end_of_word_suffix\":\"</w>\"", TERN_UNSUPPORTED,
         "end_of_word_suffix"},
        {"\"dropout\":null", "\"continuing_subword_prefix\":\"##\"", TERN_UNSUPPORTED,
         "continuing_subword_prefix"},
        {"\"vocab\":{", "\"vocabulary\":{", TERN_CORRUPT, "the model has no vocab"},
        {"\"the\":257", "\"the\":-1", TERN_CORRUPT, "token 'the' has no id"},
        {"\"the\":257", "\"the\":\"257\"", TERN_CORRUPT, "token 'the' has no id"},
        {"\"the\":257", "\"the\":2.0", TERN_CORRUPT, "token 'the' has no id"},
        {"\"the\":257", "\"the\":99999999999", TERN_CORRUPT, "token 'the' has no id"},
        {"\"the\":257", "\"the\":256", TERN_CORRUPT, "id 256 belongs to 'th"},
        {"\"the\":257", "\"the\":259", TERN_CORRUPT,
         "id 259 belongs to 'the' and to '<|end_of_text|>'"},
        {"\"the\":257", "\"the\":257,\"the\":261", TERN_CORRUPT, "member 'the' is there twice"},
        {"\"the\":257", "\"the\":257,\"\":261", TERN_CORRUPT, "a token is empty"},
        {"\"the\":257", "\"the\":257,\"far\":4000000", TERN_LIMIT, "ids have no token"},
        {"\"the\":257", "\"the\":257,\"<think>\":261", TERN_CORRUPT,
         "'<think>' has id 261 in the vocabulary and 260"},
        {"\"the\":257", "\"the\":257,\"[PAD261]\":262", TERN_CORRUPT,
         "id 261 has no token, and its stand-in '[PAD261]' is a token"},
        {"\"added_tokens\":[", "\"added_tokens\":[{\"id\":261,\"content\":\"\"},", TERN_CORRUPT,
         "has no content"},
        {"\"added_tokens\":[", "\"added_tokens\":[7,", TERN_CORRUPT, "has no content"},
        {"\"added_tokens\":[", "\"added_tokens\":[{\"content\":\"x\"},", TERN_CORRUPT,
         "added token 'x' has no id"},
        {"\"added_tokens\":[", "\"added_tokens\":[{\"id\":261,\"content\":\"<think>\"},",
         TERN_CORRUPT, "'<think>' is there twice"},
        {"\"id\":260,", "\"id\":260,\"lstrip\":true,", TERN_UNSUPPORTED,
         "'<think>': lstrip is not supported"},
        {"\"id\":260,", "\"id\":260,\"single_word\":true,", TERN_UNSUPPORTED, "single_word"},
        {"\"added_tokens\":[", "\"added_tokens\":7,\"x\":[", TERN_CORRUPT, "is no list"},
        {"\"merges\":", "\"merge\":", TERN_CORRUPT, "the model has no merges"},
        {"\"th e\"", "\"th  e\"", TERN_CORRUPT, "merge 1 is not two parts"},
        {"\"th e\"", "\"the\"", TERN_CORRUPT, "merge 1 is not two parts"},
        {"\"th e\"", "\" the\"", TERN_CORRUPT, "merge 1 is not two parts"},
        {"\"th e\"", "\"the \"", TERN_CORRUPT, "merge 1 is not two parts"},
        {"\"th e\"", "\"\"", TERN_CORRUPT, "merge 1 is not two parts"},
        {"\"th e\"", "[\"th\"]", TERN_CORRUPT, "merge 1 is not two parts"},
        {"\"th e\"", "[\"th\",7]", TERN_CORRUPT, "merge 1 is not two parts"},
        {"\"th e\"", "[\"th\",\"e \"]", TERN_CORRUPT, "merge 1 is not two parts"},
        {"\"th e\"", "7", TERN_CORRUPT, "merge 1 is not two parts"},
        {"\"th e\"", "\"tx e\"", TERN_CORRUPT, "merge 1 is made of or makes something"},
        {"\"th e\"", "\"th x\"", TERN_CORRUPT, "merge 1 is made of or makes something"},
        {"\"TemplateProcessing\"", "\"RobertaProcessing\"", TERN_UNSUPPORTED,
         "post_processor 'RobertaProcessing'"},
        {"\"SpecialToken\":{\"id\":\"<|begin_of_text|>\"",
         "\"SpecialToken\":{\"id\":\"<|end_of_text|>\"", TERN_UNSUPPORTED,
         "'<|end_of_text|>' is neither begin nor end"},
        {"\"SpecialToken\":{\"id\":\"<|begin_of_text|>\"", "\"SpecialToken\":{\"id\":\"none\"",
         TERN_UNSUPPORTED, "'none' is neither begin nor end"},
        {"\"SpecialToken\":{\"id\":", "\"Other\":{\"id\":", TERN_CORRUPT, "unknown part"},
        {"{\"Sequence\":", "{\"SpecialToken\":{\"id\":\"x\"}},{\"Sequence\":", TERN_UNSUPPORTED,
         "more than a token at each end"},
        {"{\"Sequence\":", "{\"Seq\":", TERN_UNSUPPORTED, "more than a token at each end"},
        {"\"single\":", "\"double\":", TERN_UNSUPPORTED, "more than a token at each end"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        parsed p;
        tern_err err = {0};
        memset(&p, 0x5a, sizeof p);
        char *text = cb_tokenizer_json(CB_PRE_LLAMA3, true, false);
        text = cb_replace(text, bad[i].from, bad[i].to);
        tern_status got = parse(&p, text, CB_TOKENIZER_CONFIG, 0, &err);
        if (got != bad[i].status || !strstr(err.message, bad[i].message)) {
            fail_msg("'%s': wanted %s '%s', got %s '%s'", bad[i].to,
                     tern_status_name(bad[i].status), bad[i].message, tern_status_name(got),
                     err.message);
        }
        assert_int_equal(p.t.n, 0x5a5a5a5a); /* untouched */
        free(text);
    }
}

/* tokenizer_config.json: forms of special tokens and templates. */
static void settings(void **state)
{
    (void)state;
    static const char plain[] = "\"post_processor\":{\"type\":\"Sequence\",\"processors\":"
                                "[{\"type\":\"ByteLevel\"}]},\"x\":{\"single\":[";
    parsed p;
    tern_err err = {0};
    char *text = cb_tokenizer_json(CB_PRE_LLAMA3, true, false);
    char *bare =
        cb_replace(strdup(text),
                   "\"post_processor\":{\"type\":\"TemplateProcessing\",\"single\":[", plain);
    assert_int_equal(parse(&p, bare, NULL, 0, &err), TERN_OK);
    assert_int_equal(p.t.add_bos, -1); /* nobody says */
    assert_int_equal(p.t.bos, -1);
    ti_arena_free(&p.arena);
    assert_int_equal(parse(&p, bare,
                           "{\"bos_token\":\"the\",\"pad_token\":\"absent\",\"eos_token\":null,"
                           "\"add_bos_token\":true,\"add_eos_token\":false}",
                           0, &err),
                     TERN_OK);
    assert_int_equal(p.t.bos, 257);
    assert_int_equal(p.t.eos, -1);
    assert_int_equal(p.t.pad, -1);
    assert_int_equal(p.t.add_bos, 1);
    assert_int_equal(p.t.add_eos, 0);
    ti_arena_free(&p.arena);
    /* the pipeline's own template is stronger than the setting; both ends */
    char *ends = cb_replace(strdup(text), "{\"Sequence\":{\"id\":\"A\",\"type_id\":0}}",
                            "{\"Sequence\":{\"id\":\"A\",\"type_id\":0}},"
                            "{\"SpecialToken\":{\"id\":\"<|end_of_text|>\",\"type_id\":0}}");
    assert_int_equal(
        parse(&p, ends, "{\"add_bos_token\":false,\"pad_token\":\"<think>\"}", 0, &err),
        TERN_OK);
    assert_int_equal(p.t.add_bos, 1);
    assert_int_equal(p.t.add_eos, 1);
    assert_int_equal(p.t.eos, CB_EOS);
    assert_int_equal(p.t.pad, CB_THINK);
    ti_arena_free(&p.arena);
    assert_int_equal(parse(&p, text,
                           "{\"chat_template\":[{\"name\":\"tool_use\",\"template\":\"no\"},"
                           "{\"name\":\"default\",\"template\":\"yes\"}]}",
                           0, &err),
                     TERN_OK);
    assert_true(str_is(p.t.chat_template, "yes"));
    ti_arena_free(&p.arena);
    static const char *const bad[] = {"{\"bos_token\":\"absent\"}", "{\"eos_token\":7}",
                                      "{\"chat_template\":7}", "[]"};
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(parse(&p, text, bad[i], 0, &err), TERN_CORRUPT);
    }
    ti_buf huge = {0};
    ti_buf_adds(&huge, "{\"chat_template\":\"");
    for (int i = 0; i <= TI_TOKJSON_MAX_TEMPLATE_BYTES; i++) {
        ti_buf_addc(&huge, 'x');
    }
    ti_buf_adds(&huge, "\"}");
    assert_int_equal(parse(&p, text, huge.data, 0, &err), TERN_LIMIT);
    assert_int_equal(parse(&p, "[]", NULL, 0, &err), TERN_CORRUPT);
    ti_buf_free(&huge);
    char *none = cb_replace(strdup(text), "\"added_tokens\":[", "\"x\":[");
    none = cb_replace(none, "\"post_processor\":{", "\"y\":{");
    assert_int_equal(parse(&p, none, NULL, 0, &err), TERN_OK);
    assert_int_equal(p.t.n, 258);
    ti_arena_free(&p.arena);
    free(none);
    free(ends);
    free(bare);
    free(text);
}

/* A marker of which the file says that it is not special is one nevertheless. */
static void looks_special(void **state)
{
    (void)state;
    parsed p;
    char *text = cb_tokenizer_json(CB_PRE_LLAMA3, true, false);
    text = cb_replace(text, "\"content\":\"<think>\"", "\"content\":\"<|think|>\"");
    text = cb_replace(text, "\"normalizer\":null", "\"normalizer\":{\"type\":\"NFC\"}");
    assert_int_equal(parse(&p, text, NULL, 0, NULL), TERN_OK);
    assert_int_equal(p.t.types[CB_THINK], 3);
    ti_arena_free(&p.arena);
    free(text);
    text = cb_tokenizer_json(CB_PRE_LLAMA3, true, false); /* also a word of the vocabulary */
    text = cb_replace(text, "\"added_tokens\":[",
                      "\"added_tokens\":[{\"id\":257,\"content\":\"the\",\"special\":true},");
    assert_int_equal(parse(&p, text, NULL, 0, NULL), TERN_OK);
    assert_int_equal(p.t.types[257], 3);
    ti_arena_free(&p.arena);
    free(text);
}

/* Truncation at every byte is refused; flipped bits are refused or harmless. */
static void damage(void **state)
{
    (void)state;
    enum { STEP = 11 };
    parsed p;
    char *text = cb_tokenizer_json(CB_PRE_LLAMA3, true, true);
    size_t len = strlen(text);
    for (size_t n = 0; n < len; n++) {
        char *copy = strndup(text, n);
        assert_int_equal(parse(&p, copy, NULL, 0, NULL), TERN_CORRUPT);
        free(copy);
    }
    for (size_t bit = 0; bit < 8 * len; bit += STEP) {
        char *copy = strdup(text);
        copy[bit / 8] = (char)(copy[bit / 8] ^ 1 << bit % 8);
        if (parse(&p, copy, NULL, 0, NULL) == TERN_OK) {
            for (uint32_t i = 0; i < p.t.n; i++) {
                assert_true(p.t.tokens[i].len > 0 && p.t.types[i] > 0);
            }
            ti_arena_free(&p.arena);
        }
        free(copy);
    }
    free(text);
}

/* --- files ------------------------------------------------------------------------------- */

static ti_gguf vocabulary(const char *in, const ti_convert_opts *opts, const char *out)
{
    ti_gguf g;
    tern_err err = {0};
    if (ti_convert(in, out, opts, &err) != TERN_OK ||
        ti_gguf_open(&g, out, NULL, &err) != TERN_OK) {
        fail_msg("%s: %s", err.module, err.message);
    }
    assert_int_equal(g.n_tensors, 0);
    return g;
}

static void vocabulary_files(void **state)
{
    (void)state;
    char dir[64], in[160], out[160];
    ti_gguf g;
    bool add = false;
    char *text = cb_tokenizer_json(CB_PRE_LLAMA3, true, true);
    cb_folder(dir);
    cb_path(in, dir, "tokenizer.json");
    cb_path(out, dir, "v.gguf");
    cb_write_text(dir, "tokenizer.json", text);
    g = vocabulary(in, NULL, out);
    text_is(&g, "general.architecture", "llama");
    text_is(&g, "general.name", "tokenizer");
    text_is(&g, "tokenizer.ggml.model", "gpt2");
    assert_int_equal(ti_gguf_find(&g, "tokenizer.ggml.tokens")->n, CB_TOKENS);
    assert_int_equal(ti_gguf_find(&g, "tokenizer.ggml.token_type")->n, CB_TOKENS);
    assert_int_equal(ti_gguf_find(&g, "tokenizer.ggml.merges")->n, 2);
    assert_int_equal(ti_gguf_get_bool(&g, "tokenizer.ggml.add_bos_token", true, &add, NULL),
                     TERN_OK);
    assert_true(add);
    assert_null(ti_gguf_find(&g, "tokenizer.chat_template"));
    ti_gguf_close(&g);
    cb_write_text(dir, "tokenizer_config.json", CB_TOKENIZER_CONFIG);
    cb_write_text(dir, "chat_template.jinja", "not taken");
    write_config(dir, &QWEN3);
    g = vocabulary(in, NULL, out);
    text_is(&g, "general.architecture", "qwen3");
    text_is(&g, "tokenizer.chat_template", "{{ x }}");
    key_is(&g, "tokenizer.ggml.eos_token_id", CB_EOS);
    assert_int_equal(ti_gguf_find(&g, "tokenizer.ggml.tokens")->n, 264);
    ti_gguf_close(&g);
    const ti_convert_opts opts = {.arch = "bitnet-b1.58", .name = "words"};
    g = vocabulary(in, &opts, out);
    text_is(&g, "general.architecture", "bitnet-b1.58");
    text_is(&g, "general.name", "words");
    ti_gguf_close(&g);
    for (long n = 0;; n++) {
        tern_err err = {0};
        oom_fail_at(n);
        tern_status status = ti_convert(in, out, NULL, &err);
        if (!oom_disarm()) {
            assert_int_equal(status, TERN_OK);
            break;
        }
        assert_int_equal(status, TERN_NOMEM);
    }
    cb_write_text(dir, "tokenizer_config.json", "{");
    tern_err err = {0};
    assert_int_equal(ti_convert(in, out, NULL, &err), TERN_CORRUPT);
    free(text);
    cb_remove(dir);
}

/* The path of something in the larger test data, or a skipped test. */
static void data_path(char to[256], const char *name)
{
    const char *data = getenv("TERN_DATA");
    snprintf(to, 256, "%s/%s", data ? data : "../shared/data", name);
    if (access(to, R_OK) != 0) {
        print_message("SKIPPED: '%s' is not there\n", to);
        skip();
    }
}

static ti_str string_at(const ti_gguf *g, const char *key, uint64_t index)
{
    const ti_gguf_kv *kv = ti_gguf_find(g, key);
    uint64_t cursor = 0;
    ti_str s = {0};
    assert_true(kv && ti_gguf_is_str_array(kv) && index < kv->n);
    for (uint64_t i = 0; i <= index; i++) {
        assert_true(ti_gguf_next_str(kv, &cursor, &s));
    }
    return s;
}

static size_t count_type(const ti_gguf *g, int64_t type)
{
    const ti_gguf_kv *kv = ti_gguf_find(g, "tokenizer.ggml.token_type");
    size_t n = 0;
    for (uint64_t i = 0; i < kv->n; i++) {
        n += ti_gguf_int_at(kv, i) == type;
    }
    return n;
}

static void llama3(void **state)
{
    (void)state;
    char in[256], dir[64], out[160];
    data_path(in, "tok/llama3/tokenizer.json");
    cb_folder(dir);
    cb_path(out, dir, "v.gguf");
    ti_gguf g = vocabulary(in, NULL, out);
    text_is(&g, "general.architecture", "llama");
    text_is(&g, "tokenizer.ggml.pre", "llama-bpe");
    assert_int_equal(ti_gguf_find(&g, "tokenizer.ggml.tokens")->n, 128256);
    assert_int_equal(ti_gguf_find(&g, "tokenizer.ggml.merges")->n, 280147);
    key_is(&g, "tokenizer.ggml.bos_token_id", 128000);
    key_is(&g, "tokenizer.ggml.eos_token_id", 128001);
    assert_null(ti_gguf_find(&g, "tokenizer.ggml.add_bos_token")); /* its files do not say */
    assert_true(str_is(string_at(&g, "tokenizer.ggml.tokens", 0), "!"));
    assert_true(str_is(string_at(&g, "tokenizer.ggml.tokens", 128009), "<|eot_id|>"));
    assert_true(str_is(string_at(&g, "tokenizer.ggml.merges", 0), "\xc4\xa0 \xc4\xa0"));
    assert_int_equal(count_type(&g, 1), 128000);
    assert_int_equal(count_type(&g, 3), 256);
    ti_str chat = {0};
    assert_int_equal(ti_gguf_get_str(&g, "tokenizer.chat_template", true, &chat, NULL),
                     TERN_OK);
    assert_true(chat.len > 100 && memcmp(chat.data, "{% set loop_messages", 20) == 0);
    ti_gguf_close(&g);
    cb_remove(dir);
}

static void qwen3_vocabulary(void **state)
{
    (void)state;
    char in[256], dir[64], out[160];
    bool add = true;
    data_path(in, "tok/qwen3/tokenizer.json");
    cb_folder(dir);
    cb_path(out, dir, "v.gguf");
    ti_gguf g = vocabulary(in, NULL, out);
    text_is(&g, "general.architecture", "qwen3");
    text_is(&g, "tokenizer.ggml.pre", "qwen2");
    assert_int_equal(ti_gguf_find(&g, "tokenizer.ggml.tokens")->n, 151669);
    assert_int_equal(ti_gguf_find(&g, "tokenizer.ggml.merges")->n, 151387);
    key_is(&g, "tokenizer.ggml.eos_token_id", 151645);
    key_is(&g, "tokenizer.ggml.padding_token_id", 151643);
    assert_null(ti_gguf_find(&g, "tokenizer.ggml.bos_token_id"));
    assert_int_equal(ti_gguf_get_bool(&g, "tokenizer.ggml.add_bos_token", true, &add, NULL),
                     TERN_OK);
    assert_false(add);
    assert_true(str_is(string_at(&g, "tokenizer.ggml.tokens", 151668), "</think>"));
    assert_true(str_is(string_at(&g, "tokenizer.ggml.merges", 2), "i n"));
    assert_int_equal(count_type(&g, 1), 151643);
    assert_int_equal(count_type(&g, 3), 20); /* 14 special ones, 6 that look so */
    assert_int_equal(count_type(&g, 4), 6);  /* <tool_call> ... </think> */
    ti_gguf_close(&g);
    cb_remove(dir);
}

/* stories260K: every float of the checkpoint must be at its place in the GGUF file. */
static void stories260k(void **state)
{
    (void)state;
    char in[256], tokenizer[256], dir[64], out[160];
    tern_err err = {0};
    ti_gguf g;
    data_path(in, "weights/stories260K/stories260K.bin");
    data_path(tokenizer, "weights/stories260K/tok512.bin");
    cb_folder(dir);
    cb_path(out, dir, "s.gguf");
    assert_int_equal(ti_convert(in, out, NULL, &err), TERN_USAGE);
    assert_non_null(strstr(err.message, "needs its tokenizer"));
    ti_convert_opts opts = {.tokenizer = tokenizer};
    assert_int_equal(ti_convert(in, out, &opts, &err), TERN_OK);
    assert_int_equal(ti_gguf_open(&g, out, NULL, &err), TERN_OK);
    text_is(&g, "general.name", "stories260K");
    text_is(&g, "tokenizer.ggml.model", "llama");
    key_is(&g, "llama.embedding_length", 64);
    key_is(&g, "llama.feed_forward_length", 172);
    key_is(&g, "llama.block_count", 5);
    key_is(&g, "llama.attention.head_count", 8);
    key_is(&g, "llama.attention.head_count_kv", 4);
    key_is(&g, "llama.rope.dimension_count", 8);
    key_is(&g, "llama.context_length", 512);
    key_is(&g, "llama.vocab_size", 512);
    assert_int_equal(ti_gguf_find(&g, "tokenizer.ggml.scores")->n, 512);
    assert_int_equal(count_type(&g, 6), 256);
    assert_true(str_is(string_at(&g, "tokenizer.ggml.tokens", 1), "<s>"));
    assert_int_equal(g.n_tensors, 2 + 5 * 9); /* tied: no output.weight */
    char *file;
    size_t size;
    assert_int_equal(ti_read_file(&file, &size, in, 1 << 21, &err), TERN_OK);
    /* tensor by tensor in the order of the checkpoint, which goes over layers inside */
    static const struct {
        const char *name;
        bool layers;
    } order[] = {{"token_embd", false}, {"attn_norm", true},   {"attn_q", true},
                 {"attn_k", true},      {"attn_v", true},      {"attn_output", true},
                 {"ffn_norm", true},    {"ffn_gate", true},    {"ffn_down", true},
                 {"ffn_up", true},      {"output_norm", false}};
    size_t at = 28;
    for (size_t i = 0; i < sizeof order / sizeof order[0]; i++) {
        for (unsigned layer = 0; layer < (order[i].layers ? 5u : 1u); layer++) {
            char name[64];
            if (order[i].layers) {
                snprintf(name, sizeof name, "blk.%u.%s.weight", layer, order[i].name);
            } else {
                snprintf(name, sizeof name, "%s.weight", order[i].name);
            }
            const ti_gguf_tensor *t = ti_gguf_tensor_find(&g, name);
            assert_non_null(t);
            assert_int_equal(t->type->type, TI_F32);
            assert_memory_equal(t->data, file + at, t->bytes);
            at += t->bytes;
        }
    }
    assert_int_equal(at + 2 * 4 * 512 * 4, size); /* the tables that nobody reads */
    free(file);
    ti_gguf_close(&g);
    opts.type = "f16";
    assert_int_equal(ti_convert(in, out, &opts, &err), TERN_OK);
    opts.type = "q8_0";
    assert_int_equal(ti_convert(in, out, &opts, &err), TERN_UNSUPPORTED);
    assert_non_null(strstr(err.message, "rows of 172 weights cannot be Q8_0"));
    opts.type = NULL;
    opts.tokenizer = in;
    assert_int_equal(ti_convert(in, out, &opts, &err), TERN_CORRUPT);
    opts.tokenizer = "no/such/file";
    assert_int_equal(ti_convert(in, out, &opts, &err), TERN_IO);
    cb_remove(dir);
}

/* A llama2.c checkpoint with a head of its own, and without memory. */
static void llama2c_files(void **state)
{
    (void)state;
    enum { DIM = 8, HIDDEN = 12, LAYERS = 2, HEADS = 2, KV = 1, VOCAB = 5, CTX = 4 };
    const uint32_t header[7] = {DIM, HIDDEN, LAYERS, HEADS, KV, (uint32_t)-VOCAB, CTX};
    size_t kv = DIM / HEADS * KV;
    size_t floats = 2 * VOCAB * DIM +
                    LAYERS * (2 * DIM + 2 * DIM * DIM + 2 * kv * DIM + 3 * HIDDEN * DIM) + DIM +
                    CTX * DIM / HEADS;
    char dir[64], in[160], tokenizer[160], out[160];
    uint64_t seed = 3;
    ti_buf b = {0}, t = {0};
    uint8_t word[4];
    for (int i = 0; i < 7; i++) {
        ti_store_u32(word, header[i]);
        ti_buf_add(&b, word, 4);
    }
    for (size_t i = 0; i < floats; i++) {
        ti_store_f32(word, cb_random_float(&seed));
        ti_buf_add(&b, word, 4);
    }
    ti_buf_add(&t, "\1\0\0\0", 4);
    for (int i = 0; i < VOCAB; i++) {
        ti_buf_add(&t, "\0\0\0\0\1\0\0\0", 8);
        ti_buf_addc(&t, (char)('a' + i));
    }
    cb_folder(dir);
    cb_write(dir, "m.bin", b.data, b.len);
    cb_write(dir, "t.bin", t.data, t.len);
    cb_path(in, dir, "m.bin");
    cb_path(tokenizer, dir, "t.bin");
    cb_path(out, dir, "out.gguf");
    const ti_convert_opts opts = {.tokenizer = tokenizer};
    for (long n = 0;; n++) {
        tern_err err = {0};
        oom_fail_at(n);
        tern_status status = ti_convert(in, out, &opts, &err);
        if (!oom_disarm()) {
            assert_int_equal(status, TERN_OK);
            break;
        }
        assert_int_equal(status, TERN_NOMEM);
        assert_int_equal(cb_count_files(dir), 2);
    }
    ti_gguf g;
    assert_int_equal(ti_gguf_open(&g, out, NULL, NULL), TERN_OK);
    const ti_gguf_tensor *head = ti_gguf_tensor_find(&g, "output.weight");
    assert_non_null(head);
    assert_memory_equal(head->data, b.data + b.len - 4 * VOCAB * DIM, 4 * VOCAB * DIM);
    ti_gguf_close(&g);
    cb_remove(dir);
    ti_buf_free(&b);
    ti_buf_free(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads),
        cmocka_unit_test(pre_tokenizers),
        cmocka_unit_test(refuses),
        cmocka_unit_test(settings),
        cmocka_unit_test(looks_special),
        cmocka_unit_test(damage),
        cmocka_unit_test(llama3),
        cmocka_unit_test(qwen3_vocabulary),
        cmocka_unit_test(stories260k),
        cmocka_unit_test(llama2c_files),
        cmocka_unit_test(vocabulary_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
