/* SPDX-License-Identifier: Apache-2.0 */
/* Markers: tokens that are written out in text, "<|im_start|>".  They are found leftmost first
 * and, at one place, longest first.
 *
 * The markers are sorted by their text.  Those that agree with the text so far are then a range
 * of the sorted list, and each further byte narrows the range by two binary searches: a trie
 * without its memory.  Most positions are dismissed by the first byte alone.
 *
 * A text may have `plain` spans, the words of a user: there "<|im_start|>" is twelve ordinary
 * characters.  The text around markers is still tokenized as one, so that a plain span does not
 * change how its neighbourhood is cut into tokens. */
#include <stdlib.h>
#include <string.h>

#include "model/vocab.h"

static bool is_marker(const ti_vocab *v, uint32_t id)
{
    uint8_t kind = v->kind[id];
    return (kind == TI_TOKEN_CONTROL || kind == TI_TOKEN_USER || kind == TI_TOKEN_UNKNOWN) &&
           v->at[id + 1] > v->at[id];
}

static int compare_text(ti_str a, ti_str b)
{
    size_t common = a.len < b.len ? a.len : b.len;
    int order = memcmp(a.data, b.data, common);
    return order ? order : (a.len > b.len) - (a.len < b.len);
}

/* Heap sort: qsort() has no argument for the vocabulary.  Equal texts are ordered by id. */
static bool before(const ti_vocab *v, uint32_t a, uint32_t b)
{
    int order = compare_text(ti_vocab_text(v, a), ti_vocab_text(v, b));
    return order ? order < 0 : a < b;
}

static void sift(const ti_vocab *v, uint32_t *ids, size_t root, size_t n)
{
    for (;;) {
        size_t child = 2 * root + 1;
        if (child >= n) {
            return;
        }
        if (child + 1 < n && before(v, ids[child], ids[child + 1])) {
            child++;
        }
        if (!before(v, ids[root], ids[child])) {
            return;
        }
        uint32_t swap = ids[root];
        ids[root] = ids[child];
        ids[child] = swap;
        root = child;
    }
}

static void sort_ids(const ti_vocab *v, uint32_t *ids, size_t n)
{
    for (size_t i = n / 2; i-- > 0;) {
        sift(v, ids, i, n);
    }
    for (size_t i = n; i-- > 1;) {
        uint32_t swap = ids[0];
        ids[0] = ids[i];
        ids[i] = swap;
        sift(v, ids, 0, i);
    }
}

tern_status ti_special_index(ti_vocab *v, tern_err *err)
{
    size_t n = 0;
    for (uint32_t id = 0; id < v->n_tokens; id++) {
        n += is_marker(v, id);
    }
    v->special = ti_arena_calloc(&v->arena, n, sizeof *v->special);
    if (!v->special) {
        return ti_fail_nomem(err, "tokenizer", n * sizeof *v->special, "the markers");
    }
    size_t k = 0;
    for (uint32_t id = 0; id < v->n_tokens; id++) {
        if (is_marker(v, id)) {
            v->special[k++] = id;
        }
    }
    sort_ids(v, v->special, n);
    size_t unique = 0; /* of markers with the same text the lowest id is kept */
    for (size_t i = 0; i < n; i++) {
        if (unique == 0 || compare_text(ti_vocab_text(v, v->special[unique - 1]),
                                        ti_vocab_text(v, v->special[i])) != 0) {
            v->special[unique++] = v->special[i];
        }
    }
    size_t i = 0;
    for (unsigned byte = 0; byte < 256; byte++) {
        v->special_first[byte] = (uint32_t)i;
        while (i < unique && (unsigned char)ti_vocab_text(v, v->special[i]).data[0] == byte) {
            i++;
        }
    }
    v->special_first[256] = (uint32_t)unique;
    return TERN_OK;
}

/* First marker in [low, high), all longer than `depth`, whose byte at `depth` is at least
 * `byte` (which may be 256). */
