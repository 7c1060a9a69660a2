/* SPDX-License-Identifier: Apache-2.0 */
/* cli/opt.h - one table of options for each command.
 *
 * The table is the only place where an option is written down.  It drives parsing, --help,
 * --help=json, the shells' completion and the OPTIONS blocks of the manual pages; defaults are
 * printed from the very struct that parsing starts from. */
#ifndef TI_CLI_OPT_H
#define TI_CLI_OPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

typedef enum ti_opt_type {
    TI_OPT_HEADING = 0, /* no option: `help` is a heading for those that follow */
    TI_OPT_FLAG,        /* bool */
    TI_OPT_STR,         /* const char *, not copied; one of `choices` where they are given */
    TI_OPT_LIST,        /* ti_opt_list, the option may be repeated */
    TI_OPT_U32,         /* uint32_t in [min, max] */
    TI_OPT_U64,         /* uint64_t, any */
    TI_OPT_F32,         /* float in [min, max], finite */
    TI_OPT_CHOICE,      /* uint32_t: which of `choices`, from 0 */
    TI_OPT_HELP         /* uint32_t: 1 for --help, 2 for --help=json */
} ti_opt_type;

/* What a shell offers for a value or an operand. */
typedef enum ti_words {
    TI_WORDS_NONE = 0,
    TI_WORDS_FILE,
    TI_WORDS_MODEL,     /* names of models that are there, and files */
    TI_WORDS_CATALOGUE, /* names of models that `tern pull` knows */
    TI_WORDS_COMMAND,   /* names of commands */
    TI_WORDS_CHOICES    /* the entry's `choices` */
} ti_words;

typedef struct ti_opt {
    ti_opt_type type;
    const char *name;     /* without the two hyphens; NULL for headings and the end */
    char letter;          /* short form, or 0 */
    const char *metavar;  /* name of the value in help */
    const char *help;     /* what it does: lower case, no full stop */
    const char *fallback; /* the default in words; NULL = print the value of the defaults */
    const char *choices;  /* "a|b|c", or NULL */
    ti_words words;
    double min, max; /* U32 and F32; both 0 = any */
    size_t offset;   /* of the value in the command's struct */
} ti_opt;

/* True for the entry that ends a table: without a name, and no heading. */
static inline bool ti_opt_at_end(const ti_opt *opt)
{
    return !opt->name && !opt->help;
}

enum { TI_OPT_LIST_MAX = 64 };

typedef struct ti_opt_list {
    const char *items[TI_OPT_LIST_MAX];
    size_t n;
} ti_opt_list;

/* An argument that is no option. */
typedef struct ti_operand {
    const char *metavar; /* NULL ends a table */
    const char *help;
    const char *choices; /* offered by completion; not enforced */
    ti_words words;
    bool optional, repeated;
} ti_operand;

/* The operands that were given, in order.  Not copied. */
typedef struct ti_operands {
    char **items;
    int n;
} ti_operands;

typedef struct ti_command ti_command;
struct ti_command {
    const char *name;              /* as typed after `tern`: "run", "model info" */
    const char *summary;           /* one line: lower case, no full stop */
    const char *description;       /* paragraphs for --help, separated by an empty line */
    const char *examples;          /* lines for --help, or NULL */
    const ti_opt *opts;            /* NULL = only the common ones */
    const ti_operand *operands;    /* NULL = none */
    const void *defaults;          /* struct that the options' offsets point into, or NULL */
    size_t size;                   /* of that struct, at most TI_ARGS_MAX */
    const ti_command *const *subs; /* commands below this one, NULL-terminated, or NULL */
    bool runs_others;  /* the first operand begins another command: its options are not ours */
    bool says_why_not; /* run() gives TERN_NO with a reason that is to be reported */
    tern_status (*run)(const void *args, const ti_operands *operands, tern_err *err);
};

enum { TI_ARGS_MAX = 2048 };

/* Values of the options that every command has. */
typedef struct ti_common {
    uint32_t help; /* 0 no, 1 text, 2 JSON */
    bool quiet;
    uint32_t color; /* 0 auto, 1 always, 2 never */
} ti_common;

/* The table of those. */
extern const ti_opt ti_common_opts[];

/* Reads argv[0..argc): options into `args` (which holds the defaults) and `common`, operands
 * into `operands`, whose items are argv's own slots, reordered.  Checks the number of operands
 * unless help was asked for or the command has others below it.
 * Errors: TERN_USAGE, and a hint (cli/out.h) where there is something to say. */
tern_status ti_opt_parse(const ti_command *cmd, void *args, ti_common *common,
                         ti_operands *operands, int argc, char **argv, tern_err *err);

/* Returns the index of `text` (of `len` bytes) in "a|b|c", or -1. */
int ti_choice_index(const char *choices, const char *text, size_t len);

/* Returns the start of choice i and its length, or NULL past the last one. */
const char *ti_choice_at(const char *choices, size_t i, size_t *len);

/* Formats the default of an option as text into out[cap]: `fallback`, else the value in
 * `defaults`; "" when there is nothing worth saying (flags, zeros, empty strings). */
void ti_opt_default(char *out, size_t cap, const ti_opt *opt, const void *defaults);

/* Edit distance between two words: insertions, deletions, replacements and swaps of
 * neighbours.  Words over 31 bytes are taken as far from everything. */
unsigned ti_edit_distance(const char *a, const char *b);

/* Offers candidates one after the other and keeps the nearest one to `word`: start with
 * *best = NULL and *distance = UINT_MAX.  Only what could be a slip of the finger is kept: a
 * third of the letters may differ. */
void ti_nearest(const char *word, const char *candidate, const char **best, unsigned *distance);

#endif
