/* SPDX-License-Identifier: Apache-2.0 */
#include "tiny.h"

#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/rng.h"
#include "kern/quantize.h"
#include "model/gguf.h"
#include "model/synth_parts.h"

enum { MAX_TENSORS = 128, NAME_BYTES = 64 };

typedef enum kind { NORM, MATRIX, BELL, FACTORS, SCALE, FOREIGN } kind;

typedef struct planned {
    char name[NAME_BYTES];
    kind kind;
    const ti_type_info *type;
    uint64_t k, rows; /* rows 0: a vector */
} planned;

typedef struct maker {
    const tiny_spec *s;
    planned plan[MAX_TENSORS];
    size_t n;
    ti_gguf_writer *w;
} maker;

__attribute__((noreturn)) static void stop(const char *what, const char *why)
{
    fprintf(stderr, "tiny: %s: %s\n", what, why);
    exit(70);
}

static void must(tern_status status, const tern_err *err)
{
    if (status != TERN_OK) {
        stop("cannot write a model", err->message);
    }
}

static void *memory(size_t n)
{
    void *p = calloc(n ? n : 1, 1);
    if (!p) {
        stop("memory", "none");
    }
    return p;
}

/* --- plan -------------------------------------------------------------------------------- */

static void plan(maker *m, kind what, const char *type, uint64_t k, uint64_t rows,
                 const char *name)
{
    planned p = {.kind = what, .k = k, .rows = rows};
    snprintf(p.name, sizeof p.name, "%s", name);
    for (size_t i = 0; i < TINY_MAX_EDITS; i++) {
        const tiny_edit *e = &m->s->edits[i];
        if (e->change == TINY_NONE || strcmp(e->tensor, name) != 0) {
            continue;
        }
        if (e->change == TINY_DROP) {
            return;
        }
        p.rows += e->change == TINY_GROW;
        p.k += e->change == TINY_WIDEN ? e->value : 0;
        type = e->change == TINY_TYPE ? e->type : type;
    }
    p.type = ti_type_by_name(type);
    if (!p.type || m->n == MAX_TENSORS) {
        stop("no such type, or too many tensors", type);
    }
    m->plan[m->n++] = p;
}

static void plan_layer(maker *m, uint32_t layer)
{
    const tiny_spec *s = m->s;
    uint64_t q = (uint64_t)s->n_head * s->head_dim, kv = (uint64_t)s->n_head_kv * s->head_dim;
    bool smdr = strcmp(s->arch, "smdr") == 0 && !s->smdr.bare;
    bool bitnet = strncmp(s->arch, "bitnet", 6) == 0 || smdr,
         qwen3 = strcmp(s->arch, "qwen3") == 0;
    const char *norm = s->norm ? s->norm : "f32";
    const struct {
        const char *part;
        uint64_t k, rows;
        int slot; /* of types; -1 = a norm */
        bool wanted;
    } parts[] = {
        {"attn_norm", s->n_embd, 0, -1, true},      {"attn_q", s->n_embd, q, 0, true},
        {"attn_k", s->n_embd, kv, 1, true},         {"attn_v", s->n_embd, kv, 2, true},
        {"attn_output", q, s->n_embd, 3, true},     {"attn_q_norm", s->head_dim, 0, -1, qwen3},
        {"attn_k_norm", s->head_dim, 0, -1, qwen3}, {"attn_sub_norm", q, 0, -1, bitnet},
        {"ffn_norm", s->n_embd, 0, -1, true},       {"ffn_gate", s->n_embd, s->n_ff, 4, true},
        {"ffn_up", s->n_embd, s->n_ff, 5, true},    {"ffn_down", s->n_ff, s->n_embd, 6, true},
        {"ffn_sub_norm", s->n_ff, 0, -1, bitnet}};
    char name[NAME_BYTES];
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        if (parts[i].wanted) {
            int slot = parts[i].slot;
            const char *type = slot < 0 ? norm : s->types[slot] ? s->types[slot] : s->type;
            snprintf(name, sizeof name, "blk.%u.%s.weight", layer, parts[i].part);
            plan(m, slot < 0 ? NORM : MATRIX, type, parts[i].k, parts[i].rows, name);
        }
    }
    if (s->tensor_scale) {
        snprintf(name, sizeof name, "blk.%u.ffn_up.scale", layer);
        plan(m, SCALE, "f32", 1, 0, name);
    }
}

