/* SPDX-License-Identifier: Apache-2.0 */
#if defined(__x86_64__)
#include "kern/kern.h"

void ti_kern_init_avx512(ti_kern *k)
{
    (void)k;
}
#else
typedef int ti_not_on_this_cpu; /* a translation unit may not be empty */
#endif
