/* SPDX-License-Identifier: Apache-2.0 */
/* A library with the functions of NVIDIA's that tern looks for, for the test that loads one. */
#include <string.h>

#define EXPORT __attribute__((visibility("default")))

EXPORT int nvmlInit_v2(void);
EXPORT int nvmlShutdown(void);
EXPORT int nvmlDeviceGetCount_v2(unsigned *n);
EXPORT int nvmlDeviceGetHandleByIndex_v2(unsigned index, void **gpu);
EXPORT int nvmlDeviceGetName(void *gpu, char *text, unsigned size);
EXPORT int nvmlDeviceGetTotalEnergyConsumption(void *gpu, unsigned long long *energy_mj);
EXPORT int nvmlDeviceGetPowerUsage(void *gpu, unsigned *power_mw);

static int card;

int nvmlInit_v2(void)
{
    return 0;
}

int nvmlShutdown(void)
{
    return 0;
}

int nvmlDeviceGetCount_v2(unsigned *n)
{
    *n = 1;
    return 0;
}

int nvmlDeviceGetHandleByIndex_v2(unsigned index, void **gpu)
{
    *gpu = &card;
    return index == 0 ? 0 : 2;
}

int nvmlDeviceGetName(void *gpu, char *text, unsigned size)
{
    static const char name[] = "made up";
    if (gpu != &card || size < sizeof name) {
        return 2;
    }
    memcpy(text, name, sizeof name);
    return 0;
}

int nvmlDeviceGetTotalEnergyConsumption(void *gpu, unsigned long long *energy_mj)
{
    *energy_mj = 123456;
    return gpu == &card ? 0 : 2;
}

int nvmlDeviceGetPowerUsage(void *gpu, unsigned *power_mw)
{
    *power_mw = 789;
    return gpu == &card ? 0 : 2;
}
