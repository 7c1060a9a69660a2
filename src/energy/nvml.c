/* SPDX-License-Identifier: Apache-2.0 */
/* Graphics cards through NVIDIA's NVML: joules since the driver's start where the card counts
 * them (Volta and later), else watts. */
#include "energy/nvml.h"

#include <dlfcn.h>
#include <string.h>
#include <unistd.h>

#include "energy/meter_parts.h"

#define LIBRARY "libnvidia-ml.so.1"

enum { UJ_PER_MJ = 1000, UW_PER_MW = 1000, MAX_GPUS = 256 };

/* POSIX lets dlsym() return functions; C has no cast for it, so the bits are copied. */
static bool find(void *library, const char *name, void *function)
{
    void *symbol = dlsym(library, name);
    memcpy(function, &symbol, sizeof symbol);
    return symbol != NULL;
}

tern_status ti_nvml_load(ti_nvml *out, const char *library, tern_err *err)
{
    ti_nvml nvml = {0};
    nvml.library = dlopen(library, RTLD_NOW | RTLD_LOCAL);
    if (!nvml.library) {
        const char *words = dlerror();
        return ti_fail(err, TERN_UNAVAILABLE, "energy", TI_NO_OFFSET, "%s",
                       words ? words : library);
    }
    bool complete =
        find(nvml.library, "nvmlInit_v2", &nvml.init) &&
        find(nvml.library, "nvmlShutdown", &nvml.shutdown) &&
        find(nvml.library, "nvmlDeviceGetCount_v2", &nvml.count) &&
        find(nvml.library, "nvmlDeviceGetHandleByIndex_v2", &nvml.by_index) &&
        find(nvml.library, "nvmlDeviceGetName", &nvml.name) &&
        find(nvml.library, "nvmlDeviceGetTotalEnergyConsumption", &nvml.energy_mj) &&
        find(nvml.library, "nvmlDeviceGetPowerUsage", &nvml.power_mw);
    if (!complete) {
        ti_nvml_unload(&nvml);
        return ti_fail(err, TERN_UNAVAILABLE, "energy", TI_NO_OFFSET,
                       "'%s' lacks functions that a driver of 2018 or later has", library);
    }
    *out = nvml;
    return TERN_OK;
}

void ti_nvml_unload(ti_nvml *nvml)
{
    if (nvml->library) {
        (void)dlclose(nvml->library);
    }
    *nvml = (ti_nvml){0};
}

/* True when a driver may be there: of Linux, or the one that Windows lends to its Linux.  The
 * loader looks into a hundred places for a library that nobody has installed: that would be a
 * tenth of a millisecond of each receipt. */
static bool has_driver(void)
{
    return access("/proc/driver/nvidia/version", F_OK) == 0 ||
           access("/dev/nvidiactl", F_OK) == 0 || access("/dev/dxg", F_OK) == 0;
}

/* The injected table, or the library; started. */
static tern_status start(ti_nvml *out, const ti_meter_env *env, tern_err *err)
{
    ti_nvml nvml = {0};
    if (env->nvml) {
        nvml = *env->nvml;
        nvml.library = NULL; /* not ours to give back */
    } else if (env->sysroot) {
        return ti_fail(err, TERN_UNAVAILABLE, "energy", TI_NO_OFFSET,
                       "cards are asked through a driver, not through files");
    } else if (!has_driver()) {
        return ti_fail(err, TERN_UNAVAILABLE, "energy", TI_NO_OFFSET,
                       "no driver for NVIDIA's cards is loaded");
    } else {
        TI_TRY(ti_nvml_load(&nvml, LIBRARY, err));
    }
    int result = nvml.init();
    if (result != TI_NVML_OK) {
        ti_nvml_unload(&nvml);
        return ti_fail(err, TERN_UNAVAILABLE, "energy", TI_NO_OFFSET,
                       "NVIDIA's library is there, but does not start (its code %d)", result);
    }
    *out = nvml;
    return TERN_OK;
}

static void stop(ti_nvml *nvml)
{
    (void)nvml->shutdown();
    ti_nvml_unload(nvml);
}

