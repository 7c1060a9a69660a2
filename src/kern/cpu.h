/* SPDX-License-Identifier: Apache-2.0 */
/* kern/cpu.h - what this CPU and its operating system allow. */
#ifndef TI_KERN_CPU_H
#define TI_KERN_CPU_H

#include <stdbool.h>
#include <stddef.h>

#include "kern/kern.h"

/* Returns true when the kernels of a level may run here: the CPU has the instructions and the
 * system saves their registers (for AMX: also gave this process permission to use the tiles).
 */
bool ti_cpu_has(ti_isa isa);

/* Returns the bytes of the largest cache, as the system reports it; 0 when it does not. */
size_t ti_cpu_cache_bytes(void);

#endif
