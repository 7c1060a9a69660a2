/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/meters.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/out.h"

tern_status ti_meters_look(ti_meters *out, const char *sysroot, ti_boundary want, tern_err *err)
{
    ti_meters meters = {0};
    ti_meter_env env = {.sysroot = sysroot};
    TI_TRY(ti_meter_list(&meters.set, &env, err));
    meters.roles = ti_calloc(meters.set.n, sizeof *meters.roles);
    if (!meters.roles) {
        size_t bytes = meters.set.n * sizeof *meters.roles;
        ti_meter_set_free(&meters.set);
        return ti_fail_nomem(err, "meter", bytes, "roles of meters");
    }
    ti_meter_select(&meters.selection, meters.roles, meters.set.items, meters.set.n, want);
    *out = meters;
    return TERN_OK;
}

void ti_meters_free(ti_meters *meters)
{
    free(meters->roles);
    ti_meter_set_free(&meters->set);
    *meters = (ti_meters){0};
}

bool ti_meters_denied(const ti_meters *meters)
{
    for (size_t i = 0; i < meters->set.n; i++) {
        if (meters->set.items[i].state == TI_METER_DENIED) {
            return true;
        }
    }
    return false;
}

/* Which boundaries are counted. */
static bool counts(const ti_meters *meters, ti_boundary boundary)
{
    for (size_t i = 0; i < meters->set.n; i++) {
        if (meters->roles[i] == TI_ROLE_COUNTED && meters->set.items[i].boundary == boundary) {
            return true;
        }
    }
    return false;
}

const char *ti_meters_counted(char *out, size_t cap, const ti_meters *meters)
{
    size_t len = 0;
    snprintf(out, cap, "none");
    for (int b = 0; b < TI_BOUNDARIES; b++) {
        if (counts(meters, (ti_boundary)b) && len < cap) {
            int n = snprintf(out + len, cap - len, "%s%s", len ? " + " : "",
                             ti_boundary_name((ti_boundary)b));
            len += n > 0 ? (size_t)n : 0;
        }
    }
    return out;
}

/* --- JSON ------------------------------------------------------------------------------- */

static void json_covers(ti_buf *json, uint32_t covers)
{
    static const struct {
        uint32_t bit;
        const char *word;
    } words[] = {
        {TI_COVERS_PACKAGE, "package"},   {TI_COVERS_DRAM, "dram"}, {TI_COVERS_GPU, "gpu"},
        {TI_COVERS_PLATFORM, "platform"}, {TI_COVERS_PSU, "psu"},
    };
    ti_json_open(json, "covers", '[');
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (covers & words[i].bit) {
            ti_json_str(json, NULL, words[i].word);
        }
    }
    ti_json_close(json, ']');
}

static void json_meter(ti_buf *json, const ti_meter_info *info, ti_meter_role role)
{
    ti_json_open(json, NULL, '{');
    ti_json_str(json, "name", info->name);
    ti_json_str(json, "kind", ti_meter_kind_name(info->kind));
    ti_json_str(json, "state", ti_meter_state_name(info->state));
    if (info->state != TI_METER_ABSENT) {
        ti_json_str(json, "role", ti_meter_role_name(role));
        ti_json_str(json, "label", info->label);
        ti_json_str(json, "boundary", ti_boundary_name(info->boundary));
        ti_json_uint(json, "socket", info->socket);
        ti_json_str(json, "evidence", ti_evidence_name(info->evidence));
        ti_json_str(json, "reads", info->is_power ? "power" : "energy");
        ti_json_str(json, "unit", info->unit);
        ti_json_uint(json, "range_uj", info->range_uj);
        ti_json_uint(json, "max_power_uw", info->max_power_uw);
        ti_json_uint(json, "max_period_ns", ti_meter_period_ns(info));
        ti_json_str(json, "path", info->path);
    }
    if (info->state != TI_METER_WORKS) {
        ti_json_str(json, "reason", info->reason);
        ti_json_str(json, "fix", info->fix);
    }
    ti_json_close(json, '}');
}

void ti_json_meters(ti_buf *json, const ti_meters *meters)
{
    bool any = meters->selection.n_counted > 0;
    ti_json_str(json, "evidence",
                ti_evidence_name(any ? TI_EVIDENCE_MEASURED : TI_EVIDENCE_MODELLED));
    if (any) {
        ti_json_str(json, "boundary", ti_boundary_name(meters->selection.boundary));
    }
    json_covers(json, meters->selection.covers);
    ti_json_open(json, "meters", '[');
    for (size_t i = 0; i < meters->set.n; i++) {
        json_meter(json, &meters->set.items[i], meters->roles[i]);
    }
    ti_json_close(json, ']');
}

