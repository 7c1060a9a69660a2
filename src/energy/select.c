/* SPDX-License-Identifier: Apache-2.0 */
/* Which meters together are the machine's energy.
 *
 * What holds what: a package holds its cores and its uncore, but not its memory (Intel SDM
 * volume 3, "RAPL domains"; AMD has packages and cores only); psys holds packages, memory and
 * the rest of the platform; a meter at the socket or the battery holds everything. */
#include <string.h>

#include "energy/meter.h"

static bool works(const ti_meter_info *info)
{
    return info->state == TI_METER_WORKS;
}

static bool same(const char *a, const char *b)
{
    return a && b && strcmp(a, b) == 0;
}

/* How many meters before i are of the same kind, boundary, socket and way of access.  Two
 * sockets may have the same name; the n-th of one way then is the n-th of the other. */
static size_t rank(const ti_meter_info *infos, size_t i)
{
    size_t n = 0;
    for (size_t k = 0; k < i; k++) {
        n += infos[k].kind == infos[i].kind && infos[k].boundary == infos[i].boundary &&
             infos[k].socket == infos[i].socket && infos[k].is_twin == infos[i].is_twin;
    }
    return n;
}

/* The counter is also there in the preferred way, and works there. */
static bool has_twin(const ti_meter_info *infos, size_t n, size_t i)
{
    if (!infos[i].is_twin) {
        return false;
    }
    size_t nth = rank(infos, i);
    for (size_t k = 0; k < n; k++) {
        const ti_meter_info *other = &infos[k];
        if (!other->is_twin && works(other) && other->kind == infos[i].kind &&
            other->boundary == infos[i].boundary && other->socket == infos[i].socket &&
            rank(infos, k) == nth) {
            return true;
        }
    }
    return false;
}

/* An earlier meter gives the same figure. */
static bool is_repeated(const ti_meter_info *infos, const ti_meter_role *roles, size_t n,
                        size_t i)
{
    const ti_meter_info *info = &infos[i];
    bool one_per_device =
        info->boundary == TI_BOUNDARY_GPU || info->boundary == TI_BOUNDARY_SYSTEM;
    for (size_t k = 0; k < n; k++) {
        const ti_meter_info *other = &infos[k];
        if (k == i || !works(other) || other->kind != info->kind ||
            other->boundary != info->boundary || roles[k] == TI_ROLE_DUPLICATE) {
            continue;
        }
        /* Windows shows one package in several devices under one name. */
        if (info->kind == TI_METER_EMI && k < i && same(other->label, info->label)) {
            return true;
        }
        /* A chip that counts energy needs no integration of its power. */
        if (same(other->device, info->device) &&
            ((info->is_power && !other->is_power) ||
             (one_per_device && k < i && other->is_power == info->is_power))) {
            return true;
        }
        /* Which of several meters of the whole machine holds which cannot be known. */
        if (info->boundary == TI_BOUNDARY_SYSTEM && k < i) {
            return true;
        }
    }
    return false;
}

/* Of the kinds that measure one boundary, keeps the one that sees most of it; the others'
 * meters are duplicates.  Graphics cards of different kinds are different cards. */
static void keep_one_kind(ti_meter_role *roles, const ti_meter_info *infos, size_t n,
                          ti_boundary boundary)
{
    size_t counts[TI_METER_KINDS] = {0};
    for (size_t i = 0; i < n; i++) {
        if (infos[i].boundary == boundary && roles[i] == TI_ROLE_COUNTED) {
            counts[infos[i].kind]++;
        }
    }
    size_t best = 0;
    for (size_t k = 1; k < TI_METER_KINDS; k++) {
        best = counts[k] > counts[best] ? k : best;
    }
    for (size_t i = 0; i < n; i++) {
        if (infos[i].boundary == boundary && roles[i] == TI_ROLE_COUNTED &&
            infos[i].kind != (ti_meter_kind)best) {
            roles[i] = TI_ROLE_DUPLICATE;
        }
    }
}

