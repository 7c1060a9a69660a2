/* SPDX-License-Identifier: Apache-2.0 */
/* Is a checkpoint what the policy asks for? */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "ledger/policy.h"

bool ti_policy_reached(const ti_policy *policy, const bool *valid)
{
    bool reached[TI_POLICY_NODES];
    if (policy->quorum == TI_POLICY_NONE) {
        return true;
    }
    /* Members stand before their groups, so one pass is enough. */
    for (size_t i = 0; i <= (size_t)policy->quorum; i++) {
        const ti_policy_node *node = &policy->nodes[i];
        uint32_t count = 0;
        for (uint32_t m = 0; m < node->n; m++) {
            count += reached[policy->members[node->first + m]];
        }
        reached[i] = node->group ? count >= node->threshold : valid[i];
    }
    return reached[policy->quorum];
}

/* The keys of a check: first those that may be the log's, then the witnesses'. */
typedef struct keys {
    ti_note_key *items;
    bool *valid;
    uint64_t *times_s;
    uint32_t *node; /* of a witness */
    size_t logs, n;
    bool *cosigned; /* [n_nodes] */
} keys;

static void free_keys(keys *k)
{
    free(k->items);
    free(k->valid);
    free(k->times_s);
    free(k->node);
    free(k->cosigned);
}

static tern_status collect(keys *k, const ti_policy *policy, const ti_note_key *log,
                           const char *origin, tern_err *err)
{
    size_t most = policy->n_logs + policy->n_nodes + 1;
    k->items = ti_calloc(most, sizeof *k->items);
    k->valid = ti_calloc(most, sizeof *k->valid);
    k->times_s = ti_calloc(most, sizeof *k->times_s);
    k->node = ti_calloc(most, sizeof *k->node);
    k->cosigned = ti_calloc(most, sizeof *k->cosigned);
    if (!k->items || !k->valid || !k->times_s || !k->node || !k->cosigned) {
        return ti_fail_nomem(err, "policy", most * sizeof *k->items, "keys");
    }
    for (size_t i = 0; i < policy->n_logs; i++) {
        if (strcmp(policy->logs[i].key.name, origin) == 0) {
            k->items[k->n++] = policy->logs[i].key;
        }
    }
    if (policy->n_logs == 0 && log && strcmp(log->name, origin) == 0) {
        k->items[k->n++] = *log;
    }
    k->logs = k->n;
    for (size_t i = 0; i < policy->n_nodes; i++) {
        if (!policy->nodes[i].group) {
            k->node[k->n] = (uint32_t)i;
            k->items[k->n++] = policy->nodes[i].key;
        }
    }
    return TERN_OK;
}

static tern_status judge(ti_policy_found *found, const ti_policy *policy, keys *k,
                         tern_err *err)
{
    bool by_log = false;
    for (size_t i = 0; i < k->logs && !by_log; i++) {
        by_log = k->valid[i];
        found->log = k->items[i];
    }
    if (!by_log) {
        return ti_fail(err, TERN_NO, "policy", TI_NO_OFFSET, "it is not signed by '%.80s'",
                       found->checkpoint.origin);
    }
    for (size_t i = k->logs; i < k->n; i++) {
        if (!k->valid[i]) {
            continue;
        }
        ti_str name = policy->nodes[k->node[i]].name;
        k->cosigned[k->node[i]] = true;
        if (found->witnesses++ == 0 || k->times_s[i] < found->first_time_s) {
            found->first_time_s = k->times_s[i];
        }
        ti_buf_adds(&found->names, found->names.len > 0 ? ", " : "");
        ti_buf_add(&found->names, name.data, name.len);
    }
    if (found->names.failed) {
        return ti_fail_nomem(err, "policy", found->names.len, "names");
    }
    if (!ti_policy_reached(policy, k->cosigned)) {
        ti_str name = policy->nodes[policy->quorum].name;
        return ti_fail(err, TERN_NO, "policy", TI_NO_OFFSET,
                       "the quorum '%.*s' is not reached; cosigned by %s",
                       name.len < 80 ? (int)name.len : 80, name.data,
                       found->witnesses > 0 ? found->names.data : "none of the witnesses");
    }
    return TERN_OK;
}

tern_status ti_policy_check(ti_policy_found *out, const ti_policy *policy,
                            const ti_note_key *log, const char *note, size_t len, tern_err *err)
{
    ti_signed_note parsed;
    ti_policy_found found = {0};
    keys k = {0};
    if (policy->n_logs == 0 && !log) {
        return ti_fail(err, TERN_USAGE, "policy", TI_NO_OFFSET,
                       "the policy names no log, and no key of one was given");
    }
    TI_TRY(ti_note_parse(&parsed, note, len, err));
    TI_TRY(ti_checkpoint_read(&found.checkpoint, parsed.text.data, parsed.text.len, err));
    tern_status status = collect(&k, policy, log, found.checkpoint.origin, err);
    if (status == TERN_OK && k.logs == 0) {
        status = ti_fail(err, TERN_NO, "policy", TI_NO_OFFSET,
                         "'%.80s' is not one of the policy's logs", found.checkpoint.origin);
    }
    if (status == TERN_OK) {
        status = ti_note_check(&parsed, k.items, k.n, k.valid, k.times_s, err);
    }
    if (status == TERN_OK) {
        status = judge(&found, policy, &k, err);
    }
    free_keys(&k);
    if (status != TERN_OK) {
        ti_buf_free(&found.names);
        return status;
    }
    *out = found;
    return TERN_OK;
}
