/* SPDX-License-Identifier: Apache-2.0 */
/* device/export.h - a model as C for a firmware: arrays and a header. */
#ifndef TI_DEVICE_EXPORT_H
#define TI_DEVICE_EXPORT_H

#include "device/model.h"

/* True for a name that may begin identifiers: a small letter, then small letters, digits, '_';
 * at most 32; and not as what is in edge/core begins. */
bool ti_export_name_valid(const char *name);

/* Appends NAME.h and NAME.c: NAME_config and, where the model has a network, NAME_net, with the
 * sizes of the memory that it needs and a comment on shapes and budget.  Errors: TERN_NOMEM. */
tern_status ti_export_c(ti_buf *header, ti_buf *source, const ti_device_model *model,
                        const char *name, tern_err *err);

#endif
