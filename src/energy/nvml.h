/* SPDX-License-Identifier: Apache-2.0 */
/* energy/nvml.h - the few functions of NVIDIA's management library that are used.
 *
 * Found at run time, never linked: most machines have none.  Names and meanings: NVML API
 * reference guide (docs.nvidia.com/deploy/nvml-api). */
#ifndef TI_ENERGY_NVML_H
#define TI_ENERGY_NVML_H

#include "energy/meter.h"

/* Return values that mean something special to us. */
enum {
    TI_NVML_OK = 0,
    TI_NVML_NOT_SUPPORTED = 3,
    TI_NVML_NO_PERMISSION = 4,
    TI_NVML_GPU_LOST = 15
};

enum { TI_NVML_NAME = 96 }; /* NVML_DEVICE_NAME_V2_BUFFER_SIZE */

struct ti_nvml {
    void *library; /* from dlopen, or NULL for an injected table */
    int (*init)(void);
    int (*shutdown)(void);
    int (*count)(unsigned *n);
    int (*by_index)(unsigned index, void **gpu);
    int (*name)(void *gpu, char *text, unsigned size);
    int (*energy_mj)(void *gpu, unsigned long long *energy_mj); /* since the driver's start */
    int (*power_mw)(void *gpu, unsigned *power_mw);
};

/* Opens a library and finds all of them.  Errors: TERN_UNAVAILABLE with the loader's words. */
tern_status ti_nvml_load(ti_nvml *out, const char *library, tern_err *err);

/* Gives the library back; a zeroed or injected table is allowed. */
void ti_nvml_unload(ti_nvml *nvml);

#endif