static void plan_all(maker *m)
{
    const tiny_spec *s = m->s;
    uint32_t n_vocab = s->n_vocab ? s->n_vocab : 331;
    plan(m, BELL, s->embd, s->n_embd, n_vocab, "token_embd.weight");
    plan(m, NORM, s->norm ? s->norm : "f32", s->n_embd, 0, "output_norm.weight");
    if (s->head) {
        plan(m, BELL, s->head, s->n_embd, n_vocab, "output.weight");
    }
    if (s->rope_factors) {
        uint32_t rope_dim = s->rope_dim ? s->rope_dim : s->head_dim;
        plan(m, FACTORS, "f32", rope_dim / 2, 0, "rope_freqs.weight");
    }
    for (uint32_t layer = 0; layer < s->n_layer; layer++) {
        plan_layer(m, layer);
    }
    for (size_t i = 0; i < TINY_MAX_EDITS; i++) {
        const tiny_edit *e = &s->edits[i];
        if (e->change == TINY_ADD) {
            planned p = {.kind = FOREIGN, .k = e->value};
            p.type = ti_type_by_name(e->type ? e->type : "f32");
            snprintf(p.name, sizeof p.name, "%s", e->tensor);
            m->plan[m->n++] = p;
        }
    }
}

/* --- keys -------------------------------------------------------------------------------- */

static void put_key(maker *m, const tiny_key *key)
{
    char name[96];
    bool own = key->name[0] == '*';
    snprintf(name, sizeof name, "%s%s", own ? m->s->arch : "", key->name + own);
    if (key->text) {
        ti_gguf_put_str(m->w, name, key->text, strlen(key->text));
    } else if (key->f != 0.0f) {
        ti_gguf_put_f32(m->w, name, key->f);
    } else {
        ti_gguf_put_u32(m->w, name, key->u);
    }
}

static void put_kinds(maker *m, const char *kinds)
{
    enum { MAX_KINDS = 16 };
    ti_str items[MAX_KINDS];
    size_t n = 0;
    for (const char *at = kinds; n < MAX_KINDS; at++) {
        size_t len = strcspn(at, ",");
        items[n++] = (ti_str){at, len};
        at += len;
        if (!*at) {
            break;
        }
    }
    ti_gguf_put_strs(m->w, "smdr.attention.kinds", items, n);
}

static void put_smdr(maker *m)
{
    const tiny_smdr *a = &m->s->smdr;
    const tiny_key keys[] = {{"smdr.attention.torus_side", NULL, 0, a->side},
                             {"smdr.attention.torus_radius", NULL, 0, a->radius},
                             {"smdr.attention.key_budget", NULL, 0, a->budget},
                             {"smdr.attention.stride", NULL, 0, a->stride},
                             {"smdr.attention.random_seed", NULL, 0, a->seed},
                             {"smdr.attention.sink_tokens", NULL, 0, a->sinks},
                             {"smdr.feed_forward.top_k", NULL, 0, a->top_k},
                             {"smdr.feed_forward.activation", a->activation, 0, 0}};
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        if (keys[i].text || keys[i].u) {
            put_key(m, &keys[i]);
        }
    }
    if (a->kinds) {
        put_kinds(m, a->kinds);
    }
}

