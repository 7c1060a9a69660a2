/* SPDX-License-Identifier: Apache-2.0 */
/* energy_tree.h - made-up /sys and /proc trees for the tests of energy meters.
 *
 * Files are written in place, so that a meter that keeps them open sees the new value, as in
 * sysfs.  A test program registered with `WRAP open pread` can also make single files fail:
 * permissions do not stop root, and no file system gives EIO on demand. */
#ifndef TESTS_ENERGY_TREE_H
#define TESTS_ENERGY_TREE_H

#include <stdint.h>

typedef struct energy_tree {
    char root[256]; /* give it as sysroot */
} energy_tree;

/* Makes an empty tree in a new temporary directory; fails the test when it cannot. */
void et_make(energy_tree *tree);

/* Removes it with everything in it, and forgets all failures. */
void et_remove(energy_tree *tree);

/* Writes a file (path from the root, "/sys/..."), making its directories.  A newline is
 * added. */
void et_file(const energy_tree *tree, const char *path, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Writes bytes as they are. */
void et_bytes(const energy_tree *tree, const char *path, const void *bytes, unsigned long len);

/* Removes a file. */
void et_unlink(const energy_tree *tree, const char *path);

/* A powercap zone: name, energy_uj, max_energy_range_uj and enabled = 1.
 * et_zone(t, "intel-rapl:0", "package-0", 1000, 262143328850) */
void et_zone(const energy_tree *tree, const char *zone, const char *name, uint64_t energy_uj,
             uint64_t range_uj);

/* Sets a zone's counter. */
void et_energy(const energy_tree *tree, const char *zone, uint64_t energy_uj);

/* Lets the next `times` reads of the file whose path ends so fail with errnum, opening it
 * included; times < 0 = all until et_heal().  Up to 8 at once. */
void et_fail(const char *path_end, int errnum, int times);
void et_heal(void);

#endif
