/* SPDX-License-Identifier: Apache-2.0 */
/* carbon/providers.h - who answers for others, and on what: a catalogue with a source for every
 * figure, and unknown where nobody has published one.
 *
 * share/providers.json, described in share/providers.md.  It is read strictly and refused
 * whole: a member that nobody knows, a figure without a source, a source that is not listed. */
#ifndef TI_CARBON_PROVIDERS_H
#define TI_CARBON_PROVIDERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"

enum { TI_PROVIDERS_BYTES_MAX = 4 << 20, TI_PROVIDERS_MAX = 4096 };

/* Where a figure is from.  `url` and `date` are empty where there is none. */
typedef struct ti_provider_source {
    ti_str id, title, url;
    ti_str date;    /* of publication: 2025, 2025-06 or 2025-06-09 */
    ti_str checked; /* when it was looked at */
} ti_provider_source;

/* A figure in thousandths, or nothing known.  low = high where it is one number. */
typedef struct ti_provider_figure {
    const ti_provider_source *source; /* NULL: not known */
    uint32_t low_milli, high_milli;
    ti_str kind; /* of PUE: "measured", "published", "claim"; of heat and renewables: when */
} ti_provider_figure;

/* What something costs, in millionths of a currency.  Currencies and taxes are those of
 * the page: nothing is converted. */
typedef struct ti_provider_price {
    ti_str of;       /* a model or a machine */
    ti_str currency; /* "EUR", "USD", "CHF" */
    ti_str per;      /* "million tokens", "hour", "month" */
    ti_str basis;    /* "published" by themselves; "secondary": others say that they did */
    bool by_tokens;  /* else by time, and in_micro == out_micro */
    uint64_t in_micro, out_micro;
    const ti_provider_source *source;
} ti_provider_price;

typedef struct ti_provider {
    ti_str name, region, base_url, note; /* empty where there is none */
    ti_str api;                          /* "openai", "own", "iaas", "unknown" */
    ti_str zone;                         /* of the grid; empty: not known */
    const ti_provider_source *zone_source;
    ti_provider_figure pue, wue;  /* wue in l/kWh */
    ti_provider_figure heat;      /* share of its heat that is used, 1000 = all */
    ti_provider_figure renewable; /* by contracts (market): shown, never counted */
    ti_provider_price *prices;    /* [n_prices] */
    size_t n_prices;              /* 0: no page with a price was found */
} ti_provider;

/* What a token took on some hardware. */
typedef struct ti_provider_hardware {
    ti_str name, model, covers, evidence, note;
    bool known; /* of energy_uj, which is of one token */
    uint64_t energy_uj;
    uint32_t params_m; /* millions of parameters; 0 = not told */
    uint32_t streams;  /* at once; 0 = not told */
    const ti_provider_source *source;
} ti_provider_hardware;

typedef struct ti_providers {
    ti_provider *providers; /* [n_providers], in the file's order */
    size_t n_providers;
    ti_provider_hardware *hardware; /* [n_hardware] */
    size_t n_hardware;
    ti_provider_source *sources; /* [n_sources] */
    size_t n_sources;
    ti_provider_figure unknown_pue; /* assumed, and said, where a PUE is not known */
    char *text;                     /* owned, or NULL */
    ti_arena arena;
} ti_providers;

/* Reads a catalogue; its texts may point into `text`, which must live as long.
 * Errors: TERN_CORRUPT with the offset, TERN_LIMIT, TERN_NOMEM. */
tern_status ti_providers_parse(ti_providers *out, const char *text, size_t len, tern_err *err);

/* The one that is built in; a file.  Errors: also TERN_IO. */
tern_status ti_providers_builtin(ti_providers *out, tern_err *err);
tern_status ti_providers_load(ti_providers *out, const char *path, tern_err *err);

/* Zeroed is allowed. */
void ti_providers_free(ti_providers *providers);

#endif
