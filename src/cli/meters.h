/* SPDX-License-Identifier: Apache-2.0 */
/* cli/meters.h - which energy meters there are, told to people: for `tern meter list` and
 * `tern doctor`. */
#ifndef TI_CLI_METERS_H
#define TI_CLI_METERS_H

#include "base/buf.h"
#include "energy/meter.h"

typedef struct ti_meters {
    ti_meter_set set;
    ti_meter_role *roles; /* [set.n] */
    ti_selection selection;
} ti_meters;

/* Looks for meters below `sysroot` (NULL = on this machine) and picks those that are counted
 * (ti_meter_select()).  Errors: TERN_NOMEM, TERN_LIMIT. */
tern_status ti_meters_look(ti_meters *out, const char *sysroot, ti_boundary want,
                           tern_err *err);

/* Zeroed is allowed. */
void ti_meters_free(ti_meters *meters);

/* True when one is there that this user may not read. */
bool ti_meters_denied(const ti_meters *meters);

/* Adds evidence, boundary, covers and the meters as members of the open object. */
void ti_json_meters(ti_buf *json, const ti_meters *meters);

/* "package + dram"; "none" when nothing is counted.  Into out[cap]. */
const char *ti_meters_counted(char *out, size_t cap, const ti_meters *meters);

/* Prints a table of all meters, then why some do not work and what would change it. */
void ti_meters_print(const ti_meters *meters);

/* Prints the lines of `tern doctor`. */
void ti_meters_print_doctor(const ti_meters *meters);

#endif
