/* SPDX-License-Identifier: Apache-2.0 */
/* What lies in and beside receipts: statements, private parts, traces.  Byte 0 chooses.  A
 * statement that is accepted is written again as the same bytes. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "ledger/receipt.h"
#include "ledger/secrets.h"
#include "ledger/trace.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void statement(const char *text, size_t len)
{
    ti_receipt receipt;
    ti_buf again = {0};
    tern_err err = {.status = TERN_OK};
    if (ti_receipt_read(&receipt, text, len, &err) != TERN_OK) {
        TI_ASSERT(err.offset == TI_NO_OFFSET || err.offset <= len);
        return;
    }
    TI_ASSERT(ti_receipt_write(&again, &receipt, NULL) == TERN_OK);
    TI_ASSERT(again.len == len && memcmp(again.data, text, len) == 0);
    ti_buf_free(&again);
}

/* What is read can be written and read again. */
static void secrets(const char *text, size_t len)
{
    ti_secrets first, second;
    ti_buf again = {0};
    if (ti_secrets_parse(&first, text, len, NULL) != TERN_OK) {
        return;
    }
    TI_ASSERT(ti_secrets_write(&again, &first, NULL) == TERN_OK);
    TI_ASSERT(ti_secrets_parse(&second, again.data, again.len, NULL) == TERN_OK);
    TI_ASSERT(second.n_input == first.n_input && second.n_stops == first.n_stops);
    ti_secrets_free(&first);
    ti_secrets_free(&second);
    ti_buf_free(&again);
}

static void trace(const uint8_t *data, size_t len)
{
    ti_trace trace;
    uint8_t root[TI_SHA256];
    if (ti_trace_parse(&trace, data, len, NULL) == TERN_OK) {
        ti_trace_root(&trace, trace.n_tokens, root);
        ti_trace_free(&trace);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) {
        return 0;
    }
    const char *text = (const char *)data + 1;
    switch (data[0]) {
    case 's':
        statement(text, size - 1);
        break;
    case 'p':
        secrets(text, size - 1);
        break;
    case 't':
        trace(data + 1, size - 1);
        break;
    default:
        break;
    }
    return 0;
}
