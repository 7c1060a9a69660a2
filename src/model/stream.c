/* SPDX-License-Identifier: Apache-2.0 */
/* Tokens to text.  Bytes pass two gates:
 *   1. UTF-8: the bytes of an unfinished character wait; bytes that cannot become one are
 *      replaced by U+FFFD, one for each attempt (as Unicode recommends, chapter 3.9).
 *   2. Stops: the end of the text that could begin a stop sequence waits.
 * Where tokens are cut does not matter: the stop that is complete first, counted in bytes,
 * wins, the longest of those that end at the same byte.
 *
 * What waits is bounded by the longest stop, what a token adds by the longest token, so that
 * one buffer made at the start is enough and generating text allocates nothing. */
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "model/vocab.h"

#define MODULE "stream"

enum {
    MAX_STOPS = 64,
    MAX_STOP_BYTES = 256,
    MAX_PARTIAL = 3,    /* bytes of an unfinished character */
    REPLACEMENT_LEN = 3 /* bytes of U+FFFD */
};
static const char replacement[] = "\xef\xbf\xbd";

struct stop {
    uint32_t at, len; /* in stop_text */
};

struct tern_stream {
    const ti_vocab *vocab;
    struct stop stops[MAX_STOPS];
    size_t n_stops;
    size_t max_stop;
    char partial[MAX_PARTIAL + 1];
    size_t n_partial;
    size_t given; /* bytes of `text` that the last call returned */
    size_t n;     /* bytes of `text` in use */
    bool stopped;
    char *text;      /* [cap] */
    char *stop_text; /* after `text` */
    size_t cap;
    char memory[];
};

static tern_status check_stops(const char *const *stops, size_t n, size_t *total, tern_err *err)
{
    if (n > MAX_STOPS) {
        return ti_fail(err, TERN_LIMIT, MODULE, TI_NO_OFFSET,
                       "%zu stop sequences are over the limit of %d", n, (int)MAX_STOPS);
    }
    for (size_t i = 0; i < n; i++) {
        size_t len = stops[i] ? strnlen(stops[i], MAX_STOP_BYTES + 1) : 0;
        if (len == 0) {
            return ti_fail(err, TERN_USAGE, MODULE, TI_NO_OFFSET, "stop sequence %zu is empty",
                           i);
        }
        if (len > MAX_STOP_BYTES) {
            return ti_fail(err, TERN_LIMIT, MODULE, TI_NO_OFFSET,
                           "stop sequence %zu is over the limit of %d bytes", i,
                           (int)MAX_STOP_BYTES);
        }
        for (size_t at = 0; at < len;) {
            uint32_t code;
            size_t size = ti_utf8_decode(stops[i] + at, len - at, &code);
            if (size == 0) { /* text never has such bytes, so it could never be found */
                return ti_fail(err, TERN_USAGE, MODULE, at, "stop sequence %zu is no UTF-8", i);
            }
            at += size;
        }
        *total += len;
    }
    return TERN_OK;
}

tern_status ti_stream_create(tern_stream **out, const ti_vocab *vocab, const char *const *stops,
                             size_t n_stops, tern_err *err)
{
    size_t total = 0;
    TI_TRY(check_stops(stops, n_stops, &total, err));
    /* every byte of a token, and every attempt that waited, may become U+FFFD */
    size_t added = REPLACEMENT_LEN * ((size_t)vocab->max_token_bytes + MAX_PARTIAL);
    size_t cap = MAX_STOP_BYTES + added + 1;
    tern_stream *s = ti_calloc(1, sizeof *s + cap + total);
    if (!s) {
        return ti_fail_nomem(err, MODULE, sizeof *s + cap + total, "the stream");
    }
    s->vocab = vocab;
    s->cap = cap;
    s->text = s->memory;
    s->stop_text = s->memory + cap;
    s->n_stops = n_stops;
    size_t at = 0;
    for (size_t i = 0; i < n_stops; i++) {
        size_t len = strlen(stops[i]);
        memcpy(s->stop_text + at, stops[i], len);
        s->stops[i] = (struct stop){(uint32_t)at, (uint32_t)len};
        s->max_stop = len > s->max_stop ? len : s->max_stop;
        at += len;
    }
    *out = s;
    return TERN_OK;
}

