/* SPDX-License-Identifier: Apache-2.0 */
/* The keys that libedit does not have by itself. */
#include "cli/editor_keys.h"

#include <limits.h>
#include <string.h>
#include <wctype.h>

enum { PIECE = 256 };

/* --- pasted text ----------------------------------------------------------------------------
 */

/* Ends of lines are of any kind, and the terminal exchanges CR and LF while a line is edited.
 */
static bool add_pasted(EditLine *line, wchar_t *piece, size_t *n, wchar_t c, wchar_t before)
{
    bool second = (c == L'\n' && before == L'\r') || (c == L'\r' && before == L'\n');
    if (c == L'\0' || second) {
        return second;
    }
    piece[(*n)++] = c == L'\r' ? L'\n' : c;
    if (*n + 1 == PIECE) {
        piece[*n] = L'\0';
        (void)el_winsertstr(line, piece);
        *n = 0;
    }
    return false;
}

/* Everything up to the end of what is pasted becomes text, also newlines and what would be
 * keys. A terminal takes the mark of the end out of what it pastes. */
static unsigned char paste(EditLine *line, int key)
{
    static const wchar_t mark[] = L"\033[201~";
    const size_t n_mark = sizeof mark / sizeof mark[0] - 1;
    wchar_t piece[PIECE], c, before = L'\0';
    size_t n = 0, seen = 0;
    (void)key;
    while (seen < n_mark && el_wgetc(line, &c) == 1 && !ti_editor_of(line)->dropping) {
        if (c == mark[seen]) {
            seen++;
            continue;
        }
        for (size_t i = 0; i < seen; i++) { /* it was none */
            (void)add_pasted(line, piece, &n, mark[i], L'\0');
        }
        seen = c == mark[0] ? 1 : 0;
        if (seen == 0) {
            before = add_pasted(line, piece, &n, c, before) ? L'\0' : c;
        }
    }
    piece[n] = L'\0';
    (void)el_winsertstr(line, piece);
    return CC_REFRESH;
}

/* --- single keys ----------------------------------------------------------------------------
 */

static unsigned char newline(EditLine *line, int key)
{
    (void)key;
    return el_winsertstr(line, L"\n") == 0 ? CC_REFRESH : CC_ERROR;
}

/* Ctrl-D that was typed while no line was being edited reaches it as NUL: the mark that the
 * system puts there for an end of the input. */
static unsigned char end(EditLine *line, int key)
{
    const LineInfoW *text = el_wline(line);
    (void)key;
    return text->lastchar == text->buffer ? CC_EOF : CC_NORM;
}

/* Ctrl-C: the line stays to be seen, marked; the key after this one ends it. */
static unsigned char drop(EditLine *line, int key)
{
    (void)key;
    if (!ti_editor_of(line)->dropping) {
        return CC_NORM;
    }
    (void)el_cursor(line, INT_MAX / 2);
    (void)el_winsertstr(line, L"^C");
    return CC_REFRESH;
}

/* --- the cursor -----------------------------------------------------------------------------
 */

/* libedit's own keys that move the cursor do not draw the text again, and reckon wrongly, to
 * the point of writing outside its memory, where the text is higher than the window. */
static unsigned char move(EditLine *line, ptrdiff_t by)
{
    (void)el_cursor(line, (int)by);
    return by != 0 ? CC_REFRESH : CC_ERROR;
}

static unsigned char left(EditLine *line, int key)
{
    const LineInfoW *text = el_wline(line);
    (void)key;
    return move(line, text->cursor > text->buffer ? -1 : 0);
}

static unsigned char right(EditLine *line, int key)
{
    const LineInfoW *text = el_wline(line);
    (void)key;
    return move(line, text->cursor < text->lastchar ? 1 : 0);
}

static unsigned char home(EditLine *line, int key)
{
    const LineInfoW *text = el_wline(line);
    (void)key;
    (void)move(line, text->buffer - text->cursor);
    return CC_REFRESH;
}

static unsigned char last(EditLine *line, int key)
{
    const LineInfoW *text = el_wline(line);
    (void)key;
    (void)move(line, text->lastchar - text->cursor);
    return CC_REFRESH;
}

static bool in_word(wchar_t c)
{
    return iswalnum((wint_t)c) != 0 || c == L'_';
}

static unsigned char word_left(EditLine *line, int key)
{
    const LineInfoW *text = el_wline(line);
    const wchar_t *at = text->cursor;
    (void)key;
    while (at > text->buffer && !in_word(at[-1])) {
        at--;
    }
    while (at > text->buffer && in_word(at[-1])) {
        at--;
    }
    return move(line, at - text->cursor);
}

