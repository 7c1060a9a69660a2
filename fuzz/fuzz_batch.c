/* SPDX-License-Identifier: Apache-2.0 */
/* Uploads and batches: a form and its parts, a file of requests, a batch as it is kept on disk.
 * All slices lie in what was given; a batch that was read is written as it was read. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "serve/batch_work.h"
#include "serve/form_data.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void inside(ti_str part, ti_str whole)
{
    TI_ASSERT(part.len == 0 || (part.data >= whole.data && part.len <= whole.len &&
                                part.data + part.len <= whole.data + whole.len));
}

static void form(ti_str text)
{
    enum { PARTS = 4 };
    ti_form_part parts[PARTS];
    size_t n;
    (void)ti_form_data_read(parts, PARTS, &n, "multipart/form-data; boundary=xyz", text);
    TI_ASSERT(n <= PARTS);
    for (size_t i = 0; i < n; i++) {
        inside(parts[i].name, text);
        inside(parts[i].filename, text);
        inside(parts[i].data, text);
    }
}

static void lines(ti_str text)
{
    static ti_batch_line all[TI_BATCH_LINES];
    ti_arena arena = {0};
    size_t n;
    uint64_t tokens;
    uint32_t line;
    ti_refusal why;
    if (ti_batch_lines(all, &n, &tokens, &arena, "/v1/completions", text, &line, &why)) {
        TI_ASSERT(n > 0 && n <= TI_BATCH_LINES);
        for (size_t i = 0; i < n; i++) {
            inside(all[i].body, text);
            TI_ASSERT(all[i].body.len >= 2 && all[i].body.data[0] == '{' &&
                      all[i].body.data[all[i].body.len - 1] == '}');
        }
    }
    ti_arena_free(&arena);
}

static void kept(ti_str text)
{
    ti_batch one, two;
    ti_buf first = {0}, second = {0};
    if (ti_batch_parse(&one, text.data, text.len, NULL) != TERN_OK) {
        return;
    }
    ti_batch_render(&first, &one, true);
    TI_ASSERT(!first.failed);
    TI_ASSERT(ti_batch_parse(&two, first.data, first.len, NULL) == TERN_OK);
    ti_batch_render(&second, &two, true);
    TI_ASSERT(strcmp(first.data, second.data) == 0);
    ti_buf_free(&first);
    ti_buf_free(&second);
    free(one.metadata);
    free(two.metadata);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const ti_str text = {(const char *)data, size};
    form(text);
    lines(text);
    kept(text);
    return 0;
}
