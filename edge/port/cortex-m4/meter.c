/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The detector under QEMU: reads readings.csv (semihosting), prints for each line "seconds
 * status score threshold instructions", at the end the most instructions of a reading.
 */
#include "board.h"
#include "readings.h"

static struct tern_edge_meter meter;

/* One line.  Returns the instructions of the detector, without those of reading and printing.
 */
static uint32_t answer(const char *line, uint32_t overhead)
{
    struct tern_edge_result result;
    char text[READINGS_LINE];
    uint32_t time;
    int32_t value;
    if (!readings_parse(line, &time, &value)) {
        return 0;
    }
    const uint32_t from = board_count();
    tern_edge_meter_step(&meter, time, value, &result);
    const uint32_t count = board_count() - from - overhead;
    readings_format(text, time, &result);
    board_write(text);
    board_write(" ");
    board_write_u32(count);
    board_write("\n");
    return count;
}

int main(void)
{
    static char block[512];
    char line[READINGS_LINE];
    size_t length = 0, n;
    uint32_t most = 0;
    board_count_start();
    const uint32_t begin = board_count();
    const uint32_t overhead = board_count() - begin;
    const int32_t file = board_open("readings.csv");
    if (file < 0) {
        board_write("there is no readings.csv here\n");
        return 5;
    }
    if (!tern_edge_meter_init(&meter, &readings_config, NULL, NULL, NULL)) {
        return 70;
    }
    while ((n = board_read(file, block, sizeof block)) > 0) {
        for (size_t i = 0; i < n; i++) {
            if (block[i] != '\n') {
                /* A line that is too long loses its time, and with it is no reading. */
                line[length < sizeof line ? length++ : 0] = block[i];
                continue;
            }
            line[length < sizeof line ? length : 0] = '\0';
            length = 0;
            const uint32_t count = answer(line, overhead);
            most = count > most ? count : most;
        }
    }
    board_write("most instructions ");
    board_write_u32(most);
    board_write("\n");
    return 0;
}