static unsigned char word_right(EditLine *line, int key)
{
    const LineInfoW *text = el_wline(line);
    const wchar_t *at = text->cursor;
    (void)key;
    while (at < text->lastchar && !in_word(*at)) {
        at++;
    }
    while (at < text->lastchar && in_word(*at)) {
        at++;
    }
    return move(line, at - text->cursor);
}

/* --- completion -----------------------------------------------------------------------------
 */

/* True when `word` begins with the n wide characters. */
static bool begins(const char *word, const wchar_t *text, size_t n)
{
    size_t same = 0;
    while (same < n && word[same] && text[same] == (wchar_t)(unsigned char)word[same]) {
        same++;
    }
    return same == n;
}

/* Tab is a tab but in a line that begins as one of the words do. */
static unsigned char complete(EditLine *line, int key)
{
    const LineInfoW *text = el_wline(line);
    const size_t n = (size_t)(text->cursor - text->buffer);
    const char *found = NULL;
    size_t matches = 0;
    bool like = false;
    (void)key;
    for (const char *const *word = ti_editor_of(line)->words; *word; word++) {
        like = like || (n > 0 && text->buffer[0] == (wchar_t)(unsigned char)(*word)[0]);
        if (begins(*word, text->buffer, n)) {
            found = *word;
            matches++;
        }
    }
    if (!like) {
        return el_winsertstr(line, L"\t") == 0 ? CC_REFRESH : CC_ERROR;
    }
    return matches == 1 && el_insertstr(line, found + n) == 0 ? CC_REFRESH : CC_ERROR;
}

/* --- all of them ----------------------------------------------------------------------------
 */

typedef unsigned char (*key_fn)(EditLine *, int);

void ti_editor_bind(ti_editor *editor)
{
    static const struct {
        const wchar_t *name, *help;
        key_fn act;
    } added[] = {{L"tern-paste", L"Insert what is pasted", paste},
                 {L"tern-newline", L"Insert a newline", newline},
                 {L"tern-end", L"End of the input", end},
                 {L"tern-drop", L"Drop the line", drop},
                 {L"tern-complete", L"Complete a command", complete},
                 {L"tern-left", L"Left", left},
                 {L"tern-right", L"Right", right},
                 {L"tern-home", L"To the beginning", home},
                 {L"tern-last", L"To the end", last},
                 {L"tern-word-left", L"Left by a word", word_left},
                 {L"tern-word-right", L"Right by a word", word_right}};
    static const char *const keys[][2] = {
        {"\\e[200~", "tern-paste"},
        {"\\e\\n", "tern-newline"}, /* Alt-Return, with CR and LF exchanged or not */
        {"\\e\\r", "tern-newline"},
        {"^@", "tern-end"},
        {"^C", "tern-drop"},
        {"\\t", "tern-complete"},
        {"^R", "em-inc-search-prev"},
        {"^W", "ed-delete-prev-word"},
        {"\\e[3~", "ed-delete-next-char"},
        {"^B", "tern-left"},
        {"\\e[D", "tern-left"},
        {"\\eOD", "tern-left"},
        {"^F", "tern-right"},
        {"\\e[C", "tern-right"},
        {"\\eOC", "tern-right"},
        {"^A", "tern-home"},
        {"\\e[H", "tern-home"},
        {"\\eOH", "tern-home"},
        {"\\e[1~", "tern-home"},
        {"\\e[7~", "tern-home"},
        {"^E", "tern-last"},
        {"\\e[F", "tern-last"},
        {"\\eOF", "tern-last"},
        {"\\e[4~", "tern-last"},
        {"\\e[8~", "tern-last"},
        {"\\eb", "tern-word-left"},
        {"\\eB", "tern-word-left"},
        {"\\e[1;5D", "tern-word-left"}, /* Ctrl with an arrow */
        {"\\ef", "tern-word-right"},
        {"\\eF", "tern-word-right"},
        {"\\e[1;5C", "tern-word-right"},
        {"^X^X", "ed-unassigned"}, /* to the mark; any command; a control character as such */
        {"\\ex", "ed-unassigned"},
        {"\\eX", "ed-unassigned"},
        {"^V", "ed-unassigned"}};
    for (size_t i = 0; i < sizeof added / sizeof added[0]; i++) {
        (void)el_wset(editor->line, EL_ADDFN, added[i].name, added[i].help, added[i].act);
    }
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        (void)el_set(editor->line, EL_BIND, keys[i][0], keys[i][1], NULL);
    }
}
