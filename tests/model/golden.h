/* SPDX-License-Identifier: Apache-2.0 */
/* golden.h - reads the files *.greedy of tests/data: lines that begin with # are remarks,
 * others have token ids with commas between them.  Included after cmocka.h. */
#ifndef TESTS_MODEL_GOLDEN_H
#define TESTS_MODEL_GOLDEN_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tern/model.h"

/* Reads a file of tests/data without its remarks at the top. */
static inline void golden_read(const char *name, char *text, size_t size)
{
    const char *source = getenv("TERN_SOURCE");
    char path[1024];
    snprintf(path, sizeof path, "%s/tests/data/%s", source ? source : ".", name);
    FILE *f = fopen(path, "rb");
    if (!f) {
        fail_msg("%s cannot be opened", path);
    }
    size_t used = 0;
    bool body = false;
    while (used + 1 < size && fgets(text + used, (int)(size - used), f)) {
        body |= text[used] != '#';
        used += body ? strlen(text + used) : 0;
    }
    text[used] = '\0';
    assert_true(feof(f) && used > 0);
    fclose(f);
}

/* Takes the ids up to '|' or the end of the line, and what ends them; returns their number. */
static inline size_t golden_ids(const char **at, tern_token *out, size_t cap)
{
    size_t n = 0;
    while (**at >= '0' && **at <= '9' && n < cap) {
        char *end;
        out[n++] = (tern_token)strtol(*at, &end, 10);
        *at = end + (*end == ',');
    }
    assert_true(**at == '|' || **at == '\n');
    ++*at;
    return n;
}

#endif
