/* SPDX-License-Identifier: Apache-2.0 */
/* What readers of a log are given by strangers: a tlog-proof, a path of a tile, a bundle, the
 * text of state/tree; and a proof made of these bytes, for all kinds of checks. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "ledger/log_parts.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void use_proof(const char *text, size_t size)
{
    ti_tlog_proof p;
    ti_buf out = {0};
    if (ti_tlog_proof_read(&p, text, size, NULL) == TERN_OK) {
        ti_tlog_proof_write(&out, &p);
        TI_ASSERT(out.failed || (out.len == size && memcmp(out.data, text, size) == 0));
    }
    ti_buf_free(&out);
}

static void use_texts(const char *text, size_t size)
{
    ti_tile_id id;
    char path[TI_TILE_PATH];
    ti_str items[TI_TILE_WIDTH];
    ti_frontier f;
    if (ti_tile_path_read(&id, text, size)) {
        TI_ASSERT(ti_tile_path(path, id) == size && memcmp(path, text, size) == 0);
        (void)ti_tile_width(id.level, id.index, UINT64_MAX);
    }
    for (uint32_t n = 0; n <= 3; n++) {
        if (ti_bundle_read(items, n, text, size, NULL) == TERN_OK && n > 0) {
            TI_ASSERT(items[n - 1].data + items[n - 1].len == text + size);
        }
    }
    (void)ti_log_state_read(&f, text, size, NULL);
}

/* Two numbers, a hash, a root, the rest of the bytes as hashes. */
static void use_checks(const uint8_t *data, size_t size)
{
    ti_hash proof[TI_PROOF_MAX + 2], hash, root;
    uint64_t a, b;
    if (size < 80) {
        return;
    }
    memcpy(&a, data, 8);
    memcpy(&b, data + 8, 8);
    memcpy(hash.b, data + 16, 32);
    memcpy(root.b, data + 48, 32);
    size_t n = (size - 80) / 32;
    n = n < TI_PROOF_MAX + 2 ? n : TI_PROOF_MAX + 2;
    if (n > 0) {
        memcpy(proof, data + 80, n * 32);
    }
    (void)ti_merkle_check_inclusion(a, b, &hash, proof, n, &root, NULL);
    (void)ti_merkle_check_path(data[0] & 63, a, b, &hash, proof, n, &root, NULL);
    (void)ti_merkle_check_consistency(a, b, &hash, &root, proof, n, NULL);
    (void)ti_merkle_check_subtree(a, b, b + data[1], &hash, &root, proof, n, NULL);
    (void)ti_merkle_check_subtree_inclusion(a + data[2], a, b, &hash, proof, n, &root, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    use_proof((const char *)data, size);
    use_texts((const char *)data, size);
    use_checks(data, size);
    return 0;
}
