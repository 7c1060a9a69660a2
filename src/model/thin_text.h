/* SPDX-License-Identifier: Apache-2.0 */
/* model/thin_text.h - what the classifier of model/thin.h sees of a text: hashes of its words,
 * of pairs of them, of pieces of them, and of its length.  train/route/features.py is the other
 * half. */
#ifndef TI_MODEL_THIN_TEXT_H
#define TI_MODEL_THIN_TEXT_H

#include <stddef.h>
#include <stdint.h>

enum { TI_THIN_WORDS_MAX = 256 }; /* of a text; what comes after them is only counted */

/* A feature that was found, and how often it counts. */
typedef void ti_thin_found(void *to, uint32_t hash, int32_t times);

/* Calls `found` for each feature of `len` bytes, whatever they are.  Returns the number of
 * words.  Cost: O(len) and about 5 features a letter of the first TI_THIN_WORDS_MAX words. */
uint64_t ti_thin_features(const char *text, size_t len, ti_thin_found *found, void *to);

#endif
