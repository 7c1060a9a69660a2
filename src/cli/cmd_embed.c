/* SPDX-License-Identifier: Apache-2.0 */
/* Sparse representations of texts: 41 of 2,048 bits (tern/embed.h). */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cmd.h"
#include "cli/common.h"
#include "cli/out.h"
#include "tern/embed.h"

/* A text of standard input is a line. */
enum { LINE_MAX_BYTES = 64 << 20 };

enum { FORM_HEX, FORM_INDICES };

typedef struct embed_args {
    ti_model_args model;
    ti_session_args session;
    uint32_t form;
    bool compare, json;
} embed_args;

static const embed_args defaults = {.form = FORM_HEX};

static const ti_opt opts[] = {
    TI_OPT_MODEL(embed_args, model),
    {.type = TI_OPT_CHOICE,
     .name = "form",
     .metavar = "FORM",
     .help = "how bits are printed: 512 hexadecimal digits, or the numbers of those that are "
             "on",
     .choices = "hex|indices",
     .words = TI_WORDS_CHOICES,
     .offset = offsetof(embed_args, form)},
    {.type = TI_OPT_FLAG,
     .name = "compare",
     .help = "print how many bits two texts have in common",
     .offset = offsetof(embed_args, compare)},
    {.type = TI_OPT_FLAG,
     .name = "json",
     .help = "print one JSON document, schema tern.embed/1",
     .offset = offsetof(embed_args, json)},
    {.type = TI_OPT_HEADING, .help = "Engine"},
    TI_OPTS_ENGINE(embed_args, model),
    {.type = TI_OPT_U32,
     .name = "ctx",
     .metavar = "N",
     .help = "tokens of a window; a longer text is read in several",
     .fallback = "the model's context, at most 4096",
     .offset = offsetof(embed_args, session.ctx)},
    {.type = TI_OPT_CHOICE,
     .name = "kv",
     .metavar = "TYPE",
     .help = "how keys and values are kept; i8 takes half the memory",
     .choices = "f16|i8",
     .words = TI_WORDS_CHOICES,
     .offset = offsetof(embed_args, session.kv)},
    TI_OPTS_READING(embed_args, model),
    {0},
};

static const ti_operand operands[] = {
    {.metavar = "TEXT",
     .help = "a text; - reads standard input, where each line is a text",
     .repeated = true},
    {0},
};

typedef struct embed {
    const embed_args *args;
    tern_model *model;
    tern_embedder *embedder;
    tern_sdr kept[2]; /* of --compare */
    uint64_t n;       /* texts so far */
    ti_buf json;
} embed;

/* --- what is printed ---------------------------------------------------------------------- */

/* Byte i holds the bits 8 i to 8 i + 7, the lowest one first. */
static void print_hex(const tern_sdr *sdr)
{
    char text[TERN_SDR_BITS / 4 + 2];
    for (size_t i = 0; i < TERN_SDR_BITS / 8; i++) {
        unsigned byte = (unsigned)(sdr->words[i / 8] >> 8 * (i % 8) & 0xff);
        snprintf(text + 2 * i, 3, "%02x", byte);
    }
    ti_printf("%s\n", text);
}

static void print_indices(const tern_sdr *sdr)
{
    uint32_t on[TERN_SDR_ON], n = tern_sdr_indices(sdr, on);
    for (uint32_t i = 0; i < n; i++) {
        ti_printf("%s%" PRIu32, i ? " " : "", on[i]);
    }
    ti_print("\n");
}

static void json_text(ti_buf *json, const tern_sdr *sdr, size_t n_tokens)
{
    uint32_t on[TERN_SDR_ON], n = tern_sdr_indices(sdr, on);
    ti_json_open(json, NULL, '{');
    ti_json_uint(json, "tokens", n_tokens);
    ti_json_open(json, "on", '[');
    for (uint32_t i = 0; i < n; i++) {
        ti_json_uint(json, NULL, on[i]);
    }
    ti_json_close(json, ']');
    ti_json_close(json, '}');
}

static void print_comparison(embed *e)
{
    uint32_t common = tern_sdr_overlap(&e->kept[0], &e->kept[1]);
    if (e->args->json) {
        ti_json_uint(&e->json, "overlap", common);
        ti_json_num(&e->json, "similarity", (double)common / TERN_SDR_ON, 6);
        return;
    }
    ti_printf("%s%" PRIu32 "%s of %d bits (%.3f)\n", ti_bold(), common, ti_plain(), TERN_SDR_ON,
              (double)common / TERN_SDR_ON);
}

/* --- texts -------------------------------------------------------------------------------- */

