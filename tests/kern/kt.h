/* SPDX-License-Identifier: Apache-2.0 */
/* kt.h - what the tests of the kernels share: checks that count, random numbers, buffers that
 * end where memory ends, and naive implementations of the contracts.
 *
 * No test library: the same program is linked statically for other CPUs and run under an
 * emulator, where there is none. */
#ifndef TESTS_KERN_KT_H
#define TESTS_KERN_KT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kern/kern.h"

/* --- checks ------------------------------------------------------------------------------ */

/* Counts one check; when it fails, prints the set, the entry and the message. */
void kt_check(bool ok, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* What the checks that follow are about. */
void kt_subject(const char *set, const char *entry);

/* Prints `N passed, N failed`; returns the exit status. */
int kt_summary(void);

/* Checks that n floats have the same bits; two NaN are equal whatever their bits. */
void kt_same_floats(const float *got, const float *want, size_t n, const char *what);

/* --- random numbers ---------------------------------------------------------------------- */

uint64_t kt_random(void);
uint32_t kt_below(uint32_t n);

/* Uniform in -scale..scale. */
float kt_uniform(float scale);

/* --- buffers ----------------------------------------------------------------------------- */

enum { KT_CANARY = 0xa5 };

/* `bytes` bytes on an `align` boundary; the first page after the block that is unmapped begins
 * less than `align` bytes after it.  Filled with KT_CANARY; what lies around is checked by
 * kt_free(). */
typedef struct kt_buf {
    void *p;
    size_t bytes;
    uint8_t *map;
    size_t map_bytes;
} kt_buf;

kt_buf kt_alloc(size_t bytes, size_t align);

/* Checks that nothing around the block was written, and frees it. */
void kt_free(kt_buf *b);

/* --- operands ---------------------------------------------------------------------------- */

/* Which numbers an operand is made of. */
typedef enum kt_fill {
    KT_RANDOM = 0,
    KT_MAX,         /* largest code; +127 */
    KT_MIN,         /* smallest code; -127 */
    KT_ALTERNATING, /* largest and smallest in turn */
    KT_SPARSE,      /* mostly zeros */
    KT_FILLS
} kt_fill;

typedef struct kt_matrix {
    ti_mat mat;
    kt_buf data, scales;
} kt_matrix;

typedef struct kt_input {
    ti_act act;
    kt_buf f, q, row_scale, row_sum, block_scale, half_sum;
} kt_input;

enum { KT_MAX_K = 8192 };

/* A packed matrix, written byte for byte in its layout; k at most KT_MAX_K. */
kt_matrix kt_matrix_make(ti_layout layout, uint32_t rows, uint32_t k, kt_fill fill);
void kt_matrix_free(kt_matrix *m);

/* Input vectors, quantised per token or per block, consistent sums; the rows of q from m on
 * hold noise. */
kt_input kt_input_make(ti_act_kind kind, size_t m, size_t k, kt_fill fill);
void kt_input_free(kt_input *x);

/* --- naive implementations (kt_ref.c): texts of their own, from the contracts ----------- */

/* y [m][ldy], all rows. */
void kt_ref_matmul(float *y, size_t ldy, const ti_mat *w, const ti_act *x);

/* Code - bias of a weight in an integer layout. */
int kt_ref_weight(const ti_mat *w, size_t r, size_t c);

/* The sum of the contract over n terms, padded with zeros. */
float kt_ref_sum(const float *terms, size_t n);

float kt_ref_half(uint16_t h);
uint16_t kt_ref_to_half(float f);

/* exp(x) of the contract: the polynomial of kern/vec.h in scalars. */
float kt_ref_exp(float x);

/* --- the tests --------------------------------------------------------------------------- */

void kt_test_matmul(const ti_kern *k);
void kt_test_sparse(const ti_kern *k);
void kt_test_float(const ti_kern *k);
void kt_test_quant(const ti_kern *k);
void kt_test_attention(const ti_kern *k);
void kt_test_top(const ti_kern *k);

/* Speed of all entries, or of those whose name begins with `name`. */
void kt_bench(const ti_kern *const *sets, size_t n_sets, const char *name);

/* Sets that the table cannot give on this CPU, but that can run on it (kt_evex.c): returns how
 * many were put into `out`, which has room for four. */
size_t kt_extra_sets(const ti_kern **out);

#endif
