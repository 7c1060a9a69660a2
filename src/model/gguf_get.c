/* SPDX-License-Identifier: Apache-2.0 */
/* GGUF: looking things up in a directory that was read and checked. */
#include <float.h>
#include <string.h>

#include "base/le.h"
#include "model/gguf_parts.h"

const ti_gguf_kv *ti_gguf_find(const ti_gguf *gguf, const char *key)
{
    ti_str wanted = {key, strlen(key)};
    size_t low = 0, high = gguf->n_kv;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int c = ti_str_compare(gguf->kv[middle].key, wanted);
        if (c == 0) {
            return &gguf->kv[middle];
        }
        if (c < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return NULL;
}

const ti_gguf_tensor *ti_gguf_tensor_find(const ti_gguf *gguf, const char *name)
{
    size_t low = 0, high = gguf->n_tensors;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const ti_gguf_tensor *t = &gguf->tensors[gguf->by_name[middle]];
        int c = strcmp(t->name, name);
        if (c == 0) {
            return t;
        }
        if (c < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return NULL;
}

/* --- arrays and numbers ------------------------------------------------------------------ */

static bool is_int(ti_gguf_type type)
{
    return type <= TI_GGUF_I32 || type == TI_GGUF_U64 || type == TI_GGUF_I64;
}

static bool is_float(ti_gguf_type type)
{
    return type == TI_GGUF_F32 || type == TI_GGUF_F64;
}

bool ti_gguf_is_int_array(const ti_gguf_kv *kv)
{
    return kv->type == TI_GGUF_ARRAY && is_int(kv->item_type);
}

bool ti_gguf_is_float_array(const ti_gguf_kv *kv)
{
    return kv->type == TI_GGUF_ARRAY && is_float(kv->item_type);
}

bool ti_gguf_is_str_array(const ti_gguf_kv *kv)
{
    return kv->type == TI_GGUF_ARRAY && kv->item_type == TI_GGUF_STRING;
}

/* Two's complement from the low `bits` bits, without a conversion that C leaves open. */
static int64_t sign_extend(uint64_t u, unsigned bits)
{
    uint64_t sign = (uint64_t)1 << (bits - 1);
    uint64_t magnitude = u & (sign - 1);
    return u & sign ? -(int64_t)(sign - 1 - magnitude) - 1 : (int64_t)magnitude;
}

int64_t ti_gguf_int_at(const ti_gguf_kv *kv, uint64_t i)
{
    switch (kv->item_type) {
    case TI_GGUF_U8:
        return kv->data[i];
    case TI_GGUF_I8:
        return sign_extend(kv->data[i], 8);
    case TI_GGUF_U16:
        return ti_load_u16(kv->data + 2 * i);
    case TI_GGUF_I16:
        return sign_extend(ti_load_u16(kv->data + 2 * i), 16);
    case TI_GGUF_U32:
        return ti_load_u32(kv->data + 4 * i);
    case TI_GGUF_I32:
        return sign_extend(ti_load_u32(kv->data + 4 * i), 32);
    case TI_GGUF_I64:
        return sign_extend(ti_load_u64(kv->data + 8 * i), 64);
    case TI_GGUF_U64: {
        uint64_t u = ti_load_u64(kv->data + 8 * i);
        return u > INT64_MAX ? INT64_MAX : (int64_t)u;
    }
    default:
        TI_ASSERT(!"an integer");
        return 0;
    }
}

double ti_gguf_float_at(const ti_gguf_kv *kv, uint64_t i)
{
    TI_ASSERT(is_float(kv->item_type));
    return kv->item_type == TI_GGUF_F32 ? (double)ti_load_f32(kv->data + 4 * i)
                                        : ti_load_f64(kv->data + 8 * i);
}

bool ti_gguf_next_str(const ti_gguf_kv *kv, uint64_t *cursor, ti_str *out)
{
    TI_ASSERT(ti_gguf_is_str_array(kv));
    if (*cursor >= kv->bytes) {
        return false;
    }
    uint64_t len = ti_load_u64(kv->data + *cursor); /* checked when the file was read */
    *out = (ti_str){(const char *)kv->data + *cursor + 8, (size_t)len};
    *cursor += 8 + len;
    return true;
}

/* --- typed values ---------------------------------------------------------------------- */

static uint64_t offset_of(const ti_gguf *g, const ti_gguf_kv *kv)
{
    return (uint64_t)(kv->data - g->data);
}

/* Finds a key.  *out is NULL when it is absent and need not be there. */
static tern_status find_for(const ti_gguf *g, const char *key, bool required,
                            const ti_gguf_kv **out, tern_err *err)
{
    *out = ti_gguf_find(g, key);
    if (!*out && required) {
        return ti_fail(err, TERN_CORRUPT, "gguf", TI_NO_OFFSET, "key '%s' is missing", key);
    }
    return TERN_OK;
}

static tern_status wrong_type(const ti_gguf *g, const ti_gguf_kv *kv, const char *want,
                              tern_err *err)
{
    return ti_fail(err, TERN_CORRUPT, "gguf", offset_of(g, kv), "key '%.*s' is not %s",
                   TI_GGUF_SHOW(kv->key), want);
}

tern_status ti_gguf_get_u32(const ti_gguf *gguf, const char *key, bool required, uint32_t *out,
                            tern_err *err)
{
    const ti_gguf_kv *kv;
    TI_TRY(find_for(gguf, key, required, &kv, err));
    if (!kv) {
        return TERN_OK;
    }
    if (!is_int(kv->type)) {
        return wrong_type(gguf, kv, "an integer", err);
    }
    int64_t value = ti_gguf_int_at(kv, 0);
    if (value < 0 || value > UINT32_MAX) {
        return ti_fail(err, TERN_CORRUPT, "gguf", offset_of(gguf, kv),
                       "key '%s': %lld is out of range", key, (long long)value);
    }
    *out = (uint32_t)value;
    return TERN_OK;
}

tern_status ti_gguf_get_f32(const ti_gguf *gguf, const char *key, bool required, float *out,
                            tern_err *err)
{
    const ti_gguf_kv *kv;
    TI_TRY(find_for(gguf, key, required, &kv, err));
    if (!kv) {
        return TERN_OK;
    }
    if (!is_float(kv->type)) {
        return wrong_type(gguf, kv, "a floating-point number", err);
    }
    double value = ti_gguf_float_at(kv, 0);
    if (!(value >= -(double)FLT_MAX && value <= (double)FLT_MAX)) {
        return wrong_type(gguf, kv, "a finite float32", err);
    }
    *out = (float)value;
    return TERN_OK;
}

tern_status ti_gguf_get_bool(const ti_gguf *gguf, const char *key, bool required, bool *out,
                             tern_err *err)
{
    const ti_gguf_kv *kv;
    TI_TRY(find_for(gguf, key, required, &kv, err));
    if (!kv) {
        return TERN_OK;
    }
    if (kv->type != TI_GGUF_BOOL) {
        return wrong_type(gguf, kv, "a truth value", err);
    }
    *out = kv->data[0] != 0;
    return TERN_OK;
}

tern_status ti_gguf_get_str(const ti_gguf *gguf, const char *key, bool required, ti_str *out,
                            tern_err *err)
{
    const ti_gguf_kv *kv;
    TI_TRY(find_for(gguf, key, required, &kv, err));
    if (!kv) {
        return TERN_OK;
    }
    if (kv->type != TI_GGUF_STRING) {
        return wrong_type(gguf, kv, "a string", err);
    }
    *out = (ti_str){(const char *)kv->data, (size_t)kv->bytes};
    return TERN_OK;
}
