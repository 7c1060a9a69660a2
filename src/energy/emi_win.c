/* SPDX-License-Identifier: Apache-2.0 */
/* Windows' Energy Meter Interface: the device calls.  Only Windows builds this file; what the
 * answers mean is in emi.c.
 *
 * Facts (emi.h of the Windows SDK): devices of the interface class {45BD8344-7ED6-49CF-A440-
 * C276C933B053} answer four IOCTLs; nobody needs to be an administrator for them. */
#include <windows.h>

/* After windows.h, which it needs. */
#include <cfgmgr32.h>
#include <stdlib.h>
#include <string.h>
#include <winioctl.h>

#include "base/le.h"
#include "energy/emi.h"
#include "energy/meter_parts.h"

enum {
    EMI_GET_VERSION = 0x224000,
    EMI_GET_METADATA_SIZE = 0x224004,
    EMI_GET_METADATA = 0x224008,
    EMI_GET_MEASUREMENT = 0x22400c,
    MAX_METADATA = 1 << 20,
    MAX_MEASUREMENT = 16 * TI_EMI_MAX_CHANNELS,
    MAX_DEVICES = 64
};

static const GUID energy_meters = {
    0x45bd8344, 0x7ed6, 0x49cf, {0xa4, 0x40, 0xc2, 0x76, 0xc9, 0x33, 0xb0, 0x53}};

/* Sends a request; false, or *got bytes of an answer. */
static bool ask(HANDLE device, DWORD request, void *answer, DWORD size, DWORD *got)
{
    *got = 0;
    return DeviceIoControl(device, request, NULL, 0, answer, size, got, NULL) != 0;
}

static HANDLE open_device(const wchar_t *path)
{
    return CreateFileW(path, GENERIC_READ, FILE_SHARE_READ | FILE_SHARE_WRITE, NULL,
                       OPEN_EXISTING, 0, NULL);
}

/* All devices' paths, one after the other, an empty one at the end; NULL when there is none.
 * Free with free(). */
static wchar_t *device_paths(void)
{
    GUID class_id = energy_meters;
    for (int attempt = 0; attempt < 3; attempt++) { /* devices may come in between */
        ULONG n = 0;
        if (CM_Get_Device_Interface_List_SizeW(
                &n, &class_id, NULL, CM_GET_DEVICE_INTERFACE_LIST_PRESENT) != CR_SUCCESS ||
            n < 2) {
            return NULL;
        }
        wchar_t *paths = ti_calloc(n, sizeof *paths);
        if (!paths) {
            return NULL;
        }
        CONFIGRET result = CM_Get_Device_Interface_ListW(&class_id, NULL, paths, n,
                                                         CM_GET_DEVICE_INTERFACE_LIST_PRESENT);
        if (result == CR_SUCCESS) {
            return paths;
        }
        free(paths);
        if (result != CR_BUFFER_SMALL) {
            return NULL;
        }
    }
    return NULL;
}

/* Asks for metadata.  Errors: TERN_UNAVAILABLE, and those of the decoder. */
static tern_status read_metadata(ti_emi_metadata *out, ti_arena *arena, HANDLE device,
                                 tern_err *err)
{
    uint8_t answer[4] = {0};
    DWORD got = 0;
    if (!ask(device, EMI_GET_VERSION, answer, 2, &got) || got != 2) {
        return ti_fail(err, TERN_UNAVAILABLE, "emi", TI_NO_OFFSET,
                       "the meter does not tell its version (error %lu)", GetLastError());
    }
    unsigned version = ti_load_u16(answer);
    if (!ask(device, EMI_GET_METADATA_SIZE, answer, 4, &got) || got != 4) {
        return ti_fail(err, TERN_UNAVAILABLE, "emi", TI_NO_OFFSET,
                       "the meter does not tell the size of its metadata (error %lu)",
                       GetLastError());
    }
    uint32_t size = ti_load_u32(answer);
    if (size > MAX_METADATA) {
        return ti_fail(err, TERN_LIMIT, "emi", TI_NO_OFFSET, "%lu bytes of metadata",
                       (unsigned long)size);
    }
    uint8_t *data = ti_arena_alloc(arena, size);
    if (!data) {
        return ti_fail_nomem(err, "emi", size, "metadata");
    }
    if (!ask(device, EMI_GET_METADATA, data, size, &got) || got > size) {
        return ti_fail(err, TERN_UNAVAILABLE, "emi", TI_NO_OFFSET,
                       "the meter does not give its metadata (error %lu)", GetLastError());
    }
    return ti_emi_read_metadata(out, arena, data, got, version, err);
}

