/* SPDX-License-Identifier: Apache-2.0 */
/* Lines of readings, "seconds,value", as the example programs read and answer them. */
#ifndef TERN_EDGE_READINGS_H
#define TERN_EDGE_READINGS_H

#include "tern_edge.h"

/* Longer lines are refused. */
#define READINGS_LINE 64

/* A line (without its end) into a time and a value.  An empty value, or one that is no number
 * that fits (nan, 1e9), is TERN_EDGE_MISSING; digits after a point are dropped.  Returns 1; 0
 * when the time is no number of seconds: then that is no reading (a heading, a torn line). */
int readings_parse(const char *line, uint32_t *time, int32_t *value);

/* "seconds status score threshold", without an end of line; text: READINGS_LINE bytes. */
void readings_format(char *text, uint32_t time, const struct tern_edge_result *result);

/* Hourly readings of a household in Wh, one false alarm a month. */
extern const struct tern_edge_config readings_config;

#endif
