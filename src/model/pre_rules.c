/* SPDX-License-Identifier: Apache-2.0 */
/* The pre-tokenizers by name.
 *
 * The expressions are those of the models' own tokenizer.json files (and, where those use other
 * means than expressions, equivalent ones).  Two things are written differently on purpose:
 *   - white space is the Unicode property White_Space, as in the tokenizers that the models
 * were trained with; PCRE2's \s also has U+180E;
 *   - "\s+$" may only start where white space starts: without it, a long run of spaces in the
 *     middle of a text is scanned once from each of its positions.
 * A name that is missing here is refused: cutting text at other places gives tokens that the
 * model has never seen in that order, and nothing but worse answers would show it. */
#include <string.h>

#include "model/vocab.h"

#define WS "\\t-\\r\\x{85}\\p{Z}" /* White_Space, inside brackets */
#define SPACES "[" WS "]+(?![^" WS "])|[" WS "]+"
#define CONTRACTIONS "'s|'t|'re|'ve|'m|'ll|'d"
#define OTHER " ?[^" WS "\\p{L}\\p{N}]+"
#define OTHER_CRLF OTHER "[\\r\\n]*"
#define NEWLINES "[" WS "]*[\\r\\n]+"
#define WORD "[^\\r\\n\\p{L}\\p{N}]?\\p{L}+"

/* GPT-2 */
#define GPT2 CONTRACTIONS "| ?\\p{L}+| ?\\p{N}+|" OTHER "|" SPACES

/* cl100k and its descendants; they differ in how many digits a piece may have */
#define CL100K(digits) \
    "(?i:" CONTRACTIONS ")|" WORD "|\\p{N}" digits "|" OTHER_CRLF "|" NEWLINES "|" SPACES

/* o200k and Tekken: a word is capitals, then small letters */
#define UPPER "\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}"
#define LOWER "\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}"
#define CASED(tail)                                                                        \
    "[^\\r\\n\\p{L}\\p{N}]?[" UPPER "]*[" LOWER "]+" tail "|[^\\r\\n\\p{L}\\p{N}]?[" UPPER \
    "]+[" LOWER "]*" tail
#define CASED_REST OTHER "[\\r\\n/]*|" NEWLINES "|" SPACES

#define ASCII_PUNCTUATION "!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~"

