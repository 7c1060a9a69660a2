/* SPDX-License-Identifier: Apache-2.0 */
/* Streamed text: the input is stops (each ended by NUL, an empty one ends them) and bytes.  The
 * bytes are pushed one by one and again in the longest tokens that fit: the same text must come
 * out, valid UTF-8, without a stop in it. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "model/vocab.h"
#include "tok_build.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MAX_STOPS = 8 };

static const ti_vocab *vocabulary(void)
{
    static tb_vocab spec;
    static ti_vocab *made;
    if (!made) {
        tb_bpe(&spec);
        made = tb_create(&spec, NULL);
        TI_ASSERT(made);
    }
    return made;
}

/* The longest token, if `longest`, else the byte. */
static tern_token take(const ti_vocab *v, const char *text, size_t len, bool longest,
                       size_t *used)
{
    tern_token token = (unsigned char)text[0];
    *used = 1;
    for (uint32_t id = 256; longest && id < TB_BOS; id++) {
        ti_str known = ti_vocab_text(v, id);
        if (known.len > *used && known.len <= len && memcmp(known.data, text, known.len) == 0) {
            token = (tern_token)id;
            *used = known.len;
        }
    }
    return token;
}

static size_t run(char *out, const char *text, size_t len, const char *const *stops,
                  size_t n_stops, bool longest)
{
    const ti_vocab *v = vocabulary();
    tern_stream *s = NULL;
    TI_ASSERT(ti_stream_create(&s, v, stops, n_stops, NULL) == TERN_OK);
    bool stopped = false;
    size_t at = 0, n;
    for (size_t i = 0; i < len && !stopped;) {
        size_t used;
        tern_token token = take(v, text + i, len - i, longest, &used);
        const char *part = tern_stream_push(s, token, &n, &stopped);
        TI_ASSERT(ti_utf8_complete(part, n) == n);
        memcpy(out + at, part, n);
        at += n;
        i += used;
    }
    const char *rest = tern_stream_flush(s, &n);
    TI_ASSERT(!stopped || n == 0);
    memcpy(out + at, rest, n);
    tern_stream_destroy(s);
    return at + n;
}

static void check(const char *out, size_t n, const char *const *stops, size_t n_stops)
{
    for (size_t i = 0; i < n;) {
        uint32_t code;
        size_t size = ti_utf8_decode(out + i, n - i, &code);
        TI_ASSERT(size > 0);
        i += size;
    }
    for (size_t k = 0; k < n_stops; k++) {
        size_t len = strlen(stops[k]);
        for (size_t i = 0; i + len <= n; i++) {
            TI_ASSERT(memcmp(out + i, stops[k], len) != 0);
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *stops[MAX_STOPS];
    size_t n_stops = 0, at = 0;
    char *text = malloc(size + 1);
    char *a = malloc(3 * size + 1);
    char *b = malloc(3 * size + 1);
    TI_ASSERT(text && a && b);
    if (size > 0) {
        memcpy(text, data, size);
    }
    text[size] = '\0';
    while (n_stops < MAX_STOPS && at < size && text[at]) {
        stops[n_stops++] = text + at;
        at += strlen(text + at) + 1;
    }
    at = at < size ? at : size;
    tern_stream *s = NULL;
    if (ti_stream_create(&s, vocabulary(), stops, n_stops, NULL) == TERN_OK) {
        tern_stream_destroy(s);
        size_t n_a = run(a, text + at, size - at, stops, n_stops, false);
        size_t n_b = run(b, text + at, size - at, stops, n_stops, true);
        TI_ASSERT(n_a == n_b && memcmp(a, b, n_a) == 0);
        check(a, n_a, stops, n_stops);
    }
    free(text);
    free(a);
    free(b);
    return 0;
}
