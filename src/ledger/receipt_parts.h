/* SPDX-License-Identifier: Apache-2.0 */
/* ledger/receipt_parts.h - shared by the writer and the reader of receipts. */
#ifndef TI_LEDGER_RECEIPT_PARTS_H
#define TI_LEDGER_RECEIPT_PARTS_H

#include "ledger/receipt.h"

/* Names of ti_receipt_evidence, then NULL. */
extern const char *const ti_receipt_evidences[];

/* Writes the shortest decimal text that ti_receipt_number() reads back to the same float. */
void ti_receipt_fraction(char out[TI_RECEIPT_WORD], float value);

/* Reads a decimal number, in the spelling of JSON and in every locale.  False for any other
 * text, and without memory. */
bool ti_receipt_number(float *out, const char *text);

#endif
