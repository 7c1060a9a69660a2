/* SPDX-License-Identifier: Apache-2.0 */
/* base/str.h - a piece of somebody else's text. */
#ifndef TI_BASE_STR_H
#define TI_BASE_STR_H

#include <stdbool.h>
#include <stddef.h>

typedef struct ti_str {
    const char *data; /* not NUL-terminated */
    size_t len;
} ti_str;

/* True when all bytes are below 128.  (libsodium 1.0.18 takes some of the others for letters of
 * base64.) */
static inline bool ti_ascii(const char *text, size_t len)
{
    unsigned char all = 0;
    for (size_t i = 0; i < len; i++) {
        all |= (unsigned char)text[i];
    }
    return all < 128;
}

#endif
