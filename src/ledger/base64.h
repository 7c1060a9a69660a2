/* SPDX-License-Identifier: Apache-2.0 */
/* ledger/base64.h - base64 (RFC 4648), in its one form: padded, no white space, no bit that is
 * set in what is left over.
 *
 * Own, because the decoder of libsodium 1.0.18 takes bytes over 127 for characters of the
 * alphabet. */
#ifndef TI_LEDGER_BASE64_H
#define TI_LEDGER_BASE64_H

#include "base/buf.h"

typedef enum ti_base64_alphabet {
    TI_BASE64 = 0, /* section 4: + and / */
    TI_BASE64_URL  /* section 5: - and _ */
} ti_base64_alphabet;

/* Decodes into out[cap]; *n receives how many bytes there are.  False, and bytes of `out` may
 * have been written, when the text is anything else or has more than `cap` bytes. */
bool ti_base64_decode(uint8_t *out, size_t cap, size_t *n, const char *text, size_t len,
                      ti_base64_alphabet alphabet);

/* The same for exactly `size` bytes, in the usual alphabet. */
bool ti_base64_read(uint8_t *out, size_t size, const char *text, size_t len);

/* True for base64 of some bytes, padded (bits left over in the last character may be set). */
bool ti_base64_valid(const char *text, size_t len);

/* Appends base64 of bytes. */
void ti_base64_write(ti_buf *out, const void *bytes, size_t len);

#endif
