/* SPDX-License-Identifier: Apache-2.0 */
/* Text: does the tokenizer give back what it was given, and can the model foresee plain
 * English?
 *
 * The paragraph says things that everybody knows in words that children know, so that a small
 * model can be fluent in it as well as a large one; it was written for this file, so that no
 * model can have learnt it by heart. */
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/detmath.h"
#include "model/verify_parts.h"

static const char paragraph[] =
    "Once upon a time there was a little house at the edge of a big forest. An old man lived "
    "there with his dog. Every morning they went down the path to the river, and the man sat "
    "on a stone and looked at the water while the dog ran up and down the bank. One day it "
    "began to rain. The rain did not stop for three days, and the river came up over the path "
    "and into the garden. \"We have to go,\" said the old man. He took some bread, his coat "
    "and "
    "a lamp, and the two of them walked up the hill. From the top they could see the whole "
    "valley under the water. They were cold and tired, but they were safe, and they were happy "
    "to be together.";

/* "naive cafe" with accents, Chinese, Russian, a seedling. */
static const char accents[] = "na\xc3\xafve caf\xc3\xa9, \xe6\xbc\xa2\xe5\xad\x97, "
                              "\xd0\xbf\xd1\x80\xd0\xb8\xd0\xb2\xd0\xb5\xd1\x82, "
                              "\xf0\x9f\x8c\xb1";

static const char *const samples[] = {
    "The quick brown fox jumps over the lazy dog.",
    "  Two spaces, a tab\tand\n\nlines: 12:30, 3.14159 - don't they're \"quoted\" (so)?",
    "int main(void) { return a[i] != 0 && b->c; } // 100%",
    accents,
};

static tern_status tokenize(const tern_model *model, const char *text, uint32_t flags,
                            tern_token **tokens, size_t *n, tern_err *err)
{
    size_t room = strlen(text) + 8; /* no token is of less than a byte, but for a few at ends */
    tern_token *out = ti_calloc(room, sizeof *out);
    if (!out) {
        return ti_fail_nomem(err, "verify", room * sizeof *out, "tokens");
    }
    tern_status status =
        tern_model_tokenize(model, out, room, n, text, strlen(text), flags, err);
    if (status != TERN_OK) {
        free(out);
        return status;
    }
    *tokens = out;
    return TERN_OK;
}

/* SentencePiece puts a space before a text. */
static bool same_text(const ti_buf *back, const char *text)
{
    size_t n = strlen(text), added = back->len == n + 1 && back->data[0] == ' ';
    return back->len == n + added && memcmp(back->data + added, text, n) == 0;
}

tern_status ti_verify_round_trips(const tern_model *model, uint32_t *passed, uint32_t *tried,
                                  tern_err *err)
{
    uint32_t good = 0, all = sizeof samples / sizeof samples[0];
    for (uint32_t i = 0; i < all; i++) {
        tern_token *tokens = NULL;
        size_t n = 0;
        tern_status status = tokenize(model, samples[i], 0, &tokens, &n, err);
        if (status == TERN_UNSUPPORTED) { /* a byte that has no token */
            continue;
        }
        TI_TRY(status);
        ti_buf back = {0};
        for (size_t t = 0; t < n; t++) {
            size_t len;
            const char *bytes = tern_model_token_bytes(model, tokens[t], &len);
            ti_buf_add(&back, bytes, len);
        }
        free(tokens);
        bool failed = back.failed;
        good += !failed && back.data && same_text(&back, samples[i]);
        ti_buf_free(&back);
        if (failed) {
            return ti_fail_nomem(err, "verify", strlen(samples[i]), "a text");
        }
    }
    *passed = good;
    *tried = all;
    return TERN_OK;
}

tern_status ti_verify_paragraph(const tern_model *model, tern_token **tokens, size_t *n,
                                size_t cap, tern_err *err)
{
    TI_TRY(tokenize(model, paragraph, TERN_TOKENIZE_BOS, tokens, n, err));
    *n = *n < cap ? *n : cap;
    return TERN_OK;
}

double ti_verify_bits(const float *f, const double *d, size_t n, tern_token token)
{
    const double ln_2 = 0.69314718055994530942;
    double most = f ? (double)f[0] : d[0], sum = 0.0;
    for (size_t i = 1; i < n; i++) {
        double x = f ? (double)f[i] : d[i];
        most = x > most ? x : most;
    }
    for (size_t i = 0; i < n; i++) {
        sum += ti_exp((f ? (double)f[i] : d[i]) - most);
    }
    return (most + ti_log(sum) - (f ? (double)f[token] : d[token])) / ln_2;
}

size_t ti_verify_best(const float *f, const double *d, size_t n)
{
    size_t best = 0;
    for (size_t i = 1; i < n; i++) {
        best = (f ? f[i] > f[best] : d[i] > d[best]) ? i : best;
    }
    return best;
}

double ti_verify_error(const float *f, const double *d, size_t n, double *max)
{
    double off = 0.0, all = 0.0, most = 0.0;
    for (size_t i = 0; i < n; i++) {
        double e = (double)f[i] - d[i];
        off += e * e;
        all += d[i] * d[i];
        most = e * e > most ? e * e : most;
    }
    if (all <= 0.0) {
        all = 1.0;
    }
    *max = __builtin_sqrt(most / (all / (double)n));
    return __builtin_sqrt(off / all);
}

void ti_verify_say_fluency(ti_verify_report *out)
{
    double bits = out->bits_per_byte, guess = out->guess_bits_per_byte;
    const char *word = "neither fluent nor nonsense";
    ti_verdict verdict = TI_VERIFY_NOTE;
    if (out->synthetic) {
        word = "random weights, as the file says";
    } else if (bits < TI_VERIFY_FLUENT * guess) {
        word = "fluent";
        verdict = TI_VERIFY_PASSED;
    } else if (!(bits < TI_VERIFY_NONSENSE * guess)) {
        word = "not fluent (random weights, or a graph that is not the model's)";
        verdict = TI_VERIFY_FAILED;
    }
    ti_verify_add(out, "fluency", verdict,
                  "%s: %.2f bits for a byte of English, a guess needs %.2f", word, bits, guess);
}
