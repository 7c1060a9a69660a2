/* SPDX-License-Identifier: Apache-2.0 */
/* model/vocab.h - what the files of the tokenizer share; private to them.
 *
 * Token texts are kept decoded: the bytes that a token stands for are also the key under which
 * it is found.  Byte-level vocabularies write byte 0x20 as U+0120; here it is 0x20 again.
 * SentencePiece writes a space as U+2581; here it is a space, and so is U+2581 in the input.
 * Only markers (control, unknown, user-defined tokens) keep their text as the file has it.
 *
 *   vocab.c        reads the keys, owns the memory
 *   vocab_text.c   decodes token texts
 *   vocab_ids.c    begin, end and unknown tokens
 *   vocab_table.c  text -> id and (id, id) -> merge
 *   special.c      markers in text, and the driver that cuts text at them
 *   pre_rules.c    the regular expressions of the models, by name
 *   pretok.c       cuts text into pieces with them
 *   tok_bpe.c      ranked merges inside a piece
 *   tok_spm.c      SentencePiece BPE
 *   chat_find.c    which chat template it is
 *   chat.c         writes conversations */
#ifndef TI_MODEL_VOCAB_H
#define TI_MODEL_VOCAB_H

#include <stdatomic.h>

#include "base/buf.h"
#include "base/mem.h"
#include "model/tok.h"
#include "model/trie.h"

enum {
    TI_VOCAB_MAX_TOKENS = 1 << 22,      /* ids must stay far from the sign bit */
    TI_VOCAB_MAX_MERGES = 1 << 23,      /* rank fits 32 bits with room */
    TI_VOCAB_MAX_TOKEN_BYTES = 1 << 12, /* the longest in the field has 512 */
    TI_VOCAB_MAX_TEMPLATE_BYTES = 1 << 20,
    TI_TOK_MAX_TEXT_BYTES = 1 << 28 /* positions fit 32 bits with room */
};
#define TI_VOCAB_NO_ID UINT32_MAX

/* Kinds of tokens, with the numbers of tokenizer.ggml.token_type. */
enum {
    TI_TOKEN_UNDEFINED = 0, /* treated as unused */
    TI_TOKEN_NORMAL = 1,
    TI_TOKEN_UNKNOWN = 2,
    TI_TOKEN_CONTROL = 3,
    TI_TOKEN_USER = 4,
    TI_TOKEN_UNUSED = 5,
    TI_TOKEN_BYTE = 6
};

/* Properties of a token, beside its kind. */
enum {
    TI_TOKEN_ENDS = 1u << 0,   /* ends an answer */
    TI_TOKEN_RSTRIP = 1u << 1, /* swallows the white space that follows it in text */
    TI_TOKEN_LOOKUP = 1u << 2  /* may be produced from ordinary text */
};

typedef struct ti_text_slot {
    uint32_t hash, id; /* id TI_VOCAB_NO_ID = empty */
} ti_text_slot;

typedef struct ti_merge {
    uint32_t left, right; /* left TI_VOCAB_NO_ID = empty */
    uint32_t rank;        /* lower ranks are merged first */
    uint32_t merged;
} ti_merge;

/* Part of a text: [begin, end). */
typedef struct ti_span {
    size_t begin, end;
} ti_span;

/* A list of tokens that grows. */
typedef struct ti_tokens {
    tern_token *items; /* free() */
    size_t n, cap;
} ti_tokens;

/* --- pre-tokenizer ----------------------------------------------------------------------- */

enum { TI_PRETOK_MAX_STEPS = 6 };

/* What a value of tokenizer.ggml.pre means. */
typedef struct ti_pre_rule {
    const char *name;
    const char *const *steps; /* regular expressions, NULL-terminated: each one cuts every piece
                                 of the one before into matches and what lies between them */
    bool whole_piece;         /* a piece that is a token is that token, whatever merges say */
    bool add_bos;             /* unless tokenizer.ggml.add_bos_token says otherwise */
} ti_pre_rule;

typedef struct ti_pretok ti_pretok;

/* Finds a rule by name, or NULL. */
const ti_pre_rule *ti_pre_find(const char *name, size_t len);

/* The rule of a vocabulary whose file names none, if it is a known one, else NULL. */
const ti_pre_rule *ti_pre_guess(const ti_vocab *vocab);