/* Letters with case, as DeepSeek LLM lists them. */
#define DEEPSEEK_LETTERS                                                                    \
    "A-Za-z\\x{b5}\\x{c0}-\\x{d6}\\x{d8}-\\x{f6}\\x{f8}-\\x{1ba}\\x{1bc}-\\x{1bf}"          \
    "\\x{1c4}-\\x{293}\\x{295}-\\x{2af}\\x{370}-\\x{373}\\x{376}\\x{377}\\x{37b}-\\x{37d}"  \
    "\\x{37f}\\x{386}\\x{388}-\\x{38a}\\x{38c}\\x{38e}-\\x{3a1}\\x{3a3}-\\x{3f5}"           \
    "\\x{3f7}-\\x{481}\\x{48a}-\\x{52f}\\x{531}-\\x{556}\\x{10a0}-\\x{10c5}"                \
    "\\x{13a0}-\\x{13f5}\\x{13f8}-\\x{13fd}\\x{1c90}-\\x{1cba}\\x{1cbd}-\\x{1cbf}"          \
    "\\x{1d00}-\\x{1d2b}\\x{1d6b}-\\x{1d77}\\x{1d79}-\\x{1d9a}\\x{1e00}-\\x{1f15}"          \
    "\\x{1f18}-\\x{1f1d}\\x{1f20}-\\x{1f45}\\x{1f48}-\\x{1f4d}\\x{1f50}-\\x{1f57}\\x{1f59}" \
    "\\x{1f5b}\\x{1f5d}\\x{1f5f}-\\x{1f7d}\\x{1f80}-\\x{1fb4}\\x{1fb6}-\\x{1fbc}\\x{1fbe}"  \
    "\\x{1fc2}-\\x{1fc4}\\x{1fc6}-\\x{1fcc}\\x{1fd0}-\\x{1fd3}\\x{1fd6}-\\x{1fdb}"          \
    "\\x{1fe0}-\\x{1fec}\\x{1ff2}-\\x{1ff4}\\x{1ff6}-\\x{1ffc}\\x{2102}\\x{2107}"           \
    "\\x{210a}-\\x{2113}\\x{2115}\\x{2119}-\\x{211d}\\x{2124}\\x{2126}\\x{2128}"            \
    "\\x{212a}-\\x{212d}\\x{212f}-\\x{2134}\\x{2139}\\x{213c}-\\x{213f}\\x{2145}-\\x{2149}" \
    "\\x{214e}\\x{2183}\\x{2184}\\x{2c00}-\\x{2c7b}\\x{2c7e}-\\x{2ce4}\\x{2ceb}-\\x{2cee}"  \
    "\\x{2cf2}\\x{2cf3}\\x{a640}-\\x{a66d}\\x{a680}-\\x{a69b}\\x{a722}-\\x{a76f}"           \
    "\\x{a771}-\\x{a787}\\x{a78b}-\\x{a78e}\\x{ab70}-\\x{abbf}\\x{fb00}-\\x{fb06}"          \
    "\\x{fb13}-\\x{fb17}\\x{ff21}-\\x{ff3a}\\x{ff41}-\\x{ff5a}\\x{10400}-\\x{1044f}"        \
    "\\x{104b0}-\\x{104d3}\\x{104d8}-\\x{104fb}\\x{10c80}-\\x{10cb2}\\x{10cc0}-\\x{10cf2}"  \
    "\\x{118a0}-\\x{118df}\\x{1e900}-\\x{1e943}"
#define DEEPSEEK_PUNCTUATION \
    "!-/:-~\\x{ff01}-\\x{ff0f}\\x{ff1a}-\\x{ff5e}\\x{2018}-\\x{201f}\\x{3000}-\\x{3002}"
#define DEEPSEEK_ASIAN "[\\x{4e00}-\\x{9fa5}\\x{800}-\\x{4e00}\\x{ac00}-\\x{d7ff}]+"

static const char *const gpt2[] = {GPT2, NULL};
static const char *const gpt2_digits[] = {"\\p{N}", GPT2, NULL};
static const char *const llama3[] = {CL100K("{1,3}"), NULL};
static const char *const qwen2[] = {CL100K(""), NULL};
static const char *const qwen35[] = {
    "(?i:" CONTRACTIONS ")|[^\\r\\n\\p{L}\\p{N}]?[\\p{L}\\p{M}]+|\\p{N}"
    "| ?[^" WS "\\p{L}\\p{M}\\p{N}]+[\\r\\n]*|" NEWLINES "|" SPACES,
    NULL};
static const char *const o200k[] = {CASED("(?i:" CONTRACTIONS ")?") "|\\p{N}{1,3}|" CASED_REST,
                                    NULL};
static const char *const tekken[] = {CASED("") "|\\p{N}|" CASED_REST, NULL};
static const char *const falcon[] = {"[\\p{P}$+<=>^~|`]+", GPT2, "[0-9][0-9][0-9]", NULL};
static const char *const plain[] = {"[\\p{P}$+<=>^~|]+", GPT2, "\\p{N}+", "[0-9][0-9][0-9]",
                                    NULL};
static const char *const deepseek_llm[] = {"[\\r\\n]",
                                           "[" WS "]?[" DEEPSEEK_LETTERS "]+",
                                           "[" WS "]?[" DEEPSEEK_PUNCTUATION "]+",
                                           "(?<![" WS "])[" WS "]+\\z",
                                           DEEPSEEK_ASIAN,
                                           "\\p{N}+",
                                           NULL};
static const char *const deepseek_coder[] = {
    "[\\r\\n]", "[" WS "]?\\p{L}+", "[" WS "]?\\p{P}+", DEEPSEEK_ASIAN, "\\p{N}", NULL};