static uint32_t flags_of(int result)
{
    switch (result) {
    case TI_NVML_OK:
        return 0;
    case TI_NVML_NO_PERMISSION:
        return TI_READ_DENIED;
    case TI_NVML_GPU_LOST:
        return TI_READ_GONE;
    default:
        return TI_READ_IO;
    }
}

static tern_status add_gpu(ti_lister *lister, const ti_nvml *nvml, unsigned index,
                           tern_err *err)
{
    char name[TI_NVML_NAME] = "";
    void *gpu = NULL;
    unsigned long long energy_mj = 0;
    unsigned power_mw = 0;
    int result = nvml->by_index(index, &gpu);
    if (result == TI_NVML_OK && nvml->name(gpu, name, sizeof name) != TI_NVML_OK) {
        name[0] = '\0';
    }
    name[sizeof name - 1] = '\0';
    bool is_power = false;
    if (result == TI_NVML_OK) {
        result = nvml->energy_mj(gpu, &energy_mj);
        is_power = result == TI_NVML_NOT_SUPPORTED;
        result = is_power ? nvml->power_mw(gpu, &power_mw) : result;
    }
    ti_meter_info info = {
        .name = ti_lister_text(lister, "nvml/%u", index),
        .label = ti_lister_text(lister, "%s", name),
        .path = "",
        .device = ti_lister_text(lister, "gpu%u", index),
        .unit = is_power ? "mW" : "mJ",
        .fix = "",
        .kind = TI_METER_NVML,
        .boundary = TI_BOUNDARY_GPU,
        .is_power = is_power,
        .socket = index,
    };
    if (result != TI_NVML_OK) {
        info.state = result == TI_NVML_NO_PERMISSION ? TI_METER_DENIED : TI_METER_BROKEN;
        info.reason =
            result == TI_NVML_NOT_SUPPORTED
                ? "this card measures neither energy nor power"
                : ti_lister_text(lister, "NVIDIA's library answers with code %d", result);
    }
    return ti_lister_add(lister, &info, err);
}

static tern_status list(ti_lister *lister, tern_err *err)
{
    ti_nvml nvml;
    tern_err why;
    tern_status status = start(&nvml, lister->env, &why);
    if (status != TERN_OK) {
        return ti_lister_absent(lister, TI_METER_NVML,
                                ti_lister_text(lister, "%s", why.message), "", err);
    }
    unsigned n = 0;
    if (nvml.count(&n) != TI_NVML_OK || n == 0) {
        status = ti_lister_absent(lister, TI_METER_NVML, "there is no NVIDIA card", "", err);
    }
    for (unsigned i = 0; i < n && i < MAX_GPUS && status == TERN_OK; i++) {
        status = add_gpu(lister, &nvml, i, err);
    }
    stop(&nvml);
    return status;
}

static tern_status open_gpu(ti_meter *meter, const ti_meter_env *env, tern_err *err)
{
    ti_nvml nvml;
    TI_TRY(start(&nvml, env, err));
    int result = nvml.by_index(meter->info->socket, &meter->gpu);
    if (result != TI_NVML_OK) {
        stop(&nvml);
        return ti_fail(err, TERN_IO, "energy", TI_NO_OFFSET, "meter '%s': code %d",
                       meter->info->name, result);
    }
    meter->nvml = nvml;
    return TERN_OK;
}

static void read_gpu(ti_meter *meter, ti_reading *out)
{
    if (meter->info->is_power) {
        unsigned power_mw = 0;
        out->flags = flags_of(meter->nvml.power_mw(meter->gpu, &power_mw));
        out->power_uw = (uint64_t)power_mw * UW_PER_MW;
        return;
    }
    unsigned long long energy_mj = 0;
    out->flags = flags_of(meter->nvml.energy_mj(meter->gpu, &energy_mj));
    if (!ti_mul_u64(energy_mj, UJ_PER_MJ, &out->energy_uj)) {
        out->flags |= TI_READ_GARBAGE;
    }
}

static void close_gpu(ti_meter *meter)
{
    if (meter->nvml.shutdown) {
        stop(&meter->nvml);
    }
}

const ti_meter_driver ti_meter_nvml = {list, open_gpu, read_gpu, close_gpu};
