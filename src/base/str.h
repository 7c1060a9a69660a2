/* SPDX-License-Identifier: Apache-2.0 */
/* base/str.h - a piece of somebody else's text. */
#ifndef TI_BASE_STR_H
#define TI_BASE_STR_H

#include <stddef.h>

typedef struct ti_str {
    const char *data; /* not NUL-terminated */
    size_t len;
} ti_str;

#endif
