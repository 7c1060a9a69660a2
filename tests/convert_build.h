/* SPDX-License-Identifier: Apache-2.0 */
/* convert_build.h - small models in other people's formats, made by the tests: folders,
 * safetensors files, tokenizers, and the numbers that were put into them. */
#ifndef TESTS_CONVERT_BUILD_H
#define TESTS_CONVERT_BUILD_H

#include <dirent.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/le.h"
#include "base/utf8.h"
#include "kern/dtype.h"

/* --- folders and files ------------------------------------------------------------------- */

static inline void cb_fail(const char *what)
{
    fprintf(stderr, "cannot prepare the test: %s\n", what);
    abort();
}

/* Makes an empty folder; the caller passes it to cb_remove(). */
static inline void cb_folder(char path[64])
{
    snprintf(path, 64, "convert-test.XXXXXX");
    if (!mkdtemp(path)) {
        cb_fail("mkdtemp");
    }
}

static inline void cb_path(char to[160], const char *dir, const char *name)
{
    snprintf(to, 160, "%s/%s", dir, name);
}

static inline void cb_write(const char *dir, const char *name, const void *data, size_t size)
{
    char path[160];
    cb_path(path, dir, name);
    FILE *f = fopen(path, "wb");
    if (!f || fwrite(data, 1, size, f) != size || fclose(f) != 0) {
        cb_fail(path);
    }
}

static inline void cb_write_text(const char *dir, const char *name, const char *text)
{
    cb_write(dir, name, text, strlen(text));
}

static inline void cb_unlink(const char *dir, const char *name)
{
    char path[160];
    cb_path(path, dir, name);
    (void)unlink(path);
}

static inline size_t cb_count_files(const char *dir)
{
    size_t n = 0;
    DIR *d = opendir(dir);
    for (struct dirent *e; d && (e = readdir(d)) != NULL;) {
        n += e->d_name[0] != '.';
    }
    if (d) {
        closedir(d);
    }
    return n;
}

static inline void cb_remove(const char *dir)
{
    DIR *d = opendir(dir);
    for (struct dirent *e; d && (e = readdir(d)) != NULL;) {
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0) {
            cb_unlink(dir, e->d_name);
        }
    }
    if (d) {
        closedir(d);
    }
    (void)rmdir(dir);
}

/* --- numbers ----------------------------------------------------------------------------- */

static inline uint32_t cb_random(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*state >> 33);
}

/* In (-1, 1), with 16 random bits. */
static inline float cb_random_float(uint64_t *state)
{
    return (float)((int32_t)(cb_random(state) & 0xffff) - 0x8000) / 32768.0f;
}

/* --- safetensors ------------------------------------------------------------------------- */

typedef struct cb_tensor {
    char name[128];
    char dtype[8];
    uint64_t rows, columns; /* columns 0 = one dimension */
    float *values;          /* [rows x columns] what a reader must find; NULL for U8 */
    uint8_t *data;
    size_t bytes;
} cb_tensor;

typedef struct cb_model {
    cb_tensor *items;
    size_t n, cap;
    uint64_t seed;
} cb_model;

static inline cb_tensor *cb_new(cb_model *m, const char *name, const char *dtype, uint64_t rows,
                                uint64_t columns, size_t item)
{
    if (m->n == m->cap) {
        m->cap = m->cap ? 2 * m->cap : 16;
        m->items = realloc(m->items, m->cap * sizeof *m->items);
    }
    cb_tensor *t = &m->items[m->n++];
    *t = (cb_tensor){.rows = rows, .columns = columns};
    snprintf(t->name, sizeof t->name, "%s", name);
    snprintf(t->dtype, sizeof t->dtype, "%s", dtype);
    t->bytes = (size_t)(rows * (columns ? columns : 1)) * item;
    t->data = calloc(t->bytes ? t->bytes : 1, 1);
    return t;
}