static const char *const deepseek_v3[] = {
    "\\p{N}{1,3}", "[\\x{4e00}-\\x{9fa5}\\x{3040}-\\x{309f}\\x{30a0}-\\x{30ff}]+",
    "[" ASCII_PUNCTUATION "][A-Za-z]+|[^\\r\\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+"
    "| ?[\\p{P}\\p{S}]+[\\r\\n]*|" NEWLINES "|" SPACES,
    NULL};

/* Names as llama.cpp's converter writes them. */
static const ti_pre_rule rules[] = {
    {"default", plain, false, false},
    {"gpt-2", gpt2, false, false},
    {"phi-2", gpt2, false, false},
    {"mpt", gpt2, false, false},
    {"olmo", gpt2, false, false},
    {"jais", gpt2, false, false},
    {"trillion", gpt2, false, false},
    {"exaone4", gpt2, false, false},
    {"gigachat", gpt2, false, false},
    {"mellum", gpt2, false, false},
    {"starcoder", gpt2_digits, false, false},
    {"refact", gpt2_digits, false, false},
    {"command-r", gpt2_digits, false, false},
    {"smollm", gpt2_digits, false, false},
    {"codeshell", gpt2_digits, false, false},
    {"exaone", gpt2_digits, false, false},
    {"minerva-7b", gpt2_digits, false, false},
    {"llama-bpe", llama3, true, true},
    {"llama3", llama3, true, true},
    {"llama-v3", llama3, true, true},
    {"falcon3", llama3, true, true},
    {"falcon-h1", llama3, true, true},
    {"pixtral", llama3, true, true},
    {"midm-2.0", llama3, true, true},
    {"lfm2", llama3, true, true},
    {"dbrx", llama3, false, false},
    {"smaug-bpe", llama3, false, false},
    {"qwen2", qwen2, false, false},
    {"deepseek-r1-qwen", qwen2, false, false},
    {"stablelm2", qwen2, false, false},
    {"megrez", qwen2, false, false},
    {"hunyuan", qwen2, false, false},
    {"qwen35", qwen35, false, false},
    {"gpt-4o", o200k, false, false},
    {"llama4", o200k, false, false},
    {"tekken", tekken, true, true},
    {"falcon", falcon, false, false},
    {"deepseek-llm", deepseek_llm, false, false},
    {"deepseek-coder", deepseek_coder, false, false},
    {"deepseek-v3", deepseek_v3, false, false},
};

const ti_pre_rule *ti_pre_find(const char *name, size_t len)
{
    for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++) {
        if (strlen(rules[i].name) == len && memcmp(rules[i].name, name, len) == 0) {
            return &rules[i];
        }
    }
    return NULL;
}

/* Vocabularies that are known by a token at a certain place.  Files from older converters have
 * no tokenizer.ggml.pre, Microsoft's BitNet b1.58 2B-4T among them. */
static const struct {
    uint32_t n_tokens; /* 0 = any */
    uint32_t id;
    const char *text, *rule;
} known[] = {
    {0, 128000, "<|begin_of_text|>", "llama-bpe"}, {0, 151643, "<|endoftext|>", "qwen2"},
    {0, 50256, "<|endoftext|>", "gpt-2"},          {49152, 1, "<|im_start|>", "smollm"},
    {131072, 11, "<|endoftext|>", "falcon3"},      {65024, 11, "<|endoftext|>", "falcon"},
};

const ti_pre_rule *ti_pre_guess(const ti_vocab *v)
{
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (known[i].id >= v->n_tokens ||
            (known[i].n_tokens && known[i].n_tokens != v->n_tokens)) {
            continue;
        }
        ti_str text = ti_vocab_text(v, known[i].id);
        if (text.len == strlen(known[i].text) &&
            memcmp(text.data, known[i].text, text.len) == 0) {
            return ti_pre_find(known[i].rule, strlen(known[i].rule));
        }
    }
    return NULL;
}
