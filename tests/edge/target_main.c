/* SPDX-License-Identifier: Apache-2.0 */
#include "board.h"
#include "edge_tests.h"

void edge_write(const char *text)
{
    board_write(text);
}

/* The compiler calls these for copies of structures in the tests; the core needs none. */
void *memcpy(void *to, const void *from, size_t size);
void *memset(void *to, int value, size_t size);

void *memcpy(void *to, const void *from, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        ((uint8_t *)to)[i] = ((const uint8_t *)from)[i];
    }
    return to;
}

void *memset(void *to, int value, size_t size)
{
    edge_fill(to, value, size);
    return to;
}

int main(void)
{
    return edge_tests() != 0;
}
