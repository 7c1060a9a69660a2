/* SPDX-License-Identifier: Apache-2.0 */
#include "convert/convert.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/le.h"
#include "convert/llama2c.h"
#include "convert/sources.h"

static const char MODULE[] = "convert";

enum { QUANTIZATION_VERSION = 2 /* of the block formats, as llama.cpp counts them */ };

/* --- keys -------------------------------------------------------------------------------- */

void ti_put_general(ti_gguf_writer *w, const char *arch, const char *in,
                    const ti_convert_opts *opts)
{
    const char *name = opts->name;
    size_t len = name ? strlen(name) : 0;
    if (!name) { /* the last part of the path, without slashes after it and without ending */
        size_t end = strlen(in);
        while (end > 1 && in[end - 1] == '/') {
            end--;
        }
        size_t begin = end;
        while (begin > 0 && in[begin - 1] != '/') {
            begin--;
        }
        name = in + begin;
        len = end - begin;
        static const char *const endings[] = {".bin", ".json"};
        for (size_t i = 0; i < 2; i++) {
            size_t tail = strlen(endings[i]);
            if (len > tail && memcmp(name + len - tail, endings[i], tail) == 0) {
                len -= tail;
                break;
            }
        }
    }
    ti_gguf_put_str(w, "general.architecture", arch, strlen(arch));
    ti_gguf_put_str(w, "general.name", name, len);
}

/* A key that starts with the architecture's name. */
static const char *arch_key(char to[80], const char *arch, const char *key)
{
    snprintf(to, 80, "%.40s.%s", arch, key);
    return to;
}

void ti_put_arch(ti_gguf_writer *w, const ti_arch_keys *k, const ti_out_types *types)
{
    char key[80];
    const struct {
        const char *key;
        uint32_t value;
    } counts[] = {
        {"vocab_size", k->n_vocab},
        {"context_length", k->n_ctx},
        {"embedding_length", k->n_embd},
        {"block_count", k->n_layer},
        {"feed_forward_length", k->n_ff},
        {"attention.head_count", k->n_head},
        {"attention.head_count_kv", k->n_head_kv},
        {"attention.key_length", k->head_dim},
        {"attention.value_length", k->head_dim},
        {"rope.dimension_count", k->head_dim},
    };
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        ti_gguf_put_u32(w, arch_key(key, k->arch, counts[i].key), counts[i].value);
    }
    ti_gguf_put_f32(w, arch_key(key, k->arch, "rope.freq_base"), (float)k->rope_base);
    ti_gguf_put_f32(w, arch_key(key, k->arch, "attention.layer_norm_rms_epsilon"),
                    (float)k->rms_eps);
    ti_gguf_put_u32(w, "general.file_type", types->file_type);
    ti_gguf_put_u32(w, "general.quantization_version", QUANTIZATION_VERSION);
    if (types->matrix->type == TI_I2_S) {
        ti_gguf_put_str(w, TI_GGUF_KEY_I2S_LAYOUT, "x86",
                        3); /* which the type id does not say */
    }
}

/* --- what it is -------------------------------------------------------------------------- */

typedef tern_status (*converter)(ti_gguf_writer *w, const char *in, const ti_convert_opts *opts,
                                 tern_err *err);

static bool ends_with(const char *text, const char *ending)
{
    size_t n = strlen(text), tail = strlen(ending);
    return n >= tail && strcmp(text + n - tail, ending) == 0;
}

static bool starts_json(const uint8_t *data, uint64_t size)
{
    uint64_t i = 0;
    while (i < size &&
           (data[i] == ' ' || data[i] == '\n' || data[i] == '\r' || data[i] == '\t')) {
        i++;
    }
    return i < size && data[i] == '{';
}

static tern_status recognise_file(converter *out, const char *in, tern_err *err)
{
    ti_map map;
    TI_TRY(ti_map_open(&map, in, err));
    bool gguf = map.size >= 4 && memcmp(map.data, "GGUF", 4) == 0;
    bool json = starts_json(map.data, map.size);
    ti_map_close(&map);
    if (gguf) {
        return ti_fail(err, TERN_USAGE, MODULE, TI_NO_OFFSET, "'%.120s' is a GGUF file already",
                       in);
    }
    if (ends_with(in, ".safetensors")) {
        return ti_fail(err, TERN_USAGE, MODULE, TI_NO_OFFSET,
                       "give the directory that '%.120s' is in: it has the other files", in);
    }
    if (ends_with(in, ".model")) {
        return ti_fail(err, TERN_UNSUPPORTED, MODULE, TI_NO_OFFSET,
                       "'%.120s': SentencePiece models are not read", in);
    }
    *out = json ? ti_convert_vocab : ti_convert_llama2c;
    return TERN_OK;
}

/* Chooses the converter; refuses to overwrite what it reads. */
static tern_status recognise(converter *to, const char *in, const char *out, tern_err *err)
{
    struct stat source, target;
    if (stat(in, &source) != 0) {
        return ti_fail_errno(err, errno, MODULE, "cannot open '%.120s'", in);
    }
    if (stat(out, &target) == 0 && source.st_dev == target.st_dev &&
        source.st_ino == target.st_ino) {
        return ti_fail(err, TERN_USAGE, MODULE, TI_NO_OFFSET,
                       "'%.120s' is both input and output", in);
    }
    if (S_ISDIR(source.st_mode)) {
        *to = ti_convert_hf;
        return TERN_OK;
    }
    return recognise_file(to, in, err);
}

tern_status ti_convert(const char *in, const char *out, const ti_convert_opts *opts,
                       tern_err *err)
{
    static const ti_convert_opts defaults = {0};
    converter to = NULL;
    ti_gguf_writer *w;
    TI_TRY(recognise(&to, in, out, err));
    TI_TRY(ti_gguf_writer_create(&w, out, err));
    tern_status status = to(w, in, opts ? opts : &defaults, err);
    if (status == TERN_OK) {
        status = ti_gguf_writer_finish(w, err);
    }
    ti_gguf_writer_destroy(w);
    return status;
}
