/* SPDX-License-Identifier: Apache-2.0 */
/* Byte-level BPE: the bytes of a piece are tokens; the neighbours whose merge has the lowest
 * rank become one token, leftmost first, until no pair can be merged.
 *
 * Symbols form a linked list in an array.  A symbol carries the rank of the merge with its
 * right neighbour; pairs wait in a heap as (rank, position).  A pair that changed meanwhile is
 * recognised when it is taken from the heap: its rank is no longer the symbol's, because a rank
 * stands for exactly one pair.  So a piece of n bytes takes O(n log n), a megabyte of one
 * letter included. */
#include <stdlib.h>

#include "model/vocab.h"

#define NO_RANK UINT32_MAX
#define END UINT32_MAX

struct symbol {
    uint32_t id;         /* token */
    uint32_t prev, next; /* neighbours, or END */
    uint32_t rank;       /* of the merge with the next one, or NO_RANK */
    uint32_t merged;     /* the token that this merge makes */
};

struct bpe {
    const ti_vocab *vocab;
    ti_tokens *out;
    struct symbol *symbols; /* [cap] */
    uint64_t *heap;         /* [3 cap] rank << 32 | position */
    size_t cap, n, n_heap;
};

/* A piece of n symbols puts at most n - 1 pairs into the heap, and two for each of at most
 * n - 1 merges. */
enum { HEAP_PER_SYMBOL = 3, FIRST_CAP = 256, SYMBOLS_PER_BYTE = 3 };

static tern_status reserve(struct bpe *b, size_t n, tern_err *err)
{
    if (n <= b->cap) {
        return TERN_OK;
    }
    size_t cap = b->cap ? b->cap : FIRST_CAP;
    while (cap < n) {
        cap *= 2;
    }
    size_t bytes = cap * (sizeof *b->symbols + HEAP_PER_SYMBOL * sizeof *b->heap);
    free(b->symbols);
    free(b->heap);
    b->cap = 0;
    b->symbols = malloc(cap * sizeof *b->symbols);
    b->heap = malloc(cap * HEAP_PER_SYMBOL * sizeof *b->heap);
    if (!b->symbols || !b->heap) {
        return ti_fail_nomem(err, "tokenizer", bytes, "a piece of text");
    }
    b->cap = cap;
    return TERN_OK;
}

static void push(struct bpe *b, uint64_t item)
{
    size_t i = b->n_heap++;
    while (i > 0) {
        size_t parent = (i - 1) / 2;
        if (b->heap[parent] <= item) {
            break;
        }
        b->heap[i] = b->heap[parent];
        i = parent;
    }
    b->heap[i] = item;
}

static uint64_t pop(struct bpe *b)
{
    uint64_t top = b->heap[0];
    uint64_t item = b->heap[--b->n_heap];
    size_t i = 0;
    for (;;) {
        size_t child = 2 * i + 1;
        if (child >= b->n_heap) {
            break;
        }
        if (child + 1 < b->n_heap && b->heap[child + 1] < b->heap[child]) {
            child++;
        }
        if (item <= b->heap[child]) {
            break;
        }
        b->heap[i] = b->heap[child];
        i = child;
    }
    b->heap[i] = item;
    return top;
}

/* Looks up the merge of a symbol with its right neighbour and queues it. */
static void pair(struct bpe *b, uint32_t i)
{
    struct symbol *s = &b->symbols[i];
    s->rank = NO_RANK;
    if (s->next == END) {
        return;
    }
    const ti_merge *m = ti_merges_find(b->vocab, s->id, b->symbols[s->next].id);
    if (m) {
        s->rank = m->rank;
        s->merged = m->merged;
        push(b, (uint64_t)m->rank << 32 | i);
    }
}

static void merge_all(struct bpe *b)
{
    while (b->n_heap > 0) {
        uint64_t top = pop(b);
        uint32_t i = (uint32_t)top;
        struct symbol *s = &b->symbols[i];
        if (s->rank != (uint32_t)(top >> 32)) {
            continue; /* the pair is gone */
        }
        struct symbol *right = &b->symbols[s->next];
        right->rank = NO_RANK;
        s->id = s->merged;
        s->next = right->next;
        if (s->next != END) {
            b->symbols[s->next].prev = i;
        }
        pair(b, i);
        if (s->prev != END) {
            pair(b, s->prev);
        }
    }
}

static void add_symbol(struct bpe *b, uint32_t id)
{
    uint32_t i = (uint32_t)b->n++;
    b->symbols[i] = (struct symbol){id, i ? i - 1 : END, i + 1, NO_RANK, 0};
}

/* Makes a symbol of every byte.  Some vocabularies lack the bytes that UTF-8 never has (0xff):
 * such a byte is read as U+FFFD, as other tokenizers read all bytes that are no UTF-8. */
static tern_status spell(struct bpe *b, const char *piece, size_t len, tern_err *err)
{
    static const unsigned char replacement[] = {0xef, 0xbf, 0xbd};
    const uint32_t *ids = b->vocab->byte_id;
    uint32_t unk = b->vocab->unk; /* some files name <|endoftext|> here, which would be wrong */
    bool has_unk = unk != TI_VOCAB_NO_ID && b->vocab->kind[unk] == TI_TOKEN_UNKNOWN;
    bool has_replacement = true;
    for (size_t k = 0; k < sizeof replacement; k++) {
        has_replacement = has_replacement && ids[replacement[k]] != TI_VOCAB_NO_ID;
    }
    b->n = 0;
    for (size_t i = 0; i < len; i++) {
        unsigned char byte = (unsigned char)piece[i];
        if (ids[byte] != TI_VOCAB_NO_ID) {
            add_symbol(b, ids[byte]);
        } else if (has_replacement) {
            for (size_t k = 0; k < sizeof replacement; k++) {
                add_symbol(b, ids[replacement[k]]);
            }
        } else if (has_unk) {
            add_symbol(b, unk);
        } else {
            return ti_tok_no_byte(byte, err);
        }
    }
    b->symbols[b->n - 1].next = END;
    return TERN_OK;
}

static tern_status one_piece(void *ctx, const char *piece, size_t len, tern_err *err)
{
    struct bpe *b = ctx;
    uint32_t whole = TI_VOCAB_NO_ID;
    if (b->vocab->rule->whole_piece) {
        whole = ti_vocab_find(b->vocab, piece, len);
    }
    if (whole != TI_VOCAB_NO_ID) {
        if (!ti_tokens_add(b->out, whole)) {
            goto nomem;
        }
        return TERN_OK;
    }
    TI_TRY(reserve(b, SYMBOLS_PER_BYTE * len, err));
    TI_TRY(spell(b, piece, len, err));
    b->n_heap = 0;
    for (size_t i = 0; i < b->n; i++) {
        pair(b, (uint32_t)i);
    }
    merge_all(b);
    for (uint32_t i = 0; i != END; i = b->symbols[i].next) {
        if (!ti_tokens_add(b->out, b->symbols[i].id)) {
            goto nomem;
        }
    }
    return TERN_OK;
nomem:
    return ti_fail_nomem(err, "tokenizer", 2 * b->out->cap * sizeof *b->out->items, "tokens");
}

tern_status ti_bpe_tokenize(const ti_vocab *v, ti_tokens *out, const char *text, size_t len,
                            tern_err *err)
{
    struct bpe b = {.vocab = v, .out = out};
    tern_status status = ti_pretok_split(v->pre, text, len, one_piece, &b, err);
    free(b.symbols);
    free(b.heap);
    return status;
}
