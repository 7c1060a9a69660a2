/* SPDX-License-Identifier: Apache-2.0 */
/* cli/chart.h - a series of intensity, drawn with characters. */
#ifndef TI_CLI_CHART_H
#define TI_CLI_CHART_H

#include <stdbool.h>

#include "base/buf.h"
#include "plan/plan.h"
#include "plan/series.h"

enum { TI_CHART_COLUMNS = 72, TI_CHART_ROWS = 8 };

/* Draws [from_s, to_s) as columns of at most TI_CHART_COLUMNS equal spans, each the mean of
 * what is known of it, on a scale from 0 (no cut axis: a flat day looks flat).  Gaps are blank.
 * `blocks`: eighths of a row with block characters of UTF-8, else whole rows of '#'.  Below are
 * hours of UTC.  Adds nothing when nothing is known. */
void ti_chart_draw(ti_buf *out, const ti_series *series, int64_t from_s, int64_t to_s,
                   bool blocks);

/* The same with a line below that marks slices[n_slices], and hours of the local clock. */
void ti_chart_draw_run(ti_buf *out, const ti_series *series, int64_t from_s, int64_t to_s,
                       bool blocks, const ti_slice *slices, size_t n_slices);

/* True when the environment's locale is one of UTF-8. */
bool ti_chart_utf8(void);

#endif
