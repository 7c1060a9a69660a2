/* SPDX-License-Identifier: Apache-2.0 */
/* model/grammar.h - the insides of tern/grammar.h: from a text to a pushdown automaton.
 *
 * A front end (gbnf.c, schema.c) builds rules out of expressions.  Each rule is unfolded into
 * nodes of an automaton over bytes (gram_lower.c): a node reads a byte, forks, calls a rule or
 * returns.  Then it is known for every node (gram_check.c) how few bytes and how few open
 * calls lead out of it, so that no state is ever entered that cannot be left: the reason why
 * masked generation never gets stuck, the limit of depth included.
 *
 *   gram_expr.c    expressions
 *   gram_lower.c   expressions to nodes, characters to UTF-8
 *   gram_check.c   what is known of nodes and rules; refuses left recursion
 *   gbnf.c         the notation of rules
 *   gram_json.c    JSON in that notation, and the public entry
 *   schema*.c      JSON Schema (schema.h)
 *   trie.c         the vocabulary by its bytes
 *   matcher.c      the state of one text
 *   mask.c         which tokens keep it alive, over the trie of trie.c
 *   constrain.c    a session with a grammar */
#ifndef TI_MODEL_GRAMMAR_H
#define TI_MODEL_GRAMMAR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "tern/grammar.h"

enum {
    TI_GRAMMAR_MAX_TEXT = 1 << 18,
    TI_GRAMMAR_MAX_NODES = 1 << 18,
    TI_GRAMMAR_MAX_RULES = 1 << 12,
    TI_GRAMMAR_MAX_REPEAT = 1 << 16,
    TI_GRAMMAR_MAX_NESTING = 64, /* parentheses of a text inside each other */
    TI_GRAMMAR_JSON_DEPTH = 63,  /* JSON: calls for a nested value; 64 brackets, as base/jval.h
                                    reads them */
    TI_GRAMMAR_RULE_DEPTH = 255  /* a grammar of rules: open calls */
};

/* --- expressions -------------------------------------------------------------------------- */

enum {
    TI_GX_TEXT,   /* these bytes */
    TI_GX_SET,    /* one character of a set */
    TI_GX_SEQ,    /* parts one after the other */
    TI_GX_ALT,    /* one of the parts; without parts nothing fits */
    TI_GX_REPEAT, /* a part `min` to `max` times */
    TI_GX_RULE    /* a rule */
};
#define TI_GX_FOREVER UINT32_MAX

/* Characters [lo, hi]. */
typedef struct ti_grange {
    uint32_t lo, hi;
} ti_grange;

/* One belongs to one place: it is never a part of two others. */
typedef struct ti_gexpr {
    int kind;
    uint32_t min, max; /* REPEAT; RULE: its number in min */
    ti_str text;       /* TEXT */
    ti_grange *ranges; /* SET: [n], sorted, apart */
    size_t n;
    struct ti_gexpr *first, *sibling; /* parts; those of a SEQ from the last to the first */
} ti_gexpr;

typedef struct ti_grule {
    const char *name; /* for messages; "" when it has none */
    ti_gexpr *body;   /* NULL: not defined yet */
    uint64_t at;      /* where the text names it first, for messages */
    bool deep;        /* JSON: a call of it is one bracket deeper */
} ti_grule;

/* What a front end fills.  Memory that cannot be had is remembered in `failed`, and what comes
 * back then is an expression that can be used: checked once, at the end. */
typedef struct ti_gbuild {
    ti_arena arena;
    ti_grule *rules; /* free() */
    size_t n_rules, cap_rules;
    uint32_t max_depth;
    bool json; /* only calls of `deep` rules count as depth; else all that return */
    bool failed, too_many;
} ti_gbuild;

/* These bytes, copied; the same for a C string. */
ti_gexpr *ti_gx_text(ti_gbuild *b, const char *text, size_t len);
ti_gexpr *ti_gx_lit(ti_gbuild *b, const char *text);

/* A rule, by its number. */
ti_gexpr *ti_gx_rule(ti_gbuild *b, uint32_t rule);

/* An empty SEQ or ALT. */
ti_gexpr *ti_gx_list(ti_gbuild *b, int kind);

/* Adds a part at the end of a list. */
void ti_gx_add(ti_gbuild *b, ti_gexpr *list, ti_gexpr *part);

/* A part, min to max times (TI_GX_FOREVER = without end). */
ti_gexpr *ti_gx_repeat(ti_gbuild *b, ti_gexpr *part, uint32_t min, uint32_t max);

/* A set from n ranges in any order, copied; negated: all characters but these and U+0000.
 * Surrogates are no characters and fall out. */
ti_gexpr *ti_gx_set(ti_gbuild *b, const ti_grange *ranges, size_t n, bool negated);

