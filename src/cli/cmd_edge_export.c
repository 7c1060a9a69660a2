/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "cli/cmd.h"
#include "cli/edge_input.h"
#include "cli/out.h"
#include "device/export.h"

typedef struct export_args {
    const char *directory, *name;
} export_args;

static const export_args defaults = {.name = "meter_model"};

static const ti_opt opts[] = {
    {.type = TI_OPT_STR,
     .name = "output",
     .letter = 'o',
     .metavar = "DIR",
     .help = "write the two files into this directory, which is made if it is not there",
     .fallback = "the current one",
     .words = TI_WORDS_FILE,
     .offset = offsetof(export_args, directory)},
    {.type = TI_OPT_STR,
     .name = "name",
     .metavar = "NAME",
     .help = "what files and identifiers begin with",
     .offset = offsetof(export_args, name)},
    {0},
};

static const ti_operand operands[] = {
    {.metavar = "MODEL", .help = "a file of tern edge fit", .words = TI_WORDS_FILE},
    {0},
};

static tern_status write_one(const char *dir, const char *name, const char *suffix,
                             const ti_buf *text, tern_err *err)
{
    ti_buf path = {0};
    ti_out out = {0};
    ti_buf_addf(&path, "%s/%s%s", dir, name, suffix);
    tern_status status = path.failed ? ti_fail_nomem(err, "edge", strlen(dir), "a path")
                                     : ti_out_open(&out, path.data, err);
    if (status == TERN_OK) {
        (void)fwrite(text->data, 1, text->len, out.stream); /* commit sees the stream's error */
        status = ti_out_commit(&out, err);
    }
    if (status == TERN_OK) {
        ti_printf("%s\n", path.data);
    }
    ti_buf_free(&path);
    return status;
}

static tern_status run(const void *values, const ti_operands *given, tern_err *err)
{
    const export_args *args = values;
    const char *dir = args->directory ? args->directory : ".";
    ti_device_model model = {0};
    ti_buf header = {0}, source = {0};
    if (!ti_export_name_valid(args->name)) {
        return ti_fail(err, TERN_USAGE, "edge", TI_NO_OFFSET,
                       "'%.40s' cannot begin identifiers: small letters, digits and _, at most "
                       "32, and not tern_edge",
                       args->name);
    }
    TI_TRY(ti_edge_model_load(&model, given->items[0], err));
    tern_status status = ti_export_c(&header, &source, &model, args->name, err);
    if (status == TERN_OK && mkdir(dir, 0777) != 0 && errno != EEXIST) {
        status = ti_fail_errno(err, errno, "edge", "cannot make '%s'", dir);
    }
    status = status == TERN_OK ? write_one(dir, args->name, ".h", &header, err) : status;
    status = status == TERN_OK ? write_one(dir, args->name, ".c", &source, err) : status;
    ti_buf_free(&header);
    ti_buf_free(&source);
    ti_device_model_free(&model);
    return status;
}

const ti_command ti_cmd_edge_export = {
    .name = "edge export",
    .summary = "write a model as C for a firmware",
    .description =
        "Writes NAME.h and NAME.c: NAME_config and, where the model has a network, NAME_net, "
        "as "
        "tern_edge_meter_init() takes them, with the sizes of the memory that it needs and a "
        "comment on its budget.  They go into a firmware with the three files of edge/core.",
    .examples = "tern edge export meter.edge -o firmware --name house",
    .opts = opts,
    .operands = operands,
    .defaults = &defaults,
    .size = sizeof defaults,
    .run = run,
};
