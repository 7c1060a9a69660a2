/* SPDX-License-Identifier: Apache-2.0 */
/* Every entry of every kernel set that this CPU can run, bit for bit against naive
 * implementations, with operands that end where memory ends.
 *
 *   test_kern                  all tests; prints `N passed, N failed`
 *   test_kern --set NAME       of one set
 *   test_kern --bench [NAME]   speed of the entries whose names begin with NAME */
#include <stdio.h>
#include <string.h>

#include "kt.h"

int main(int argc, char **argv)
{
    const ti_kern *sets[TI_ISA_COUNT + 4];
    size_t n = 0;
    const char *only = argc > 2 && strcmp(argv[1], "--set") == 0 ? argv[2] : NULL;
    for (int isa = 0; isa < TI_ISA_COUNT; isa++) {
        const ti_kern *k = ti_kern_get((ti_isa)isa);
        if (k) {
            sets[n++] = k;
        }
    }
    n += kt_extra_sets(sets + n);
    if (argc > 1 && strcmp(argv[1], "--bench") == 0) {
        kt_bench(sets, n, argc > 2 ? argv[2] : "");
        return 0;
    }
    for (size_t i = 0; i < n; i++) {
        if (only && strcmp(sets[i]->name, only) != 0) {
            continue;
        }
        printf("%s\n", sets[i]->name);
        kt_test_quant(sets[i]);
        kt_test_float(sets[i]);
        kt_test_attention(sets[i]);
        kt_test_top(sets[i]);
        kt_test_matmul(sets[i]);
        kt_test_sparse(sets[i]);
    }
    return kt_summary();
}
