/* SPDX-License-Identifier: Apache-2.0 */
/* Grammars: the first byte says which language the text up to a NUL is in; the rest is read by
 * what was made of it.  Wherever a text stands, some byte fits or it is whole. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "model/matcher.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MOST_STEPS = 300 };

/* Takes a byte that fits; false when there is none, and then the text must be whole. */
static bool go_on(ti_matcher *m, unsigned first)
{
    for (unsigned i = 0; i < 256; i++) {
        char c = (char)(first + i);
        bool fits = false;
        if (ti_matcher_read(m, &c, 1, &fits, NULL) != TERN_OK) {
            return false; /* too many readings: nothing is promised */
        }
        if (fits) {
            return true;
        }
    }
    TI_ASSERT(ti_matcher_whole(m)); /* else it could not be left */
    return false;
}

static void read_rest(ti_matcher *m, const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        bool fits = false;
        uint64_t before = ti_matcher_rest(m);
        if (ti_matcher_read(m, text + i, 1, &fits, NULL) != TERN_OK) {
            return;
        }
        TI_ASSERT(fits || ti_matcher_rest(m) == before);
        TI_ASSERT(!ti_matcher_whole(m) || ti_matcher_rest(m) == 0);
    }
    for (unsigned i = 0; i < MOST_STEPS && go_on(m, i * 37); i++) {
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const ti_matcher_opts small = {.sets = 1024, .items = 4096, .rows = 16};
    tern_grammar *g = NULL;
    ti_matcher *m = NULL;
    tern_err err;
    enum { MOST = 4096 };
    if (size == 0 || size > MOST) {
        return 0;
    }
    const char *text = (const char *)data + 1;
    const char *end = memchr(text, '\0', size - 1);
    size_t len = end ? (size_t)(end - text) : size - 1;
    tern_grammar_kind kind = data[0] == 's' ? TERN_GRAMMAR_SCHEMA : TERN_GRAMMAR_GBNF;
    if (tern_grammar_create(&g, kind, text, len, &err) != TERN_OK) {
        TI_ASSERT(err.offset <= len || err.offset == TI_NO_OFFSET);
        return 0;
    }
    if (ti_matcher_create(&m, g, NULL, &small, &err) == TERN_OK) {
        read_rest(m, end ? end + 1 : "", end ? size - 2 - len : 0);
    }
    ti_matcher_destroy(m);
    tern_grammar_destroy(g);
    return 0;
}
