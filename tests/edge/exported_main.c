/* SPDX-License-Identifier: Apache-2.0 */
/* The firmware of a test: a model that `tern edge export --name house` wrote, lines
 * "seconds,reading" in, "status score threshold z predicted" out. */
#include <stdio.h>
#include <stdlib.h>

#include "house.h"

static struct tern_edge_meter meter;
static int8_t history[HOUSE_HISTORY];
static uint32_t scratch[HOUSE_SCRATCH];

int main(void)
{
    char line[64];
    if (!tern_edge_meter_init(&meter, &house_config, &house_net, history, scratch)) {
        return 70;
    }
    while (fgets(line, sizeof line, stdin)) {
        struct tern_edge_result r;
        char *end;
        const unsigned long time = strtoul(line, &end, 10);
        tern_edge_meter_step(&meter, (uint32_t)time, (int32_t)strtol(end + 1, NULL, 10), &r);
        printf("%u %d %d %d %d\n", (unsigned)r.status, (int)r.score, (int)r.threshold, (int)r.z,
               (int)r.predicted);
    }
    return 0;
}
