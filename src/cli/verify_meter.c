/* SPDX-License-Identifier: Apache-2.0 */
/* Signed records of meters, and receipts against them. */
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "cli/verify.h"
#include "ledger/ocmf.h"

enum { GAPS_SHOWN = 8 };

static const double uj_per_kwh = 3.6e12;

/* The keys that were given; none: the records' own are used, and it is said. */
static tern_status read_keys(ti_ec_key **out, const ti_opt_list *given, tern_err *err)
{
    ti_ec_key *keys = calloc(given->n ? given->n : 1, sizeof *keys);
    tern_status status =
        keys ? TERN_OK : ti_fail_nomem(err, "verify", given->n * sizeof *keys, "keys");
    for (size_t i = 0; i < given->n && status == TERN_OK; i++) {
        const char *text = given->items[i];
        char *data = NULL;
        size_t size = strlen(text);
        /* A key, or else a file with one. */
        status = ti_ec_key_parse(&keys[i], text, size, err);
        if (status == TERN_CORRUPT) {
            status = ti_read_file(&data, &size, text, TI_OCMF_KEY_MAX * 4, err);
            if (status == TERN_OK) {
                status = ti_ec_key_parse(&keys[i], data, size, err);
            }
            free(data);
        }
    }
    if (status != TERN_OK) {
        free(keys);
        return status;
    }
    *out = keys;
    return TERN_OK;
}

static tern_status check_record(ti_checks *checks, const ti_ocmf_record *r,
                                const ti_ec_key *keys, size_t n_keys, tern_err *err)
{
    tern_status status = TERN_NO;
    char page[TI_OCMF_TEXT] = "";
    if (r->page_kind) {
        snprintf(page, sizeof page, " %c%llu", r->page_kind, (unsigned long long)r->page);
    }
    for (size_t i = 0; i < n_keys && status == TERN_NO; i++) {
        status = ti_ocmf_verify(r, &keys[i], err);
    }
    if (n_keys > 0 && status == TERN_OK) {
        ti_check_add(checks, "signature", TI_CHECK_OK, "meter %s%s, by a key that was given",
                     r->meter, page);
        return TERN_OK;
    }
    if (n_keys == 0 && r->has_key) {
        status = ti_ocmf_verify(r, &r->key, err);
        if (status == TERN_OK) {
            ti_check_add(checks, "signature", TI_CHECK_OK,
                         "meter %s%s, by the key in the file: compare it with the meter's",
                         r->meter, page);
            return TERN_OK;
        }
    } else if (n_keys == 0) {
        ti_check_add(checks, "signature", TI_CHECK_NO,
                     "meter %s%s: there is no key to check it with; --key gives one", r->meter,
                     page);
        return TERN_OK;
    }
    return ti_check_no(checks, "signature", status, err);
}

static void check_pages(ti_checks *checks, const ti_ocmf *ocmf)
{
    ti_ocmf_gap gaps[GAPS_SHOWN];
    size_t n = ti_ocmf_gaps(ocmf, gaps, GAPS_SHOWN);
    for (size_t i = 0; i < n && i < GAPS_SHOWN; i++) {
        const ti_ocmf_record *a = &ocmf->records[gaps[i].before],
                             *b = &ocmf->records[gaps[i].after];
        if (gaps[i].missing > 0) {
            ti_check_add(checks, "pages", TI_CHECK_NO,
                         "meter %s: %llu records are missing between %c%llu and %c%llu",
                         b->meter, (unsigned long long)gaps[i].missing, a->page_kind,
                         (unsigned long long)a->page, b->page_kind,
                         (unsigned long long)b->page);
        } else {
            ti_check_add(checks, "pages", TI_CHECK_NO,
                         "meter %s: %c%llu does not follow %c%llu", b->meter, b->page_kind,
                         (unsigned long long)b->page, a->page_kind,
                         (unsigned long long)a->page);
        }
    }
    if (n == 0) {
        ti_check_add(checks, "pages", TI_CHECK_OK, "%zu records, none missing between them",
                     ocmf->n);
    }
}

static tern_status check_all(ti_checks *checks, const ti_ocmf *ocmf, const ti_ec_key *keys,
                             size_t n_keys, tern_err *err)
{
    ti_ocmf_delta delta;
    for (size_t i = 0; i < ocmf->n; i++) {
        TI_TRY(check_record(checks, &ocmf->records[i], keys, n_keys, err));
    }
    check_pages(checks, ocmf);
    tern_err local;
    if (ti_ocmf_measure(&delta, ocmf, NULL, &local) == TERN_OK) {
        ti_check_add(checks, "energy", TI_CHECK_OK, "%.6g kWh between first and last reading",
                     (double)delta.delta_uj / uj_per_kwh);
    } else {
        ti_check_add(checks, "energy", TI_CHECK_OPEN, "%s", local.message);
    }
    return TERN_OK;
}

tern_status ti_verify_meter(ti_checks *checks, const char *text, size_t len,
                            const ti_verify_args *args, tern_err *err)
{
    ti_ocmf ocmf = {0};
    ti_ec_key *keys = NULL;
    TI_TRY(ti_ocmf_parse(&ocmf, text, len, err));
    tern_status status = read_keys(&keys, &args->keys, err);
    if (status == TERN_OK) {
        status = check_all(checks, &ocmf, keys, args->keys.n, err);
    }
    free(keys);
    ti_ocmf_free(&ocmf);
    return status;
}

tern_status ti_verify_sum_check(ti_checks *checks, const ti_verify_sum *sum,
                                const ti_verify_args *args, tern_err *err)
{
    char *text;
    size_t size;
    ti_ocmf ocmf = {0};
    ti_ocmf_delta delta;
    TI_TRY(ti_read_file(&text, &size, args->meter, TI_OCMF_MAX, err));
    tern_status status = ti_ocmf_parse(&ocmf, text, size, err);
    /* Keys of receipts and of meters are different things: here the records' own are used. */
    if (status == TERN_OK) {
        status = check_all(checks, &ocmf, NULL, 0, err);
    }
    if (status == TERN_OK) {
        status = ti_ocmf_measure(&delta, &ocmf, NULL, err);
        if (status == TERN_OK) {
            status = ti_ocmf_check_sum(&delta, sum->energy_uj, err);
        }
        if (status == TERN_OK) {
            ti_check_add(checks, "sum", TI_CHECK_OK,
                         "%zu receipts: %llu uJ given out, %llu uJ counted, which agree within "
                         "the meter's last digit (%llu uJ)",
                         sum->n, (unsigned long long)sum->energy_uj,
                         (unsigned long long)delta.delta_uj,
                         (unsigned long long)delta.resolution_uj);
        } else {
            status = ti_check_no(checks, "sum", status, err);
        }
    }
    if (status == TERN_OK && sum->n_without > 0) {
        ti_check_add(checks, "sum", TI_CHECK_OPEN, "%zu receipts say nothing of energy",
                     sum->n_without);
    }
    ti_ocmf_free(&ocmf);
    free(text);
    return status;
}
