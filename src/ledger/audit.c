/* SPDX-License-Identifier: Apache-2.0 */
#include "ledger/audit.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/sha256.h"

enum { U64 = 8, U32 = 4, BYTE = 8 };

static void store_be(uint8_t *out, uint64_t v, size_t n)
{
    for (size_t i = n; i-- > 0;) {
        out[i] = (uint8_t)v;
        v >>= BYTE;
    }
}

void ti_audit_seed(ti_hash *seed, const ti_hash *root, uint64_t n, const ti_str *sources,
                   size_t n_sources)
{
    static const char domain[] = "tern.audit/1";
    ti_sha256 hash;
    uint8_t number[U64];
    ti_sha256_start(&hash);
    ti_sha256_add(&hash, domain, sizeof domain - 1);
    ti_sha256_add(&hash, root->b, sizeof root->b);
    store_be(number, n, U64);
    ti_sha256_add(&hash, number, U64);
    for (size_t i = 0; i < n_sources; i++) {
        store_be(number, sources[i].len, U32);
        ti_sha256_add(&hash, number, U32);
        ti_sha256_add(&hash, sources[i].data, sources[i].len);
    }
    ti_sha256_end(&hash, seed->b);
}

/* Draw number *i, and the next one when it is called again. */
static uint64_t draw(const ti_hash *seed, uint64_t *i)
{
    uint8_t text[TI_HASH_BYTES + U64], digest[TI_SHA256_BYTES];
    uint64_t v = 0;
    memcpy(text, seed->b, TI_HASH_BYTES);
    store_be(text + TI_HASH_BYTES, (*i)++, U64);
    ti_sha256_of(digest, text, sizeof text);
    for (size_t b = 0; b < U64; b++) {
        v = v << BYTE | digest[b];
    }
    return v;
}

/* A number below n, all with the same probability. */
static uint64_t below(uint64_t n, const ti_hash *seed, uint64_t *i)
{
    uint64_t fair = UINT64_MAX - UINT64_MAX % n; /* a multiple of n */
    uint64_t v = draw(seed, i);
    while (v >= fair) {
        v = draw(seed, i);
    }
    return v % n;
}

static int ascending(const void *a, const void *b)
{
    uint32_t x, y;
    memcpy(&x, a, sizeof x);
    memcpy(&y, b, sizeof y);
    return (x > y) - (x < y);
}

tern_status ti_audit_draw(uint32_t *out, uint64_t k, uint64_t n, const ti_hash *seed,
                          tern_err *err)
{
    uint64_t i = 0;
    if (n > TI_AUDIT_LIST_MAX) {
        return ti_fail(err, TERN_LIMIT, "audit", TI_NO_OFFSET, "a list of more than %d",
                       TI_AUDIT_LIST_MAX);
    }
    if (k > n) {
        return ti_fail(err, TERN_USAGE, "audit", TI_NO_OFFSET,
                       "%llu cannot be drawn out of %llu", (unsigned long long)k,
                       (unsigned long long)n);
    }
    uint32_t *list = ti_calloc(n ? (size_t)n : 1, sizeof *list);
    if (!list) {
        return ti_fail_nomem(err, "audit", n * sizeof *list, "a list");
    }
    for (uint32_t j = 0; j < n; j++) {
        list[j] = j;
    }
    for (uint64_t j = 0; j < k; j++) { /* the first k places of a shuffle */
        uint64_t other = j + below(n - j, seed, &i);
        uint32_t kept = list[j];
        list[j] = list[other];
        list[other] = kept;
    }
    if (k > 0) {
        memcpy(out, list, (size_t)k * sizeof *out);
        qsort(out, (size_t)k, sizeof *out, ascending);
    }
    free(list);
    return TERN_OK;
}

double ti_audit_detect(uint64_t n, uint64_t k, uint64_t m)
{
    double missed = 1;
    if (m == 0 || k == 0 || k > n || m > n) {
        return 0;
    }
    if (k > n - m) {
        return 1;
    }
    for (uint64_t i = 0; i < m; i++) { /* false ones, one by one, stay outside of the sample */
        missed *= (double)(n - k - i) / (double)(n - i);
    }
    return 1 - missed;
}

uint64_t ti_audit_needed(uint64_t n, uint64_t m, double probability)
{
    uint64_t low = 0, high = n; /* it grows with k */
    while (low < high) {
        uint64_t k = low + (high - low) / 2;
        if (ti_audit_detect(n, k, m) >= probability) {
            high = k;
        } else {
            low = k + 1;
        }
    }
    return low;
}