/* Compiles a rule; `jit` false keeps to the interpreter (for tests).  Errors: TERN_NOMEM,
 * TERN_UNAVAILABLE when the regular expression library has no Unicode. */
tern_status ti_pretok_create(ti_pretok **out, const ti_pre_rule *rule, bool jit, tern_err *err);
void ti_pretok_destroy(ti_pretok *pre);

/* Receives the pieces in order; together they are the whole text. */
typedef tern_status (*ti_piece_fn)(void *ctx, const char *piece, size_t len, tern_err *err);

/* Cuts text into pieces.  Bytes that are no UTF-8 form pieces of their own.  O(len).
 * Thread-safe.  Errors: TERN_NOMEM, TERN_INTERNAL, and those of fn. */
tern_status ti_pretok_split(const ti_pretok *pre, const char *text, size_t len, ti_piece_fn fn,
                            void *ctx, tern_err *err);

/* --- chat ----------------------------------------------------------------------------------
 */

typedef enum ti_chat_family {
    TI_CHAT_NONE = 0, /* no template */
    TI_CHAT_UNKNOWN,  /* a template that tern does not know */
    TI_CHAT_CHATML,   /* <|im_start|>role ... <|im_end|> */
    TI_CHAT_LLAMA3,   /* <|start_header_id|>role<|end_header_id|> ... <|eot_id|> */
    TI_CHAT_BITNET,   /* Role: ...<|eot_id|> */
    TI_CHAT_INST,     /* [INST] ... [/INST] */
    TI_CHAT_TAGS,     /* <|role|> ... */
    TI_CHAT_GEMMA     /* <start_of_turn>role ... <end_of_turn> */
} ti_chat_family;

typedef struct ti_chat {
    ti_chat_family family;
    bool has_system;        /* the template takes system messages */
    bool bos;               /* the text starts with the begin-of-text token */
    bool bos_each_turn;     /* INST: every user turn starts with it */
    bool trim;              /* contents lose white space at both ends */
    bool dated;             /* LLAMA3: a system turn with two dates comes first, always */
    bool spaces;            /* INST: a space before and after the assistant's text */
    bool think_last;        /* CHATML: only the running answer keeps its <think> part */
    const char *system;     /* CHATML: system text when the conversation brings none, or NULL */
    const char *answer;     /* opening of the assistant's turn */
    const char *end;        /* TAGS: what follows a system or user text */
    const char *answer_end; /* TAGS: what follows the assistant's text */
    const char *last_end;   /* TAGS: the same when the conversation ends there */
    char start[48];         /* how the template starts, for messages */
} ti_chat;

/* Recognises tokenizer.chat_template and sets v->chat; the rest of the vocabulary must be
 * complete.  Errors: TERN_CORRUPT (not a string), TERN_NOMEM. */
tern_status ti_chat_find(ti_vocab *v, const ti_gguf *gguf, tern_err *err);

/* --- vocabulary ------------------------------------------------------------------------------
 */

struct ti_vocab {
    ti_arena arena;
    bool spm; /* SentencePiece BPE; else byte-level BPE */
    uint32_t n_tokens;
    uint32_t max_token_bytes;
    const char *blob;   /* texts of all tokens, one after the other */
    const uint32_t *at; /* [n_tokens + 1] where they start in it */
    uint8_t *kind;      /* [n_tokens] */
    uint8_t *flags;     /* [n_tokens] */
    float *scores;      /* [n_tokens], SentencePiece only */
    ti_text_slot *by_text;
    uint32_t by_text_mask;
    ti_merge *merges;
    uint32_t merges_mask;
    uint32_t byte_id[256]; /* token of a single byte, or TI_VOCAB_NO_ID */
    uint32_t bos, eos, unk;
    bool add_bos;
    bool space_prefix; /* SentencePiece: text starts with a space */
    ti_pretok *pre;    /* byte-level only */
    const ti_pre_rule *rule;
    uint32_t *special;           /* ids of markers, sorted by text */
    uint32_t special_first[257]; /* markers that start with byte b: [first[b], first[b + 1]) */
    ti_chat chat;
    ti_trie *_Atomic trie; /* ti_vocab_trie(); NULL until somebody asks */
};