/* Roles that do not depend on what is wanted; TI_ROLE_COUNTED = may be counted. */
static void sort_out(ti_meter_role *roles, const ti_meter_info *infos, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        ti_boundary boundary = infos[i].boundary;
        if (!works(&infos[i])) {
            roles[i] = TI_ROLE_UNUSABLE;
        } else if (boundary == TI_BOUNDARY_CORE || boundary == TI_BOUNDARY_UNCORE) {
            roles[i] = TI_ROLE_PART;
        } else if (boundary >= TI_BOUNDARY_OTHER) {
            roles[i] = TI_ROLE_OTHER;
        } else {
            roles[i] = has_twin(infos, n, i) ? TI_ROLE_DUPLICATE : TI_ROLE_COUNTED;
        }
    }
    for (size_t i = 0; i < n; i++) {
        if (roles[i] == TI_ROLE_COUNTED && is_repeated(infos, roles, n, i)) {
            roles[i] = TI_ROLE_DUPLICATE;
        }
    }
    keep_one_kind(roles, infos, n, TI_BOUNDARY_PACKAGE);
    keep_one_kind(roles, infos, n, TI_BOUNDARY_DRAM);
    keep_one_kind(roles, infos, n, TI_BOUNDARY_PSYS);
    keep_one_kind(roles, infos, n, TI_BOUNDARY_SYSTEM);
}

static bool is_there(const ti_meter_role *roles, const ti_meter_info *infos, size_t n,
                     ti_boundary boundary)
{
    for (size_t i = 0; i < n; i++) {
        if (infos[i].boundary == boundary && roles[i] == TI_ROLE_COUNTED) {
            return true;
        }
    }
    return false;
}

static ti_boundary decide(const ti_meter_role *roles, const ti_meter_info *infos, size_t n,
                          ti_boundary want)
{
    static const ti_boundary order[] = {TI_BOUNDARY_PSYS, TI_BOUNDARY_PACKAGE,
                                        TI_BOUNDARY_SYSTEM, TI_BOUNDARY_BATTERY,
                                        TI_BOUNDARY_GPU};
    for (size_t k = 0; k < sizeof order / sizeof order[0]; k++) {
        if ((want == TI_BOUNDARY_OTHER || want == order[k]) &&
            is_there(roles, infos, n, order[k])) {
            return order[k];
        }
    }
    return TI_BOUNDARY_OTHER;
}

/* What becomes of a meter that could be counted, when `chosen` is. */
static ti_meter_role role_under(ti_boundary chosen, ti_boundary boundary)
{
    if (boundary == chosen) {
        return TI_ROLE_COUNTED;
    }
    switch (chosen) {
    case TI_BOUNDARY_PACKAGE:
        return boundary == TI_BOUNDARY_DRAM || boundary == TI_BOUNDARY_GPU ? TI_ROLE_COUNTED
                                                                           : TI_ROLE_UNUSED;
    case TI_BOUNDARY_PSYS:
        return boundary == TI_BOUNDARY_SYSTEM || boundary == TI_BOUNDARY_BATTERY
                   ? TI_ROLE_UNUSED
                   : TI_ROLE_PART;
    case TI_BOUNDARY_SYSTEM:
        return boundary == TI_BOUNDARY_BATTERY ? TI_ROLE_UNUSED : TI_ROLE_PART;
    case TI_BOUNDARY_BATTERY:
        return boundary == TI_BOUNDARY_SYSTEM ? TI_ROLE_UNUSED : TI_ROLE_PART;
    default:
        return TI_ROLE_UNUSED;
    }
}

static uint32_t covered_by(ti_boundary boundary)
{
    const uint32_t inside =
        TI_COVERS_PACKAGE | TI_COVERS_DRAM | TI_COVERS_GPU | TI_COVERS_PLATFORM;
    switch (boundary) {
    case TI_BOUNDARY_PACKAGE:
        return TI_COVERS_PACKAGE;
    case TI_BOUNDARY_DRAM:
        return TI_COVERS_DRAM;
    case TI_BOUNDARY_GPU:
        return TI_COVERS_GPU;
    case TI_BOUNDARY_PSYS:
    case TI_BOUNDARY_BATTERY: /* there is no power supply while it discharges */
        return inside;
    case TI_BOUNDARY_SYSTEM:
        return inside | TI_COVERS_PSU;
    default:
        return 0;
    }
}

void ti_meter_select(ti_selection *out, ti_meter_role *roles, const ti_meter_info *infos,
                     size_t n, ti_boundary want)
{
    ti_selection result = {0};
    sort_out(roles, infos, n);
    result.boundary = decide(roles, infos, n, want);
    for (size_t i = 0; i < n; i++) {
        if (roles[i] == TI_ROLE_COUNTED) {
            roles[i] = role_under(result.boundary, infos[i].boundary);
        }
        if (roles[i] == TI_ROLE_COUNTED) {
            result.n_counted++;
            result.covers |= covered_by(infos[i].boundary);
        }
    }
    *out = result;
}
