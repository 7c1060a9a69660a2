/* SPDX-License-Identifier: Apache-2.0 */
/* Texts that the model of power reads: calibrations, tables of processors, their names.
 *
 * Byte 0 chooses which.  What is accepted keeps its promises: a calibration is the same after
 * it was written and read again, tables are in order, a normal name stays as it is. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "energy/calibration.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void calibration(const char *text, size_t len)
{
    ti_calibration a, b;
    ti_buf out = {0};
    if (ti_calibration_parse(&a, text, len, NULL) != TERN_OK) {
        return;
    }
    TI_ASSERT(a.idle_uw < a.full_uw && a.full_uw <= TI_CALIBRATION_MAX_UW);
    ti_calibration_print(&out, &a);
    TI_ASSERT(!out.failed);
    TI_ASSERT(ti_calibration_parse(&b, out.data, out.len, NULL) == TERN_OK);
    TI_ASSERT(a.idle_uw == b.idle_uw && a.full_uw == b.full_uw && a.covers == b.covers);
    TI_ASSERT(a.threads == b.threads && a.time_s == b.time_s && a.evidence == b.evidence);
    TI_ASSERT(strcmp(a.cpu, b.cpu) == 0 && strcmp(a.meter, b.meter) == 0);
    ti_buf_free(&out);
}

/* The text up to the first byte 0xff is one table, the rest the other. */
static void tables(const char *text, size_t len)
{
    ti_hw_table t;
    const char *cut = len ? memchr(text, 0xff, len) : NULL;
    size_t first = cut ? (size_t)(cut - text) : len;
    const char *rest = cut ? cut + 1 : text + len;
    if (ti_hw_table_parse(&t, text, first, rest, len - first - (cut ? 1 : 0), NULL) !=
        TERN_OK) {
        return;
    }
    for (size_t i = 0; i < t.n_cpus; i++) {
        ti_host host = {.threads = 1, .packages = 1};
        TI_ASSERT(t.cpus[i].name.len < sizeof host.name);
        memcpy(host.name, t.cpus[i].name.data, t.cpus[i].name.len);
        TI_ASSERT(ti_hw_find_cpu(&t, &host) == &t.cpus[i]);
        ti_power_model model;
        ti_power_model_make(&model, &host, &t, NULL, TI_COVERS_PSU);
        TI_ASSERT(ti_power_at(&model, 1, 2) >= ti_power_at(&model, 0, 2));
    }
    ti_hw_table_free(&t);
}

static void name(const char *text)
{
    char once[TI_HOST_NAME_MAX], twice[TI_HOST_NAME_MAX];
    ti_host_normalise(once, sizeof once, text);
    ti_host_normalise(twice, sizeof twice, once);
    TI_ASSERT(strlen(twice) <= strlen(once));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) {
        return 0;
    }
    char *text = malloc(size);
    if (!text) {
        return 0;
    }
    memcpy(text, data + 1, size - 1);
    text[size - 1] = '\0';
    switch (data[0] % 3) {
    case 0:
        calibration(text, size - 1);
        break;
    case 1:
        tables(text, size - 1);
        break;
    default:
        name(text);
    }
    free(text);
    return 0;
}
