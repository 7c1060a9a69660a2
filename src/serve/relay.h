/* SPDX-License-Identifier: Apache-2.0 */
/* serve/relay.h - a chat on its way to somebody else and back: JSON in, JSON out.
 *
 * Pure functions.  What an upstream says is believed as far as it can be true: an object that
 * is no answer is none, and a usage that cannot be is replaced by an estimate that says so.
 * Shapes: OpenAI's API reference for chat completions. */
#ifndef TI_SERVE_RELAY_H
#define TI_SERVE_RELAY_H

#include "base/buf.h"
#include "base/jval.h"
#include "plan/route.h"
#include "serve/render.h"
#include "serve/upstreams.h"

enum {
    TI_RELAY_BYTES_A_TOKEN = 4,      /* of an estimate */
    TI_RELAY_TOKENS_MAX = 10000000,  /* that a usage may tell */
    TI_RELAY_TOKEN_BYTES_MAX = 256,  /* longest token of a vocabulary that is about */
    TI_RELAY_TOKENS_SLACK = 1 << 16, /* of a prompt beyond one a byte: templates, pictures */
    TI_RELAY_HEADER_MAX = 512        /* bytes of x-tern-route */
};

/* What routing needs of a request.  Points into the text and the arena. */
typedef struct ti_relay_ask {
    ti_jval root;
    ti_str text;       /* the body */
    const char *model; /* "" when none was named */
    bool stream, include_usage;
    uint64_t max_tokens;  /* of a choice; 0 = not said */
    uint64_t choices;     /* at least 1 */
    ti_str question;      /* the last text of a user: what is classified */
    size_t message_bytes; /* of all texts */
    const char *deadline; /* "tern": {"deadline": ...}; NULL = none */
} ti_relay_ask;

/* Reads a body of /v1/chat/completions, no more of it than is needed: who answers judges the
 * rest.  False, with the reason, when it is refused.  Cost: O(len log len). */
bool ti_relay_read(ti_relay_ask *out, ti_arena *arena, const char *text, size_t len,
                   ti_refusal *why);

/* Appends the body for an upstream: as it came, but with its model's name, with usage where it
 * streams, and without "tern". */
void ti_relay_request(ti_buf *out, const ti_relay_ask *ask, const char *model);

/* Tokens that an answer takes or is expected to take. */
typedef struct ti_relay_tokens {
    uint64_t in, out;
    bool reported; /* by the upstream, and possible; else estimated from bytes */
} ti_relay_tokens;

/* An object of an answer: the whole, or a piece of a stream. */
typedef struct ti_relay_piece {
    ti_jval root;
    ti_str text;
    size_t text_bytes; /* of what was said in it */
    bool has_choices;  /* at least one */
    bool ends;         /* a choice has its finish_reason */
    bool has_usage;
    uint64_t in, out; /* of usage; UINT64_MAX: absurd */
} ti_relay_piece;

/* Reads an object of an answer.  Errors: TERN_CORRUPT (no JSON, no answer), TERN_UNAVAILABLE
 * (an error, whose message is the err's), TERN_LIMIT, TERN_NOMEM. */
tern_status ti_relay_piece_read(ti_relay_piece *out, ti_arena *arena, const char *text,
                                size_t len, tern_err *err);

/* Which tokens are counted: those that were told, where they can be true beside what was seen;
 * piece NULL: nothing was told.
 *   said_bytes  of the whole answer */
ti_relay_tokens ti_relay_count(const ti_relay_ask *ask, const ti_relay_piece *piece,
                               size_t said_bytes);

/* What an answer cost there. */
typedef struct ti_relay_cost {
    const ti_upstream *upstream;
    const ti_route_candidate *candidate; /* with the grid as it was */
    const ti_route_row *row;             /* of those tokens */
    ti_relay_tokens tokens;
    const ti_put_off *put_off; /* NULL: it could not wait */
} ti_relay_cost;

/* What happens to "usage": as it came, left out, or as counted. */
typedef enum ti_relay_usage {
    TI_RELAY_USAGE_KEEP = 0,
    TI_RELAY_USAGE_DROP,
    TI_RELAY_USAGE_COUNTED
} ti_relay_usage;

/* Appends an object of an answer for the client: as it came, without members of ours.
 *   cost  adds "energy", "carbon" and "receipt" (null: nobody here saw it computed); or NULL */
void ti_relay_write(ti_buf *out, const ti_relay_piece *piece, ti_relay_usage usage,
                    const ti_relay_cost *cost);

/* Adds "energy", "carbon" and "receipt". */
void ti_relay_add_cost(ti_buf *out, const ti_relay_cost *cost);

/* --- chats of Ollama's API; relay_ollama.c --------------------------------------------------
 */

/* Whether OpenAI's API can say what was asked of /api/chat or /api/generate: a conversation,
 * without the logprobs that the two show differently. */
bool ti_relay_can_say(const ti_ask *ask);

/* Appends it as a body for ti_relay_read().  What OpenAI's API has no word for (top_k, min_p,
 * repeat_penalty, repeat_last_n, keep_alive) is left out. */
void ti_relay_say(ti_buf *out, const ti_ask *ask);

/* Appends what was said in a piece of a stream as a line of Ollama's; nothing where that is
 * nothing. */
void ti_relay_ollama_piece(ti_buf *out, const ti_told *told, const ti_relay_piece *piece);

/* Appends the end: what the piece still says, and the last line; or, of a `whole` answer, one
 * object.
 *   told  its usage has the times; the tokens are the cost's */
void ti_relay_ollama_end(ti_buf *out, const ti_told *told, const ti_relay_piece *piece,
                         const ti_relay_cost *cost, bool whole);

/* --- the header -----------------------------------------------------------------------------
 */

/* Fills the value of x-tern-route: printable ASCII, "name=value; name=value".
 *   to       the name of who is asked
 *   attempt  1 for the first */
void ti_relay_header(char out[TI_RELAY_HEADER_MAX], const ti_route *route,
                     const ti_upstreams *list, uint32_t to, ti_route_task task,
                     uint32_t attempt);

/* "local_first": what a reason is called in the header.  Static. */
const char *ti_route_code_name(ti_route_code code);

#endif