static void put_keys(maker *m)
{
    const tiny_spec *s = m->s;
    const tiny_key keys[] = {
        {"general.architecture", s->arch, 0, 0},
        {"general.name", "tiny", 0, 0},
        {"*.context_length", NULL, 0, s->n_ctx ? s->n_ctx : 128},
        {"*.embedding_length", NULL, 0, s->n_embd},
        {"*.block_count", NULL, 0, s->n_layer},
        {"*.feed_forward_length", NULL, 0, s->n_ff},
        {"*.attention.head_count", NULL, 0, s->n_head},
        {"*.attention.head_count_kv", NULL, 0, s->n_head_kv},
        {"*.attention.key_length", NULL, 0, s->head_dim},
        {"*.attention.value_length", NULL, 0, s->head_dim},
        {"*.attention.layer_norm_rms_epsilon", NULL, 1e-5f, 0},
        {"*.rope.dimension_count", NULL, 0, s->rope_dim ? s->rope_dim : s->head_dim},
        {"*.rope.freq_base", NULL, 10000, 0},
    };
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        put_key(m, &keys[i]);
    }
    const tiny_key layout = {TI_GGUF_KEY_I2S_LAYOUT, "x86", 0, 0}; /* of no use to others */
    put_key(m, &layout);
    tern_err err;
    must(ti_synth_vocab(m->w, s->n_vocab ? s->n_vocab : 331, "gpt-2", &err), &err);
    put_smdr(m);
    for (size_t i = 0; i < TINY_MAX_EDITS && s->keys[i].name; i++) {
        put_key(m, &s->keys[i]);
    }
}

/* --- weights ----------------------------------------------------------------------------- */

/* Bell-shaped with the deviation 1/sqrt(k), so that vectors keep their size: four uniform
 * numbers have together the deviation 1/sqrt(3).  Exact operations only. */
static void bell(float *row, uint64_t k, ti_rng *rng)
{
    float unit = (float)(1.7320508075688772 / sqrt((double)k));
    for (uint64_t i = 0; i < k; i++) {
        float sum = ti_rng_unit(rng) + ti_rng_unit(rng);
        sum += ti_rng_unit(rng) + ti_rng_unit(rng);
        row[i] = (sum - 2.0f) * unit;
    }
}

static void vector(float *row, const planned *p, ti_rng *rng)
{
    float low = p->kind == FACTORS ? 1.0f : p->kind == SCALE ? 1.5f : 0.75f;
    float width = p->kind == SCALE ? 0.0f : 0.5f;
    for (uint64_t i = 0; i < p->k; i++) {
        row[i] = low + width * ti_rng_unit(rng);
    }
}

static float half_of(float x)
{
    return ti_f16_to_f32(ti_f32_to_f16(x));
}

/* Codes of equal shares, and the scales that the type has. */
static void trits(const maker *m, const planned *p, uint8_t *codes, float *scales, ti_rng *rng)
{
    float base = half_of((float)(1.22 / sqrt((double)p->k)));
    for (uint64_t i = 0; i < p->k; i++) {
        codes[i] = (uint8_t)((ti_rng_next(rng) >> 40) % 3);
    }
    uint64_t n = p->type->row_bytes ? 1 : p->k / p->type->block;
    for (uint64_t i = 0; i < n; i++) {
        scales[i] = m->s->vary_scales ? half_of(base * (0.5f + ti_rng_unit(rng))) : base;
    }
}

/* The whole tensor. */
static void make(const maker *m, const planned *p, uint8_t *out, uint64_t bytes, ti_rng *rng)
{
    uint64_t rows = p->rows ? p->rows : 1, row_bytes = bytes / rows;
    uint8_t *codes = memory(p->k * rows);
    float *row = memory(p->k * sizeof *row + sizeof *row);
    for (uint64_t r = 0; r < rows; r++) {
        bool ok = true;
        if (p->kind == MATRIX && p->type->ternary) {
            trits(m, p, codes + r * p->k, row, rng);
            if (!p->type->tensor_bytes) {
                ok = ti_type_from_trits(out + r * row_bytes, p->type, codes + r * p->k, row,
                                        p->k);
            }
        } else {
            (p->kind == MATRIX || p->kind == BELL) ? bell(row, p->k, rng) : vector(row, p, rng);
            ok = ti_type_from_f32(out + r * row_bytes, p->type, row, p->k);
        }
        if (!ok) {
            stop(p->name, "this type cannot be made");
        }
    }
    if (p->kind == MATRIX && p->type->tensor_bytes) {
        ti_i2s_encode(out, codes, p->k, rows, row[0]);
    }
    free(codes);
    free(row);
}

