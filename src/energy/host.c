/* SPDX-License-Identifier: Apache-2.0 */
#include "energy/host.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    LINE = 4096, /* a longer line (flags) is read in pieces, none of which looks like a key */
    PACKAGES_MAX = 64
};

/* --- names ---------------------------------------------------------------------------------
 */

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static bool digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool word_is(const char *word, size_t len, const char *text)
{
    return strlen(text) == len && memcmp(word, text, len) == 0;
}

/* Digits, then `tail`: "8-core", "13th". */
static bool number_and(const char *word, size_t len, const char *tail)
{
    size_t n = 0;
    while (n < len && digit(word[n])) {
        n++;
    }
    return n > 0 && word_is(word + n, len - n, tail);
}

static bool left_out(const char *word, size_t len)
{
    return word_is(word, len, "cpu") || word_is(word, len, "processor") ||
           number_and(word, len, "-core");
}

/* Lower case, with trade marks turned into blanks. */
static void fold(char *out, size_t cap, const char *name)
{
    size_t n = 0;
    for (; *name && n + 1 < cap; name++) {
        if (strncmp(name, "(R)", 3) == 0 || strncmp(name, "(r)", 3) == 0) {
            out[n++] = ' ';
            name += 2;
        } else if (strncmp(name, "(TM)", 4) == 0 || strncmp(name, "(tm)", 4) == 0) {
            out[n++] = ' ';
            name += 3;
        } else {
            out[n++] = lower(*name);
        }
    }
    out[n] = '\0';
}

void ti_host_normalise(char *out, size_t cap, const char *name)
{
    char text[TI_HOST_NAME_MAX];
    size_t n = 0;
    fold(text, sizeof text, name);
    const char *at = text;
    for (unsigned word = 0; cap > 0; word++) {
        at += strspn(at, " \t");
        size_t len = strcspn(at, " \t");
        if (len == 0 || at[0] == '@' || word_is(at, len, "w/") || word_is(at, len, "with")) {
            break;
        }
        if (word == 0 && number_and(at, len, "th") && strncmp(at + len, " gen ", 5) == 0) {
            at += len + 5;
            continue;
        }
        if (!left_out(at, len) && n + len + 2 < cap) {
            n += (size_t)snprintf(out + n, cap - n, "%s%.*s", n ? " " : "", (int)len, at);
        }
        at += len;
    }
    if (n == 0 && cap > 0) {
        out[0] = '\0';
    }
}

/* --- files ---------------------------------------------------------------------------------
 */

static FILE *open_under(const char *sysroot, const char *path)
{
    char full[4096];
    int n = snprintf(full, sizeof full, "%s%s", sysroot ? sysroot : "", path);
    return n > 0 && (size_t)n < sizeof full ? fopen(full, "re") : NULL;
}

/* The text after "key   : " when the line has that key, else NULL. */
static const char *value_of(const char *line, const char *key)
{
    size_t len = strlen(key);
    if (strncmp(line, key, len) != 0) {
        return NULL;
    }
    const char *at = line + len + strspn(line + len, " \t");
    if (*at != ':') {
        return NULL;
    }
    at++;
    return at + strspn(at, " \t");
}

static void set_number(uint32_t *out, const char *line, const char *key)
{
    const char *text = value_of(line, key);
    if (text && digit(*text)) {
        unsigned long n = strtoul(text, NULL, 10);
        *out = n < UINT32_MAX ? (uint32_t)n : UINT32_MAX;
    }
}

static void set_names(ti_host *h, const char *line)
{
    const char *name = value_of(line, "model name");
    const char *vendor = value_of(line, "vendor_id");
    if (name && !h->cpu[0]) {
        snprintf(h->cpu, sizeof h->cpu, "%.*s", (int)strcspn(name, "\n"), name);
    }
    if (vendor && strncmp(vendor, "AuthenticAMD", 12) == 0) {
        memcpy(h->vendor, "amd", 4);
    } else if (vendor && strncmp(vendor, "GenuineIntel", 12) == 0) {
        memcpy(h->vendor, "intel", 6);
    }
}

/* Sets of package numbers as bits; numbers over 63 share the last bit. */
static uint32_t count_bits(uint64_t bits)
{
    uint32_t n = 0;
    for (; bits; bits &= bits - 1) {
        n++;
    }
    return n;
}

static void read_cpuinfo(ti_host *h, const char *sysroot)
{
    char line[LINE];
    uint64_t packages = 0;
    FILE *f = open_under(sysroot, "/proc/cpuinfo");
    while (f && fgets(line, sizeof line, f)) {
        uint32_t package = UINT32_MAX;
        const char *flags = value_of(line, "flags");
        h->threads += value_of(line, "processor") != NULL;
        set_names(h, line);
        set_number(&h->family, line, "cpu family");
        set_number(&h->model, line, "model");
        set_number(&h->stepping, line, "stepping");
        set_number(&package, line, "physical id");
        if (package != UINT32_MAX) {
            packages |= UINT64_C(1) << (package < PACKAGES_MAX ? package : PACKAGES_MAX - 1);
        }
        if (flags && strstr(flags, " hypervisor")) {
            h->virtual_machine = true;
        }
    }
    if (f) {
        fclose(f);
    }
    h->threads = h->threads ? h->threads : 1;
    h->packages = packages ? count_bits(packages) : 1;
}

static void read_memory(ti_host *h, const char *sysroot)
{
    char line[LINE];
    FILE *f = open_under(sysroot, "/proc/meminfo");
    while (f && fgets(line, sizeof line, f)) {
        const char *total = value_of(line, "MemTotal");
        if (total) {
            uint64_t kib = strtoull(total, NULL, 10);
            h->memory_bytes = kib < UINT64_MAX / 1024 ? kib * 1024 : 0;
            break;
        }
    }
    if (f) {
        fclose(f);
    }
}

void ti_host_read(ti_host *out, const char *sysroot)
{
    ti_host h = {0};
    read_cpuinfo(&h, sysroot);
    ti_host_normalise(h.name, sizeof h.name, h.cpu);
    read_memory(&h, sysroot);
    *out = h;
}
