/* SPDX-License-Identifier: Apache-2.0 */
/* kern/x86/ymm_set.h - all templates for 256-bit registers, and the entries that they fill
 * (template: kern/x86/ymm.h). */
#ifndef TI_KERN_X86_YMM_SET_H
#define TI_KERN_X86_YMM_SET_H

#include "kern/x86/ymm_blocks.h"
#include "kern/x86/ymm_t5.h"
#include "kern/x86/ymm_ternary.h"

static void ymm_init(ti_kern *k)
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
}

#endif
