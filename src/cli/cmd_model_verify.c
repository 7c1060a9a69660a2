/* SPDX-License-Identifier: Apache-2.0 */
/* What is checked, and how, is in model/verify.h; here it is said. */
#include <stdlib.h>

#include "cli/cmd.h"
#include "cli/common.h"
#include "cli/models.h"
#include "cli/out.h"
#include "model/verify.h"

enum { DIGITS = 6 };

typedef struct verify_args {
    ti_model_args model;
    bool selftest, json;
} verify_args;

static const verify_args defaults = {0};

static const ti_opt opts[] = {
    {.type = TI_OPT_FLAG,
     .name = "selftest",
     .help = "also compare a short run with a float64 reference that shares no code with the "
             "engine",
     .offset = offsetof(verify_args, selftest)},
    {.type = TI_OPT_FLAG,
     .name = "json",
     .help = "print one JSON document, schema tern.model-verify/1",
     .offset = offsetof(verify_args, json)},
    TI_OPTS_ENGINE(verify_args, model),
    TI_OPTS_READING(verify_args, model),
    {0},
};

static const ti_operand operands[] = {
    {.metavar = "MODEL",
     .help = "a GGUF file, or the name of a model",
     .words = TI_WORDS_MODEL},
    {0},
};

/* --- progress: one bar for each phase ------------------------------------------------------
 */

typedef struct phases {
    ti_progress progress;
    const char *label; /* of the bar that is drawn; NULL = none */
} phases;

static bool step(void *user, const char *phase, uint64_t done, uint64_t total)
{
    phases *p = user;
    if (p->label != phase) {
        if (p->label) {
            ti_progress_end(&p->progress);
        }
        ti_progress_begin(&p->progress, phase, "");
        p->label = phase;
    }
    return ti_progress_step(&p->progress, done, total);
}

/* --- result --------------------------------------------------------------------------------
 */

static const char *const verdicts[] = {"ok", "note", "no"};

static void print_lines(const ti_verify_report *r)
{
    for (size_t i = 0; i < r->n_checks; i++) {
        const ti_verify_check *check = &r->checks[i];
        ti_printf("%-4s  %-10s  %s\n", verdicts[check->verdict], check->name, check->text);
    }
}

static void add_checks(ti_buf *json, const ti_verify_report *r)
{
    ti_json_open(json, "checks", '[');
    for (size_t i = 0; i < r->n_checks; i++) {
        ti_json_open(json, NULL, '{');
        ti_json_str(json, "name", r->checks[i].name);
        ti_json_str(json, "verdict", verdicts[r->checks[i].verdict]);
        ti_json_str(json, "text", r->checks[i].text);
        ti_json_close(json, '}');
    }
    ti_json_close(json, ']');
}

static void add_file(ti_buf *json, const ti_verify_report *r)
{
    ti_json_uint(json, "tensors", r->n_tensors);
    ti_json_uint(json, "weights", r->n_weights);
    ti_json_uint(json, "ternary_weights", r->n_ternary);
    ti_json_uint(json, "ternary_zeros", r->n_zero);
    ti_json_uint(json, "vocabulary", r->n_vocab);
    ti_json_uint(json, "texts_passed", r->texts_passed);
    ti_json_uint(json, "texts_tried", r->texts_tried);
    ti_json_bool(json, "chat_template_known", r->has_chat);
    ti_json_bool(json, "synthetic", r->synthetic);
}

static void add_selftest(ti_buf *json, const ti_verify_report *r)
{
    ti_json_open(json, "selftest", '{');
    ti_json_uint(json, "compared_tokens", r->compared_tokens);
    ti_json_uint(json, "same_choice", r->same_choice);
    ti_json_num(json, "rms_error", r->rms_error, DIGITS);
    ti_json_num(json, "max_error", r->max_error, DIGITS);
    ti_json_num(json, "rms_error_bound", r->error_bound, DIGITS);
    ti_json_num(json, "rms_error_default_head", r->default_rms_error, DIGITS);
    ti_json_open(json, "runs", '[');
    for (size_t i = 0; i < r->n_runs; i++) {
        const ti_verify_run *run = &r->runs[i];
        ti_json_open(json, NULL, '{');
        ti_json_str(json, "kernel", run->kernel);
        ti_json_str(json, "layout", run->layout);
        ti_json_bool(json, "sparse", run->sparse);
        ti_json_bool(json, "same_bits", run->same_steps && run->same_prompt);
        ti_json_close(json, '}');
    }
    ti_json_close(json, ']');
    ti_json_uint(json, "text_bytes", r->text_bytes);
    ti_json_uint(json, "text_tokens", r->text_tokens);
    ti_json_num(json, "bits_per_byte", r->bits_per_byte, DIGITS);
    ti_json_num(json, "bits_per_byte_of_a_guess", r->guess_bits_per_byte, DIGITS);
    ti_json_uint(json, "reference_tokens", r->short_tokens);
    ti_json_num(json, "reference_bits_per_byte", r->own_bits_per_byte, DIGITS);
    if (!r->synthetic) {
        ti_json_num(json, "other_activation_bits_per_byte", r->other_bits_per_byte, DIGITS);
    }
    ti_json_close(json, '}');
}

static tern_status print_document(const ti_verify_report *r, const char *path, bool ok,
                                  tern_err *err)
{
    ti_buf json = {0};
    ti_json_open(&json, NULL, '{');
    ti_json_str(&json, "schema", "tern.model-verify/1");
    ti_json_str(&json, "path", path);
    ti_json_bool(&json, "ok", ok);
    add_checks(&json, r);
    add_file(&json, r);
    if (r->tested) {
        add_selftest(&json, r);
    }
    ti_json_close(&json, '}');
    tern_status status = ti_print_json(&json, err);
    ti_buf_free(&json);
    return status;
}

static tern_status run(const void *values, const ti_operands *given, tern_err *err)
{
    const verify_args *args = values;
    tern_model_opts model;
    ti_verify_report report;
    phases bars = {.label = NULL};
    const ti_verify_opts how = {
        .selftest = args->selftest, .progress = step, .progress_user = &bars};
    char *path;
    ti_interrupt_catch();
    TI_TRY(ti_model_path(&path, given->items[0], err));
    ti_model_opts(&model, &args->model);
    tern_status status = ti_verify(path, &model, &how, &report, err);
    if (bars.label) {
        ti_progress_end(&bars.progress);
    }
    tern_status printed = TERN_OK;
    if (status == TERN_OK || status == TERN_NO) {
        if (args->json) {
            printed = print_document(&report, path, status == TERN_OK, err);
        } else {
            print_lines(&report);
        }
    }
    free(path);
    return printed == TERN_OK ? status : printed;
}

const ti_command ti_cmd_model_verify = {
    .name = "model verify",
    .summary = "check a model file",
    .description =
        "Checks that the file is whole, that every weight and scale in it is a number, that "
        "the tokenizer gives back what it is given, and that the engine can run it.\n\n"
        "With --selftest the engine's logits are compared with a float64 reference, all kernel "
        "sets of this CPU and all packings with each other, bit for bit, and the model is "
        "asked "
        "how well it foresees plain English, also with the activation that its architecture "
        "does not name: a model that is run with a wrong activation or rotation loads and "
        "prints nonsense, and nothing else notices.\n\n"
        "Exits with 0 when all is well, 1 when a check says no, 4 when the file is corrupt or "
        "not supported.",
    .opts = opts,
    .operands = operands,
    .defaults = &defaults,
    .size = sizeof defaults,
    .run = run,
};
