/* SPDX-License-Identifier: Apache-2.0 */
/* Shows what a GGUF file says, also when tern could not run it. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "cli/cmd.h"
#include "cli/common.h"
#include "cli/info_smdr.h"
#include "cli/models.h"
#include "cli/out.h"
#include "model/gguf.h"

typedef struct info_args {
    ti_model_args model;
    bool tensors, json;
} info_args;

static const info_args defaults = {0};

static const ti_opt opts[] = {
    {.type = TI_OPT_FLAG,
     .name = "tensors",
     .help = "list every tensor",
     .offset = offsetof(info_args, tensors)},
    {.type = TI_OPT_FLAG,
     .name = "json",
     .help = "print one JSON document, schema tern.model-info/1",
     .offset = offsetof(info_args, json)},
    TI_OPTS_READING(info_args, model),
    {0},
};

static const ti_operand operands[] = {
    {.metavar = "MODEL",
     .help = "a GGUF file, or the name of a model",
     .words = TI_WORDS_MODEL},
    {0},
};

enum {
    SHOWN_ITEMS = 4,  /* of an array */
    SHOWN_BYTES = 64, /* of a string */
    TYPES_MAX = 64    /* different types in one file, more than there are */
};

/* --- sums -----------------------------------------------------------------------------------
 */

typedef struct type_sum {
    const ti_type_info *type;
    uint64_t tensors, weights, bytes;
} type_sum;

typedef struct sums {
    type_sum types[TYPES_MAX];
    size_t n;
    uint64_t weights, bytes;
} sums;

static uint64_t weights_of(const ti_gguf_tensor *t)
{
    return t->dims[0] * t->rows; /* the reader has checked the product */
}

static void add_up(sums *s, const ti_gguf *gguf)
{
    *s = (sums){0};
    for (size_t i = 0; i < gguf->n_tensors; i++) {
        const ti_gguf_tensor *t = &gguf->tensors[i];
        size_t j = 0;
        while (j < s->n && s->types[j].type != t->type) {
            j++;
        }
        if (j == TYPES_MAX) {
            continue;
        }
        if (j == s->n) {
            s->types[s->n++].type = t->type;
        }
        s->types[j].tensors++;
        s->types[j].weights += weights_of(t);
        s->types[j].bytes += t->bytes;
        s->weights += weights_of(t);
        s->bytes += t->bytes;
    }
}

static double bits_per_weight(uint64_t bytes, uint64_t weights)
{
    return weights ? (double)bytes * 8 / (double)weights : 0;
}

/* --- values ---------------------------------------------------------------------------------
 */

static const char *value_type_name(ti_gguf_type type)
{
    static const char *const names[] = {"u8",   "i8",     "u16",   "i16", "u32", "i32", "f32",
                                        "bool", "string", "array", "u64", "i64", "f64"};
    return (size_t)type < sizeof names / sizeof names[0] ? names[type] : "?";
}

/* Adds text with everything that a terminal would obey replaced by '.'. */
static void add_shown(ti_buf *out, const char *text, size_t len)
{
    size_t cut = len > SHOWN_BYTES ? ti_utf8_complete(text, SHOWN_BYTES) : len;
    for (size_t i = 0; i < cut;) {
        uint32_t code = 0;
        size_t n = ti_utf8_decode(text + i, cut - i, &code);
        if (n == 0 || code < 0x20 || (code >= 0x7f && code < 0xa0)) {
            ti_buf_addc(out, '.');
            n = n ? n : 1;
        } else {
            ti_buf_add(out, text + i, n);
        }
        i += n;
    }
    ti_buf_adds(out, cut < len ? "..." : "");
}

/* Adds item i of a key as text.  `cursor` walks over strings. */
static void add_item(ti_buf *out, const ti_gguf_kv *kv, uint64_t i, uint64_t *cursor)
{
    ti_str s;
    switch (kv->item_type) {
    case TI_GGUF_F32:
    case TI_GGUF_F64:
        ti_buf_addf(out, "%.9g", ti_gguf_float_at(kv, i));
        break;
    case TI_GGUF_BOOL:
        ti_buf_adds(out, kv->data[i] ? "true" : "false");
        break;
    case TI_GGUF_STRING:
        if (kv->type == TI_GGUF_STRING) {
            add_shown(out, (const char *)kv->data, (size_t)kv->bytes);
        } else if (ti_gguf_next_str(kv, cursor, &s)) {
            ti_buf_addc(out, '"');
            add_shown(out, s.data, s.len);
            ti_buf_addc(out, '"');
        }
        break;
    case TI_GGUF_ARRAY:
        break;
    default:
        ti_buf_addf(out, "%" PRId64, ti_gguf_int_at(kv, i));
        break;
    }
}

