/* SPDX-License-Identifier: Apache-2.0 */
/* Which kernel sets there are, and which one is used.
 *
 * A set starts as a copy of the one below it and replaces what it does better, so a level may
 * be partial.  The policy is a measured order, not "the newest": docs/performance.md has the
 * table that `tern bench` printed for each level on each machine it was measured on. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "kern/cpu.h"
#include "kern/kern.h"

typedef struct level {
    const char *name;
    ti_isa isa;
    void (*init)(ti_kern *k);
    int below; /* index of the level it starts from; -1 = none */
} level;

/* In order of preference, the best last. */
static const level levels[] = {
    {"scalar", TI_ISA_SCALAR, ti_kern_init_scalar, -1},
#if defined(__x86_64__)
    {"avx2", TI_ISA_AVX2, ti_kern_init_avx2, 0},
    {"avxvnni", TI_ISA_AVXVNNI, ti_kern_init_avxvnni, 1},
    {"avx512", TI_ISA_AVX512, ti_kern_init_avx512, 1},
    {"amx", TI_ISA_AMX, ti_kern_init_amx, 3},
#elif defined(__aarch64__)
    {"neon", TI_ISA_NEON, ti_kern_init_neon, 0},
    {"dotprod", TI_ISA_DOTPROD, ti_kern_init_dotprod, 1},
#endif
};

enum { N_LEVELS = sizeof levels / sizeof levels[0] };

/* Filled once, then constant. */
static struct {
    ti_kern set[N_LEVELS];
    bool usable[N_LEVELS];
    char names[96];
    char features[96];
} table;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void fill(void)
{
    size_t used = 0;
    for (int i = 0; i < N_LEVELS; i++) {
        table.usable[i] = ti_cpu_has(levels[i].isa);
        /* Not even init() may run otherwise: compilers use the level's instructions there. */
        if (!table.usable[i]) {
            continue;
        }
        if (levels[i].below >= 0) {
            table.set[i] = table.set[levels[i].below];
        }
        levels[i].init(&table.set[i]);
        table.set[i].name = levels[i].name;
        table.set[i].isa = levels[i].isa;
        int n = snprintf(table.names + used, sizeof table.names - used, "%s%s",
                         used ? ", " : "", levels[i].name);
        used += (size_t)n;
    }
    used = 0;
    for (int i = 1; i < N_LEVELS; i++) {
        if (table.usable[i]) {
            int n = snprintf(table.features + used, sizeof table.features - used, "%s%s",
                             used ? " " : "", levels[i].name);
            used += (size_t)n;
        }
    }
}

const ti_kern *ti_kern_get(ti_isa isa)
{
    pthread_once(&once, fill);
    for (int i = 0; i < N_LEVELS; i++) {
        if (levels[i].isa == isa) {
            return table.usable[i] ? &table.set[i] : NULL;
        }
    }
    return NULL;
}

const ti_kern *ti_kern_select(const char *name)
{
    pthread_once(&once, fill);
    if (!name || !name[0]) {
        name = getenv("TERN_CPU");
    }
    for (int i = N_LEVELS - 1; i >= 0; i--) {
        bool wanted = !name || !name[0] || strcmp(name, levels[i].name) == 0;
        if (wanted && table.usable[i]) {
            return &table.set[i];
        }
    }
    return NULL;
}

const char *ti_kern_names(void)
{
    pthread_once(&once, fill);
    return table.names;
}

const char *ti_cpu_features(void)
{
    pthread_once(&once, fill);
    return table.features;
}

ti_act_kind ti_layout_act(ti_layout layout)
{
    switch (layout) {
    case TI_L_F32:
    case TI_L_F16:
    case TI_L_BF16:
        return TI_ACT_F32;
    case TI_L_T2:
    case TI_L_T5:
    case TI_L_G2:
        return TI_ACT_TOKEN;
    default:
        return TI_ACT_BLOCK;
    }
}

size_t ti_layout_grain(ti_layout layout)
{
    switch (layout) {
    case TI_L_F32:
    case TI_L_F16:
    case TI_L_BF16:
        return 4;
    case TI_L_T5: /* whole panels of three and whole tiles of sixteen */
        return 48;
    default:
        return TI_PANEL;
    }
}

const char *ti_layout_name(ti_layout layout)
{
    static const char *const names[TI_L_COUNT] = {"f32", "f16", "bf16", "t2", "t5", "g2",
                                                  "g4",  "g4m", "g8",   "k4", "k6"};
    return (size_t)layout < TI_L_COUNT ? names[layout] : "?";
}

size_t ti_matmul_scratch(size_t m, size_t kp)
{
    /* The largest of what the sets need: 48 rows unpacked to tiles (a column block of 96 rows
     * for AMX), the same column block row by row, and int32 results of 96 rows for all vectors
     * in whole tiles of 16. */
    enum { ROWS = 48, WIDE_ROWS = 96, COLUMNS = 512 };
    size_t m16 = (m + 15) & ~(size_t)15;
    size_t tiles = ROWS * (kp + TI_K_PAD), wide = WIDE_ROWS * COLUMNS;
    return (tiles > wide ? tiles : wide) + wide + m16 * WIDE_ROWS * sizeof(int32_t);
}
