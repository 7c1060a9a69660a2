/* SPDX-License-Identifier: Apache-2.0 */
/* Lines "kind n_in n_out taps dilation relu instructions" of edge/bench/cost.c: the estimate of
 * src/device/cost.h must not be below the count, and at most 8 % (or 40 instructions) above. */
#include <stdio.h>
#include <stdlib.h>

#include "device/cost.h"

int main(void)
{
    char line[128];
    unsigned n = 0;
    int bad = 0;
    while (fgets(line, sizeof line, stdin)) {
        uint32_t v[7];
        char *at = line;
        for (int i = 0; i < 7; i++) {
            v[i] = (uint32_t)strtoul(at, &at, 10);
        }
        const struct tern_edge_layer layer = {.kind = (uint8_t)v[0],
                                              .n_in = (uint16_t)v[1],
                                              .n_out = (uint16_t)v[2],
                                              .taps = (uint8_t)v[3],
                                              .dilation = (uint8_t)v[4],
                                              .relu = (uint8_t)v[5]};
        const uint32_t said = ti_cost_layer(&layer);
        const uint32_t most = v[6] + (v[6] * 8 / 100 > 40 ? v[6] * 8 / 100 : 40);
        n++;
        if (said < v[6] || said > most) {
            printf("WRONG: kind %u, %u to %u, %u taps: counted %u, said %u\n", v[0], v[1], v[2],
                   v[3], v[6], said);
            bad = 1;
        }
    }
    printf("%u shapes counted and estimated\n", n);
    return bad || n < 20;
}
