/* SPDX-License-Identifier: Apache-2.0 */
#include "device/export.h"

#include <ctype.h>
#include <string.h>

#include "device/cost.h"

enum { NAME_MAX_BYTES = 32, PER_LINE = 16 };

bool ti_export_name_valid(const char *name)
{
    const size_t len = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_");
    static const char core[] = "tern_edge"; /* its files and identifiers are there already */
    return len > 0 && len <= NAME_MAX_BYTES && !name[len] && name[0] >= 'a' && name[0] <= 'z' &&
           strncmp(name, core, sizeof core - 1) != 0;
}

static const char *const kinds[] = {"TERN_EDGE_FC", "TERN_EDGE_CONV", "TERN_EDGE_DEPTHWISE"};

static void add_budget(ti_buf *out, const ti_device_model *model)
{
    ti_cost c;
    ti_cost_of(&c, ti_device_model_net(model));
    ti_buf_addf(
        out,
        " * Budget on a Cortex-M4 (gcc 12.2 -O2; instructions are an upper estimate from\n"
        " * the shapes, cycles and energy are modelled at 1.4 cycles an instruction and 279\n"
        " * to 322 pJ a cycle, no board was measured):\n"
        " *   flash         %u bytes of code, %u of weights, layers and settings\n"
        " *   RAM           %u bytes of state, %u of history, %u of scratch, %u of stack\n"
        " *   instructions  %u a reading at most, %u multiply-accumulates stood for\n"
        " *   energy        %.2f to %.2f uJ a reading\n",
        c.flash_code, c.flash_weights, c.ram_state, c.ram_history, c.ram_scratch, c.ram_stack,
        c.instructions, c.macs, c.energy_low_uj, c.energy_high_uj);
}

static void add_header(ti_buf *out, const ti_device_model *model, const char *name)
{
    struct tern_edge_size size = {0};
    const struct tern_edge_net *net = ti_device_model_net(model);
    char guard[NAME_MAX_BYTES + 1] = "";
    for (size_t i = 0; name[i]; i++) {
        guard[i] = (char)toupper((unsigned char)name[i]);
    }
    ti_buf_addf(
        out,
        "/* Made by `tern edge export`.\n"
        " *\n"
        " * Readings are whole numbers: values as in the file that the model was fitted to,\n"
        " * times %.9g, rounded; one every %u seconds.\n"
        " *\n",
        model->settings.scale, model->settings.config.interval_s);
    add_budget(out, model);
    ti_buf_addf(out,
                " */\n#ifndef %s_H\n#define %s_H\n\n#include \"tern_edge.h\"\n\n"
                "extern const struct tern_edge_config %s_config;\n",
                guard, guard, name);
    if (net && tern_edge_net_check(net, &size)) {
        ti_buf_addf(out,
                    "extern const struct tern_edge_net %s_net;\n\n"
                    "/* For tern_edge_meter_init(): int8_t history[%s_HISTORY], uint32_t "
                    "scratch[%s_SCRATCH]. */\n"
                    "#define %s_HISTORY %zu\n#define %s_SCRATCH %zu\n",
                    name, guard, guard, guard, size.history ? size.history : 1, guard,
                    size.scratch);
    }
    ti_buf_adds(out, "\n#endif\n");
}

static void add_config(ti_buf *out, const struct tern_edge_config *c, const char *name)
{
    ti_buf_addf(out,
                "const struct tern_edge_config %s_config = {\n"
                "    .max_value = %d,\n    .min_deviation = %d,\n    .interval_s = %uu,\n"
                "    .budget = %uu,\n    .frozen_limit = %u,\n    .warm_up = %u,\n"
                "    .hold = %u,\n    .adapt = %u,\n    .two_way = %u,\n};\n",
                name, c->max_value, c->min_deviation, c->interval_s, c->budget, c->frozen_limit,
                c->warm_up, c->hold, c->adapt, c->two_way);
}

static size_t codes_of(const struct tern_edge_layer *l)
{
    const size_t n_in = l->kind == TERN_EDGE_CONV ? (size_t)l->n_in * l->taps : l->n_in;
    return l->kind == TERN_EDGE_DEPTHWISE ? TERN_EDGE_DW_CODES(l->n_out, l->taps)
                                          : TERN_EDGE_FC_CODES(n_in, l->n_out);
}

static void add_arrays(ti_buf *out, const struct tern_edge_layer *l, const char *name,
                       uint32_t layer)
{
    const size_t n_codes = codes_of(l);
    ti_buf_addf(out, "\nstatic const uint8_t %s_codes_%u[%zu] = {", name, layer, n_codes);
    for (size_t i = 0; i < n_codes; i++) {
        ti_buf_addf(out, "%s%u,", i % PER_LINE ? " " : "\n    ", l->codes[i]);
    }
    ti_buf_addf(out, "\n};\nstatic const int16_t %s_bias_%u[%u] = {", name, layer, l->n_out);
    for (uint32_t i = 0; i < l->n_out; i++) {
        ti_buf_addf(out, "%s%d,", i % PER_LINE ? " " : "\n    ", l->bias[i]);
    }
    ti_buf_adds(out, "\n};\n");
}

static void add_net(ti_buf *out, const struct tern_edge_net *net, const char *name)
{
    for (uint32_t i = 0; i < net->n_layers; i++) {
        add_arrays(out, &net->layers[i], name, i);
    }
    ti_buf_addf(out, "\nstatic const struct tern_edge_layer %s_layers[%u] = {\n", name,
                net->n_layers);
    for (uint32_t i = 0; i < net->n_layers; i++) {
        const struct tern_edge_layer *l = &net->layers[i];
        ti_buf_addf(out,
                    "    {.codes = %s_codes_%u,\n     .bias = %s_bias_%u,\n     .mult = %d,\n"
                    "     .n_in = %u,\n     .n_out = %u,\n     .kind = %s,\n"
                    "     .shift = %u,\n     .relu = %u,\n     .taps = %u,\n"
                    "     .dilation = %u},\n",
                    name, i, name, i, l->mult, l->n_in, l->n_out, kinds[l->kind], l->shift,
                    l->relu, l->taps, l->dilation);
    }
    ti_buf_addf(out, "};\n\nconst struct tern_edge_net %s_net = {%s_layers, %u};\n", name, name,
                net->n_layers);
}

tern_status ti_export_c(ti_buf *header, ti_buf *source, const ti_device_model *model,
                        const char *name, tern_err *err)
{
    const struct tern_edge_net *net = ti_device_model_net(model);
    add_header(header, model, name);
    ti_buf_addf(source, "/* Made by `tern edge export`: %s.h says what it is. */\n", name);
    ti_buf_addf(source, "#include \"%s.h\"\n\n", name);
    add_config(source, &model->settings.config, name);
    if (net) {
        add_net(source, net, name);
    }
    return header->failed || source->failed
               ? ti_fail_nomem(err, "edge", source->len, "C sources")
               : TERN_OK;
}
