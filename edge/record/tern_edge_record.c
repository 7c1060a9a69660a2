/* SPDX-License-Identifier: Apache-2.0 */
#include "tern_edge_record.h"

static uint8_t *put_bytes(uint8_t *to, const uint8_t *from, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        to[i] = from[i];
    }
    return &to[n];
}

static uint8_t *put(uint8_t *to, uint64_t value, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        to[i] = (uint8_t)((value >> (8u * i)) & 0xffu);
    }
    return &to[n];
}

int tern_edge_record_make(struct tern_edge_chain *chain, const struct tern_edge_port *port,
                          uint64_t utc_s, uint64_t energy_mwh, int32_t reading,
                          const struct tern_edge_result *result, uint8_t *record)
{
    static const uint8_t magic[8] = {'T', 'E', 'R', 'N', 'R', 'E', 'C', '1'};
    uint8_t digest[32];
    if (chain->sequence == UINT32_MAX) {
        return 0;
    }
    uint8_t *at = put_bytes(record, magic, sizeof magic);
    at = put_bytes(at, chain->device, sizeof chain->device);
    at = put(at, (uint64_t)chain->sequence + 1u, 4u);
    at = put(at, result->status, 4u);
    at = put(at, utc_s, 8u);
    at = put(at, energy_mwh, 8u);
    at = put(at, (uint32_t)reading, 4u);
    at = put(at, (uint32_t)result->score, 4u);
    at = put(at, (uint32_t)result->threshold, 4u);
    at = put(at, 0u, 4u);
    at = put_bytes(at, chain->previous, sizeof chain->previous);
    if ((port->sign(port->user, record, TERN_EDGE_RECORD_SIGNED, at) != 1) ||
        (port->sha256(port->user, record, TERN_EDGE_RECORD_BYTES, digest) != 1)) {
        return 0;
    }
    (void)put_bytes(chain->previous, digest, sizeof digest);
    chain->sequence++;
    return 1;
}
