/* SPDX-License-Identifier: Apache-2.0 */
/* vectors.h - reading the JSON vectors of tests/data. */
#ifndef TESTS_VECTORS_H
#define TESTS_VECTORS_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/jval.h"

typedef struct vectors {
    ti_arena arena;
    char *text;
    ti_jval root;
} vectors;

/* Opens tests/data/<name>; the test fails when it is not there. */
static inline void vectors_open(vectors *v, const char *name)
{
    char path[1024];
    size_t len;
    const char *source = getenv("TERN_SOURCE");
    tern_err err = {0};
    memset(v, 0, sizeof *v);
    snprintf(path, sizeof path, "%s/tests/data/%s", source ? source : ".", name);
    if (ti_read_file(&v->text, &len, path, 1 << 24, &err) != TERN_OK ||
        ti_jval_parse(&v->root, &v->arena, v->text, len, "vectors", &err) != TERN_OK) {
        fprintf(stderr, "%s: %s\n", path, err.message);
        abort();
    }
}

static inline void vectors_close(vectors *v)
{
    ti_arena_free(&v->arena);
    free(v->text);
}

#endif