static uint32_t narrow(const ti_vocab *v, uint32_t low, uint32_t high, size_t depth,
                       unsigned byte)
{
    while (low < high) {
        uint32_t mid = low + (high - low) / 2;
        if ((unsigned char)ti_vocab_text(v, v->special[mid]).data[depth] < byte) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    return low;
}

/* The longest marker at the start of text [0, len).  Control and unknown tokens count only when
 * they are not longer than `control_len`. */
static uint32_t longest_at(const ti_vocab *v, const char *text, size_t len, size_t control_len)
{
    uint32_t found = TI_VOCAB_NO_ID;
    unsigned byte = (unsigned char)text[0];
    uint32_t low = v->special_first[byte];
    uint32_t high = v->special_first[byte + 1];
    for (size_t depth = 1; low < high; depth++) {
        uint32_t id = v->special[low];
        if (v->at[id + 1] - v->at[id] == depth) { /* the shortest of the range comes first */
            if (v->kind[id] == TI_TOKEN_USER || depth <= control_len) {
                found = id;
            }
            low++;
        }
        if (depth >= len) {
            break;
        }
        byte = (unsigned char)text[depth];
        low = narrow(v, low, high, depth, byte);
        high = narrow(v, low, high, depth, byte + 1);
    }
    return found;
}

/* The first of the sorted spans that ends after `at`. */
static size_t first_span(const ti_span *spans, size_t n, size_t at)
{
    size_t low = 0;
    while (low < n) {
        size_t mid = low + (n - low) / 2;
        if (spans[mid].end <= at) {
            low = mid + 1;
        } else {
            n = mid;
        }
    }
    return low;
}

uint32_t ti_special_next(const ti_vocab *v, const char *text, size_t len, size_t from,
                         bool special, const ti_span *plain, size_t n_plain, size_t *at)
{
    size_t k = first_span(plain, n_plain, from);
    for (size_t i = from; i < len; i++) {
        unsigned byte = (unsigned char)text[i];
        if (v->special_first[byte] == v->special_first[byte + 1]) {
            continue;
        }
        while (k < n_plain && plain[k].end <= i) {
            k++;
        }
        size_t control_len = 0;
        if (special) {
            size_t limit = k < n_plain ? plain[k].begin : len;
            control_len = limit > i ? limit - i : 0;
        }
        uint32_t id = longest_at(v, text + i, len - i, control_len);
        if (id != TI_VOCAB_NO_ID) {
            *at = i;
            return id;
        }
    }
    return TI_VOCAB_NO_ID;
}

bool ti_tokens_add(ti_tokens *list, uint32_t id)
{
    if (list->n == list->cap) {
        size_t cap = list->cap ? list->cap * 2 : 64;
        tern_token *items = realloc(list->items, cap * sizeof *items);
        if (!items) {
            return false;
        }
        list->items = items;
        list->cap = cap;
    }
    list->items[list->n++] = (tern_token)id;
    return true;
}

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

/* Tokenizes what lies between two markers. */
static tern_status fragment(const ti_vocab *v, ti_tokens *out, const char *text, size_t len,
                            tern_err *err)
{
    if (len == 0) {
        return TERN_OK;
    }
    if (v->spm) { /* the space prefix stands at the start of the text and after every marker */
        return ti_spm_tokenize(v, out, text, len, v->space_prefix, err);
    }
    return ti_bpe_tokenize(v, out, text, len, err);
}

tern_status ti_tok_run(const ti_vocab *v, ti_tokens *out, const char *text, size_t len,
                       uint32_t flags, const ti_span *plain, size_t n_plain, tern_err *err)
{
    if (len > TI_TOK_MAX_TEXT_BYTES) {
        return ti_fail(err, TERN_LIMIT, "tokenizer", TI_NO_OFFSET,
                       "text of %zu bytes is over the limit of %d", len,
                       (int)TI_TOK_MAX_TEXT_BYTES);
    }
    size_t pos = 0;
    while (pos < len) {
        size_t at = len;
        uint32_t id = ti_special_next(v, text, len, pos, (flags & TERN_TOKENIZE_SPECIAL) != 0,
                                      plain, n_plain, &at);
        TI_TRY(fragment(v, out, text + pos, at - pos, err));
        if (id == TI_VOCAB_NO_ID) {
            break;
        }
        if (!ti_tokens_add(out, id)) {
            return ti_fail_nomem(err, "tokenizer", 2 * out->cap * sizeof *out->items, "tokens");
        }
        pos = at + (v->at[id + 1] - v->at[id]);
        while ((v->flags[id] & TI_TOKEN_RSTRIP) && pos < len && is_space(text[pos])) {
            pos++;
        }
    }
    return TERN_OK;
}

tern_status ti_tok_give(const ti_tokens *list, tern_token *out, size_t cap, size_t *n,
                        tern_err *err)
{
    *n = list->n;
    if (list->n > cap) {
        return ti_fail(err, TERN_LIMIT, "tokenizer", TI_NO_OFFSET,
                       "%zu tokens do not fit into %zu", list->n, cap);
    }
    if (list->n > 0) {
        memcpy(out, list->items, list->n * sizeof *out);
    }
    return TERN_OK;
}

tern_status ti_tok_no_byte(unsigned char byte, tern_err *err)
{
    return ti_fail(err, TERN_UNSUPPORTED, "tokenizer", TI_NO_OFFSET,
                   "the vocabulary has no token for byte 0x%02x", byte);
}

tern_status ti_vocab_tokenize(const ti_vocab *v, tern_token *out, size_t cap, size_t *n,
                              const char *text, size_t len, uint32_t flags, tern_err *err)
{
    ti_tokens list = {0};
    tern_status status = TERN_OK;
    bool bos = (flags & TERN_TOKENIZE_BOS) && v->add_bos && v->bos != TI_VOCAB_NO_ID;
    if (bos && !ti_tokens_add(&list, v->bos)) {
        status = ti_fail_nomem(err, "tokenizer", sizeof *list.items, "tokens");
        goto done;
    }
    status = ti_tok_run(v, &list, text, len, flags, NULL, 0, err);
    if (status != TERN_OK) {
        goto done;
    }
    if (bos && list.n > 1 && list.items[1] == (tern_token)v->bos) {
        list.n--; /* the text brought its own: a second one would be a different prompt */
        memmove(list.items, list.items + 1, list.n * sizeof *list.items);
    }
    status = ti_tok_give(&list, out, cap, n, err);
done:
    free(list.items);
    return status;
}
