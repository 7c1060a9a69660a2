/* SPDX-License-Identifier: Apache-2.0 */
/* serve/form_data.h - bodies of multipart/form-data (RFC 7578), as clients upload files. */
#ifndef TI_SERVE_FORM_DATA_H
#define TI_SERVE_FORM_DATA_H

#include <stdbool.h>
#include <stddef.h>

#include "base/str.h"

/* Slices of the body.  What is not there is empty. */
typedef struct ti_form_part {
    ti_str name, filename, data;
} ti_form_part;

/* Reads the parts of a body.
 *   content_type  the header, with its boundary; NULL = there is none
 *   parts         [cap]; more are an error
 * False when it is no such body, or has no end.  Cost: O(len). */
bool ti_form_data_read(ti_form_part *parts, size_t cap, size_t *n, const char *content_type,
                       ti_str body);

/* The part with that name; NULL when there is none. */
const ti_form_part *ti_form_data_get(const ti_form_part *parts, size_t n, const char *name);

#endif
