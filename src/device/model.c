/* SPDX-License-Identifier: Apache-2.0 */
#include "device/model.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/le.h"
#include "base/sha256.h"

enum {
    VERSION = 1,
    HEAD = 120,      /* bytes before the layers */
    LAYER_HEAD = 20, /* bytes before a layer's biases */
    AT_VERSION = 8,
    AT_BYTES = 12,
    AT_CONFIG = 16,
    AT_SCALE = 40,
    AT_COLUMN = 48,
    AT_FLAGS = 112,
    AT_LAYERS = 116
};

static const char magic[] = "TERNEDGE";

/* --- writing ------------------------------------------------------------------------------ */

static uint64_t double_bits(double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static size_t inputs_of(const struct tern_edge_layer *l)
{
    return l->kind == TERN_EDGE_CONV        ? (size_t)l->n_in * l->taps
           : l->kind == TERN_EDGE_DEPTHWISE ? l->taps
                                            : l->n_in;
}

static size_t codes_of(const struct tern_edge_layer *l)
{
    return l->kind == TERN_EDGE_DEPTHWISE ? TERN_EDGE_DW_CODES(l->n_out, l->taps)
                                          : TERN_EDGE_FC_CODES(inputs_of(l), l->n_out);
}

static size_t padding(size_t n)
{
    return (4 - n % 4) % 4;
}

static void write_layer(ti_buf *out, const struct tern_edge_layer *l)
{
    static const uint8_t zeros[4];
    uint8_t head[LAYER_HEAD] = {0};
    const size_t n_codes = codes_of(l);
    ti_store_u32(head, (uint32_t)l->mult);
    ti_store_u16(head + 4, l->n_in);
    ti_store_u16(head + 6, l->n_out);
    head[8] = l->kind;
    head[9] = l->shift;
    head[10] = l->relu;
    head[11] = l->taps;
    head[12] = l->dilation;
    ti_store_u32(head + 16, (uint32_t)n_codes);
    ti_buf_add(out, head, sizeof head);
    for (uint32_t i = 0; i < l->n_out; i++) {
        uint8_t bias[2];
        ti_store_u16(bias, (uint16_t)l->bias[i]);
        ti_buf_add(out, bias, sizeof bias);
    }
    ti_buf_add(out, l->codes, n_codes);
    ti_buf_add(out, zeros, padding(2 * (size_t)l->n_out + n_codes));
}

tern_status ti_device_model_write(ti_buf *out, const ti_device_model *model, tern_err *err)
{
    const struct tern_edge_config *c = &model->settings.config;
    const size_t begin = out->len;
    uint8_t head[HEAD] = {0}, *at = head + AT_CONFIG, digest[TI_SHA256_BYTES];
    memcpy(head, magic, AT_VERSION);
    ti_store_u32(head + AT_VERSION, VERSION);
    ti_store_u32(at, (uint32_t)c->max_value);
    ti_store_u32(at + 4, (uint32_t)c->min_deviation);
    ti_store_u32(at + 8, c->interval_s);
    ti_store_u32(at + 12, c->budget);
    ti_store_u16(at + 16, c->frozen_limit);
    ti_store_u16(at + 18, c->warm_up);
    ti_store_u16(at + 20, c->hold);
    at[22] = c->adapt;
    at[23] = c->two_way;
    ti_store_u64(head + AT_SCALE, double_bits(model->settings.scale));
    memcpy(head + AT_COLUMN, model->column, strnlen(model->column, TI_CSV_NAME - 1));
    ti_store_u32(head + AT_LAYERS, model->net.n_layers);
    ti_buf_add(out, head, sizeof head);
    for (uint32_t i = 0; i < model->net.n_layers; i++) {
        write_layer(out, &model->net.layers[i]);
    }
    if (out->failed) {
        return ti_fail_nomem(err, "edge model", out->len, "a file");
    }
    ti_store_u32(out->data + begin + AT_BYTES, (uint32_t)(out->len - begin + TI_SHA256_BYTES));
    ti_sha256_of(digest, out->data + begin, out->len - begin);
    ti_buf_add(out, digest, sizeof digest);
    return out->failed ? ti_fail_nomem(err, "edge model", out->len, "a file") : TERN_OK;
}

/* --- reading ------------------------------------------------------------------------------ */

static tern_status corrupt(size_t at, const char *why, tern_err *err)
{
    return ti_fail(err, TERN_CORRUPT, "edge model", at, "%s", why);
}

static bool all_zero(const uint8_t *bytes, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (bytes[i]) {
            return false;
        }
    }
    return true;
}

