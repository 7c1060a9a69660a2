/* SPDX-License-Identifier: Apache-2.0 */
/* cli/providers.h - inside of `tern providers`: rows that were worked out, and the machine that
 * was measured. */
#ifndef TI_CLI_PROVIDERS_H
#define TI_CLI_PROVIDERS_H

#include "base/buf.h"
#include "carbon/basis.h"
#include "carbon/ecologits.h"
#include "carbon/providers.h"
#include "cli/zone_now.h"
#include "energy/session.h"

enum {
    TI_PER_TOKENS = 1000, /* grams are for so many */
    /* The middle of a row against that of the best one. */
    TI_GOLD_TIMES = 2,
    TI_SILVER_TIMES = 5
};

typedef enum ti_tier { TI_TIER_NONE = 0, TI_TIER_GOLD, TI_TIER_SILVER, TI_TIER_BRONZE } ti_tier;

/* "gold", "silver", "bronze", "-".  Static. */
const char *ti_tier_name(ti_tier tier);

/* The tier of a value beside the best one; best 0 gives none. */
ti_tier ti_tier_of(uint64_t value, uint64_t best);

/* What a model took on this machine. */
typedef struct ti_local {
    bool measured; /* else there is nothing below */
    char model[96];
    uint64_t n_params;
    uint32_t n_tokens;
    ti_energy_figure figure; /* of all those tokens */
    uint64_t uj_per_tokens;  /* of TI_PER_TOKENS, idle share included */
} ti_local;

/* Runs a model for `n_tokens` tokens, its prompt not counted.  Errors: those of the model and
 * of ti_metering_open(). */
tern_status ti_local_measure(ti_local *out, const char *name, uint32_t n_tokens, tern_err *err);

typedef struct ti_provider_row {
    const ti_provider *provider; /* NULL: this machine */
    const ti_zone_now *zone;     /* NULL: not known */
    bool ranked;                 /* place and grid are known, on the basis of the others */
    bool other_size;             /* known, but of a model that is not of that size */
    uint32_t pue_low, pue_mid, pue_high; /* thousandths */
    uint64_t low_ug, mid_ug, high_ug;    /* for TI_PER_TOKENS; no mid where not ranked */
    ti_tier tier;
} ti_provider_row;

typedef struct ti_ranking {
    const ti_providers *catalogue;
    ti_remote remote; /* of TI_PER_TOKENS, at a PUE of 1 */
    double active_b, total_b;
    int64_t now_s, hour_s;
    ti_provider_row *rows; /* [n]; ranked ones first, in order */
    size_t n;
    ti_zone_now *zones; /* [n_zones] */
    size_t n_zones;
    ti_local local;
    const ti_zone_now *home; /* the user's; NULL: not said */
} ti_ranking;

/* True for a size of a quarter more or less than what was asked for: a token of a larger model
 * is another thing, and not put in one order with it. */
bool ti_is_near(double params_b, const ti_ranking *ranking);

/* The tier of a machine among those that ran a model of that size. */
ti_tier ti_tier_of_hardware(const ti_provider_hardware *hardware, const ti_ranking *ranking);

/* The table, the hardware, and both as JSON. */
void ti_providers_text(ti_buf *out, const ti_ranking *ranking);
void ti_hardware_text(ti_buf *out, const ti_ranking *ranking);
void ti_providers_document(ti_buf *json, const ti_ranking *ranking);

#endif