static void write_data(maker *m, const planned *p)
{
    uint64_t bytes;
    ti_rng rng;
    tern_err err;
    if (!ti_type_tensor_bytes(p->type, p->k, p->rows ? p->rows : 1, &bytes)) {
        stop(p->name, "no multiple of a block");
    }
    /* by its name, so that an edit of one tensor leaves the others as they are */
    uint64_t seed = m->s->seed;
    for (const char *c = p->name; *c; c++) {
        seed = (seed ^ (uint8_t)*c) * 0x100000001b3u;
    }
    ti_rng_seed(&rng, seed);
    uint8_t *data = memory(bytes);
    make(m, p, data, bytes, &rng);
    for (size_t i = 0; i < TINY_MAX_EDITS; i++) {
        const tiny_edit *e = &m->s->edits[i];
        if (e->change == TINY_BYTES && strcmp(e->tensor, p->name) == 0) {
            data[e->at] = (uint8_t)e->value;
            data[e->at + 1] = (uint8_t)(e->value >> 8);
        }
    }
    must(ti_gguf_write_data(m->w, data, bytes, &err), &err);
    free(data);
}

void tiny_write(const tiny_spec *spec, const char *path)
{
    maker *m = memory(sizeof *m);
    tern_err err;
    m->s = spec;
    plan_all(m);
    must(ti_gguf_writer_create(&m->w, path, &err), &err);
    put_keys(m);
    for (size_t i = 0; i < m->n; i++) {
        const planned *p = &m->plan[i];
        const uint64_t dims[] = {p->k, p->rows};
        uint64_t bytes = 0;
        (void)ti_type_tensor_bytes(p->type, p->k, p->rows ? p->rows : 1, &bytes);
        must(ti_gguf_add_tensor(m->w, p->name, p->type->type, dims, p->rows ? 2 : 1, bytes,
                                &err),
             &err);
    }
    must(ti_gguf_begin_data(m->w, &err), &err);
    for (size_t i = 0; i < m->n; i++) {
        write_data(m, &m->plan[i]);
    }
    must(ti_gguf_writer_finish(m->w, &err), &err);
    ti_gguf_writer_destroy(m->w);
    free(m);
}

/* --- files ------------------------------------------------------------------------------- */

static char directory[TINY_PATH_BYTES];

static void remove_directory(void)
{
    DIR *dir = opendir(directory);
    for (struct dirent *e = dir ? readdir(dir) : NULL; e; e = readdir(dir)) {
        char path[TINY_PATH_BYTES * 2];
        snprintf(path, sizeof path, "%s/%s", directory, e->d_name);
        (void)unlink(path);
    }
    if (dir) {
        closedir(dir);
    }
    (void)rmdir(directory);
}

const char *tiny_path(const char *name)
{
    enum { TEXTS = 16 };
    static char texts[TEXTS][TINY_PATH_BYTES * 2];
    static unsigned next;
    if (!directory[0]) {
        const char *tmp = getenv("TMPDIR");
        snprintf(directory, sizeof directory, "%s/tern-test-XXXXXX",
                 tmp && *tmp ? tmp : P_tmpdir);
        if (!mkdtemp(directory)) {
            stop(directory, "cannot be created");
        }
        atexit(remove_directory);
    }
    char *text = texts[next++ % TEXTS];
    snprintf(text, sizeof texts[0], "%s/%s", directory, name);
    return text;
}

/* --- small things ------------------------------------------------------------------------ */

void tiny_tokens(tern_token *out, size_t n, uint32_t which)
{
    ti_rng rng;
    ti_rng_seed(&rng, which);
    for (size_t i = 0; i < n; i++) {
        out[i] = (tern_token)(ti_rng_next(&rng) % TINY_MIN_VOCAB);
    }
}

uint64_t tiny_hash(uint64_t h, const float *v, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        uint32_t bits;
        memcpy(&bits, v + i, sizeof bits);
        for (int b = 0; b < 4; b++) { /* not by address: the same on every byte order */
            h = (h ^ (bits >> (8 * b) & 0xff)) * 0x100000001b3u;
        }
    }
    return h;
}