/* Adds a tensor of "F32", "F16" or "BF16"; values are random unless `from` has them. */
static inline cb_tensor *cb_add(cb_model *m, const char *name, const char *dtype, uint64_t rows,
                                uint64_t columns, const float *from)
{
    size_t n = (size_t)(rows * (columns ? columns : 1)),
           item = dtype[0] == 'F' && dtype[1] == '3' ? 4 : 2;
    cb_tensor *t = cb_new(m, name, dtype, rows, columns, item);
    t->values = calloc(n, sizeof *t->values);
    for (size_t i = 0; i < n; i++) {
        float f = from ? from[i] : cb_random_float(&m->seed);
        uint16_t half = dtype[0] == 'B' ? ti_f32_to_bf16(f) : ti_f32_to_f16(f);
        if (item == 4) {
            ti_store_f32(t->data + 4 * i, f);
            t->values[i] = f;
        } else {
            ti_store_u16(t->data + 2 * i, half);
            t->values[i] = dtype[0] == 'B' ? ti_bf16_to_f32(half) : ti_f16_to_f32(half);
        }
    }
    return t;
}

/* Adds a matrix of rows x columns trits packed as BitNet's checkpoints have them, and its
 * scale; `values` of the matrix receives code - 1 (not yet scaled). */
static inline void cb_add_packed(cb_model *m, const char *name, uint64_t rows, uint64_t columns,
                                 float scale)
{
    cb_tensor *t = cb_new(m, name, "U8", rows / 4, columns, 1);
    float *values = calloc((size_t)(rows * columns), sizeof *values);
    for (uint64_t r = 0; r < rows; r++) {
        for (uint64_t c = 0; c < columns; c++) {
            unsigned code = cb_random(&m->seed) % 3;
            values[r * columns + c] = (float)code - 1.0f;
            t->data[r % (rows / 4) * columns + c] |= (uint8_t)(code << 2 * (r / (rows / 4)));
        }
    }
    t->values = values;
    char full[140];
    snprintf(full, sizeof full, "%s_scale", name);
    cb_add(m, full, "BF16", 1, 0, &scale);
}

static inline cb_tensor *cb_find(const cb_model *m, const char *name)
{
    for (size_t i = 0; i < m->n; i++) {
        if (strcmp(m->items[i].name, name) == 0) {
            return &m->items[i];
        }
    }
    return NULL;
}

/* Takes a tensor out. */
static inline void cb_drop(cb_model *m, const char *name)
{
    cb_tensor *t = cb_find(m, name);
    free(t->values);
    free(t->data);
    *t = m->items[--m->n];
}

/* The bytes of a file with tensors [first, first + n). */
static inline void cb_safetensors(ti_buf *out, const cb_model *m, size_t first, size_t n)
{
    ti_buf header = {0};
    size_t at = 0;
    ti_json_open(&header, NULL, '{');
    for (size_t i = first; i < first + n; i++) {
        const cb_tensor *t = &m->items[i];
        ti_json_open(&header, t->name, '{');
        ti_json_str(&header, "dtype", t->dtype);
        ti_json_open(&header, "shape", '[');
        ti_json_uint(&header, NULL, t->rows);
        if (t->columns) {
            ti_json_uint(&header, NULL, t->columns);
        }
        ti_json_close(&header, ']');
        ti_json_open(&header, "data_offsets", '[');
        ti_json_uint(&header, NULL, at);
        ti_json_uint(&header, NULL, at + t->bytes);
        ti_json_close(&header, ']');
        ti_json_close(&header, '}');
        at += t->bytes;
    }
    ti_json_open(&header, "__metadata__", '{');
    ti_json_str(&header, "format", "pt");
    ti_json_close(&header, '}');
    ti_json_close(&header, '}');
    uint8_t length[8];
    ti_store_u64(length, header.len);
    ti_buf_add(out, length, 8);
    ti_buf_add(out, header.data, header.len);
    for (size_t i = first; i < first + n; i++) {
        ti_buf_add(out, m->items[i].data, m->items[i].bytes);
    }
    ti_buf_free(&header);
}

static inline void cb_write_safetensors(const char *dir, const char *name, const cb_model *m,
                                        size_t first, size_t n)
{
    ti_buf b = {0};
    cb_safetensors(&b, m, first, n);
    cb_write(dir, name, b.data, b.len);
    ti_buf_free(&b);
}

static inline void cb_free(cb_model *m)
{
    for (size_t i = 0; i < m->n; i++) {
        free(m->items[i].values);
        free(m->items[i].data);
    }
    free(m->items);
    *m = (cb_model){0};
}