static tern_status take_text(embed *e, const char *text, size_t len, tern_err *err)
{
    tern_sdr sdr;
    size_t n_tokens;
    TI_TRY(tern_embedder_text(e->embedder, &sdr, text, len, &n_tokens, err));
    if (ti_interrupted()) {
        return ti_fail(err, TERN_CANCELLED, "embed", TI_NO_OFFSET, "interrupted");
    }
    if (e->args->compare) {
        if (e->n == 2) {
            return ti_fail(err, TERN_USAGE, "embed", TI_NO_OFFSET,
                           "--compare takes two texts, not more");
        }
        e->kept[e->n] = sdr;
    }
    e->n++;
    if (e->args->json) {
        json_text(&e->json, &sdr, n_tokens);
    } else if (!e->args->compare && e->args->form == FORM_INDICES) {
        print_indices(&sdr);
    } else if (!e->args->compare) {
        print_hex(&sdr);
    }
    return TERN_OK;
}

/* The lines of standard input.  An empty one has no representation. */
static tern_status take_lines(embed *e, tern_err *err)
{
    char *line = NULL;
    size_t room = 0;
    ssize_t len;
    uint64_t number = 0;
    tern_status status = TERN_OK;
    while (status == TERN_OK && (len = getline(&line, &room, stdin)) >= 0) {
        number++;
        len -= len > 0 && line[len - 1] == '\n';
        if (len == 0) {
            status = ti_fail(err, TERN_USAGE, "embed", TI_NO_OFFSET,
                             "line %" PRIu64 " of standard input is empty", number);
        } else if (len > LINE_MAX_BYTES) {
            status = ti_fail(err, TERN_LIMIT, "embed", TI_NO_OFFSET,
                             "line %" PRIu64 " of standard input has over %d MB", number,
                             LINE_MAX_BYTES >> 20);
        } else {
            status = take_text(e, line, (size_t)len, err);
        }
    }
    if (status == TERN_OK && ferror(stdin)) {
        status = ti_fail_errno(err, errno, "embed", "standard input cannot be read");
    }
    free(line);
    return status;
}

static tern_status take_all(embed *e, const ti_operands *given, tern_err *err)
{
    for (int i = 0; i < given->n; i++) {
        const char *text = given->items[i];
        if (strcmp(text, "-") == 0) {
            TI_TRY(take_lines(e, err));
        } else {
            TI_TRY(take_text(e, text, strlen(text), err));
        }
    }
    if (e->args->compare && e->n != 2) {
        return ti_fail(err, TERN_USAGE, "embed", TI_NO_OFFSET,
                       "--compare takes two texts, not %" PRIu64, e->n);
    }
    return TERN_OK;
}

/* --- the command -------------------------------------------------------------------------- */

static tern_status open_all(embed *e, tern_err *err)
{
    const tern_session_opts session = {.n_ctx = e->args->session.ctx,
                                       .threads = e->args->model.threads,
                                       .kv = (tern_kv_type)e->args->session.kv};
    TI_TRY(ti_open_model(&e->model, &e->args->model, err));
    return tern_embedder_create(&e->embedder, e->model, &session, err);
}

static tern_status print_all(embed *e, const ti_operands *given, tern_err *err)
{
    tern_model_desc desc;
    tern_model_describe(e->model, &desc);
    ti_json_open(&e->json, NULL, '{');
    ti_json_str(&e->json, "schema", "tern.embed/1");
    ti_json_model(&e->json, &desc);
    ti_json_uint(&e->json, "bits", TERN_SDR_BITS);
    ti_json_open(&e->json, "texts", '[');
    TI_TRY(take_all(e, given, err));
    ti_json_close(&e->json, ']');
    if (e->args->compare) {
        print_comparison(e);
    }
    ti_json_close(&e->json, '}');
    return e->args->json ? ti_print_json(&e->json, err) : TERN_OK;
}

static tern_status run(const void *values, const ti_operands *given, tern_err *err)
{
    embed e = {.args = values};
    ti_interrupt_catch();
    tern_status status = open_all(&e, err);
    if (status == TERN_OK) {
        status = print_all(&e, given, err);
    }
    ti_buf_free(&e.json);
    tern_embedder_destroy(e.embedder);
    tern_model_close(e.model);
    return status;
}

const ti_command ti_cmd_embed = {
    .name = "embed",
    .summary = "turn texts into bits that can be compared",
    .description =
        "Reads each text with the model and prints its sparse distributed representation: "
        "2,048 bits of which 41 are on, the same ones on every machine.  Texts that the model "
        "treats alike have bits in common; --compare counts them.  Texts that have nothing to "
        "do with each other share one bit or none.",
    .examples = "tern embed \"book a table for two\"\n"
                "tern embed --compare \"book a table for two\" \"reserve a place at a "
                "restaurant\"\n"
                "tern embed --form indices - <questions.txt",
    .opts = opts,
    .operands = operands,
    .defaults = &defaults,
    .size = sizeof defaults,
    .run = run,
};
