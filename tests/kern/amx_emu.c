/* SPDX-License-Identifier: Apache-2.0 */
/* Encodings and operations: Intel 64 and IA-32 Architectures Software Developer's Manual,
 * volume 2 (VEX prefix in 2.3; the instructions under their names) and volume 1, chapter 18.
 *
 * All of them are VEX.128.0F38.W0 with a three-byte prefix:
 *      C4 | ~R ~X ~B 00010 | 0 ~vvvv 0 pp | opcode | ModRM [SIB] [disp]
 *   49  NP memory: LDTILECFG      66 memory: STTILECFG
 *       NP C0: TILERELEASE        F2 register: TILEZERO
 *   4B  F2: TILELOADD   66: TILELOADDT1   F3: TILESTORED      (always with SIB)
 *   5E  NP: TDPBUUD   66: TDPBUSD   F3: TDPBSUD   F2: TDPBSSD
 * The destination is ModRM.reg, the first source ModRM.r/m, the second vvvv. */
#define _GNU_SOURCE /* REG_RIP and the other registers */
#include "amx_emu.h"

#if defined(__x86_64__) && defined(__linux__)

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>
#include <unistd.h>

enum { TILES = 8, ROWS = 16, ROW_BYTES = 64, CONFIG_TILES = 16 };

enum { PP_NONE = 0, PP_66, PP_F3, PP_F2 };

enum { OP_CONFIG = 0x49, OP_MOVE = 0x4b, OP_DOT = 0x5e };

/* What LDTILECFG reads. */
typedef struct tile_config {
    uint8_t palette, start_row, reserved[14];
    uint16_t row_bytes[CONFIG_TILES];
    uint8_t rows[CONFIG_TILES];
} tile_config;

typedef struct tile_state {
    tile_config config; /* palette 0: not configured */
    uint8_t tile[TILES][ROWS][ROW_BYTES];
    uint64_t emulated;
} tile_state;

static _Thread_local tile_state state;

typedef struct insn {
    uint8_t pp, opcode;
    unsigned reg, rm, second; /* rm only when there is no memory operand */
    bool memory, sib;
    uint64_t address; /* without the index */
    uint64_t index;   /* its value, scaled: the stride of a tile */
    size_t length;
} insn;

static void fail(const char *what, unsigned number)
{
    char text[160];
    int n = snprintf(text, sizeof text, "amx_emu: %s (%u)\n", what, number);
    (void)!write(STDERR_FILENO, text, (size_t)n);
    abort();
}

static void require(bool ok, const char *what, unsigned number)
{
    if (!ok) {
        fail(what, number);
    }
}

/* --- decoding ---------------------------------------------------------------------------- */

static uint64_t reg_value(const ucontext_t *uc, unsigned number)
{
    static const int order[16] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP,
                                  REG_RSI, REG_RDI, REG_R8,  REG_R9,  REG_R10, REG_R11,
                                  REG_R12, REG_R13, REG_R14, REG_R15};
    return (uint64_t)uc->uc_mcontext.gregs[order[number]];
}

/* A displacement of 1 or 4 bytes, extended by its sign. */
static uint64_t displacement(const uint8_t *p, size_t bytes)
{
    int8_t d8;
    int32_t d32;
    if (bytes == 1) {
        memcpy(&d8, p, 1);
        return (uint64_t)(int64_t)d8;
    }
    memcpy(&d32, p, 4);
    return (uint64_t)(int64_t)d32;
}

/* The memory operand that begins with the ModRM byte at p.  x, b: the bits of the prefix that
 * extend index and base. */
static void decode_memory(insn *in, const ucontext_t *uc, const uint8_t *p, unsigned x,
                          unsigned b)
{
    enum { RM_SIB = 4, RM_BP = 5 };
    const uint8_t *start = p;
    unsigned mod = *p >> 6, base = *p & 7u, index = RM_SIB, shift = 0;
    p++;
    in->sib = base == RM_SIB;
    if (in->sib) {
        shift = *p >> 6;
        index = (*p >> 3 & 7u) | x << 3;
        base = *p & 7u;
        p++;
    }
    in->index = index == RM_SIB ? 0 : reg_value(uc, index) << shift;
    bool no_base = mod == 0 && base == RM_BP;
    size_t disp_bytes = mod == 1 ? 1 : mod == 2 || no_base ? 4 : 0;
    uint64_t disp = disp_bytes ? displacement(p, disp_bytes) : 0;
    p += disp_bytes;
    in->length += (size_t)(p - start);
    if (!no_base) {
        in->address = reg_value(uc, base | b << 3) + disp;
    } else if (in->sib) {
        in->address = disp;
    } else { /* relative to the next instruction */
        in->address = (uint64_t)uc->uc_mcontext.gregs[REG_RIP] + in->length + disp;
    }
}

