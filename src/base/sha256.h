/* SPDX-License-Identifier: Apache-2.0 */
/* base/sha256.h - SHA-256 (FIPS 180-4), with the CPU's own instructions where it has them.
 *
 * Own, and not libsodium's: a tree hashes 65 bytes at a time, for which the instructions are
 * five times as fast, and the library that applications embed needs no other one for it. */
#ifndef TI_BASE_SHA256_H
#define TI_BASE_SHA256_H

#include <stddef.h>
#include <stdint.h>

enum { TI_SHA256_BYTES = 32, TI_SHA256_BLOCK = 64 };

/* Adds n blocks of 64 bytes to a state. */
typedef void (*ti_sha256_fn)(uint32_t state[8], const uint8_t *blocks, size_t n);

typedef struct ti_sha256 {
    uint32_t state[8];
    uint64_t bytes; /* hashed so far */
    uint8_t block[TI_SHA256_BLOCK];
    ti_sha256_fn add;
} ti_sha256;

/* Starts, adds, ends.  The state may be copied between calls.  ti_sha256_end() leaves it as it
 * was, so that hashing can go on. */
void ti_sha256_start(ti_sha256 *hash);
void ti_sha256_add(ti_sha256 *hash, const void *bytes, size_t len);
void ti_sha256_end(const ti_sha256 *hash, uint8_t digest[TI_SHA256_BYTES]);

/* All three at once. */
void ti_sha256_of(uint8_t digest[TI_SHA256_BYTES], const void *bytes, size_t len);

/* The block function of plain C, and the fastest one of this CPU (the same bits). */
void ti_sha256_blocks_c(uint32_t state[8], const uint8_t *blocks, size_t n);
ti_sha256_fn ti_sha256_best(void);

#endif
