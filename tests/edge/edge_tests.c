/* SPDX-License-Identifier: Apache-2.0 */
#include "edge_tests.h"

static uint32_t hash;
static int failures;
static struct seeded seeded;

static void write_number(uint32_t value)
{
    char text[11];
    size_t at = sizeof text - 1;
    text[at] = '\0';
    do {
        text[--at] = (char)('0' + value % 10);
        value /= 10;
    } while (value != 0);
    edge_write(&text[at]);
}

void edge_check(int good, const char *file, uint32_t line, const char *what)
{
    if (!good) {
        failures++;
        edge_write(file);
        edge_write(":");
        write_number(line);
        edge_write(": ");
        edge_write(what);
        edge_write("\n");
    }
}

void edge_see(uint32_t value)
{
    hash = (hash ^ value) * 16777619u;
}

uint32_t edge_random(void)
{
    return seeded_next(&seeded);
}

int edge_same(const void *a, const void *b, size_t size)
{
    const uint8_t *p = a, *q = b;
    for (size_t i = 0; i < size; i++) {
        if (p[i] != q[i]) {
            return 0;
        }
    }
    return 1;
}

void edge_fill(void *to, int value, size_t size)
{
    uint8_t *p = to;
    for (size_t i = 0; i < size; i++) {
        p[i] = (uint8_t)value;
    }
}

static uint32_t run_tests(const struct edge_test *tests, uint32_t *n)
{
    uint32_t passed = 0;
    for (; tests->name != NULL; tests++, ++*n) {
        const int before = failures;
        hash = 2166136261u; /* FNV-1a */
        seeded.state = 12345 + *n;
        edge_write("[ RUN      ] ");
        edge_write(tests->name);
        edge_write("\n");
        tests->run();
        CHECK(hash == tests->results);
        edge_write(failures == before ? "[       OK ] " : "[  FAILED  ] ");
        passed += failures == before;
        edge_write(tests->name);
        edge_write(", results ");
        write_number(hash);
        edge_write("\n");
    }
    return passed;
}

int edge_tests(void)
{
    uint32_t n = 0;
    uint32_t passed = run_tests(edge_layer_tests, &n);
    passed += run_tests(edge_meter_tests, &n);
    edge_write("[  PASSED  ] ");
    write_number(passed);
    edge_write(" test(s).\n");
    return failures;
}
