/* SPDX-License-Identifier: Apache-2.0 */
/* Kernels for CPUs with 256-bit dot products but without AVX-512 (Alder Lake and later). */
#if defined(__x86_64__)
#include "kern/kern.h"

void ti_kern_init_avxvnni(ti_kern *k)
{
    (void)k;
}
#else
typedef int ti_not_on_this_cpu; /* a translation unit may not be empty */
#endif
