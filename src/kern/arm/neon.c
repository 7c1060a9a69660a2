/* SPDX-License-Identifier: Apache-2.0 */
/* Kernels for ARMv8.0 (NEON) and, with the dot product, ARMv8.2. */
#if defined(__aarch64__)
#include "kern/kern.h"

void ti_kern_init_neon(ti_kern *k)
{
    (void)k;
}

void ti_kern_init_dotprod(ti_kern *k)
{
    (void)k;
}
#else
typedef int ti_not_on_this_cpu; /* a translation unit may not be empty */
#endif