static tern_status print_key(const ti_gguf_kv *kv, tern_err *err)
{
    ti_buf text = {0};
    uint64_t cursor = 0;
    bool array = kv->type == TI_GGUF_ARRAY;
    if (array) {
        ti_buf_addf(&text, "%" PRIu64 " x %s: ", kv->n, value_type_name(kv->item_type));
    }
    for (uint64_t i = 0; i < kv->n && i < SHOWN_ITEMS; i++) {
        ti_buf_adds(&text, i ? ", " : "");
        add_item(&text, kv, i, &cursor);
    }
    ti_buf_adds(&text, kv->n > SHOWN_ITEMS ? ", ..." : "");
    bool failed = text.failed;
    if (!failed) {
        ti_printf("  %-44.*s %s\n", (int)kv->key.len, kv->key.data, text.data ? text.data : "");
    }
    ti_buf_free(&text);
    return failed ? ti_fail_nomem(err, "model info", SHOWN_BYTES, "a value") : TERN_OK;
}

static void json_item(ti_buf *json, const char *key, const ti_gguf_kv *kv, uint64_t i,
                      uint64_t *cursor)
{
    ti_str s;
    switch (kv->item_type) {
    case TI_GGUF_F32:
    case TI_GGUF_F64:
        ti_json_num(json, key, ti_gguf_float_at(kv, i), 17);
        break;
    case TI_GGUF_BOOL:
        ti_json_bool(json, key, kv->data[i] != 0);
        break;
    case TI_GGUF_STRING:
        if (kv->type == TI_GGUF_STRING) {
            ti_json_strn(json, key, (const char *)kv->data, (size_t)kv->bytes);
        } else if (ti_gguf_next_str(kv, cursor, &s)) {
            ti_json_strn(json, key, s.data, s.len);
        }
        break;
    case TI_GGUF_ARRAY:
        break;
    default:
        ti_json_int(json, key, ti_gguf_int_at(kv, i));
        break;
    }
}

/* --- the document ---------------------------------------------------------------------------
 */

static void json_keys(ti_buf *json, const ti_gguf *gguf)
{
    ti_json_open(json, "metadata", '[');
    for (size_t i = 0; i < gguf->n_kv; i++) {
        const ti_gguf_kv *kv = &gguf->kv[i];
        uint64_t cursor = 0;
        ti_json_open(json, NULL, '{');
        ti_json_strn(json, "key", kv->key.data, kv->key.len);
        ti_json_str(json, "type", value_type_name(kv->type));
        if (kv->type != TI_GGUF_ARRAY) {
            json_item(json, "value", kv, 0, &cursor);
        } else {
            ti_json_str(json, "item_type", value_type_name(kv->item_type));
            ti_json_uint(json, "n", kv->n);
            ti_json_open(json, "first", '[');
            for (uint64_t j = 0; j < kv->n && j < SHOWN_ITEMS; j++) {
                json_item(json, NULL, kv, j, &cursor);
            }
            ti_json_close(json, ']');
        }
        ti_json_close(json, '}');
    }
    ti_json_close(json, ']');
}

static void json_tensors(ti_buf *json, const ti_gguf *gguf)
{
    ti_json_open(json, "tensors", '[');
    for (size_t i = 0; i < gguf->n_tensors; i++) {
        const ti_gguf_tensor *t = &gguf->tensors[i];
        ti_json_open(json, NULL, '{');
        ti_json_str(json, "name", t->name);
        ti_json_str(json, "type", t->type->name);
        ti_json_open(json, "dims", '[');
        for (uint32_t d = 0; d < t->n_dims; d++) {
            ti_json_uint(json, NULL, t->dims[d]);
        }
        ti_json_close(json, ']');
        ti_json_uint(json, "offset", t->offset);
        ti_json_uint(json, "bytes", t->bytes);
        ti_json_close(json, '}');
    }
    ti_json_close(json, ']');
}

static tern_status print_document(const char *path, const ti_gguf *gguf, const sums *s,
                                  const char *problem, tern_err *err)
{
    ti_buf json = {0};
    ti_json_open(&json, NULL, '{');
    ti_json_str(&json, "schema", "tern.model-info/1");
    ti_json_str(&json, "path", path);
    ti_json_uint(&json, "bytes", gguf->size);
    ti_json_uint(&json, "version", gguf->version);
    ti_json_uint(&json, "alignment", gguf->alignment);
    if (problem) {
        ti_json_str(&json, "problem", problem);
    }
    ti_json_uint(&json, "n_weights", s->weights);
    ti_json_uint(&json, "n_tensors", gguf->n_tensors);
    ti_json_num(&json, "bits_per_weight", bits_per_weight(s->bytes, s->weights), 6);
    ti_json_open(&json, "types", '[');
    for (size_t i = 0; i < s->n; i++) {
        const type_sum *t = &s->types[i];
        ti_json_open(&json, NULL, '{');
        ti_json_str(&json, "type", t->type->name);
        ti_json_uint(&json, "tensors", t->tensors);
        ti_json_uint(&json, "weights", t->weights);
        ti_json_uint(&json, "bytes", t->bytes);
        ti_json_close(&json, '}');
    }
    ti_json_close(&json, ']');
    tern_status status = ti_is_smdr(gguf) ? ti_json_smdr(&json, gguf, err) : TERN_OK;
    json_keys(&json, gguf);
    json_tensors(&json, gguf);
    ti_json_close(&json, '}');
    if (status == TERN_OK) {
        status = ti_print_json(&json, err);
    }
    ti_buf_free(&json);
    return status;
}