/* Reads channel `channel` of a device.  Returns flags of a reading. */
static uint32_t read_channel(HANDLE device, uint32_t channel, uint8_t *data, size_t size,
                             uint64_t *energy_pwh)
{
    DWORD got = 0;
    if (!ask(device, EMI_GET_MEASUREMENT, data, (DWORD)size, &got)) {
        DWORD why = GetLastError();
        return why == ERROR_ACCESS_DENIED          ? TI_READ_DENIED
               : why == ERROR_DEVICE_NOT_CONNECTED ? TI_READ_GONE
                                                   : TI_READ_IO;
    }
    ti_emi_value value;
    enum { VALUE_BYTES = 16 };
    size_t at = (size_t)channel * VALUE_BYTES;
    if (got > size || got < at ||
        ti_emi_read_values(&value, 1, data + at, got - at, NULL) != TERN_OK) {
        return TI_READ_GARBAGE;
    }
    *energy_pwh = value.energy_pwh;
    return 0;
}

/* UTF-8 of a path, in the arena; NULL when there is no memory. */
static const char *narrow(ti_lister *lister, const wchar_t *path)
{
    int n = WideCharToMultiByte(CP_UTF8, 0, path, -1, NULL, 0, NULL, NULL);
    char *text = n > 0 ? ti_arena_alloc(&lister->set.arena, (size_t)n) : NULL;
    if (text && WideCharToMultiByte(CP_UTF8, 0, path, -1, text, n, NULL, NULL) != n) {
        return NULL;
    }
    return text;
}

/* A package that counts what a package of another device counts is that one, seen again. */
static void mark_mirror(const ti_lister *lister, ti_meter_info *info, const uint64_t *counters,
                        uint64_t energy_pwh)
{
    for (size_t i = 0; i < lister->set.n; i++) {
        const ti_meter_info *other = &lister->set.items[i];
        if (other->kind == TI_METER_EMI && other->boundary == TI_BOUNDARY_PACKAGE &&
            info->boundary == TI_BOUNDARY_PACKAGE && !other->is_twin &&
            strcmp(other->device, info->device) != 0 &&
            ti_emi_is_mirror(counters[i], energy_pwh)) {
            info->socket = other->socket;
            info->is_twin = true;
            return;
        }
    }
}

/* What listing needs beside the list: one buffer for measurements, and the counter of each
 * entry of the list. */
typedef struct scratch {
    uint8_t measurement[MAX_MEASUREMENT];
    uint64_t counters[TI_METERS_MAX];
} scratch;

static tern_status add_channel(ti_lister *lister, scratch *s, HANDLE device, uint32_t index,
                               uint32_t channel, const ti_emi_metadata *metadata,
                               const char *path, tern_err *err)
{
    const char *label = metadata->channels[channel].name;
    const char *package = strstr(label, "Package");
    uint64_t energy_pwh = 0;
    ti_meter_info info = {
        .name =
            ti_lister_text(lister, "emi/%lu/%lu", (unsigned long)index, (unsigned long)channel),
        .label = label,
        .path = path,
        .device = ti_lister_text(lister, "emi%lu", (unsigned long)index),
        .unit = "pWh",
        .fix = "",
        .kind = TI_METER_EMI,
        .boundary = ti_emi_boundary(label),
        .socket = package ? (uint32_t)strtoul(package + strlen("Package"), NULL, 10) : 0,
    };
    if (!info.device) {
        return ti_fail_nomem(err, "emi", 0, "a meter's name");
    }
    uint32_t flags =
        read_channel(device, channel, s->measurement, sizeof s->measurement, &energy_pwh);
    if (metadata->channels[channel].unit != TI_EMI_PICOWATT_HOURS) {
        info.state = TI_METER_BROKEN;
        info.reason = "it measures in a unit that is not known";
    } else if (flags) {
        info.state = flags & TI_READ_DENIED ? TI_METER_DENIED : TI_METER_BROKEN;
        info.reason = "its measurement cannot be read";
    } else {
        mark_mirror(lister, &info, s->counters, energy_pwh);
    }
    size_t at = lister->set.n;
    TI_TRY(ti_lister_add(lister, &info, err));
    s->counters[at] = energy_pwh;
    return TERN_OK;
}

