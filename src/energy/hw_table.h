/* SPDX-License-Identifier: Apache-2.0 */
/* energy/hw_table.h - what processors draw, from share/hardware (sources are named there).
 *
 * Two tables of comma-separated rows with a fixed header: design power by name, and watts a
 * thread of servers by family.  They are read strictly: one stray byte refuses the table. */
#ifndef TI_ENERGY_HW_TABLE_H
#define TI_ENERGY_HW_TABLE_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "energy/host.h"

/* Thermal design power of a processor. */
typedef struct ti_hw_cpu {
    ti_str name; /* normalised */
    uint32_t tdp_mw;
    ti_str source;
    uint32_t year;
} ti_hw_cpu;

/* A server at the plug, by hardware thread. */
typedef struct ti_hw_server {
    ti_str vendor, name;
    uint32_t family, model, stepping_min, stepping_max;
    uint32_t idle_uw, full_uw; /* a thread's share of the whole machine */
    ti_str source;
    uint32_t year;
} ti_hw_server;

typedef struct ti_hw_table {
    ti_hw_cpu *cpus; /* [n_cpus], ascending by name */
    size_t n_cpus;
    ti_hw_server *servers; /* [n_servers] */
    size_t n_servers;
    ti_arena arena;
} ti_hw_table;

enum { TI_HW_ROWS_MAX = 65536 };

/* Reads both tables; texts in the result point into `cpus` and `servers`, which must live as
 * long.  Errors: TERN_CORRUPT with the offset of the row (wrong header, number of fields, sign,
 * order, a name twice, idle above full), TERN_LIMIT, TERN_NOMEM. */
tern_status ti_hw_table_parse(ti_hw_table *out, const char *cpus, size_t cpus_len,
                              const char *servers, size_t servers_len, tern_err *err);

/* The tables that are built in. */
tern_status ti_hw_table_builtin(ti_hw_table *out, tern_err *err);

/* Of these only what ti_hw_find_cpu() can find for this host: for one answer, a quarter of a
 * millisecond is too long to read three thousand names.  Errors: the same. */
tern_status ti_hw_table_for(ti_hw_table *out, const ti_host *host, tern_err *err);

/* Zeroed is allowed. */
void ti_hw_table_free(ti_hw_table *table);

/* Finds by ti_host.name; by vendor, family, model and stepping.  NULL when it is not there. */
const ti_hw_cpu *ti_hw_find_cpu(const ti_hw_table *table, const ti_host *host);
const ti_hw_server *ti_hw_find_server(const ti_hw_table *table, const ti_host *host);

#endif
