/* SPDX-License-Identifier: Apache-2.0 */
/* tern claims: the notes that started the project, computed again (docs/claims.md). */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "carbon/units.h"
#include "cli/claims.h"
#include "cli/cmd.h"
#include "cli/out.h"

enum { VERDICTS = TI_UNMEASURED + 1 };

typedef struct claims_args {
    bool json, markdown;
} claims_args;

static const claims_args defaults = {0};

static const ti_opt opts[] = {
    {.type = TI_OPT_FLAG,
     .name = "json",
     .help = "print one JSON document, schema tern.claims/1",
     .offset = offsetof(claims_args, json)},
    {.type = TI_OPT_FLAG,
     .name = "markdown",
     .help = "print the tables of docs/claims.md",
     .offset = offsetof(claims_args, markdown)},
    {0},
};

/* A row of any of the tables. */
typedef struct row {
    const char *part, *claim, *why, *shows;
    char printed[TI_AMOUNT_TEXT + 16], computed[TI_AMOUNT_TEXT + 24]; /* "" = not computed */
    ti_verdict verdict;
    bool stands;
} row;

typedef struct claims {
    const claims_args *args;
    ti_buf json;
    const char *part; /* of the row before */
    unsigned n, n_verdict[VERDICTS], n_fallen;
} claims;

/* --- rows --------------------------------------------------------------------------------- */

/* A number with its unit: "20.8 MB", "1333.333 x" as "1333.333x". */
static void with_unit(char *out, size_t cap, uint64_t milli, const char *unit)
{
    char number[TI_AMOUNT_TEXT];
    snprintf(out, cap, "%s%s%s", ti_milli_text(number, milli),
             strcmp(unit, "x") == 0 ? "" : " ", unit);
}

static tern_status make_row(row *r, const ti_claim *c, tern_err *err)
{
    *r = (row){.part = c->part,
               .claim = c->claim,
               .why = c->why,
               .shows = c->shows,
               .verdict = c->verdict,
               .stands = true};
    snprintf(r->printed, sizeof r->printed, "%s", c->printed);
    if (c->compute) {
        uint64_t milli;
        TI_TRY(c->compute(&milli, err));
        with_unit(r->computed, sizeof r->computed, milli, c->unit);
        r->stands = ti_claim_stands(c->verdict, c->low_milli, c->high_milli, milli);
    }
    return TERN_OK;
}

static void make_energy_row(row *r, const ti_seed_row *s)
{
    *r = (row){.part = ti_seed_table_name(s->table),
               .claim = s->item,
               .why = s->reason,
               .shows = "tern footprint seed",
               .verdict = s->verdict,
               .stands = true};
    with_unit(r->printed, sizeof r->printed, s->printed_milli, s->unit);
    if (s->computed_milli) {
        with_unit(r->computed, sizeof r->computed, s->computed_milli, s->unit);
        r->stands =
            ti_claim_stands(s->verdict, s->printed_milli, s->printed_milli, s->computed_milli);
    }
}

/* --- the three forms ---------------------------------------------------------------------- */

static const char *or_dash(const char *text)
{
    return *text ? text : "-";
}

static void print_lines(const row *r, bool first)
{
    if (first) {
        ti_printf("%s%s%s\n", ti_bold(), r->part, ti_plain());
    }
    ti_printf("  %-52s %14s %20s  %s%s\n      %s\n", r->claim, r->printed, or_dash(r->computed),
              ti_verdict_name(r->verdict), r->stands ? "" : "  DOES NOT STAND", r->why);
}

/* A bar would end a cell. */
static void print_cell(const char *text)
{
    ti_print(" ");
    for (; *text; text++) {
        ti_printf(*text == '|' ? "\\%c" : "%c", *text);
    }
    ti_print(" |");
}

static void print_markdown(const row *r, bool first, unsigned n)
{
    if (first) {
        ti_printf("%s### %c%s\n\n| claim | printed | computed | verdict | why | shown by |\n"
                  "| --- | --- | --- | --- | --- | --- |\n",
                  n ? "\n" : "",
                  *r->part >= 'a' && *r->part <= 'z' ? *r->part - 'a' + 'A' : *r->part,
                  r->part + 1);
    }
    char shows[96] = "-";
    if (*r->shows) {
        snprintf(shows, sizeof shows, "`%s`", r->shows);
    }
    ti_print("|");
    print_cell(r->claim);
    print_cell(r->printed);
    print_cell(or_dash(r->computed));
    print_cell(ti_verdict_name(r->verdict));
    print_cell(r->why);
    print_cell(shows);
    ti_print("\n");
}

