/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/live.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "carbon/units.h"
#include "cli/answer.h"
#include "cli/out.h"
#include "cli/terminal.h"

#define SEPARATOR " \xc2\xb7 "
#define PLUS_MINUS "\xc2\xb1"
#define SAVE "\0337"    /* cursor, with a line break that is due (DECSC) */
#define RESTORE "\0338" /* DECRC */
#define CLEAR "\033[K"

enum { ROWS_MIN = 5, COLUMNS_MIN = 24 };
static const uint64_t redraw_ns = 250000000;

/* --- the terminal ---------------------------------------------------------------------------
 */

static bool look(unsigned *rows, unsigned *columns)
{
    struct winsize size;
    bool known = ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0;
    *rows = known ? size.ws_row : 0;
    *columns = known ? size.ws_col : 0;
    return *rows >= ROWS_MIN && *columns >= COLUMNS_MIN;
}

void ti_live_open(ti_live *live, const char *zone)
{
    const ti_grams_args grams = {.zone = zone};
    const char *term = getenv("TERM");
    unsigned rows, columns;
    tern_err ignored;
    bool able = term && *term && strcmp(term, "dumb") != 0;
    *live =
        (ti_live){.on = able && !ti_out_quiet() && ti_stdout_is_tty() && look(&rows, &columns)};
    if (live->on && ti_grams_open(&live->grams, &grams, &ignored) != TERN_OK) {
        live->grams = (ti_grams){.row = NULL}; /* the receipt says what is wrong with it */
    }
}

void ti_live_close(ti_live *live)
{
    ti_grams_close(&live->grams);
    live->on = false;
}

/* Keeps the last line out of what scrolls; the cursor stays where it is, or comes out of that
 * line where the beginning of one is certain. */
static void place(ti_live *live, unsigned rows, bool at_beginning)
{
    ti_print(at_beginning ? "\n\033[A" : "");
    snprintf(live->undo, sizeof live->undo, SAVE "\033[r\033[%u;1H" CLEAR RESTORE, rows);
    ti_terminal_hold(live->undo, NULL);
    ti_printf(SAVE "\033[1;%ur" RESTORE, rows - 1);
    live->rows = rows;
}

void ti_live_begin(ti_live *live)
{
    unsigned rows, columns;
    if (!live || !live->on || !look(&rows, &columns)) {
        return;
    }
    live->drawn_ns = 0;
    live->drawn = true;
    place(live, rows, true);
    (void)fflush(stdout);
}

void ti_live_end(ti_live *live)
{
    if (live && live->drawn) {
        ti_print(live->undo);
        (void)fflush(stdout);
        ti_terminal_release();
        live->drawn = false;
    }
}

/* --- what it says ---------------------------------------------------------------------------
 */

static void add_joules(ti_buf *line, const ti_live *live)
{
    enum { PERMILLE = 10 };
    const ti_energy_source *source = ti_energy_of(live->energy);
    const ti_attribution_sum sum = ti_energy_total(live->energy, NULL);
    uint64_t above_uj = sum.requests_uj + sum.waiting_uj; /* there is one request */
    char amount[TI_AMOUNT_TEXT];
    ti_footprint carbon;
    ti_buf_addf(line, SEPARATOR "%s %s", ti_joules_text(amount, above_uj),
                ti_evidence_name(source->evidence));
    if (source->error_permille > 0) {
        ti_buf_addf(line, " " PLUS_MINUS "%g %%", (double)source->error_permille / PERMILLE);
    }
    if (live->grams.row &&
        ti_grams_of(&carbon, &live->grams, above_uj + sum.idle_uj, NULL) == TERN_OK) {
        ti_buf_addf(line, SEPARATOR "%s CO2e (%s %u)", ti_grams_text(amount, carbon.co2_ug),
                    carbon.zone, (unsigned)carbon.year);
    }
}

/* Cuts to so many characters, each of which is one column wide. */
static void cut(ti_buf *line, unsigned columns)
{
    size_t at = 0;
    for (unsigned i = 0; i < columns && at < line->len; i++) {
        at++;
        while (at < line->len && ((unsigned char)line->data[at] & 0xc0) == 0x80) {
            at++;
        }
    }
    line->len = at;
    if (line->data) {
        line->data[at] = '\0';
    }
}

void ti_live_step(ti_live *live, size_t n_tokens, uint64_t generate_ns)
{
    uint64_t now = ti_now_ns();
    unsigned rows, columns;
    ti_buf line = {0};
    /* At once when there is a speed, so that short answers show it, too; then now and then. */
    if (!live || !live->drawn || n_tokens < 2 || now - live->drawn_ns < redraw_ns ||
        !look(&rows, &columns)) {
        return;
    }
    live->drawn_ns = now;
    bool resumed = ti_terminal_resumed(); /* the shell has left it at the beginning of a line */
    if (resumed || rows != live->rows) {
        place(live, rows, resumed);
    }
    ti_buf_addf(&line, "%zu tokens" SEPARATOR "%.1f tokens/s", n_tokens,
                ti_rate(n_tokens - 1, generate_ns));
    if (live->energy) {
        add_joules(&line, live);
    }
    if (!line.failed) {
        cut(&line, columns - 1);
        ti_printf(SAVE "\033[%u;1H%s%s%s" CLEAR RESTORE, rows, ti_bold(), line.data,
                  ti_plain());
        (void)fflush(stdout);
    }
    ti_buf_free(&line);
}
