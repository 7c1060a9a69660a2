/* SPDX-License-Identifier: Apache-2.0 */
/* cli/casdk_parts.h - what the files of the WebAPI share; for them alone. */
#ifndef TI_CLI_CASDK_PARTS_H
#define TI_CLI_CASDK_PARTS_H

#include "base/jval.h"
#include "cli/casdk.h"

enum {
    TI_CASDK_LOCATIONS = 64,
    TI_CASDK_ITEMS = 256,
    TI_CASDK_ERRORS = 8,
    TI_CASDK_DAYS = 3 * 366 /* of one request, those of all its locations together */
};

/* A parameter, and what is wrong with it. */
typedef struct ti_casdk_fault {
    char field[40], message[200];
} ti_casdk_fault;

/* A request on its way to its answer. */
typedef struct ti_casdk_call {
    ti_casdk *server;
    const ti_web_request *request;
    ti_web_reply *reply;
    int64_t now_s;
    int64_t asked_s; /* of all locations together, so far */
    ti_casdk_fault faults[TI_CASDK_ERRORS];
    size_t n_faults;
    bool has_basis; /* of the figures so far */
    ti_basis basis;
    ti_buf origin; /* the header's text */
} ti_casdk_call;

/* Names of locations, in memory of their own. */
typedef struct ti_casdk_names {
    char name[TI_CASDK_LOCATIONS][TI_ZONE_MAX + 1];
    size_t n;
} ti_casdk_names;

/* Begins a call; end it with ti_casdk_end(). */
void ti_casdk_begin(ti_casdk_call *call, void *user, const ti_web_request *request,
                    ti_web_reply *reply);

/* Frees what a call holds; its answer is on its way. */
void ti_casdk_end(ti_casdk_call *call);

/* Notes what is wrong with a parameter. */
void ti_casdk_fault_add(ti_casdk_call *call, const char *field, const char *format, ...)
    TI_PRINTF(3, 4);

/* --- parameters ----------------------------------------------------------------------------
 * False, with a fault noted, when one is wrong; *there tells whether it was given. */

/* Counts n locations of that length towards the limit of a request, before anybody is asked:
 * how long a request takes others to answer is bounded by it. */
bool ti_casdk_spend(ti_casdk_call *call, size_t n, int64_t length_s, const char *field);

/* All values of `location`, at least one; `one`: exactly one. */
bool ti_casdk_names_get(ti_casdk_names *out, ti_casdk_call *call, bool one);

/* A moment of the query. */
bool ti_casdk_time_get(int64_t *out, bool *there, ti_casdk_call *call, const char *name);

/* A number of minutes of the query, from 1 to two weeks. */
bool ti_casdk_minutes_get(uint32_t *out, bool *there, ti_casdk_call *call, const char *name);

/* The same of an object in a body; `field` is how a fault calls it. */
bool ti_casdk_time_of(int64_t *out, bool *there, ti_casdk_call *call, const ti_jval *value,
                      const char *field);

/* A moment as clients write it, a '+' that became a blank included. */
bool ti_casdk_time_read(int64_t *out, const char *text, size_t len);

/* Parses a body that is a list; the tree lives as long as `arena`.  NULL after a refusal. */
const ti_jval *ti_casdk_list(ti_jval *root, ti_arena *arena, ti_casdk_call *call);

/* --- answers --------------------------------------------------------------------------------
 */

/* 200 with JSON, which is taken over; 500 when memory was missing. */
void ti_casdk_answer(ti_casdk_call *call, ti_buf *json);

/* 204: nothing is known. */
void ti_casdk_nothing(ti_casdk_call *call);

/* A problem as RFC 7807 has it, with all faults. */
void ti_casdk_refuse(ti_casdk_call *call, unsigned code, const char *detail);

/* What a failure of a desk becomes: 400, 501, 503 or 500. */
void ti_casdk_failed(ti_casdk_call *call, const tern_err *err, const char *field);

/* --- figures --------------------------------------------------------------------------------
 */

typedef enum ti_casdk_got {
    TI_CASDK_GOT = 0,
    TI_CASDK_NONE,   /* the source knows nothing about that time */
    TI_CASDK_REFUSED /* the call is answered */
} ti_casdk_got;

/* Begins an asking: one at a time.  False when its client has left meanwhile: others wait for
 * their turn.  Ends with unlocking the server's mutex. */
bool ti_casdk_turn(ti_casdk_call *call);

/* What happened in [from_s, to_s), or, when they are equal, at that moment.  `field` is the
 * parameter that the location came from.  The feed is the caller's when GOT. */
ti_casdk_got ti_casdk_history(ti_feed *out, ti_casdk_call *call, const char *location,
                              int64_t from_s, int64_t to_s, const char *field);

/* What is expected up to to_s, as of then_s (now: the current forecast). */
ti_casdk_got ti_casdk_forecast(ti_feed *out, ti_casdk_call *call, const char *location,
                               int64_t then_s, int64_t to_s, const char *field);

/* A number of grams in JSON: mg with three decimals. */
void ti_casdk_grams(ti_buf *json, const char *key, uint32_t mg);

/* A moment in JSON, as .NET writes it. */
void ti_casdk_moment(ti_buf *json, const char *key, int64_t time_s);

/* --- handlers of casdk_forecast.c ------------------------------------------------------------
 */

/* GET /emissions/forecasts/current */
void ti_casdk_current(void *user, const ti_web_request *request, ti_web_reply *reply);

/* POST /emissions/forecasts/batch */
void ti_casdk_batch(void *user, const ti_web_request *request, ti_web_reply *reply);

#endif