void tern_stream_destroy(tern_stream *stream)
{
    free(stream);
}

static void put(tern_stream *s, const char *bytes, size_t len)
{
    TI_ASSERT(len < s->cap - s->n);
    memcpy(s->text + s->n, bytes, len);
    s->n += len;
}

/* Takes one byte through the first gate. */
static void take_byte(tern_stream *s, char byte)
{
    uint32_t code;
    s->partial[s->n_partial++] = byte;
    while (s->n_partial > 0) {
        if (ti_utf8_decode(s->partial, s->n_partial, &code) == s->n_partial) {
            put(s, s->partial, s->n_partial);
            s->n_partial = 0;
        } else if (ti_utf8_complete(s->partial, s->n_partial) == 0) {
            return; /* may become a character */
        } else { /* what was valid so far, if anything, was an attempt; the byte starts anew */
            put(s, replacement, REPLACEMENT_LEN);
            s->partial[0] = byte;
            s->n_partial = s->n_partial > 1;
        }
    }
}

/* Looks for a stop that ends after byte `from` of the text. */
static bool find_stop(const tern_stream *s, size_t from, size_t *begin)
{
    for (size_t end = from + 1; end <= s->n; end++) {
        size_t longest = 0;
        for (size_t i = 0; i < s->n_stops; i++) {
            size_t len = s->stops[i].len;
            if (len > longest && len <= end &&
                memcmp(s->text + end - len, s->stop_text + s->stops[i].at, len) == 0) {
                longest = len;
            }
        }
        if (longest > 0) {
            *begin = end - longest;
            return true;
        }
    }
    return false;
}

/* Length of the longest end of the text that is a beginning of a stop. */
static size_t count_held(const tern_stream *s)
{
    size_t most = s->max_stop > 0 ? s->max_stop - 1 : 0;
    for (size_t n = most < s->n ? most : s->n; n > 0; n--) {
        for (size_t i = 0; i < s->n_stops; i++) {
            if (s->stops[i].len > n &&
                memcmp(s->text + s->n - n, s->stop_text + s->stops[i].at, n) == 0) {
                return n;
            }
        }
    }
    return 0;
}

/* Drops what the last call returned.  Returns how many bytes were looked at before. */
static size_t forget_given(tern_stream *s)
{
    memmove(s->text, s->text + s->given, s->n - s->given);
    s->n -= s->given;
    s->given = 0;
    return s->n;
}

/* Returns the first `n` bytes of the text. */
static const char *give(tern_stream *s, size_t n, size_t *len)
{
    s->given = n;
    *len = n;
    return s->text;
}

/* Second gate: stops among what was added after `old`. */
static const char *settle(tern_stream *s, size_t old, bool last, size_t *len)
{
    size_t begin;
    if (find_stop(s, old, &begin)) {
        s->stopped = true;
        s->n = begin;
        s->n_partial = 0;
        return give(s, begin, len);
    }
    return give(s, last ? s->n : s->n - count_held(s), len);
}

const char *tern_stream_push(tern_stream *s, tern_token token, size_t *len, bool *stopped)
{
    size_t old = forget_given(s);
    size_t n;
    const char *bytes = ti_vocab_bytes(s->vocab, token, &n);
    for (size_t i = 0; i < n && !s->stopped; i++) {
        take_byte(s, bytes[i]);
    }
    const char *text = settle(s, old, s->stopped, len);
    *stopped = s->stopped;
    return text;
}

const char *tern_stream_flush(tern_stream *s, size_t *len)
{
    size_t old = forget_given(s);
    if (s->n_partial > 0) {
        put(s, replacement, REPLACEMENT_LEN);
        s->n_partial = 0;
    }
    return settle(s, old, true, len);
}
