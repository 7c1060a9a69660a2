/* SPDX-License-Identifier: Apache-2.0 */
/* cli/edge_records.h - signed readings as a device would write them, with libsodium. */
#ifndef TI_CLI_EDGE_RECORDS_H
#define TI_CLI_EDGE_RECORDS_H

#include "base/file.h"
#include "device/settings.h"
#include "ledger/note.h"
#include "tern_edge_record.h"

typedef struct ti_edge_records {
    ti_out out;
    ti_note_signer signer;
    struct tern_edge_chain chain;
    double energy_mwh; /* of all values that are usable, taken as Wh; each moment counts once */
    uint64_t utc_s;    /* of the last record: time does not go back */
    size_t n_before, n_added;
    bool goes_on;   /* rows up to utc_s are in the file, and only teach the detector */
    bool no_offset; /* it was said that a time has none */
} ti_edge_records;

/* Begins a file of records, or goes on with one that is there: its records are checked, and the
 * next has the number after the last.
 *   key     file of the secret key, made if it is not there, with the public one beside it
 *   device  1 to 16 bytes
 * Errors: TERN_USAGE, TERN_IO, TERN_NOMEM, those of ti_key_load_or_make(); of a file that is
 * there those of ti_reading_open() and ti_reading_follows(), TERN_USAGE for another device's.
 */
tern_status ti_edge_records_open(ti_edge_records *r, const char *file, const char *key,
                                 const char *device, tern_err *err);

/* Adds a record of a row and of what the detector said; none for rows at the beginning that are
 * not after the last record of the file.  A time too far away to be believed is not signed: the
 * record has that of the one before.  Warns once of times that do not say how far from UTC they
 * are; those are taken for UTC. */
tern_status ti_edge_records_add(ti_edge_records *r, const ti_csv_row *row, int32_t reading,
                                const struct tern_edge_result *result, tern_err *err);

/* Ends the file, or with `keep` false leaves none.  A zeroed one is allowed. */
tern_status ti_edge_records_close(ti_edge_records *r, bool keep, tern_err *err);

#endif
