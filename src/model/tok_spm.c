/* SPDX-License-Identifier: Apache-2.0 */
/* SentencePiece BPE: the characters of a text are symbols; the neighbours that together are the
 * token with the highest score become one symbol, leftmost first, until none do.  A symbol that
 * is no token is written with byte tokens, <0xE2>.
 *
 * There are no pieces: the whole text is one list.  Symbols cover fixed ranges of the text, so
 * a waiting pair is still valid exactly when its left symbol is alive and both together have
 * the length that they had. */
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "model/vocab.h"

#define END UINT32_MAX

static const char lower_block[3] = {'\xe2', '\x96', '\x81'}; /* U+2581, a written space */

struct symbol {
    uint32_t at, len;    /* bytes of the text; len 0 = merged into the one before */
    uint32_t prev, next; /* neighbours, or END */
};

struct pair {
    float score;
    uint32_t left; /* symbol */
    uint32_t len;  /* bytes of both */
};

struct spm {
    const ti_vocab *vocab;
    char *text; /* [len] with real spaces */
    size_t len;
    struct symbol *symbols;
    size_t n;
    struct pair *heap; /* [3 n], for the reason given in tok_bpe.c */
    size_t n_heap;
};

/* Whether a is taken before b. */
static bool sooner(struct pair a, struct pair b)
{
    return a.score > b.score || (a.score == b.score && a.left < b.left);
}

static void push(struct spm *s, struct pair item)
{
    size_t i = s->n_heap++;
    while (i > 0) {
        size_t parent = (i - 1) / 2;
        if (!sooner(item, s->heap[parent])) {
            break;
        }
        s->heap[i] = s->heap[parent];
        i = parent;
    }
    s->heap[i] = item;
}

static struct pair pop(struct spm *s)
{
    struct pair top = s->heap[0];
    struct pair item = s->heap[--s->n_heap];
    size_t i = 0;
    for (;;) {
        size_t child = 2 * i + 1;
        if (child >= s->n_heap) {
            break;
        }
        if (child + 1 < s->n_heap && sooner(s->heap[child + 1], s->heap[child])) {
            child++;
        }
        if (!sooner(s->heap[child], item)) {
            break;
        }
        s->heap[i] = s->heap[child];
        i = child;
    }
    s->heap[i] = item;
    return top;
}

/* Queues a symbol and its right neighbour if they are a token. */
static void try_pair(struct spm *s, uint32_t left)
{
    const struct symbol *a = &s->symbols[left];
    if (a->next == END) {
        return;
    }
    uint32_t len = a->len + s->symbols[a->next].len;
    uint32_t id = ti_vocab_find(s->vocab, s->text + a->at, len);
    if (id != TI_VOCAB_NO_ID) {
        push(s, (struct pair){s->vocab->scores[id], left, len});
    }
}

static void merge_all(struct spm *s)
{
    while (s->n_heap > 0) {
        struct pair top = pop(s);
        struct symbol *a = &s->symbols[top.left];
        if (a->len == 0 || a->next == END || a->len + s->symbols[a->next].len != top.len) {
            continue; /* the pair is gone */
        }
        struct symbol *b = &s->symbols[a->next];
        a->len = top.len;
        a->next = b->next;
        b->len = 0;
        if (a->next != END) {
            s->symbols[a->next].prev = top.left;
        }
        try_pair(s, top.left);
        if (a->prev != END) {
            try_pair(s, a->prev);
        }
    }
}

/* Copies the text, with U+2581 as a space, and cuts it into characters. */
static tern_status prepare(struct spm *s, const char *text, size_t len, bool prefix,
                           tern_err *err)
{
    s->text = malloc(len + 1);
    s->symbols = malloc((len + 1) * sizeof *s->symbols);
    s->heap = malloc((len + 1) * 3 * sizeof *s->heap);
    if (!s->text || !s->symbols || !s->heap) {
        size_t each = 1 + sizeof *s->symbols + 3 * sizeof *s->heap;
        return ti_fail_nomem(err, "tokenizer", (len + 1) * each, "a text");
    }
    if (prefix) {
        s->text[s->len++] = ' ';
    }
    for (size_t i = 0; i < len;) {
        if (len - i >= sizeof lower_block && memcmp(text + i, lower_block, 3) == 0) {
            s->text[s->len++] = ' ';
            i += sizeof lower_block;
        } else {
            s->text[s->len++] = text[i++];
        }
    }
    for (size_t i = 0; i < s->len;) {
        uint32_t code;
        size_t size = ti_utf8_decode(s->text + i, s->len - i, &code);
        size = size ? size : 1; /* a byte that is no UTF-8 stands for itself */
        s->symbols[s->n] =
            (struct symbol){(uint32_t)i, (uint32_t)size, s->n ? (uint32_t)(s->n - 1) : END,
                            (uint32_t)(s->n + 1)};
        s->n++;
        i += size;
    }
    s->symbols[s->n - 1].next = END;
    return TERN_OK;
}

/* Appends a symbol: its token, else its bytes, else the unknown token. */
static tern_status emit(const struct spm *s, const struct symbol *symbol, ti_tokens *out,
                        tern_err *err)
{
    const ti_vocab *v = s->vocab;
    const char *text = s->text + symbol->at;
    uint32_t id = ti_vocab_find(v, text, symbol->len);
    bool ok = true;
    if (id == TI_VOCAB_NO_ID) {
        for (uint32_t i = 0; i < symbol->len; i++) {
            unsigned char byte = (unsigned char)text[i];
            if (v->byte_id[byte] == TI_VOCAB_NO_ID && v->unk == TI_VOCAB_NO_ID) {
                return ti_tok_no_byte(byte, err);
            }
            id = v->byte_id[byte] == TI_VOCAB_NO_ID ? v->unk : id;
        }
    }
    if (id != TI_VOCAB_NO_ID) {
        ok = ti_tokens_add(out, id);
    } else {
        for (uint32_t i = 0; i < symbol->len && ok; i++) {
            ok = ti_tokens_add(out, v->byte_id[(unsigned char)text[i]]);
        }
    }
    if (!ok) {
        return ti_fail_nomem(err, "tokenizer", 2 * out->cap * sizeof *out->items, "tokens");
    }
    return TERN_OK;
}

tern_status ti_spm_tokenize(const ti_vocab *v, ti_tokens *out, const char *text, size_t len,
                            bool prefix, tern_err *err)
{
    struct spm s = {.vocab = v};
    tern_status status = prepare(&s, text, len, prefix, err);
    if (status == TERN_OK) {
        for (size_t i = 0; i < s.n; i++) {
            try_pair(&s, (uint32_t)i);
        }
        merge_all(&s);
    }
    for (uint32_t i = 0; status == TERN_OK && i != END; i = s.symbols[i].next) {
        status = emit(&s, &s.symbols[i], out, err);
    }
    free(s.text);
    free(s.symbols);
    free(s.heap);
    return status;
}