static tern_status add_broken(ti_lister *lister, uint32_t index, const char *path,
                              const char *reason, tern_err *err)
{
    ti_meter_info info = {.name = ti_lister_text(lister, "emi/%lu", (unsigned long)index),
                          .label = "",
                          .path = path,
                          .reason = ti_lister_text(lister, "%s", reason),
                          .fix = "",
                          .device = "",
                          .unit = "",
                          .kind = TI_METER_EMI,
                          .boundary = TI_BOUNDARY_OTHER,
                          .state = TI_METER_BROKEN};
    return ti_lister_add(lister, &info, err);
}

static tern_status add_device(ti_lister *lister, scratch *s, uint32_t index,
                              const wchar_t *wide_path, tern_err *err)
{
    const char *path = narrow(lister, wide_path);
    if (!path) {
        return ti_fail_nomem(err, "emi", 0, "a meter's path");
    }
    HANDLE device = open_device(wide_path);
    if (device == INVALID_HANDLE_VALUE) {
        return add_broken(lister, index, path, "the meter cannot be opened", err);
    }
    ti_emi_metadata metadata;
    tern_err why;
    tern_status status = read_metadata(&metadata, &lister->set.arena, device, &why);
    if (status == TERN_NOMEM) {
        status = ti_fail_nomem(err, "emi", 0, "metadata");
    } else if (status != TERN_OK) {
        status = add_broken(lister, index, path, why.message, err);
    } else {
        for (uint32_t i = 0; i < metadata.n && status == TERN_OK; i++) {
            status = add_channel(lister, s, device, index, i, &metadata, path, err);
        }
    }
    CloseHandle(device);
    return status;
}

static tern_status list(ti_lister *lister, tern_err *err)
{
    wchar_t *paths = device_paths();
    scratch *s = ti_calloc(1, sizeof *s);
    tern_status status = s ? TERN_OK : ti_fail_nomem(err, "emi", sizeof *s, "measurements");
    uint32_t index = 0;
    for (const wchar_t *path = paths; path && *path && status == TERN_OK && index < MAX_DEVICES;
         path += wcslen(path) + 1) {
        status = add_device(lister, s, index++, path, err);
    }
    if (index == 0 && status == TERN_OK) {
        status = ti_lister_absent(lister, TI_METER_EMI,
                                  "Windows shows no energy meter (11 shows those of the "
                                  "processor, except in virtual machines)",
                                  "", err);
    }
    free(s);
    free(paths);
    return status;
}

/* --- reading ---------------------------------------------------------------------------- */

/* Lives in meter->device. */
typedef struct emi_device {
    HANDLE handle;
    uint32_t channel;
    uint8_t measurement[MAX_MEASUREMENT];
} emi_device;

static tern_status open_meter(ti_meter *meter, const ti_meter_env *env, tern_err *err)
{
    (void)env;
    const char *channel = strrchr(meter->info->name, '/');
    int n = MultiByteToWideChar(CP_UTF8, 0, meter->info->path, -1, NULL, 0);
    wchar_t *path = n > 0 ? ti_calloc((size_t)n, sizeof *path) : NULL;
    emi_device *device = ti_calloc(1, sizeof *device);
    if (!path || !device || !MultiByteToWideChar(CP_UTF8, 0, meter->info->path, -1, path, n)) {
        free(path);
        free(device);
        return ti_fail_nomem(err, "emi", sizeof *device, "a meter");
    }
    device->handle = open_device(path);
    device->channel = channel ? (uint32_t)strtoul(channel + 1, NULL, 10) : 0;
    free(path);
    if (device->handle == INVALID_HANDLE_VALUE) {
        free(device);
        return ti_fail(err, TERN_IO, "emi", TI_NO_OFFSET, "meter '%s': error %lu",
                       meter->info->name, GetLastError());
    }
    meter->device = device;
    return TERN_OK;
}

static void read_meter(ti_meter *meter, ti_reading *out)
{
    emi_device *device = meter->device;
    uint64_t energy_pwh = 0;
    out->flags = read_channel(device->handle, device->channel, device->measurement,
                              sizeof device->measurement, &energy_pwh);
    out->energy_uj = ti_emi_energy_uj(energy_pwh);
}

static void close_meter(ti_meter *meter)
{
    emi_device *device = meter->device;
    if (device) {
        CloseHandle(device->handle);
    }
    free(device);
    meter->device = NULL;
}

const ti_meter_driver ti_meter_emi = {list, open_meter, read_meter, close_meter};
