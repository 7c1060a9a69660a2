/* SPDX-License-Identifier: Apache-2.0 */
/* ledger/ocmf_parts.h - shared by the files that read OCMF. */
#ifndef TI_LEDGER_OCMF_PARTS_H
#define TI_LEDGER_OCMF_PARTS_H

#include "ledger/ocmf.h"

/* Takes a record apart whose `at` and `bytes` are set. */
tern_status ti_ocmf_record_parse(ti_ocmf_record *record, ti_arena *arena, tern_err *err);

#endif
