/* SPDX-License-Identifier: Apache-2.0 */
/* tern grid sources, tern grid zones: who could be asked, and about what. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "carbon/basis.h"
#include "cli/cmd.h"
#include "cli/desks.h"
#include "cli/grid_show.h"
#include "cli/out.h"

typedef struct list_args {
    ti_desk_args desk;
    bool json;
} list_args;

static const list_args defaults = {.desk = TI_DESK_DEFAULTS};

static const ti_opt sources_opts[] = {
    {.type = TI_OPT_FLAG,
     .name = "json",
     .help = "print one JSON document, schema tern.grid/1",
     .offset = offsetof(list_args, json)},
    {0},
};

/* --- sources ------------------------------------------------------------------------------ */

/* Whether what the kind needs is there: asked about a zone that any of its sort could have. */
static bool is_set_up(const ti_source_kind *kind, const ti_desk_args *args, const ti_keys *keys)
{
    static const ti_basis any = {0};
    static const char *const zones[] = {"GB", "DE"};
    ti_grid grid;
    ti_source source;
    ti_source_settings settings;
    bool ready = false;
    if (ti_grid_builtin(&grid, NULL) != TERN_OK) {
        return false;
    }
    ti_desk_settings(&settings, kind, args, keys, &grid, kind->basis_declared ? &any : NULL);
    if (ti_source_open(&source, kind->name, &settings, NULL, NULL) == TERN_OK) {
        for (size_t i = 0; i < 2; i++) {
            ready |= ti_source_ready(&source, zones[i], NULL) == TERN_OK;
        }
        ti_source_close(&source);
    }
    ti_grid_free(&grid);
    return ready;
}

static void print_kind(const ti_source_kind *kind, bool ready)
{
    char basis[TI_BASIS_TEXT];
    ti_printf("%s%s%s  %s\n", ti_bold(), kind->name, ti_plain(), kind->about);
    ti_printf("    zones    %s\n", kind->zones);
    ti_printf("    basis    %s\n", kind->basis_declared ? "as declared with --basis"
                                                        : ti_basis_text(basis, kind->basis));
    ti_printf("    answers  now, history%s\n",
              kind->asks & 1U << TI_ASK_FORECAST ? ", forecast" : "");
    ti_printf("    licence  %s\n", kind->licence);
    ti_printf("    needs    %s%s\n", *kind->needs ? kind->needs : "nothing",
              ready ? "" : " (not set up)");
}

static void json_kind(ti_buf *json, const ti_source_kind *kind, bool ready)
{
    char basis[TI_BASIS_TEXT];
    ti_json_open(json, NULL, '{');
    ti_json_str(json, "name", kind->name);
    ti_json_str(json, "about", kind->about);
    ti_json_str(json, "zones", kind->zones);
    if (!kind->basis_declared) {
        ti_json_str(json, "basis", ti_basis_text(basis, kind->basis));
    }
    ti_json_str(json, "licence", kind->licence);
    ti_json_str(json, "needs", kind->needs);
    if (kind->url) {
        ti_json_str(json, "url", kind->url);
    }
    ti_json_bool(json, "forecast", (kind->asks & 1U << TI_ASK_FORECAST) != 0);
    ti_json_bool(json, "network", kind->network);
    ti_json_bool(json, "set_up", ready);
    ti_json_close(json, '}');
}

static tern_status run_sources(const void *values, const ti_operands *given, tern_err *err)
{
    const list_args *args = values;
    const ti_source_kind *kind;
    ti_keys keys;
    ti_buf json = {0};
    (void)given;
    TI_TRY(ti_keys_open(&keys, err));
    ti_json_open(&json, NULL, '{');
    ti_json_str(&json, "schema", "tern.grid/1");
    ti_json_str(&json, "kind", "sources");
    ti_json_open(&json, "sources", '[');
    for (size_t i = 0; (kind = ti_source_kind_at(i)) != NULL; i++) {
        bool ready = is_set_up(kind, &args->desk, &keys);
        if (args->json) {
            json_kind(&json, kind, ready);
        } else {
            print_kind(kind, ready);
        }
    }
    ti_json_close(&json, ']');
    ti_json_close(&json, '}');
    tern_status status = args->json ? ti_print_json(&json, err) : TERN_OK;
    ti_buf_free(&json);
    ti_keys_close(&keys);
    return status;
}