/* A new rule without a body; `name` is copied.  Returns its number; 0 when it failed. */
uint32_t ti_grule_new(ti_gbuild *b, const char *name, size_t len, uint64_t at);

/* Frees what a front end built. */
void ti_gbuild_free(ti_gbuild *b);

/* --- front ends --------------------------------------------------------------------------- */

/* Reads rules `name ::= ...` into an empty build; rule 0 is "root".  Errors: TERN_CORRUPT,
 * TERN_UNSUPPORTED, TERN_LIMIT, TERN_NOMEM. */
tern_status ti_gbnf_read(ti_gbuild *b, const char *text, size_t len, tern_err *err);

/* Defines a rule by the right side of `name ::= ...`, a text of our own. */
tern_status ti_gbnf_body(ti_gbuild *b, uint32_t rule, const char *text, tern_err *err);

/* Rules of JSON, by number after ti_json_rules(). */
enum {
    TI_JR_ROOT = 0, /* without a body */
    TI_JR_VALUE,
    TI_JR_OBJECT,
    TI_JR_ARRAY,
    TI_JR_STRING,
    TI_JR_NUMBER,
    TI_JR_CHAR,
    TI_JR_WS,
    TI_JR_INTEGER,
    TI_JR_PLAIN, /* a character of a string that needs no escape */
    TI_JR_DATE,
    TI_JR_TIME,
    TI_JR_DATE_TIME,
    TI_JR_UUID,
    TI_JR_EMAIL,
    TI_JR_IPV4
};

/* Puts the rules of JSON into an empty build. */
tern_status ti_json_rules(ti_gbuild *b, tern_err *err);

/* Reads a JSON Schema into a build that has the rules of JSON, and defines the root. */
tern_status ti_schema_read(ti_gbuild *b, const char *text, size_t len, tern_err *err);

/* A whole number in [lo, hi], in decimal, without leading zeros and without -0.  Both lie
 * between -10^18 and 10^18, exclusive. */
ti_gexpr *ti_gx_integer(ti_gbuild *b, int64_t lo, int64_t hi);

/* Characters of a JSON string that needs no escapes and is none of n texts (UTF-8, sorted by
 * bytes, different); those are reordered in part. */
ti_gexpr *ti_gx_other_text(ti_gbuild *b, const ti_str *texts, size_t n);

/* --- the automaton ------------------------------------------------------------------------ */

enum {
    TI_G_BYTE,   /* reads a byte of [lo, hi], goes to next */
    TI_G_SPLIT,  /* goes to next and to other */
    TI_G_CALL,   /* goes to rule `other`, which returns to next */
    TI_G_RETURN, /* ends a rule */
    TI_G_ACCEPT, /* the text is whole */
    TI_G_FAIL    /* nothing fits */
};
enum { TI_G_NODE_ACCEPT = 0, TI_G_NODE_RETURN, TI_G_NODE_START, TI_G_FIXED_NODES };
#define TI_G_NEVER UINT32_MAX /* too far: it cannot be left */

typedef struct ti_gnode {
    uint32_t next, other;
    uint8_t kind, lo, hi;
    uint8_t cost; /* CALL: what it adds to the depth */
} ti_gnode;

typedef struct ti_gentry {
    uint32_t node;              /* where the rule begins */
    uint32_t order;             /* callers at the left come before whom they call */
    uint32_t first, n;          /* in `firsts`: BYTE and CALL nodes that it can begin with */
    uint32_t begin_nodes, ends; /* its nodes: [begin_nodes, ends) */
} ti_gentry;

struct tern_grammar {
    ti_gnode *nodes; /* [n_nodes] */
    size_t n_nodes;
    ti_gentry *rules; /* [n_rules]; 0 is the root */
    size_t n_rules;
    uint32_t *rule_of_order; /* [n_rules] */
    uint32_t *rest;          /* [n_nodes]: fewest bytes to the end of its rule, or NEVER */
    uint32_t *need;          /* [n_nodes]: fewest calls that must fit above it, or NEVER */
    uint32_t *firsts;
    uint32_t max_depth;
};

/* True when a call's return only returns again: it needs no frame. */
static inline bool ti_g_is_tail(const tern_grammar *g, const ti_gnode *call)
{
    return g->nodes[call->next].kind == TI_G_RETURN;
}

/* Unfolds the rules.  Errors: TERN_LIMIT, TERN_NOMEM. */
tern_status ti_grammar_lower(tern_grammar *g, const ti_gbuild *b, tern_err *err);

/* Fills rest, need, firsts and orders.  Errors: TERN_UNSUPPORTED for left recursion, with the
 * rule's name; TERN_USAGE when no text fits; TERN_LIMIT; TERN_NOMEM. */
tern_status ti_grammar_check(tern_grammar *g, const ti_gbuild *b, tern_err *err);

#endif
