/* SPDX-License-Identifier: Apache-2.0 */
/* base/buf.h - a byte buffer that grows, and JSON written into it.
 *
 * A failed allocation is remembered in `failed`; later calls do nothing, so that a long text
 * is built without a check at each step and checked once at the end. */
#ifndef TI_BASE_BUF_H
#define TI_BASE_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

typedef struct ti_buf {
    char *data; /* NUL-terminated when not NULL; the NUL is not counted */
    size_t len, cap;
    bool failed;
} ti_buf;

/* A zeroed ti_buf is a valid, empty one. */
void ti_buf_free(ti_buf *buf);
void ti_buf_clear(ti_buf *buf); /* empties it, keeps memory and `failed` */
void ti_buf_add(ti_buf *buf, const void *bytes, size_t len);
void ti_buf_addc(ti_buf *buf, char c);
void ti_buf_adds(ti_buf *buf, const char *text);
void ti_buf_addf(ti_buf *buf, const char *format, ...) TI_PRINTF(2, 3);

/* --- JSON ------------------------------------------------------------------------------
 * Commas and quotes are placed by the writer; the caller opens and closes.  `key` is NULL
 * inside arrays and for the outermost value.  Texts and keys may be any bytes: what is no
 * UTF-8 becomes U+FFFD.  Numbers are integers, or doubles with %.*g (at most 17 digits, which
 * is all that a double has), with a point in every locale.  Outermost values may follow each
 * other after a newline (JSON Lines). */
void ti_json_open(ti_buf *buf, const char *key, char bracket); /* '{' or '[' */
void ti_json_close(ti_buf *buf, char bracket);                 /* '}' or ']' */
void ti_json_str(ti_buf *buf, const char *key, const char *text);
void ti_json_strn(ti_buf *buf, const char *key, const char *text, size_t len);
void ti_json_int(ti_buf *buf, const char *key, int64_t value);
void ti_json_uint(ti_buf *buf, const char *key, uint64_t value);
void ti_json_num(ti_buf *buf, const char *key, double value,
                 int digits); /* null if not finite */
void ti_json_bool(ti_buf *buf, const char *key, bool value);
void ti_json_raw(ti_buf *buf, const char *key, const char *json,
                 size_t len); /* a value that is JSON already, as it is */

#endif
