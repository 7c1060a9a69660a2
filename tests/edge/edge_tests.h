/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tests of edge/core.  They need no C library, so that they run on the host and on a
 * Cortex-M4, and must print the same on both: a failed check prints its line, each test a hash
 * of all that the core gave back, which the tables of the tests have.
 */
#ifndef TERN_EDGE_TESTS_H
#define TERN_EDGE_TESTS_H

#include <stddef.h>
#include <stdint.h>

#include "ad01.h"

/* Where the text goes; the program that contains the tests has it. */
void edge_write(const char *text);

/* Runs all.  Returns how many checks failed. */
int edge_tests(void);

/* For the tests themselves: a check, a value that goes into the hash, random numbers, and what
 * string.h would have. */
#define CHECK(expression) edge_check((expression) != 0, __FILE__, __LINE__, #expression)
void edge_check(int good, const char *file, uint32_t line, const char *what);
void edge_see(uint32_t value);
uint32_t edge_random(void);
int edge_same(const void *a, const void *b, size_t size);
void edge_fill(void *to, int value, size_t size);

struct edge_test {
    const char *name;
    void (*run)(void);
    uint32_t results; /* the hash, on every machine and in every later version */
};
extern const struct edge_test edge_layer_tests[], edge_meter_tests[]; /* ended by a NULL */

#endif