static void add_json(ti_buf *json, const row *r)
{
    ti_json_open(json, NULL, '{');
    ti_json_str(json, "part", r->part);
    ti_json_str(json, "claim", r->claim);
    ti_json_str(json, "printed", r->printed);
    if (*r->computed) {
        ti_json_str(json, "computed", r->computed);
        ti_json_bool(json, "stands", r->stands);
    }
    ti_json_str(json, "verdict", ti_verdict_name(r->verdict));
    ti_json_str(json, "why", r->why);
    if (*r->shows) {
        ti_json_str(json, "shown_by", r->shows);
    }
    ti_json_close(json, '}');
}

static void take(claims *c, const row *r)
{
    bool first = !c->part || strcmp(c->part, r->part) != 0;
    if (c->args->json) {
        add_json(&c->json, r);
    } else if (c->args->markdown) {
        print_markdown(r, first, c->n);
    } else {
        print_lines(r, first);
    }
    c->part = r->part;
    c->n++;
    c->n_verdict[r->verdict]++;
    c->n_fallen += !r->stands;
}

/* --- the command -------------------------------------------------------------------------- */

static tern_status take_all(claims *c, tern_err *err)
{
    static ti_seed_row energy[TI_SEED_ROWS];
    row r;
    for (size_t i = 0; i < ti_n_claims; i++) {
        TI_TRY(make_row(&r, &ti_claims[i], err));
        take(c, &r);
    }
    ti_seed_rows(energy);
    for (size_t i = 0; i < TI_SEED_ROWS; i++) {
        make_energy_row(&r, &energy[i]);
        take(c, &r);
    }
    return TERN_OK;
}

static void print_sum(const claims *c)
{
    ti_print("\n");
    for (unsigned v = 0; v < VERDICTS; v++) {
        ti_printf("%s%u %s", v ? ", " : "", c->n_verdict[v], ti_verdict_name((ti_verdict)v));
    }
    ti_printf("; %u in all.\n", c->n);
}

static tern_status print_document(claims *c, tern_err *err)
{
    ti_json_close(&c->json, ']');
    for (unsigned v = 0; v < VERDICTS; v++) {
        ti_json_uint(&c->json, ti_verdict_name((ti_verdict)v), c->n_verdict[v]);
    }
    ti_json_bool(&c->json, "ok", c->n_fallen == 0);
    ti_json_close(&c->json, '}');
    return ti_print_json(&c->json, err);
}

static tern_status run(const void *values, const ti_operands *given, tern_err *err)
{
    claims c = {.args = values};
    (void)given;
    if (c.args->json && c.args->markdown) {
        return ti_fail(err, TERN_USAGE, "claims", TI_NO_OFFSET,
                       "--json and --markdown exclude each other");
    }
    ti_json_open(&c.json, NULL, '{');
    ti_json_str(&c.json, "schema", "tern.claims/1");
    ti_json_open(&c.json, "claims", '[');
    tern_status status = take_all(&c, err);
    if (status == TERN_OK && c.args->json) {
        status = print_document(&c, err);
    } else if (status == TERN_OK) {
        print_sum(&c);
    }
    ti_buf_free(&c.json);
    if (status == TERN_OK && c.n_fallen) {
        return ti_fail(err, TERN_NO, "claims", TI_NO_OFFSET,
                       "%u verdicts do not follow from what was computed", c.n_fallen);
    }
    return status;
}

const ti_command ti_cmd_claims = {
    .name = "claims",
    .summary = "compute the claims of the project's first notes again",
    .description =
        "Prints every number of the two notes that started the project beside what this "
        "program "
        "computes from the figures next to it, with a verdict: reproduced (it follows), "
        "corrected (another number follows), refuted (the comparison does not hold, whatever "
        "the numbers), unmeasured (nothing that it could follow from, and nobody here has "
        "measured it).  Sizes come from the code that packs weights, pairs from the lists that "
        "attention walks, joules and grams from tern footprint.\n\n"
        "A verdict that does not follow from what was computed ends with exit status 1.",
    .examples = "tern claims\n"
                "tern claims --json | jq '.claims[] | select(.verdict == \"corrected\")'",
    .opts = opts,
    .defaults = &defaults,
    .size = sizeof defaults,
    .says_why_not = true,
    .run = run,
};
