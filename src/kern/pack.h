/* SPDX-License-Identifier: Apache-2.0 */
/* kern/pack.h - the layouts that the kernels read, and packing into them.
 *
 * A packed matrix is a function of the weights alone, never of the CPU that packed it.
 * R rows, K columns; rows are padded to the grain with zero weights.
 *
 * T2   K padded to 256.  Row by row; 64 bytes for 256 columns: byte j has the codes (weight
 *      + 1) of columns j, 64+j, 128+j, 192+j at bits 0, 2, 4, 6.           2.00 bits
 * T5   K padded to 128.  Panels of three rows; code c = t0 + 3*t1 + 9*t2 of one column, where
 *      ti = weight + 1 of row i.  A panel is K/2 bytes of low nibbles, then K/8 bytes of bit 4,
 *      then zeros to a multiple of 64.  Nibble byte 64*b + j: column 128*b + j low, 128*b + 64
 *      + j high.  Bit j of little-endian 64-bit word 2*b: column 128*b + j; of word 2*b + 1:
 *      column 128*b + 64 + j.                                              1.67 bits
 *      T2 and T5 have one float32 scale for each row, kept apart.
 *
 * The others hold 16 rows together ("panel"), block after block of 32 columns, so that a
 * vector lane is a row.  [a][b][c] below: c fastest.  k4 = four consecutive columns, g their
 * number in the block (0..7), r the row in the panel.
 * G8   half d[16]; u8 [8 g][16 r][4]: code = weight + 128.  544 bytes        8.50 bits
 * G4   half d[16]; u8 [4 g][16 r][4]: low nibble k4 g, high nibble g+4.  288 4.50 bits
 * G4M  half d[16], half m[16]; nibbles as G4.  320 bytes                     5.00 bits
 * G2   64 columns: half d[16]; 2 x u8 [2 g][16 r][4]: bits 2j: k4 g + 2*j.  288  2.25 bits
 * K4   256 columns: half d[16], half dmin[16]; 8 x { u8 sc[16], u8 mn[16], nibbles as G4 }
 *      2368 bytes                                                          4.63 bits
 * K6   256 columns: half d[16]; 8 x { i8 sc0[16], i8 sc1[16], low nibbles as G4, high pairs
 *      as in G2 }; code = weight + 32.  3360 bytes                         6.56 bits */
#ifndef TI_KERN_PACK_H
#define TI_KERN_PACK_H

#include "base/err.h"
#include "kern/dtype.h"
#include "kern/kern.h"

enum {
    TI_G8_BYTES = 544,
    TI_G4_BYTES = 288,
    TI_G4M_BYTES = 320,
    TI_G2_BYTES = 288,
    TI_K4_BYTES = 2368,
    TI_K6_BYTES = 3360
};

/* Bytes of a T5 panel of three rows, and of a T2 row. */
static inline size_t ti_t5_panel_bytes(size_t kp)
{
    return (kp / 2 + kp / 8 + 63) & ~(size_t)63;
}

static inline size_t ti_t2_row_bytes(size_t kp)
{
    return kp / 4;
}

/* Bytes of the packed data of a matrix, without scales; 0 when it would not fit in size_t.
 * *kp receives the padded column count. */
size_t ti_pack_bytes(ti_layout layout, uint64_t rows, uint64_t k, uint32_t *kp);

/* A matrix as a file has it. */
typedef struct ti_source {
    const ti_type_info *type;
    const void *data;
    uint64_t rows, k;
} ti_source;

/* The layout that a tensor type is packed into without loss.  `ternary` is TI_L_T2 or TI_L_T5.
 * Ternary types whose scale is not one for each row, or which have a code +2, need G2: all
 * scales are looked at (blocks whose scale is 0 go with any).  Returns TI_L_COUNT for a type
 * that cannot be a matrix.  Cost: reads the matrix at most once, nothing for types with one
 * scale a row or tensor. */
ti_layout ti_pack_choose(const ti_source *src, ti_layout ternary);

/* Packs rows [r0, r1) of a matrix; r0 is a multiple of the grain, r1 too or the row count.
 *   data    ti_pack_bytes() bytes, zeroed
 *   scales  [rows] for T2 and T5, else unused
 * Every decodable source can also be packed as G8 and G4: it is quantised as Q8_0 and Q4_0
 * are.  Calls for different rows may run on different threads.  Allocates nothing.  The call
 * that has the last row writes the padding rows too.  Errors, after which the rows are
 * undefined: TERN_CORRUPT for a code that is not ternary (G2 holds the +2 of Q2_0 and PQ2_0);
 * TERN_UNSUPPORTED for a type that the layout cannot hold, or a row with several scales in T2
 * and T5; TERN_LIMIT where ti_pack_bytes() returns 0. */
tern_status ti_pack_rows(ti_layout layout, void *data, float *scales, const ti_source *src,
                         uint64_t r0, uint64_t r1, tern_err *err);

/* Packs trits given as codes: `codes` [n][k], for panels that start at row r0.  For layouts T2
 * and T5.  r0 is a multiple of the grain, n too or the rows that are left: then the padding
 * rows are written too. */
void ti_pack_codes(ti_layout layout, void *data, size_t kp, const uint8_t *codes, size_t k,
                   size_t r0, size_t n);

/* The codes 0..2 of one row of a T2 or T5 matrix, k columns. */
void ti_unpack_codes(uint8_t *codes, const ti_mat *w, size_t row);

#endif
