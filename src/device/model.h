/* SPDX-License-Identifier: Apache-2.0 */
/* device/model.h - a detector in a file: its settings, and a network where it has one.
 *
 * docs/formats/edge.md has the bytes.  A file that was read is good in the sense of
 * tern_edge_net_check() and tern_edge_meter_init(); its SHA-256 stands at its end. */
#ifndef TI_DEVICE_MODEL_H
#define TI_DEVICE_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "device/settings.h"

enum { TI_DEVICE_MODEL_MAX = 1 << 20 /* bytes of a file */ };

typedef struct ti_device_model {
    ti_settings settings;
    char column[TI_CSV_NAME]; /* of the values that it was fitted to */
    struct tern_edge_net net; /* n_layers 0: no network */
    ti_arena arena;           /* of layers, codes, biases */
} ti_device_model;

/* Appends the file of a model.  Errors: TERN_NOMEM. */
tern_status ti_device_model_write(ti_buf *out, const ti_device_model *model, tern_err *err);

/* Reads one; free with ti_device_model_free().  Errors: TERN_CORRUPT with the offset,
 * TERN_UNSUPPORTED for another version, TERN_LIMIT, TERN_NOMEM. */
tern_status ti_device_model_read(ti_device_model *out, const void *data, size_t len,
                                 tern_err *err);

/* A zeroed one is allowed. */
void ti_device_model_free(ti_device_model *model);

/* The network, or NULL where there is none: as tern_edge_meter_init() takes it. */
const struct tern_edge_net *ti_device_model_net(const ti_device_model *model);

/* A detector that runs here.  Its parts belong to it. */
typedef struct ti_detector {
    struct tern_edge_meter meter;
    int8_t *history;
    uint32_t *scratch;
} ti_detector;

/* Begins one; net may be NULL.  config and net must live as long; free with
 * ti_detector_free(), also a zeroed one.  Errors: TERN_NOMEM; TERN_USAGE when the core refuses
 * settings or network. */
tern_status ti_detector_begin(ti_detector *out, const struct tern_edge_config *config,
                              const struct tern_edge_net *net, tern_err *err);
void ti_detector_free(ti_detector *detector);

#endif
