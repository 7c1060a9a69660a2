/* SPDX-License-Identifier: Apache-2.0 */
/* serve/state.h - what the page of `tern serve` shows of the server: values in, JSON out.
 *
 * Everything is as the server knows it: counts since it was started, the meter's readings with
 * their evidence, the grid by which answers are counted, and the last answers.  Nothing is
 * averaged or extrapolated here: power is the difference of two readings, which whoever asks
 * twice can form. */
#ifndef TI_SERVE_STATE_H
#define TI_SERVE_STATE_H

#include "serve/metrics.h"
#include "serve/render.h"
#include "serve/tally.h"

enum { TI_RECENT_MAX = 64, TI_RECENT_NAME = 63 };

/* Who else has answered, and what that is expected to have cost there (docs/routing.md). */
typedef struct ti_recent_other {
    char name[TI_RECENT_NAME + 1], zone[TI_RECENT_NAME + 1]; /* zone "": not said */
    const char *evidence; /* whose word the joules are; static */
    bool energy_known, grams_known;
    bool reported; /* tokens, by who answered; else estimated */
    uint64_t energy_uj, energy_low_uj, energy_high_uj;
    uint64_t co2_ug, co2_low_ug, co2_high_ug;
    uint32_t pue_permille;
    uint64_t intensity_mg_kwh;
    ti_basis basis;
} ti_recent_other;

/* An answer that has ended, well or not.  No word of what was asked or answered. */
typedef struct ti_recent_item {
    uint64_t number; /* 1 is the first since the server was started */
    uint64_t ended_unix_ms;
    ti_ask_kind kind;
    unsigned status; /* of HTTP; 499: the client had gone */
    ti_serve_usage usage;
    ti_cost cost;
    ti_recent_other other;           /* name "": this machine has answered, for `cost` */
    uint32_t n_receipts;             /* 0 or one for each choice ... */
    char receipt[TI_RECEIPT_ID + 1]; /* ... of which this is the first; else "" */
} ti_recent_item;

/* The last answers, in a ring.  Zeroed is empty. */
typedef struct ti_recent {
    ti_recent_item items[TI_RECENT_MAX];
    uint64_t n; /* that ever were */
} ti_recent;

/* Adds one; its number is given here. */
void ti_recent_add(ti_recent *recent, const ti_recent_item *item);

/* The one with that number; NULL when it was never there or has gone. */
const ti_recent_item *ti_recent_get(const ti_recent *recent, uint64_t number);

/* Nothing is owned. */
typedef struct ti_state {
    uint64_t now_unix_ms, started_unix_ms;
    uint64_t steady_ns; /* of `total`, by a clock that only goes forward */
    const ti_served *model;
    const ti_serve_stats *stats;
    const ti_metrics_all *metrics;
    const ti_energy_source *source;  /* NULL: nobody measures ... */
    const ti_attribution_sum *total; /* ... else what the meter said so far */
    const ti_cost *grid; /* of no joules at all: its carbon says which grid answers are counted
                            by, if any */
    const ti_recent *recent;
    uint64_t since;            /* answers up to that number are known to who asks */
    bool receipts;             /* are made */
    const char *log_name;      /* origin of the log that is shown; NULL = none */
    const ti_routing *routing; /* NULL: this machine answers everything */
} ti_state;

/* Appends {schema "tern.state/1", ...}; docs/serve.md has its members. */
void ti_state_render(ti_buf *out, const ti_state *state);

#endif
