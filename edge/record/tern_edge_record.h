/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tern_edge_record - what a device says about a reading, signed.
 *
 * For firmware, beside tern_edge.h: no C library, no variable of its own.  Signing and hashing
 * are functions of the firmware: Ed25519 (RFC 8032) and SHA-256 (FIPS 180-4) by a secure
 * element, or by any library.
 *
 * A record has 160 bytes, numbers little-endian:
 *     0   8  "TERNREC1"
 *     8  16  the device's name
 *    24   4  sequence number: 1 for the first record, then one more each time
 *    28   4  status, as in struct tern_edge_result
 *    32   8  seconds since 1970-01-01, UTC
 *    40   8  energy counter, milliwatt-hours
 *    48   4  reading (signed; TERN_EDGE_MISSING: none)
 *    52   4  score, 1/16 of a mean deviation
 *    56   4  threshold, 1/16
 *    60   4  zero
 *    64  32  SHA-256 of the record before, all 160 bytes; zeros for the first
 *    96  64  Ed25519 signature of bytes 0 to 95
 */
#ifndef TERN_EDGE_RECORD_H
#define TERN_EDGE_RECORD_H

#include "tern_edge.h"

#ifdef __cplusplus
extern "C" {
#endif

#define TERN_EDGE_RECORD_BYTES 160u
#define TERN_EDGE_RECORD_SIGNED 96u
#define TERN_EDGE_DEVICE_BYTES 16u

/* What the firmware gives.  Both return 1, or 0 when it could not be done. */
struct tern_edge_port {
    int (*sign)(void *user, const uint8_t *bytes, size_t length, uint8_t signature[64]);
    int (*sha256)(void *user, const uint8_t *bytes, size_t length, uint8_t digest[32]);
    void *user;
};

/* Where a chain of records stands.  To begin: the name, zeros else.  A device keeps it where it
 * survives a restart: a sequence number that comes twice is refused by whoever reads. */
struct tern_edge_chain {
    uint8_t device[TERN_EDGE_DEVICE_BYTES];
    uint8_t previous[32];
    uint32_t sequence; /* of the last record; 0: none */
};

/* Makes the next record into record[TERN_EDGE_RECORD_BYTES] and moves *chain on.  Returns 1; 0,
 * with *chain untouched, when the port failed or 2^32 - 1 records were made. */
int tern_edge_record_make(struct tern_edge_chain *chain, const struct tern_edge_port *port,
                          uint64_t utc_s, uint64_t energy_mwh, int32_t reading,
                          const struct tern_edge_result *result, uint8_t *record);

#ifdef __cplusplus
}
#endif

#endif