/* --- lines ------------------------------------------------------------------------------ */

/* Prints a text of several lines, each after `margin` and a little more. */
static void print_indented(const char *margin, const char *text)
{
    while (*text) {
        size_t n = strcspn(text, "\n");
        ti_printf("%s    %.*s\n", margin, (int)n, text);
        text += n + (text[n] == '\n');
    }
}

/* One fix may serve many meters: what the first of them says stands for all. */
static bool is_said(const ti_meters *meters, size_t i)
{
    const char *fix = meters->set.items[i].fix;
    for (size_t k = 0; k < i && *fix; k++) {
        if (strcmp(meters->set.items[k].fix, fix) == 0) {
            return true;
        }
    }
    return false;
}

/* Prints "NAME: REASON" and the fix of a meter that does not work. */
static void print_reason(const ti_meters *meters, size_t i, const char *margin)
{
    const ti_meter_info *info = &meters->set.items[i];
    size_t others = 0;
    for (size_t k = i + 1; k < meters->set.n && *info->fix; k++) {
        others += strcmp(meters->set.items[k].fix, info->fix) == 0;
    }
    ti_printf("%s%s%s%s: %s", margin, ti_bold(), info->name, ti_plain(), info->reason);
    if (others > 0) {
        ti_printf(" (and %zu %s like it)", others, others == 1 ? "other" : "others");
    }
    ti_printf("\n");
    print_indented(margin, info->fix);
}

static int widest_name(const ti_meters *meters)
{
    size_t most = strlen("METER");
    for (size_t i = 0; i < meters->set.n; i++) {
        size_t n = strlen(meters->set.items[i].name);
        most = n > most ? n : most;
    }
    enum { MOST = 40 };
    return most > MOST ? MOST : (int)most;
}

static void print_row(const ti_meter_info *info, ti_meter_role role, int width)
{
    if (info->state == TI_METER_ABSENT) {
        ti_printf("%-*s  %-8s  %-6s  %-7s  %-9s  %s\n", width, info->name, "-", "-", "absent",
                  "-", "-");
        return;
    }
    ti_printf("%-*s  %-8s  %-6s  %-7s  %-9s  %s\n", width, info->name,
              ti_boundary_name(info->boundary), info->is_power ? "power" : "energy",
              ti_meter_state_name(info->state), ti_meter_role_name(role),
              *info->label ? info->label : "-");
}

static void print_sum(const ti_meters *meters)
{
    char counted[128];
    if (meters->selection.n_counted > 0) {
        ti_printf("\nCounted: %s (measured).\n",
                  ti_meters_counted(counted, sizeof counted, meters));
    } else {
        ti_printf("\nNone is counted: energy is modelled from CPU time.\n");
    }
}

void ti_meters_print(const ti_meters *meters)
{
    int width = widest_name(meters);
    ti_printf("%s%-*s  %-8s  %-6s  %-7s  %-9s  %s%s\n", ti_bold(), width, "METER", "HOLDS",
              "READS", "STATE", "ROLE", "LABEL", ti_plain());
    for (size_t i = 0; i < meters->set.n; i++) {
        print_row(&meters->set.items[i], meters->roles[i], width);
    }
    print_sum(meters);
    for (size_t i = 0; i < meters->set.n; i++) {
        const ti_meter_info *info = &meters->set.items[i];
        if (info->state != TI_METER_WORKS && !is_said(meters, i)) {
            ti_printf("\n");
            print_reason(meters, i, "");
        }
    }
}

/* "ok      energy meters  ..." as the other lines of `tern doctor`. */
static void print_line(const char *state, const char *what, const char *text)
{
    ti_printf("%-7s %s%-14s%s %s\n", state, ti_bold(), what, ti_plain(), text);
}

void ti_meters_print_doctor(const ti_meters *meters)
{
    char counted[128], text[192];
    if (meters->selection.n_counted > 0) {
        snprintf(text, sizeof text, "%s, measured ('tern meter list' names them)",
                 ti_meters_counted(counted, sizeof counted, meters));
        print_line("ok", "energy meters", text);
    } else {
        print_line("note", "energy meters", "none works: energy is modelled from CPU time");
    }
    for (size_t i = 0; i < meters->set.n; i++) {
        const ti_meter_info *info = &meters->set.items[i];
        if (info->state != TI_METER_WORKS && !is_said(meters, i)) {
            print_reason(meters, i, "          ");
        }
    }
}