/* The text of a token, as it is looked up. */
static inline ti_str ti_vocab_text(const ti_vocab *v, uint32_t id)
{
    return (ti_str){v->blob + v->at[id], v->at[id + 1] - v->at[id]};
}

/* Whether tokens of a kind are written out in text. */
static inline bool ti_is_marker(uint8_t kind)
{
    return kind == TI_TOKEN_CONTROL || kind == TI_TOKEN_UNKNOWN || kind == TI_TOKEN_USER;
}

/* Decodes a text of a byte-level vocabulary into out [text.len]; returns false when it has
 * characters that stand for no byte. */
bool ti_text_decode_bytes(ti_str text, char *out, size_t *len);

/* The value of "<0xE2>", or -1. */
int ti_text_byte_token(ti_str text);

/* Decodes and keeps the texts of all tokens; kinds must be known.  Errors: TERN_CORRUPT,
 * TERN_LIMIT, TERN_NOMEM. */
tern_status ti_vocab_read_texts(ti_vocab *v, const ti_gguf_kv *tokens, tern_err *err);

/* Reads bos, eos, unk and which tokens end an answer; corrects the kinds of those tokens.
 * Errors: TERN_CORRUPT. */
tern_status ti_vocab_read_ids(ti_vocab *v, const ti_gguf *gguf, const ti_gguf_kv *tokens,
                              tern_err *err);

/* Sets TI_TOKEN_RSTRIP where the model is known to have it.  Texts must be known. */
void ti_vocab_mark_rstrip(ti_vocab *v, const ti_gguf *gguf);

/* Builds the table of all tokens with TI_TOKEN_LOOKUP; of tokens with the same text the lowest
 * id is found.  Errors: TERN_NOMEM. */
tern_status ti_vocab_index(ti_vocab *v, tern_err *err);

/* Finds a token by its text, or TI_VOCAB_NO_ID.  O(len). */
uint32_t ti_vocab_find(const ti_vocab *v, const char *text, size_t len);

/* Makes room for n merges.  Errors: TERN_NOMEM. */
tern_status ti_merges_reserve(ti_vocab *v, size_t n, tern_err *err);

/* Adds a merge; of merges of the same pair the first stays. */
void ti_merges_add(ti_vocab *v, ti_merge merge);

/* Finds the merge of two tokens, or NULL. */
const ti_merge *ti_merges_find(const ti_vocab *v, uint32_t left, uint32_t right);

/* Sorts the markers for ti_special_next().  Errors: TERN_NOMEM. */
tern_status ti_special_index(ti_vocab *v, tern_err *err);

/* Finds the first marker at or after `from`, the longest where several start.  Control and
 * unknown tokens count only when `special` is set and they lie outside all `plain` spans
 * (sorted, disjoint).  Returns its id and position, or TI_VOCAB_NO_ID.  O(len) for markers of
 * bounded length. */
uint32_t ti_special_next(const ti_vocab *v, const char *text, size_t len, size_t from,
                         bool special, const ti_span *plain, size_t n_plain, size_t *at);

/* Appends tokens.  false = no memory. */
bool ti_tokens_add(ti_tokens *list, uint32_t id);

/* Tokenizes text without markers.  O(len log len).  Errors: TERN_NOMEM; TERN_UNSUPPORTED for a
 * byte that has no token in a vocabulary without an unknown token. */
tern_status ti_bpe_tokenize(const ti_vocab *v, ti_tokens *out, const char *text, size_t len,
                            tern_err *err);

/* The same for SentencePiece; `prefix` puts a space before the text. */
tern_status ti_spm_tokenize(const ti_vocab *v, ti_tokens *out, const char *text, size_t len,
                            bool prefix, tern_err *err);

/* Fails because a byte has no token. */
tern_status ti_tok_no_byte(unsigned char byte, tern_err *err);

/* Tokenizes text in which the `plain` spans hold no control tokens.  Appends to `out`, which
 * the caller frees, also after a failure. */
tern_status ti_tok_run(const ti_vocab *v, ti_tokens *out, const char *text, size_t len,
                       uint32_t flags, const ti_span *plain, size_t n_plain, tern_err *err);

/* Hands tokens to the caller: copies if they fit, else TERN_LIMIT with *n set. */
tern_status ti_tok_give(const ti_tokens *list, tern_token *out, size_t cap, size_t *n,
                        tern_err *err);

#endif
