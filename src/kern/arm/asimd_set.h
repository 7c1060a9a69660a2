/* SPDX-License-Identifier: Apache-2.0 */
/* kern/arm/asimd_set.h - all templates for ARM, and the entries that they fill (template:
 * kern/arm/asimd.h). */
#ifndef TI_KERN_ARM_ASIMD_SET_H
#define TI_KERN_ARM_ASIMD_SET_H

#include "kern/arm/asimd_blocks.h"
#include "kern/arm/asimd_sparse.h"
#include "kern/arm/asimd_ternary.h"

static void asimd_init(ti_kern *k)
{
    k->matmul[TI_L_T2] = matmul_t2;
    k->matmul[TI_L_T5] = matmul_t5;
    k->matmul[TI_L_G2] = matmul_g2;
    k->matmul[TI_L_G4] = matmul_g4;
    k->matmul[TI_L_G4M] = matmul_g4m;
    k->matmul[TI_L_G8] = matmul_g8;
    k->matmul[TI_L_K4] = matmul_k4;
    k->matmul[TI_L_K6] = matmul_k6;
    k->t2_rows = t2_rows;
    k->t2_cols = t2_cols;
    k->qk_i8 = qk_i8;
    k->qk_list_i8 = qk_list_i8;
}

#endif
