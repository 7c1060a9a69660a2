/* SPDX-License-Identifier: Apache-2.0 */
/* kern/dtype.h - the types of tensors in files: sizes, names, conversion of rows.
 *
 * A type is known by its GGML id.  Ids from 0x7e00 are tern's own packed layouts
 * (kern/pack.h); they appear only in files written by `tern model pack`.
 *
 * id   name    weights  bytes   bits  contents of a block
 *  0   F32           1      4   32
 *  1   F16           1      2   16
 *  2   Q4_0         32     18   4.5   f16 d; 16 bytes: low nibbles 0-15, high 16-31; d*(q-8)
 *  3   Q4_1         32     20   5.0   f16 d, f16 m; nibbles as Q4_0; d*q+m
 *  8   Q8_0         32     34   8.5   f16 d; 32 int8; d*q
 * 12   Q4_K        256    144   4.5   f16 d, f16 dmin; 12 bytes of 6-bit scales and mins;
 *                                     nibbles; d*sc*q - dmin*m for each 32
 * 14   Q6_K        256    210   6.56  128 B low nibbles, 64 B high pairs, 16 int8 scales,
 *                                     f16 d; d*sc*(q-32) for each 16
 * 30   BF16          1      2   16
 * 34   TQ1_0       256     54   1.69  ternary, five trits a byte, f16 d last
 * 35   TQ2_0       256     66   2.06  ternary, 2 bits, f16 d last
 * 36   I2_S          -      -   2     whole tensor n/4 bytes + 32 bytes tail, f32 scale first
 * 41   Q1_0        128     18   1.125 f16 d first; one bit a weight, +d or -d
 * 42   Q2_0    64 or 128  18/34 2.25  f16 d first; 2-bit codes 0..3 -> -1,0,+1,+2
 * 134  IQ1_BN      row            ternary, 13 bytes for 64, f16 row scale first
 * 135  IQ2_BN      row            ternary, 16 bytes for 64, f32 row scale first
 * 142  PQ2_0      128     34   2.125  as Q2_0 with blocks of 128
 * (I8 24, I16 25, I32 26, I64 27, F64 28 are recognised so that a file that has them can be
 * read past them; they have no row conversion.)
 *
 * The packed layouts are opaque here: block 1, block_bytes 0, not decodable.  Their size is not
 * a function of the shape alone, so ti_type_tensor_bytes() refuses them; a reader takes the
 * bytes up to the next tensor, and the packer checks that they are as many as it needs. */
#ifndef TI_KERN_DTYPE_H
#define TI_KERN_DTYPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum ti_type {
    TI_F32 = 0,
    TI_F16 = 1,
    TI_Q4_0 = 2,
    TI_Q4_1 = 3,
    TI_Q8_0 = 8,
    TI_Q4_K = 12,
    TI_Q6_K = 14,
    TI_I8 = 24,
    TI_I16 = 25,
    TI_I32 = 26,
    TI_I64 = 27,
    TI_F64 = 28,
    TI_BF16 = 30,
    TI_TQ1_0 = 34,
    TI_TQ2_0 = 35,
    TI_I2_S = 36,
    TI_Q1_0 = 41,
    TI_Q2_0 = 42, /* upstream: blocks of 64 */
    TI_IQ1_BN = 134,
    TI_IQ2_BN = 135,
    TI_PQ2_0 = 142,       /* also what a type-42 tensor with blocks of 128 is read as */
    TI_I2_S_ARM = 0x7d00, /* not in files: I2_S with 64-weight groups, after detection */
    TI_PACK_FIRST = 0x7e00,
    TI_PACK_T2 = TI_PACK_FIRST,
    TI_PACK_T5,
    TI_PACK_G8,
    TI_PACK_G4,
    TI_PACK_G4M,
    TI_PACK_K4,
    TI_PACK_K6,
    TI_PACK_G2
} ti_type;

typedef struct ti_type_info {
    ti_type type;
    const char *name;
    uint32_t block;        /* weights a block */
    uint32_t block_bytes;  /* bytes a block */
    uint32_t row_bytes;    /* extra bytes at the start of each row (IQ1_BN, IQ2_BN) */
    uint32_t tensor_bytes; /* extra bytes at the end of the tensor (I2_S) */
    bool ternary;          /* values are scale x {-1, 0, +1} */
    bool decodable;        /* ti_type_to_f32() works */
} ti_type_info;

/* Returns the description of a type, or NULL for an id that is none of the above. */
const ti_type_info *ti_type_info_of(uint32_t type);

/* Returns the type with that name ("Q4_0", case ignored), or NULL. */
const ti_type_info *ti_type_by_name(const char *name);

/* Computes the bytes of a tensor with rows of k weights.  Returns false when k is not a
 * multiple of the block, or the size does not fit in 64 bits. */
bool ti_type_tensor_bytes(const ti_type_info *info, uint64_t k, uint64_t rows, uint64_t *bytes);

/* Converts weights [first, first + n) of one row to float32.
 *   data    the tensor's bytes; `rows` rows of k weights (the caller checked that they are
 *           there: ti_type_tensor_bytes)
 *   first   multiple of the block; n a multiple of the block
 * Exact: every value of every type is a float32, products as the type's formula has them. */
void ti_type_to_f32(float *out, const ti_type_info *info, const void *data, uint64_t k,
                    uint64_t rows, uint64_t row, uint64_t first, uint64_t n);

/* Ternary types: the codes 0, 1, 2 (weight + 1) of weights [first, first + n) of one row, and
 * the scale of each run of `*scale_run` weights (the whole row when the type has no blocks).
 * Returns false when a code stands for none of -1, 0, +1 (possible in Q2_0). */
bool ti_type_to_trits(uint8_t *codes, float *scales, uint32_t *scale_run,
                      const ti_type_info *info, const void *data, uint64_t k, uint64_t rows,
                      uint64_t row, uint64_t first, uint64_t n);

/* Converts one row of k float32 to a type: nearest values, ties to even; blocks as the
 * reference quantisers of the formats have them.  Supported: F32, F16, BF16, Q4_0, Q4_1, Q8_0,
 * Q4_K, Q6_K, TQ1_0, TQ2_0, Q1_0, Q2_0, PQ2_0, IQ1_BN, IQ2_BN; I2_S through
 * ti_i2s_encode().  Returns false for the others. */
bool ti_type_from_f32(void *out, const ti_type_info *info, const float *x, uint64_t k);

/* Encodes a whole tensor of ternary codes [rows][k] (0, 1, 2) as I2_S with the x86 layout. */
void ti_i2s_encode(uint8_t *out, const uint8_t *codes, uint64_t k, uint64_t rows, float scale);

/* IEEE half and bfloat16, exact to float32; from float32 rounding to nearest even. */
float ti_f16_to_f32(uint16_t h);
uint16_t ti_f32_to_f16(float f);
float ti_bf16_to_f32(uint16_t b);
uint16_t ti_f32_to_bf16(float f);

#endif
