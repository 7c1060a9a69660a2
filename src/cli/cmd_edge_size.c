/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cmd.h"
#include "cli/edge_input.h"
#include "cli/out.h"
#include "device/cost.h"

typedef struct size_args {
    bool json;
} size_args;

static const size_args defaults = {0};

static const ti_opt opts[] = {
    {.type = TI_OPT_FLAG,
     .name = "json",
     .help = "print one JSON document, schema tern.edge-size/1",
     .offset = offsetof(size_args, json)},
    {0},
};

static const ti_operand operands[] = {
    {.metavar = "MODEL",
     .help = "a file of tern edge fit; none: the detector alone",
     .words = TI_WORDS_FILE,
     .optional = true},
    {0},
};

static uint32_t flash(const ti_cost *c)
{
    return c->flash_code + c->flash_weights;
}

static uint32_t ram(const ti_cost *c)
{
    return c->ram_state + c->ram_history + c->ram_scratch + c->ram_stack;
}

static void print_text(const ti_cost *c)
{
    ti_printf("flash         %u bytes: code %u, weights, layers and settings %u\n", flash(c),
              c->flash_code, c->flash_weights);
    ti_printf("RAM           %u bytes: state %u, history %u, scratch %u, stack %u\n", ram(c),
              c->ram_state, c->ram_history, c->ram_scratch, c->ram_stack);
    ti_printf("instructions  %u a reading at most, for %u multiply-accumulates\n",
              c->instructions, c->macs);
    ti_printf("cycles        %u, modelled: 1.404 an instruction\n", c->cycles);
    ti_printf("energy        %.2f to %.2f uJ a reading, modelled: %d to %d pJ a cycle\n",
              c->energy_low_uj, c->energy_high_uj, TI_COST_PJ_LOW, TI_COST_PJ_HIGH);
    ti_printf("budget        %s: %d bytes of flash, %d of RAM, %d instructions\n",
              flash(c) <= TI_COST_FLASH_MAX && ram(c) <= TI_COST_RAM_MAX &&
                      c->instructions <= TI_COST_INSTRUCTIONS_MAX
                  ? "kept"
                  : "not kept",
              TI_COST_FLASH_MAX, TI_COST_RAM_MAX, TI_COST_INSTRUCTIONS_MAX);
}

static tern_status print_json(const ti_cost *c, tern_err *err)
{
    ti_buf json = {0};
    ti_json_open(&json, NULL, '{');
    ti_json_str(&json, "schema", "tern.edge-size/1");
    ti_json_uint(&json, "flash_code_bytes", c->flash_code);
    ti_json_uint(&json, "flash_weights_bytes", c->flash_weights);
    ti_json_uint(&json, "ram_state_bytes", c->ram_state);
    ti_json_uint(&json, "ram_history_bytes", c->ram_history);
    ti_json_uint(&json, "ram_scratch_bytes", c->ram_scratch);
    ti_json_uint(&json, "ram_stack_bytes", c->ram_stack);
    ti_json_uint(&json, "macs", c->macs);
    ti_json_uint(&json, "instructions", c->instructions);
    ti_json_open(&json, "modelled", '{');
    ti_json_uint(&json, "cycles", c->cycles);
    ti_json_num(&json, "energy_low_uj", c->energy_low_uj, 6);
    ti_json_num(&json, "energy_high_uj", c->energy_high_uj, 6);
    ti_json_close(&json, '}');
    ti_json_close(&json, '}');
    tern_status status = ti_print_json(&json, err);
    ti_buf_free(&json);
    return status;
}

static tern_status run(const void *values, const ti_operands *given, tern_err *err)
{
    const size_args *args = values;
    ti_device_model model = {0};
    ti_cost cost;
    if (given->n > 0) {
        TI_TRY(ti_edge_model_load(&model, given->items[0], err));
    }
    ti_cost_of(&cost, ti_device_model_net(&model));
    ti_device_model_free(&model);
    if (args->json) {
        return print_json(&cost, err);
    }
    print_text(&cost);
    return TERN_OK;
}

const ti_command ti_cmd_edge_size = {
    .name = "edge size",
    .summary = "what a model takes on a Cortex-M4",
    .description =
        "Prints flash, memory and instructions for a reading on a Cortex-M4, and what follows "
        "from these: cycles and energy, which are modelled and were measured on no board.\n\n"
        "Instructions are an upper estimate from the shapes of the layers.  Its constants come "
        "from exact counts under QEMU and are compared with them by the project's tests, which "
        "fail beyond 8 %.",
    .examples = "tern edge size meter.edge",
    .opts = opts,
    .operands = operands,
    .defaults = &defaults,
    .size = sizeof defaults,
    .run = run,
};