/* --- a tokenizer ------------------------------------------------------------------------- */

enum { CB_TOKENS = 261, CB_BOS = 258, CB_EOS = 259, CB_THINK = 260 };

/* How byte-level vocabularies write a byte (GPT-2's table). */
static inline void cb_byte_char(unsigned byte, char to[5])
{
    static uint32_t table[256];
    if (table[0] == 0) {
        uint32_t next = 256;
        for (unsigned b = 0; b < 256; b++) {
            bool shown = (b >= 33 && b <= 126) || (b >= 161 && b <= 172) || b >= 174;
            table[b] = shown ? b : next++;
        }
    }
    to[ti_utf8_encode(table[byte], to)] = '\0';
}

#define CB_SPLIT(digits)                                                                       \
    "{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"Split\",\"pattern\":{\"Regex\":"    \
    "\"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\\\r\\\\n\\\\p{L}\\\\p{N}]?\\\\p{L}+|" digits           \
    "| ?[^\\\\s\\\\p{L}\\\\p{N}]+[\\\\r\\\\n]*|\\\\s*[\\\\r\\\\n]+|\\\\s+(?!\\\\S)|\\\\s+\"}," \
    "\"behavior\":\"Isolated\",\"invert\":false},{\"type\":\"ByteLevel\","                     \
    "\"add_prefix_space\":false,\"trim_offsets\":true,\"use_regex\":false}]}"
#define CB_PRE_LLAMA3 CB_SPLIT("\\\\p{N}{1,3}")
#define CB_PRE_QWEN2 CB_SPLIT("\\\\p{N}")

/* 256 bytes, "th", "the", two special tokens and a marker.  The text is malloc()ed. */
static inline char *cb_tokenizer_json(const char *pre, bool ignore_merges, bool pairs)
{
    ti_buf b = {0};
    char text[5];
    ti_buf_adds(&b, "{\"version\":\"1.0\",\"added_tokens\":["
                    "{\"id\":258,\"content\":\"<|begin_of_text|>\",\"special\":true},"
                    "{\"id\":259,\"content\":\"<|end_of_text|>\",\"special\":true},"
                    "{\"id\":260,\"content\":\"<think>\",\"special\":false}],"
                    "\"normalizer\":null,\"pre_tokenizer\":");
    ti_buf_adds(&b, pre);
    ti_buf_adds(&b, ",\"post_processor\":{\"type\":\"TemplateProcessing\",\"single\":["
                    "{\"SpecialToken\":{\"id\":\"<|begin_of_text|>\",\"type_id\":0}},"
                    "{\"Sequence\":{\"id\":\"A\",\"type_id\":0}}]},"
                    "\"decoder\":{\"type\":\"ByteLevel\"},"
                    "\"model\":{\"type\":\"BPE\",\"dropout\":null,\"byte_fallback\":false,");
    ti_buf_addf(&b, "\"ignore_merges\":%s,\"vocab\":{", ignore_merges ? "true" : "false");
    for (unsigned byte = 0; byte < 256; byte++) {
        cb_byte_char(byte, text);
        ti_json_int(&b, text, byte);
    }
    ti_buf_adds(&b, ",\"th\":256,\"the\":257},\"merges\":");
    ti_buf_adds(&b, pairs ? "[[\"t\",\"h\"],[\"th\",\"e\"]]}}" : "[\"t h\",\"th e\"]}}");
    return b.data;
}

static const char CB_TOKENIZER_CONFIG[] =
    "{\"bos_token\":\"<|begin_of_text|>\",\"eos_token\":{\"content\":\"<|end_of_text|>\"},"
    "\"model_max_length\":1000000000000000019884624838656,\"chat_template\":\"{{ x }}\"}";

/* Replaces the first `from` by `to` in a malloc()ed text; frees the text, returns another. */
static inline char *cb_replace(char *text, const char *from, const char *to)
{
    char *at = strstr(text, from);
    if (!at) {
        cb_fail(from);
    }
    ti_buf b = {0};
    ti_buf_add(&b, text, (size_t)(at - text));
    ti_buf_adds(&b, to);
    ti_buf_adds(&b, at + strlen(from));
    free(text);
    return b.data;
}

#endif