/* --- lines ----------------------------------------------------------------------------------
 */

static void print_tensors(const ti_gguf *gguf)
{
    ti_printf("\n%sTensors%s\n", ti_bold(), ti_plain());
    for (size_t i = 0; i < gguf->n_tensors; i++) {
        const ti_gguf_tensor *t = &gguf->tensors[i];
        char dims[96];
        int n = 0;
        for (uint32_t d = 0; d < t->n_dims; d++) {
            n += snprintf(dims + n, sizeof dims - (size_t)n, "%s%" PRIu64, d ? " x " : "",
                          t->dims[d]);
        }
        dims[n] = '\0';
        ti_printf("  %-32s %-7s %-20s %12" PRIu64 " B at %" PRIu64 "\n", t->name, t->type->name,
                  dims, t->bytes, t->offset);
    }
}

static tern_status print_lines(const char *path, const ti_gguf *gguf, const sums *s,
                               bool tensors, tern_err *err)
{
    char size[32];
    ti_printf("%s\n  GGUF version %u, %s, %zu tensors, %" PRIu64
              " weights, %.2f bits a weight\n",
              path, (unsigned)gguf->version, ti_human_bytes(size, sizeof size, gguf->size),
              gguf->n_tensors, s->weights, bits_per_weight(s->bytes, s->weights));
    ti_printf("\n%sTypes%s\n", ti_bold(), ti_plain());
    for (size_t i = 0; i < s->n; i++) {
        const type_sum *t = &s->types[i];
        ti_printf(
            "  %-7s %5" PRIu64 " tensors %14" PRIu64 " weights %10s %6.2f bits a weight\n",
            t->type->name, t->tensors, t->weights, ti_human_bytes(size, sizeof size, t->bytes),
            bits_per_weight(t->bytes, t->weights));
    }
    if (ti_is_smdr(gguf)) {
        TI_TRY(ti_print_smdr(gguf, err));
    }
    ti_printf("\n%sMetadata%s\n", ti_bold(), ti_plain());
    for (size_t i = 0; i < gguf->n_kv; i++) {
        TI_TRY(print_key(&gguf->kv[i], err));
    }
    if (tensors) {
        print_tensors(gguf);
    }
    return TERN_OK;
}

/* Opens a file; when only its tensors' data is at fault, that is no reason not to show the
 * rest: `problem` receives what is wrong. */
static tern_status open_lenient(ti_gguf *out, const char *path, const ti_model_args *args,
                                char *problem, size_t cap, tern_err *err)
{
    tern_model_opts model;
    tern_err first;
    ti_model_opts(&model, args);
    ti_gguf_opts how = {.i2s = (int)model.i2s, .q2_0_group = model.q2_0_group};
    problem[0] = '\0';
    if (ti_gguf_open(out, path, &how, &first) == TERN_OK) {
        return TERN_OK;
    }
    if (first.status == TERN_NOMEM || first.status == TERN_IO) {
        *err = first; /* not the file's fault */
        return first.status;
    }
    how.directory_only = true;
    tern_err second;
    if (ti_gguf_open(out, path, &how, &second) != TERN_OK) {
        *err = first;
        return first.status;
    }
    snprintf(problem, cap, "%s", first.message);
    return TERN_OK;
}

static tern_status run(const void *values, const ti_operands *given, tern_err *err)
{
    const info_args *args = values;
    char *path, problem[sizeof err->message];
    ti_gguf gguf = {0};
    sums s;
    TI_TRY(ti_model_path(&path, given->items[0], err));
    tern_status status = open_lenient(&gguf, path, &args->model, problem, sizeof problem, err);
    if (status == TERN_OK) {
        add_up(&s, &gguf);
        if (args->json) {
            status = print_document(path, &gguf, &s, *problem ? problem : NULL, err);
        } else {
            status = print_lines(path, &gguf, &s, args->tensors, err);
        }
        if (*problem) {
            ti_warn("%s", problem);
        }
        ti_gguf_close(&gguf);
    }
    free(path);
    return status;
}

const ti_command ti_cmd_model_info = {
    .name = "model info",
    .summary = "show what a model file holds",
    .description = "Shows the metadata of a GGUF file and how its weights are stored.  Works "
                   "also for files that tern cannot run.",
    .examples = "tern model info model.gguf --tensors\n"
                "tern model info smollm2-135m-instruct --json | jq .types",
    .opts = opts,
    .operands = operands,
    .defaults = &defaults,
    .size = sizeof defaults,
    .run = run,
};
