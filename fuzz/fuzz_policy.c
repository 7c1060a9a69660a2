/* SPDX-License-Identifier: Apache-2.0 */
/* Policies: what was read keeps its promises, whichever witnesses sign; the rest of the input
 * is a checkpoint that is checked against it. */
#include "ledger/policy.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* More witnesses never break a quorum; all of them reach it. */
static void use_quorum(const ti_policy *p, uint32_t choice)
{
    bool *valid = calloc(p->n_nodes + 1, sizeof *valid);
    if (!valid) {
        return;
    }
    for (size_t i = 0; i < p->n_nodes; i++) {
        valid[i] = choice >> (i % 32) & 1;
    }
    bool some = ti_policy_reached(p, valid);
    for (size_t i = 0; i < p->n_nodes; i++) {
        valid[i] = true;
    }
    TI_ASSERT(ti_policy_reached(p, valid));
    memset(valid, 0, p->n_nodes * sizeof *valid);
    TI_ASSERT(ti_policy_reached(p, valid) == (p->quorum == TI_POLICY_NONE));
    TI_ASSERT(p->quorum != TI_POLICY_NONE || some);
    free(valid);
}

static void use_policy(const ti_policy *p, const char *note, size_t len)
{
    ti_policy_found found;
    uint32_t choice = 0;
    for (size_t i = 0; i < p->n_nodes; i++) {
        const ti_policy_node *node = &p->nodes[i];
        TI_ASSERT(node->name.len > 0 && (!node->group || node->threshold <= node->n));
        for (uint32_t m = 0; m < node->n; m++) {
            TI_ASSERT(p->members[node->first + m] < i);
        }
    }
    memcpy(&choice, note, len < sizeof choice ? len : sizeof choice);
    use_quorum(p, choice);
    if (ti_policy_check(&found, p, NULL, note, len, NULL) == TERN_OK) {
        ti_buf_free(&found.names);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data;
    ti_policy p;
    /* The policy ends at the first line "-". */
    size_t len = size;
    for (size_t i = 0; i + 3 <= size && len == size; i++) {
        len = memcmp(text + i, "\n-\n", 3) == 0 ? i + 1 : size;
    }
    if (ti_policy_read(&p, text, len, NULL) == TERN_OK) {
        size_t from = len < size ? len + 2 : size;
        use_policy(&p, text + from, size - from);
        ti_policy_free(&p);
    }
    return 0;
}