static tern_status read_layer(struct tern_edge_layer *l, ti_arena *arena, const uint8_t *data,
                              size_t len, size_t *at, tern_err *err)
{
    const uint8_t *p = data + *at;
    const size_t left = len - *at;
    if (left < LAYER_HEAD) {
        return corrupt(*at, "ends within a layer", err);
    }
    l->mult = (int32_t)ti_load_u32(p);
    l->n_in = ti_load_u16(p + 4);
    l->n_out = ti_load_u16(p + 6);
    l->kind = p[8];
    l->shift = p[9];
    l->relu = p[10];
    l->taps = p[11];
    l->dilation = p[12];
    const size_t n_codes = ti_load_u32(p + 16), n_bias = 2 * (size_t)l->n_out;
    if (l->kind >= TERN_EDGE_N_KINDS || l->relu > 1 || !all_zero(p + 13, 3) ||
        l->taps > TERN_EDGE_MAX_TAPS || n_codes != codes_of(l)) {
        return corrupt(*at, "no layer of a network", err);
    }
    const size_t pad = padding(n_bias + n_codes);
    if (n_bias + n_codes + pad > left - LAYER_HEAD) {
        return corrupt(*at, "ends within a layer", err);
    }
    int16_t *bias = ti_arena_alloc(arena, n_bias ? n_bias : 1);
    uint8_t *codes = ti_arena_alloc(arena, n_codes ? n_codes : 1);
    if (!bias || !codes) {
        return ti_fail_nomem(err, "edge model", n_bias + n_codes, "a layer");
    }
    for (uint32_t i = 0; i < l->n_out; i++) {
        bias[i] = (int16_t)ti_load_u16(p + LAYER_HEAD + 2 * (size_t)i);
    }
    memcpy(codes, p + LAYER_HEAD + n_bias, n_codes);
    if (!all_zero(p + LAYER_HEAD + n_bias + n_codes, pad)) {
        return corrupt(*at, "bytes between layers are not zero", err);
    }
    l->bias = bias;
    l->codes = codes;
    *at += LAYER_HEAD + n_bias + n_codes + pad;
    return TERN_OK;
}

static tern_status read_layers(ti_device_model *m, const uint8_t *data, size_t len,
                               tern_err *err)
{
    const uint32_t n = ti_load_u32(data + AT_LAYERS);
    size_t at = HEAD;
    if (n > TERN_EDGE_MAX_LAYERS) {
        return ti_fail(err, TERN_LIMIT, "edge model", AT_LAYERS, "more than %u layers",
                       TERN_EDGE_MAX_LAYERS);
    }
    struct tern_edge_layer *layers =
        ti_arena_alloc(&m->arena, (n ? n : 1) * sizeof(struct tern_edge_layer));
    if (!layers) {
        return ti_fail_nomem(err, "edge model", n * sizeof *layers, "layers");
    }
    m->net.layers = layers;
    m->net.n_layers = n;
    for (uint32_t i = 0; i < n; i++) {
        TI_TRY(read_layer(&layers[i], &m->arena, data, len, &at, err));
    }
    return at == len ? TERN_OK : corrupt(at, "something follows the last layer", err);
}

static void read_settings(ti_device_model *m, const uint8_t *data)
{
    struct tern_edge_config *c = &m->settings.config;
    const uint8_t *at = data + AT_CONFIG;
    const uint64_t bits = ti_load_u64(data + AT_SCALE);
    c->max_value = (int32_t)ti_load_u32(at);
    c->min_deviation = (int32_t)ti_load_u32(at + 4);
    c->interval_s = ti_load_u32(at + 8);
    c->budget = ti_load_u32(at + 12);
    c->frozen_limit = ti_load_u16(at + 16);
    c->warm_up = ti_load_u16(at + 18);
    c->hold = ti_load_u16(at + 20);
    c->adapt = at[22];
    c->two_way = at[23];
    memcpy(&m->settings.scale, &bits, sizeof bits);
    memcpy(m->column, data + AT_COLUMN, TI_CSV_NAME);
}

