/* SPDX-License-Identifier: Apache-2.0 */
/* base/utf8.h - UTF-8 as RFC 3629 has it: no surrogates, no overlong forms, up to U+10FFFF. */
#ifndef TI_BASE_UTF8_H
#define TI_BASE_UTF8_H

#include <stddef.h>
#include <stdint.h>

/* Decodes the character at `text` into *code and returns its length, 1 to 4; 0 when the bytes
 * are not a whole, valid character (then *code is untouched). */
size_t ti_utf8_decode(const char *text, size_t len, uint32_t *code);

/* Writes the character `code` (a Unicode scalar value) into `out` and returns its length. */
size_t ti_utf8_encode(uint32_t code, char out[4]);

/* How many bytes of text [0, len) can be shown now: all but an incomplete but so far valid
 * character at the end (at most 3 bytes). */
size_t ti_utf8_complete(const char *text, size_t len);

#endif
