/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cmd.h"

static const ti_command *const commands[] = {
    &ti_cmd_model_list,
    &ti_cmd_model_info,
    &ti_cmd_model_verify,
    &ti_cmd_model_convert,
    &ti_cmd_model_pack,
    &ti_cmd_model_synth,
    NULL,
};

const ti_command ti_cmd_model = {
    .name = "model",
    .summary = "look at, check, convert and make model files",
    .description = "Commands on model files.",
    .subs = commands,
};
