/* SPDX-License-Identifier: Apache-2.0 */
/* ledger/audit.h - drawing a sample that nobody could choose, and what it shows.
 *
 * The seed is SHA-256("tern.audit/1" || root of the list || u64 n || (u32 length || bytes)
 * ...): the list is fixed first, then come the sources.  Draw i of the random sequence is the
 * first eight bytes, big-endian, of SHA-256(seed || u64 i); integers above are big-endian too.
 * Draws that would favour low numbers are thrown away.  Anybody can repeat this. */
#ifndef TI_LEDGER_AUDIT_H
#define TI_LEDGER_AUDIT_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"
#include "ledger/merkle.h"

enum {
    TI_AUDIT_SOURCES_MAX = 64,
    TI_AUDIT_LIST_MAX = 1 << 26 /* receipts that a sample is drawn from */
};

/* The seed, from the root over the list, its length and the sources' bytes, in their order. */
void ti_audit_seed(ti_hash *seed, const ti_hash *root, uint64_t n, const ti_str *sources,
                   size_t n_sources);

/* Draws k different numbers below n, each set of k with the same probability; ascending.
 *   out  [k]
 * Errors: TERN_USAGE when k > n, TERN_LIMIT, TERN_NOMEM (4 n bytes are needed meanwhile). */
tern_status ti_audit_draw(uint32_t *out, uint64_t k, uint64_t n, const ti_hash *seed,
                          tern_err *err);

/* The probability that k of n, drawn so, meet at least one of m false ones:
 * 1 - C(n - m, k) / C(n, k).  Cost: O(m). */
double ti_audit_detect(uint64_t n, uint64_t k, uint64_t m);

/* How many must be drawn of n to meet one of m false ones with at least this probability (in
 * (0, 1)); n when nothing less is enough. */
uint64_t ti_audit_needed(uint64_t n, uint64_t m, double probability);

#endif
