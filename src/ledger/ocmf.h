/* SPDX-License-Identifier: Apache-2.0 */
/* ledger/ocmf.h - signed records of electricity meters.
 *
 * OCMF (Open Charge Metering Format 1.x, SAFE e.V.):  OCMF|{payload}|{signature}
 * The signature is over the payload's bytes as they stand, so a record is kept and passed on
 * byte for byte and never written again from what was understood of it.  Records come alone,
 * one a line, or in the XML container of S.A.F.E.'s transparency software, which brings keys.
 * A key that comes with a record proves nothing: it must be compared with the one that is
 * printed on the meter or published by its maker. */
#ifndef TI_LEDGER_OCMF_H
#define TI_LEDGER_OCMF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"

enum {
    TI_OCMF_MAX = 1 << 24,         /* bytes of a file */
    TI_OCMF_RECORDS_MAX = 1 << 14, /* records in one */
    TI_OCMF_READINGS_MAX = 1024,   /* readings in a record */
    TI_OCMF_TEXT = 64,             /* bytes of a text, with its NUL */
    TI_OCMF_KEY_MAX = 160,         /* bytes of a public key */
    TI_OCMF_SIG_MAX = 160          /* bytes of a signature in DER: up to 384 bits */
};

/* What an elliptic curve is called. */
typedef enum ti_curve {
    TI_CURVE_P256 = 0, /* secp256r1, prime256v1 */
    TI_CURVE_K256,     /* secp256k1 */
    TI_CURVE_P384      /* secp384r1 */
} ti_curve;

/* A public key: a point of a curve, uncompressed. */
typedef struct ti_ec_key {
    ti_curve curve;
    size_t len;
    uint8_t point[TI_OCMF_KEY_MAX];
} ti_ec_key;

/* One value of a register. */
typedef struct ti_ocmf_reading {
    char time[TI_OCMF_TEXT]; /* TM without its last letter, as it stands */
    char clock;              /* how the clock was set: U, I, S, R; or NUL */
    char transaction;        /* TX: B begin, C in between, E end, ...; or NUL */
    char status;             /* ST: G is good */
    char reg[TI_OCMF_TEXT];  /* RI: OBIS number of the register */
    char unit[TI_OCMF_TEXT]; /* RU */
    bool is_energy;          /* the unit is kWh or Wh, and the value fits: */
    uint64_t energy_uj;      /* of the register since it was made, exactly */
    uint64_t resolution_uj;  /* worth of its last digit */
} ti_ocmf_reading;

/* A record.  Texts point into the file. */
typedef struct ti_ocmf_record {
    uint64_t at;              /* where it begins in the file */
    ti_str bytes;             /* the whole record, byte for byte: in the arena when the
                                 container had spelled characters otherwise */
    ti_str payload;           /* what is signed */
    char meter[TI_OCMF_TEXT]; /* MS, or GS where the gateway is the meter */
    char page_kind;           /* T transaction, F fiscal; NUL when there is no PG */
    uint64_t page;            /* counts up by 1 */
    ti_curve curve;           /* of the signature */
    size_t sig_len;
    uint8_t sig[TI_OCMF_SIG_MAX];
    bool has_key; /* the container brought one */
    ti_ec_key key;
    size_t n_readings;
    ti_ocmf_reading *readings;
} ti_ocmf_record;

/* A file that was read. */
typedef struct ti_ocmf {
    ti_ocmf_record *records;
    size_t n;
    ti_arena arena;
} ti_ocmf;

/* True when the bytes look like OCMF, alone or in XML. */
bool ti_ocmf_is(const char *text, size_t len);

/* Reads all records of a file; `text` must stay as long as `out`.  Free with ti_ocmf_free().
 * Errors: TERN_CORRUPT with the offset; TERN_UNSUPPORTED for another algorithm; TERN_LIMIT;
 * TERN_NOMEM. */
tern_status ti_ocmf_parse(ti_ocmf *out, const char *text, size_t len, tern_err *err);

/* Frees it.  A zeroed one is allowed. */
void ti_ocmf_free(ti_ocmf *ocmf);

/* Reads a public key: SubjectPublicKeyInfo (RFC 5480) of one of the curves, or an uncompressed
 * point of P-256, in hexadecimal (blanks between digits are allowed) or base64.
 * Errors: TERN_CORRUPT, TERN_UNSUPPORTED. */
tern_status ti_ec_key_parse(ti_ec_key *out, const char *text, size_t len, tern_err *err);

/* True when both are the same key. */
bool ti_ec_key_equal(const ti_ec_key *a, const ti_ec_key *b);

/* Checks the signature of a record.  Errors: TERN_NO when it is wrong or of another curve than
 * the key's; TERN_CORRUPT when the key is no point of its curve; TERN_NOMEM. */
tern_status ti_ocmf_verify(const ti_ocmf_record *record, const ti_ec_key *key, tern_err *err);

/* --- several records ------------------------------------------------------------------------
 */

/* What is wrong with the order of two records of one meter that should follow each other. */
typedef struct ti_ocmf_gap {
    size_t before, after; /* indexes of the records */
    uint64_t missing;     /* records between them; 0: the number is there twice or goes back */
} ti_ocmf_gap;

/* Looks for gaps among the page numbers of each meter and kind, in the order of the file.
 * Writes at most `cap` of them and returns how many there are. */
size_t ti_ocmf_gaps(const ti_ocmf *ocmf, ti_ocmf_gap *gaps, size_t cap);

/* What a meter counted. */
typedef struct ti_ocmf_delta {
    uint64_t delta_uj;      /* last reading less first */
    uint64_t resolution_uj; /* of the coarser one: the true difference is nearer than this */
} ti_ocmf_delta;

/* The difference of the first and last reading of one register in all records (all must be of
 * one meter and have status G).  `reg` NULL takes the first energy register that occurs.
 * Errors: TERN_NO when readings go back, are not good, or there are not two;
 * TERN_UNSUPPORTED when there are several meters. */
tern_status ti_ocmf_measure(ti_ocmf_delta *out, const ti_ocmf *ocmf, const char *reg,
                            tern_err *err);

/* Checks that what was given to requests and to idle adds up to what the meter counted, as far
 * as its last digits tell.  Errors: TERN_NO, with both numbers. */
tern_status ti_ocmf_check_sum(const ti_ocmf_delta *delta, uint64_t allocated_uj, tern_err *err);

#endif
