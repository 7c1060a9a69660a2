/* SPDX-License-Identifier: Apache-2.0 */
/* What the readers of both dialects share.  Each returns false after filling *why. */
#ifndef TI_SERVE_ASK_PARTS_H
#define TI_SERVE_ASK_PARTS_H

#include "serve/ask.h"

/* A request that is being read. */
typedef struct ti_reading {
    ti_ask *ask;
    ti_arena *arena;
    const char *text; /* of the body, which is JSON */
    size_t len;
    const ti_jval *root; /* an object */
    ti_refusal *why;
} ti_reading;

/* A member of `object` with a limit; one that is absent or null leaves *out and is true. */
bool ti_read_bool(ti_reading *r, const ti_jval *object, const char *key, bool *out);
bool ti_read_u32(ti_reading *r, const ti_jval *object, const char *key, uint32_t min,
                 uint32_t max, uint32_t *out, bool *given);
bool ti_read_f32(ti_reading *r, const ti_jval *object, const char *key, double min, double max,
                 float *out, bool *given);
bool ti_read_text(ti_reading *r, const ti_jval *object, const char *key, const char **out);

/* Any whole number of 64 bits, also a negative one. */
bool ti_read_seed(ti_reading *r, const ti_jval *object);

/* The largest values that a dialect lets through; penalties may be as far below 0. */
typedef struct ti_sampler_ranges {
    double temperature, penalty, repeat;
} ti_sampler_ranges;

/* temperature, top_p, top_k, min_p, the penalties and the seed. */
bool ti_read_sampler(ti_reading *r, const ti_jval *object, const ti_sampler_ranges *ranges);

/* "stop": a string or a list. */
bool ti_read_stops(ti_reading *r, const ti_jval *object);

/* "tern": {"deadline": ...} of a completion. */
bool ti_read_deadline(ti_reading *r);

/* "messages".  `ollama`: content is a string, and images are a list beside it. */
bool ti_read_messages(ti_reading *r, bool ollama);

/* A text, a list of texts, a list of tokens or a list of such lists, under `key`. */
bool ti_read_inputs(ti_reading *r, const char *key, size_t max, bool tokens_too);

/* The text of an object, as it was sent: a schema's order of members counts.  With a NUL. */
bool ti_text_of(ti_reading *r, const ti_jval *v, ti_str *out);

/* A copy with a NUL, or NULL after a refusal for want of memory. */
const char *ti_copy_text(ti_reading *r, ti_str text);
bool ti_no_memory(ti_reading *r);

/* The rest of a body, once the JSON is read: openai_ask.c, ollama_ask.c. */
bool ti_openai_ask(ti_reading *r, ti_ask_kind kind);
bool ti_ollama_ask(ti_reading *r, ti_ask_kind kind);

#endif