/* Returns false when the bytes at RIP are no instruction of AMX. */
static bool decode(insn *in, const ucontext_t *uc)
{
    enum { VEX3 = 0xc4, MAP_0F38 = 2 };
    uint8_t code[3];
    const uint8_t *p;
    greg_t rip = uc->uc_mcontext.gregs[REG_RIP];
    memcpy(&p, &rip, sizeof p);
    memcpy(code, p, sizeof code);
    bool w = code[2] & 0x80, length_256 = code[2] & 4;
    if (code[0] != VEX3 || (code[1] & 31) != MAP_0F38 || w || length_256) {
        return false;
    }
    unsigned r = !(code[1] & 0x80), x = !(code[1] & 0x40), b = !(code[1] & 0x20);
    *in = (insn){.pp = code[2] & 3, .opcode = p[3], .second = (~code[2] >> 3) & 15u};
    if (in->opcode != OP_CONFIG && in->opcode != OP_MOVE && in->opcode != OP_DOT) {
        return false;
    }
    in->reg = (p[4] >> 3 & 7u) | r << 3;
    in->memory = p[4] >> 6 != 3;
    in->length = 4;
    if (in->memory) {
        decode_memory(in, uc, p + 4, x, b);
    } else {
        in->rm = (p[4] & 7u) | b << 3;
        in->length++;
    }
    return true;
}

static uint8_t *at_address(uint64_t address)
{
    uint8_t *p;
    memcpy(&p, &address, sizeof p);
    return p;
}

/* --- configuration ----------------------------------------------------------------------- */

static void load_config(const insn *in)
{
    tile_config c;
    memcpy(&c, at_address(in->address), sizeof c);
    require(c.palette <= 1, "ldtilecfg: unknown palette", c.palette);
    require(c.start_row == 0, "ldtilecfg: a start row is set", c.start_row);
    for (unsigned i = 0; i < sizeof c.reserved; i++) {
        require(c.reserved[i] == 0, "ldtilecfg: reserved byte is not zero", 2 + i);
    }
    for (unsigned t = 0; t < CONFIG_TILES && c.palette; t++) {
        require(t < TILES || (c.rows[t] == 0 && c.row_bytes[t] == 0),
                "ldtilecfg: there is no such tile", t);
        require(c.rows[t] <= ROWS, "ldtilecfg: too many rows in tile", t);
        require(c.row_bytes[t] <= ROW_BYTES, "ldtilecfg: rows are too long in tile", t);
        require((c.rows[t] == 0) == (c.row_bytes[t] == 0),
                "ldtilecfg: rows without columns or columns without rows in tile", t);
    }
    if (c.palette == 0) {
        memset(&c, 0, sizeof c);
    }
    state.config = c;
    memset(state.tile, 0, sizeof state.tile);
}

static void check_tile(unsigned t)
{
    require(state.config.palette != 0, "no tile is configured, used was", t);
    require(t < TILES, "there is no such tile", t);
    require(state.config.rows[t] != 0, "a tile of 0 rows is used", t);
}

static void config_insn(const insn *in)
{
    enum { RELEASE_MODRM_REG = 0 };
    if (in->memory) {
        require(in->reg == 0 && in->second == 0, "bad encoding of ldtilecfg", in->reg);
        if (in->pp == PP_NONE) {
            load_config(in);
            return;
        }
        require(in->pp == PP_66, "unknown prefix of opcode 49", in->pp);
        memcpy(at_address(in->address), &state.config, sizeof state.config);
        return;
    }
    require(in->second == 0 && in->rm == 0, "bad encoding of opcode 49", in->rm);
    if (in->pp == PP_NONE) {
        require(in->reg == RELEASE_MODRM_REG, "bad encoding of tilerelease", in->reg);
        memset(&state.config, 0, sizeof state.config);
        memset(state.tile, 0, sizeof state.tile);
        return;
    }
    require(in->pp == PP_F2, "unknown prefix of opcode 49", in->pp);
    check_tile(in->reg);
    memset(state.tile[in->reg], 0, sizeof state.tile[in->reg]);
}

