/* SPDX-License-Identifier: Apache-2.0 */
/* log_sim.h - a file system in memory that keeps apart what was written and what was synced.
 *
 * A crash stops the world before any call.  What is found afterwards is what was synced, plus
 * any of the writes that were not: whole, torn at 512 bytes, or not at all, in any order; names
 * likewise, one by one.  The choice comes from a seed. */
#ifndef TESTS_LOG_SIM_H
#define TESTS_LOG_SIM_H

#include <stdbool.h>
#include <stdint.h>

#include "base/rng.h"
#include "ledger/log_io.h"

typedef struct sim sim;

/* What a crash leaves of what was not synced. */
typedef enum sim_mode {
    SIM_KEEP = 0, /* all of it: the process died, the machine did not */
    SIM_DROP,     /* nothing */
    SIM_RANDOM    /* any of it, torn */
} sim_mode;

sim *sim_new(uint64_t seed);
void sim_free(sim *s);

/* A copy of the present state, for backups. */
sim *sim_copy(const sim *s);

/* The table; `with_sync_all` = has that call. */
ti_log_io sim_io(sim *s, bool with_sync_all);

/* The world stops before the call number `ops` from now (0 = the next one); UINT64_MAX = never.
 * Every call from then on fails. */
void sim_crash_at(sim *s, uint64_t ops);
bool sim_crashed(const sim *s);

/* Calls since sim_crash_at(). */
uint64_t sim_ops(const sim *s);

/* The n-th sync (0 = the next one) fails with EIO, once; what it was to sync is lost by the
 * next crash. */
void sim_fail_sync(sim *s, uint64_t n);

/* Turns what is there into what a machine finds after the crash: all files closed, locks gone.
 */
void sim_restart(sim *s, sim_mode mode);

/* Bytes of a file as they are now, to look at and to damage; NULL when it is not there. */
uint8_t *sim_bytes(sim *s, const char *path, size_t *len);

/* The i-th file's path, in no particular order; NULL past the last. */
const char *sim_path(sim *s, size_t i);

/* Replaces one directory (a path prefix) by that of another state: a restored backup. */
void sim_restore(sim *s, const sim *from, const char *prefix);

#endif
