/* SPDX-License-Identifier: Apache-2.0 */
/* energy/sysfs.h - small text files that a kernel, a container or a stranger fills. */
#ifndef TI_ENERGY_SYSFS_H
#define TI_ENERGY_SYSFS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/mem.h"

enum { TI_SYS_TEXT = 128 }; /* bytes that a value may have, its newline and a NUL included */

/* Reads a non-negative decimal number, alone but for blanks and a newline after it.  False for
 * anything else: empty, signs, letters, more than 64 bits. */
bool ti_sys_parse_u64(const char *text, size_t len, uint64_t *out);

/* The same, with a minus allowed, which is dropped: batteries do not agree on signs. */
bool ti_sys_parse_magnitude(const char *text, size_t len, uint64_t *out);

/* Reads a decimal fraction with an optional exponent, "2.3283064365386962890625e-10", in any
 * locale, into value = *digits * 10^*exponent (digits beyond the 19th are dropped). */
bool ti_sys_parse_decimal(const char *text, size_t len, uint64_t *digits, int *exponent);

/* Finds how to turn counts of that many joules into microjoules: count * *scale >> *shift, to
 * 2^-50 of the value, and exactly for the 2^-32 J of perf.  False when it is no size that a
 * counter has (10^-15 to 1 J). */
bool ti_sys_joule_scale(const char *text, size_t len, uint64_t *scale, unsigned *shift);

/* Reads "0", "0,28" or "0-3,8" into cpus[cap]; *n receives how many.  False for anything else
 * or more than `cap`. */
bool ti_sys_parse_cpus(const char *text, size_t len, uint32_t *cpus, size_t cap, size_t *n);

/* Reads "event=0x02" (other terms may follow after commas) into *config; false without one. */
bool ti_sys_parse_event(const char *text, size_t len, uint64_t *config);

/* The first number in a text: 1 for "package-1", "Esocket1"; `fallback` without one. */
uint32_t ti_sys_number_in(const char *text, uint32_t fallback);

/* Reads a file of one value: text[*len] without blanks at the end, and a NUL.  NULL for `path`
 * is ENOMEM.  Returns 0, errno, or EFBIG when it is longer than a value can be. */
int ti_sys_read(const char *path, char text[TI_SYS_TEXT], size_t *len);

/* Reads a number from a file: 0, errno, or EBADMSG when it is none. */
int ti_sys_read_u64(const char *path, uint64_t *out);

/* A file that is kept open and read again and again. */
typedef struct ti_sys_file {
    const char *path; /* NULL = none */
    int fd;           /* -1 = closed; opened again at the next read */
} ti_sys_file;

/* Opens it if it is not open: 0 or errno. */
int ti_sys_file_open(ti_sys_file *file);

/* Reads its value from the start; as ti_sys_read().  After a failure it is closed, and the next
 * read looks for it again. */
int ti_sys_file_read(ti_sys_file *file, char text[TI_SYS_TEXT], size_t *len);
void ti_sys_file_close(ti_sys_file *file);

/* Flags of a reading (TI_READ_...) for errno. */
uint32_t ti_sys_flags(int errnum);

/* Names in a directory that begin with `prefix`, in the order of people (2 before 10), in the
 * arena.  A directory that is not there has none: *errnum says why (0 = it is there).
 * Errors: TERN_NOMEM, TERN_LIMIT (more than 65,536 names). */
tern_status ti_sys_names(const char ***out, size_t *n, int *errnum, ti_arena *arena,
                         const char *path, const char *prefix, tern_err *err);

#endif