const ti_command ti_cmd_grid_sources = {
    .name = "grid sources",
    .summary = "list who can be asked, and what each needs",
    .description =
        "Every source with its zones, what its figures count, the licence of its data, "
        "and whether what it needs is set up.  Keys come from the environment or the "
        "file tern/keys in $XDG_CONFIG_HOME, which must be its owner's alone (0600).",
    .examples = "tern grid sources",
    .opts = sources_opts,
    .defaults = &defaults,
    .size = sizeof defaults,
    .run = run_sources,
};

/* --- zones -------------------------------------------------------------------------------- */

static const ti_opt zones_opts[] = {
    TI_OPTS_DESK(list_args, desk),
    {.type = TI_OPT_FLAG,
     .name = "json",
     .help = "print one JSON document, schema tern.grid/1",
     .offset = offsetof(list_args, json)},
    {0},
};

static const ti_operand zones_operands[] = {
    {.metavar = "WORD", .help = "only zones that have it in code or name", .optional = true},
    {0},
};

static bool holds(const char *line, size_t len, const char *word)
{
    size_t n = strlen(word);
    for (size_t i = 0; i + n <= len; i++) {
        if (strncasecmp(line + i, word, n) == 0) {
            return true;
        }
    }
    return false;
}

/* Prints lines "CODE NAME" that hold the word; returns how many. */
static size_t list(ti_buf *json, const char *text, const char *word, bool as_json)
{
    size_t n = 0;
    while (*text) {
        size_t len = strcspn(text, "\n"), code = strcspn(text, " \n");
        if (holds(text, len, word)) {
            n++;
            if (as_json) {
                ti_json_open(json, NULL, '{');
                ti_json_strn(json, "zone", text, code);
                ti_json_strn(json, "name", text + code + 1, len > code ? len - code - 1 : 0);
                ti_json_close(json, '}');
            } else {
                ti_printf("%-*.*s%s%.*s\n", len > code ? 16 : 0, (int)code, text,
                          len > code ? "  " : "", len > code ? (int)(len - code - 1) : 0,
                          text + code + 1);
            }
        }
        text += len + (text[len] == '\n');
    }
    return n;
}

static tern_status list_zones(const list_args *args, const char *word, tern_err *err)
{
    ti_open_desk d;
    ti_buf lines = {0}, json = {0};
    size_t n = 0;
    /* Any zone opens the desk; which one does not matter to the list. */
    ti_desk_args desk = args->desk;
    desk.source = desk.source ? desk.source : desk.file ? "file" : "yearly";
    desk.basis = desk.basis ? desk.basis : "average/life-cycle/location";
    if (strcmp(desk.source, "file") != 0) {
        desk.basis = args->desk.basis;
    }
    TI_TRY(ti_desk_open(&d, &desk, "GB", err));
    tern_status status = ti_source_zones(&d.source, &lines, err);
    if (status == TERN_OK) {
        ti_json_open(&json, NULL, '{');
        ti_json_str(&json, "schema", "tern.grid/1");
        ti_json_str(&json, "kind", "zones");
        ti_json_str(&json, "source", d.source.kind->name);
        ti_json_open(&json, "zones", '[');
        n = list(&json, lines.data ? lines.data : "", word, args->json);
        ti_json_close(&json, ']');
        ti_json_close(&json, '}');
        status = args->json ? ti_print_json(&json, err) : TERN_OK;
    }
    ti_buf_free(&lines);
    ti_buf_free(&json);
    ti_desk_close(&d);
    return status == TERN_OK && n == 0 ? TERN_NO : status;
}

static tern_status run_zones(const void *values, const ti_operands *given, tern_err *err)
{
    return list_zones(values, given->n > 0 ? given->items[0] : "", err);
}

const ti_command ti_cmd_grid_zones = {
    .name = "grid zones",
    .summary = "list the zones of a source",
    .description = "Exits with 1 when none has WORD.  Without a source, the countries of the "
                   "yearly table.",
    .examples = "tern grid zones united\n"
                "tern grid zones --source entsoe SE",
    .opts = zones_opts,
    .operands = zones_operands,
    .defaults = &defaults,
    .size = sizeof defaults,
    .run = run_zones,
};