/* --- loads and stores -------------------------------------------------------------------- */

static void move_insn(const insn *in)
{
    require(in->memory && in->sib && in->second == 0, "bad encoding of opcode 4b", in->pp);
    check_tile(in->reg);
    size_t rows = state.config.rows[in->reg], bytes = state.config.row_bytes[in->reg];
    uint8_t(*tile)[ROW_BYTES] = state.tile[in->reg];
    require(in->pp != PP_NONE, "unknown prefix of opcode 4b", in->pp);
    if (in->pp == PP_F3) {
        for (size_t r = 0; r < rows; r++) {
            memcpy(at_address(in->address + r * in->index), tile[r], bytes);
        }
        return;
    }
    memset(tile, 0, ROWS * ROW_BYTES); /* the unused part of a tile becomes zero */
    for (size_t r = 0; r < rows; r++) {
        memcpy(tile[r], at_address(in->address + r * in->index), bytes);
    }
}

/* --- products ---------------------------------------------------------------------------- */

static int32_t byte_of(uint8_t value, bool is_signed)
{
    return is_signed && value >= 128 ? (int32_t)value - 256 : value;
}

/* dst[m][n] += sum over k of the four byte products of a[m][k] and b[k][n], as dwords. */
static void dot_tiles(uint8_t (*dst)[ROW_BYTES], const uint8_t (*a)[ROW_BYTES],
                      const uint8_t (*b)[ROW_BYTES], size_t rows, size_t ks, size_t columns,
                      bool a_signed, bool b_signed)
{
    for (size_t m = 0; m < rows; m++) {
        for (size_t n = 0; n < columns; n++) {
            uint32_t sum;
            memcpy(&sum, &dst[m][4 * n], 4);
            for (size_t k = 0; k < ks; k++) {
                for (size_t i = 0; i < 4; i++) {
                    sum += (uint32_t)(byte_of(a[m][4 * k + i], a_signed) *
                                      byte_of(b[k][4 * n + i], b_signed));
                }
            }
            memcpy(&dst[m][4 * n], &sum, 4);
        }
    }
}

static void dot_insn(const insn *in)
{
    unsigned d = in->reg, a = in->rm, b = in->second;
    const tile_config *c = &state.config;
    require(!in->memory, "bad encoding of opcode 5e", in->pp);
    check_tile(d);
    check_tile(a);
    check_tile(b);
    require(d != a && d != b && a != b, "tiles of a product are not three", d);
    require(c->rows[d] == c->rows[a], "rows of result and first source differ", d);
    require(c->row_bytes[d] == c->row_bytes[b], "columns of result and second source differ",
            d);
    require(c->row_bytes[a] == 4 * c->rows[b], "columns of first, rows of second differ", a);
    require(c->row_bytes[d] % 4 == 0, "columns are no whole dwords", d);
    bool a_signed = in->pp == PP_F3 || in->pp == PP_F2;
    bool b_signed = in->pp == PP_66 || in->pp == PP_F2;
    dot_tiles(state.tile[d], (const uint8_t(*)[ROW_BYTES])state.tile[a],
              (const uint8_t(*)[ROW_BYTES])state.tile[b], c->rows[d], c->rows[b],
              c->row_bytes[d] / 4u, a_signed, b_signed);
}

/* --- the handler ---------------------------------------------------------------------------
 */

static void on_illegal_instruction(int number, siginfo_t *info, void *context)
{
    ucontext_t *uc = context;
    insn in;
    (void)info;
    if (!decode(&in, uc)) { /* not ours: the instruction faults again and ends the process */
        (void)signal(number, SIG_DFL);
        return;
    }
    if (in.opcode == OP_CONFIG) {
        config_insn(&in);
    } else if (in.opcode == OP_MOVE) {
        move_insn(&in);
    } else {
        dot_insn(&in);
    }
    state.emulated++;
    uc->uc_mcontext.gregs[REG_RIP] += (greg_t)in.length;
}

bool amx_emu_install(void)
{
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_sigaction = on_illegal_instruction;
    action.sa_flags = SA_SIGINFO;
    (void)sigemptyset(&action.sa_mask);
    return sigaction(SIGILL, &action, NULL) == 0;
}

uint64_t amx_emu_count(void)
{
    return state.emulated;
}

#else

bool amx_emu_install(void)
{
    return false;
}

uint64_t amx_emu_count(void)
{
    return 0;
}

#endif