static tern_status read_model(ti_device_model *m, const uint8_t *data, size_t len,
                              tern_err *err)
{
    uint8_t digest[TI_SHA256_BYTES];
    if (len < AT_BYTES || memcmp(data, magic, AT_VERSION) != 0) {
        return corrupt(0, "no model of a detector", err);
    }
    if (ti_load_u32(data + AT_VERSION) != VERSION) {
        return ti_fail(err, TERN_UNSUPPORTED, "edge model", AT_VERSION,
                       "version %u, known is %d", ti_load_u32(data + AT_VERSION), VERSION);
    }
    if (len < HEAD + TI_SHA256_BYTES || ti_load_u32(data + AT_BYTES) != len) {
        return corrupt(AT_BYTES, "not as long as it says", err);
    }
    len -= TI_SHA256_BYTES;
    ti_sha256_of(digest, data, len);
    if (memcmp(digest, data + len, sizeof digest) != 0) {
        return corrupt(len, "the digest is of other bytes", err);
    }
    read_settings(m, data);
    if (data[AT_COLUMN + TI_CSV_NAME - 1] != 0 || ti_load_u32(data + AT_FLAGS) != 0 ||
        !(m->settings.scale >= TI_SCALE_MIN && m->settings.scale <= TI_SCALE_MAX)) {
        return corrupt(AT_SCALE, "scale, name or flags are none", err);
    }
    return read_layers(m, data, len, err);
}

tern_status ti_device_model_read(ti_device_model *out, const void *data, size_t len,
                                 tern_err *err)
{
    ti_device_model m = {0};
    ti_detector detector = {0};
    if (len > TI_DEVICE_MODEL_MAX) {
        return ti_fail(err, TERN_LIMIT, "edge model", TI_NO_OFFSET, "more than %d bytes",
                       TI_DEVICE_MODEL_MAX);
    }
    tern_status status = read_model(&m, data, len, err);
    if (status == TERN_OK) {
        status = ti_detector_begin(&detector, &m.settings.config, ti_device_model_net(&m), err);
        ti_detector_free(&detector);
        status = status == TERN_USAGE
                     ? corrupt(HEAD, "the detector refuses the settings or the network", err)
                     : status;
    }
    if (status != TERN_OK) {
        ti_device_model_free(&m);
        return status;
    }
    *out = m;
    return TERN_OK;
}

void ti_device_model_free(ti_device_model *model)
{
    ti_arena_free(&model->arena);
    model->net = (struct tern_edge_net){0};
}

const struct tern_edge_net *ti_device_model_net(const ti_device_model *model)
{
    return model->net.n_layers > 0 ? &model->net : NULL;
}

/* --- detectors ---------------------------------------------------------------------------- */

tern_status ti_detector_begin(ti_detector *out, const struct tern_edge_config *config,
                              const struct tern_edge_net *net, tern_err *err)
{
    ti_detector d = {0};
    struct tern_edge_size size = {0};
    const bool good = !net || tern_edge_net_check(net, &size);
    if (net && good) {
        d.history = calloc(size.history ? size.history : 1, 1);
        d.scratch = calloc(size.scratch ? size.scratch : 1, sizeof *d.scratch);
        if (!d.history || !d.scratch) {
            ti_detector_free(&d);
            return ti_fail_nomem(err, "edge", size.history + 4 * size.scratch, "a detector");
        }
    }
    if (!good || !tern_edge_meter_init(&d.meter, config, net, d.history, d.scratch)) {
        ti_detector_free(&d);
        return ti_fail(err, TERN_USAGE, "edge", TI_NO_OFFSET,
                       "the detector refuses these settings or this network");
    }
    *out = d;
    return TERN_OK;
}

void ti_detector_free(ti_detector *detector)
{
    free(detector->history);
    free(detector->scratch);
    detector->history = NULL;
    detector->scratch = NULL;
}
