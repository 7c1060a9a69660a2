/* SPDX-License-Identifier: Apache-2.0 */
/* What a server reads for devices: the first byte says what the rest is.  No crash, no overrun,
 * and what was accepted is within what the headers promise. */
#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/sha256.h"
#include "device/csv.h"
#include "device/export.h"
#include "device/model.h"
#include "ledger/reading.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef struct input {
    const uint8_t *data;
    size_t size;
} input;

static tern_status give(void *user, char *to, size_t cap, size_t *n, tern_err *err)
{
    input *in = user;
    (void)err;
    *n = in->size < 37 ? in->size : 37;
    *n = *n < cap ? *n : cap;
    memcpy(to, in->data, *n);
    in->data += *n;
    in->size -= *n;
    return TERN_OK;
}

static void table(const uint8_t *data, size_t size, ti_dates dates)
{
    input in = {data, size};
    const ti_csv_opts opts = {.dates = dates};
    ti_csv *csv;
    ti_csv_row row;
    bool more = true;
    tern_err err = {.offset = TI_NO_OFFSET};
    tern_status status = ti_csv_open(&csv, give, &in, "fuzz", &opts, &err);
    if (status == TERN_OK) {
        while ((status = ti_csv_next(csv, &row, &more, &err)) == TERN_OK && more) {
            size_t len, at, n;
            (void)ti_csv_line(csv, &len, &at, &n);
            TI_ASSERT(at <= len && n <= len - at);
            TI_ASSERT(isfinite(row.value) && fabs(row.value) <= 1e15);
            TI_ASSERT(row.when.shown_s >= 0 && row.when.shown_s <= (int64_t)UINT32_MAX);
            (void)ti_reading_of(&row, 1e6);
        }
        ti_csv_close(csv);
    }
    TI_ASSERT(status == TERN_OK || err.offset == TI_NO_OFFSET || err.offset <= size);
}

/* A model with a digest that is right, so that the rest is looked at. */
static void model(const uint8_t *data, size_t size)
{
    ti_device_model m;
    ti_detector d;
    struct tern_edge_result r;
    ti_buf header = {0}, source = {0}, again = {0};
    uint8_t *file = malloc(size + TI_SHA256_BYTES);
    if (!file) {
        return;
    }
    memcpy(file, data, size);
    ti_sha256_of(file + size, file, size);
    if (ti_device_model_read(&m, file, size + TI_SHA256_BYTES, NULL) == TERN_OK) {
        TI_ASSERT(ti_device_model_write(&again, &m, NULL) == TERN_OK);
        TI_ASSERT(ti_export_c(&header, &source, &m, "fuzz", NULL) == TERN_OK);
        if (ti_detector_begin(&d, &m.settings.config, ti_device_model_net(&m), NULL) ==
            TERN_OK) {
            for (uint32_t i = 0; i < 8; i++) {
                tern_edge_meter_step(&d.meter, 3600 * i, (int32_t)(i * 977), &r);
            }
            ti_detector_free(&d);
        }
        ti_device_model_free(&m);
    }
    ti_buf_free(&header);
    ti_buf_free(&source);
    ti_buf_free(&again);
    free(file);
}

static void record(const uint8_t *data, size_t size)
{
    ti_note_key key = {.type = TI_NOTE_ED25519};
    ti_signed_reading r;
    (void)ti_reading_is(data, size);
    (void)ti_reading_open(&r, data, size, &key, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) {
        return 0;
    }
    switch (data[0]) {
    case 'c':
        table(data + 1, size - 1, TI_DATES_UNKNOWN);
        break;
    case 'd':
        table(data + 1, size - 1, TI_DATES_DMY);
        break;
    case 'm':
        model(data + 1, size - 1);
        break;
    case 'r':
        record(data + 1, size - 1);
        break;
    default:
        break;
    }
    return 0;
}
