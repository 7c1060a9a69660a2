/* SPDX-License-Identifier: Apache-2.0 */
/* What several records say together. */
#include <string.h>

#include "ledger/ocmf.h"

static const char module[] = "ocmf";

/* The record before `i` with page numbers of the same meter and kind, or `i`. */
static size_t previous(const ti_ocmf *ocmf, size_t i)
{
    const ti_ocmf_record *r = &ocmf->records[i];
    for (size_t j = i; j-- > 0;) {
        const ti_ocmf_record *other = &ocmf->records[j];
        if (other->page_kind == r->page_kind && strcmp(other->meter, r->meter) == 0) {
            return j;
        }
    }
    return i;
}

size_t ti_ocmf_gaps(const ti_ocmf *ocmf, ti_ocmf_gap *gaps, size_t cap)
{
    size_t n = 0;
    for (size_t i = 1; i < ocmf->n; i++) {
        size_t before = previous(ocmf, i);
        uint64_t page = ocmf->records[i].page, old = ocmf->records[before].page;
        if (before == i || ocmf->records[i].page_kind == '\0' || page == old + 1) {
            continue;
        }
        if (n < cap) {
            gaps[n] = (ti_ocmf_gap){
                .before = before, .after = i, .missing = page > old ? page - old - 1 : 0};
        }
        n++;
    }
    return n;
}

/* --- energy ---------------------------------------------------------------------------------
 */

typedef struct sum {
    const char *reg;
    const ti_ocmf_reading *first, *last;
} sum;

static tern_status add_reading(sum *s, const ti_ocmf_record *r, const ti_ocmf_reading *reading,
                               tern_err *err)
{
    if (!reading->is_energy || (s->reg && strcmp(reading->reg, s->reg) != 0)) {
        return TERN_OK;
    }
    unsigned long long at = r->at;
    if (reading->status != 'G') {
        return ti_fail(err, TERN_NO, module, at,
                       "record at byte %llu: the meter does not call its reading good", at);
    }
    if (s->last && reading->energy_uj < s->last->energy_uj) {
        return ti_fail(err, TERN_NO, module, at, "record at byte %llu: the register goes back",
                       at);
    }
    s->reg = reading->reg;
    s->first = s->first ? s->first : reading;
    s->last = reading;
    return TERN_OK;
}

tern_status ti_ocmf_measure(ti_ocmf_delta *out, const ti_ocmf *ocmf, const char *reg,
                            tern_err *err)
{
    sum s = {.reg = reg};
    for (size_t i = 0; i < ocmf->n; i++) {
        const ti_ocmf_record *r = &ocmf->records[i];
        if (strcmp(r->meter, ocmf->records[0].meter) != 0) {
            return ti_fail(err, TERN_UNSUPPORTED, module, r->at,
                           "records of several meters: '%s' and '%s'", ocmf->records[0].meter,
                           r->meter);
        }
        for (size_t j = 0; j < r->n_readings; j++) {
            TI_TRY(add_reading(&s, r, &r->readings[j], err));
        }
    }
    if (s.first == s.last) {
        return ti_fail(err, TERN_NO, module, TI_NO_OFFSET,
                       "there are no two readings of an energy register");
    }
    uint64_t a = s.first->resolution_uj, b = s.last->resolution_uj;
    *out = (ti_ocmf_delta){.delta_uj = s.last->energy_uj - s.first->energy_uj,
                           .resolution_uj = a > b ? a : b};
    return TERN_OK;
}

tern_status ti_ocmf_check_sum(const ti_ocmf_delta *delta, uint64_t allocated_uj, tern_err *err)
{
    uint64_t a = delta->delta_uj, b = allocated_uj, off = a > b ? a - b : b - a;
    /* Each reading is cut at its last digit, so that the true difference is less than one digit
     * to either side. */
    if (off >= delta->resolution_uj && off > 0) {
        return ti_fail(err, TERN_NO, module, TI_NO_OFFSET,
                       "%llu uJ are allocated, but the meter counted %llu uJ",
                       (unsigned long long)b, (unsigned long long)a);
    }
    return TERN_OK;
}
