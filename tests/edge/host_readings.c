/* SPDX-License-Identifier: Apache-2.0 */
/* The host's answer to what edge/port/cortex-m4/meter.c is asked: lines of readings from stdin.
 */
#include <stdio.h>
#include <string.h>

#include "readings.h"

int main(void)
{
    static struct tern_edge_meter meter;
    struct tern_edge_result result;
    char line[READINGS_LINE], text[READINGS_LINE];
    if (!tern_edge_meter_init(&meter, &readings_config, NULL, NULL, NULL)) {
        return 70;
    }
    while (fgets(line, sizeof line, stdin) != NULL) {
        uint32_t time;
        int32_t value;
        line[strcspn(line, "\n")] = '\0';
        if (readings_parse(line, &time, &value)) {
            tern_edge_meter_step(&meter, time, value, &result);
            readings_format(text, time, &result);
            puts(text);
        }
    }
    return 0;
}
