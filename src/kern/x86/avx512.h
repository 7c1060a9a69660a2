/* SPDX-License-Identifier: Apache-2.0 */
/* kern/x86/avx512.h - what the AVX-512 and AMX sources share. */
#ifndef TI_KERN_X86_AVX512_H
#define TI_KERN_X86_AVX512_H

#include "kern/kern.h"
#include "kern/unroll.h"

#define TI_AVX512   \
    __attribute__(( \
        target("avx512f,avx512bw,avx512vl,avx512dq,avx512vbmi,avx512vnni,f16c,avx2")))
#define TI_AVX512_INLINE static inline __attribute__((always_inline)) TI_AVX512

/* Weights stream through once, and rows are too short for the hardware's prefetchers to catch
 * up in time.  Into the second level, because the first has too few buffers for what is on its
 * way.  Measured on Zen 4 from memory, one thread, GB/s without / 4 KB ahead into the first
 * level / 8 KB ahead into the second: T5 15 / 18 / 22, T2 - / 10 / 30. */
enum { TI_PREFETCH_BYTES = 8192 };
#define TI_PREFETCH(p) _mm_prefetch((const char *)(p) + TI_PREFETCH_BYTES, _MM_HINT_T1)

/* Columns that are unpacked together: 96 rows of them are 48 KB, two first-level caches. */
enum { TI_TILE_COLUMNS = 512 };

/* Unpacks columns [c0, c0 + n_cols) of rows [r0, r0 + n_rows) of a T2 or T5 matrix to codes in
 * tiles of 16 rows: tiles[t * tile_stride + (c - c0) / 4 * 64 + r % 16 * 4 + c % 4] is the code
 * of row r0 + 16 * t + r % 16.
 *   r0, n_rows  multiples of 48 for T5, of 16 for T2 (rows past the matrix's last are zeros in
 *               T5 and are not read in T2: their tiles hold code 0)
 *   c0, n_cols  multiples of the layout's padding; n_cols <= TI_TILE_COLUMNS
 *   rows        scratch of n_rows * TI_TILE_COLUMNS bytes, on a 64-byte boundary */
void ti_avx512_unpack(uint8_t *tiles, size_t tile_stride, const ti_mat *w, size_t r0,
                      size_t n_rows, size_t c0, size_t n_cols, uint8_t *rows);

/* The products themselves, for matmul[] and for AMX's small cases. */
void ti_avx512_matmul_t2(float *y, size_t ldy, const ti_mat *w, const ti_act *x, size_t r0,
                         size_t r1, void *scratch);
void ti_avx512_matmul_t5(float *y, size_t ldy, const ti_mat *w, const ti_act *x, size_t r0,
                         size_t r1, void *scratch);

/* Sets the entries for the block layouts, and those for exact sparsity. */
void ti_avx512_init_blocks(ti_kern *k);
void ti_avx512_init_sparse(ti_kern *k);

#endif
