/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/editor.h"

#include <errno.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/select.h>
#include <unistd.h>
#include <wchar.h>

#include "base/mem.h"
#include "base/utf8.h"
#include "cli/editor_keys.h"
#include "cli/out.h"
#include "cli/terminal.h"

#define PASTE_ON "\033[?2004h"
#define PASTE_OFF "\033[?2004l"

static volatile sig_atomic_t resized;

static void on_resize(int number)
{
    (void)number;
    resized = 1;
}

ti_editor *ti_editor_of(EditLine *line)
{
    void *editor = NULL;
    (void)el_wget(line, EL_CLIENTDATA, &editor);
    return editor;
}

static wchar_t *prompt_of(EditLine *line)
{
    return ti_editor_of(line)->prompt;
}

/* --- keys -----------------------------------------------------------------------------------
 */

/* Draws again, after others have written on the terminal or it has another width. */
static void draw_again(EditLine *line)
{
    (void)fputs("\r\033[J", stdout);
    (void)el_wset(line, EL_REFRESH);
}

/* What has happened while nothing was typed. */
static void attend(EditLine *line)
{
    if (ti_terminal_resumed()) {
        (void)el_wset(line, EL_PREP_TERM, 0);
        (void)el_wset(line, EL_PREP_TERM, 1);
        (void)fputs(PASTE_ON, stdout);
        resized = 1;
    }
    if (resized) {
        resized = 0;
        el_resize(line);
        draw_again(line);
    }
}

/* Waits for a byte: 1.  0 when a signal asks for an end; -1 is an error.  Signals are taken
 * while it waits and at no other moment, so that none comes between looking and waiting. */
static int await(EditLine *line)
{
    sigset_t all, before;
    int result = -1;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    for (;;) {
        fd_set input;
        attend(line);
        if (ti_interrupted()) {
            result = 0;
            break;
        }
        FD_ZERO(&input);
        FD_SET(STDIN_FILENO, &input);
        result = pselect(STDIN_FILENO + 1, &input, NULL, NULL, NULL, &before);
        if (result >= 0 || errno != EINTR) {
            break;
        }
    }
    int e = errno;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    errno = e;
    return result;
}

/* One byte: 1.  0 is the end of the input, -1 an error or a signal. */
static int read_byte(EditLine *line, char *byte)
{
    for (;;) {
        int ready = await(line);
        if (ready <= 0) {
            return -1;
        }
        ssize_t n = read(STDIN_FILENO, byte, 1);
        if (n >= 0 || (errno != EINTR && errno != EAGAIN)) {
            return (int)n;
        }
    }
}

/* After Ctrl-C: first the key that marks the line, then such as end it, also in a search. */
static bool dropped(ti_editor *editor, wchar_t *key)
{
    const LineInfoW *text = el_wline(editor->line);
    if (editor->dropping) {
        *key = L'\n';
        return true;
    }
    if (ti_interrupted() != SIGINT || (!editor->inside && text->lastchar == text->buffer)) {
        return false;
    }
    ti_interrupt_clear();
    editor->dropping = true;
    *key = KEY_DROP;
    return true;
}

/* One character of UTF-8; bytes that are none are passed over. */
static int read_key(EditLine *line, wchar_t *key)
{
    ti_editor *editor = ti_editor_of(line);
    char bytes[4];
    size_t n = 0;
    uint32_t code;
    if (dropped(editor, key)) {
        return 1;
    }
    for (;;) {
        int got = read_byte(line, bytes + n);
        if (got < 0 && dropped(editor, key)) {
            return 1;
        }
        if (got <= 0) {
            return got;
        }
        n++;
        if (n > 1 && ((unsigned char)bytes[n - 1] & 0xc0) != 0x80) {
            bytes[0] = bytes[n - 1]; /* the one before was cut */
            n = 1;
        }
        if (ti_utf8_decode(bytes, n, &code)) {
            *key = (wchar_t)code;
            return 1;
        }
        if (ti_utf8_complete(bytes, n) == n) {
            n = 0;
        }
    }
}

/* --- lines ----------------------------------------------------------------------------------
 */

static tern_status take(ti_buf *out, const wchar_t *text, size_t n, tern_err *err)
{
    while (n > 0 && (text[n - 1] == L'\n' || text[n - 1] == L'\r')) {
        n--;
    }
    for (size_t i = 0; i < n; i++) {
        char bytes[4];
        ti_buf_add(out, bytes, ti_utf8_encode((uint32_t)text[i], bytes));
    }
    return out->failed ? ti_fail_nomem(err, "editor", out->len, "a line") : TERN_OK;
}

tern_status ti_editor_read(ti_editor *editor, ti_buf *line, ti_typed_end *end,
                           const char *prompt, bool inside, tern_err *err)
{
    int n = 0;
    TI_ASSERT(strlen(prompt) < PROMPT_MAX);
    for (size_t i = 0; i <= strlen(prompt); i++) {
        editor->prompt[i] = (wchar_t)(unsigned char)prompt[i];
    }
    editor->inside = inside;
    editor->dropping = false;
    resized = 0; /* libedit looks at the size before each line */
    ti_terminal_hold(PASTE_OFF, &editor->modes);
    (void)el_wset(editor->line, EL_PREP_TERM, 1); /* before there is a prompt to answer to */
    (void)fputs(PASTE_ON, stdout);
    errno = 0;
    const wchar_t *text = el_wgets(editor->line, &n);
    int e = errno;
    (void)fputs(PASTE_OFF, stdout);
    (void)fflush(stdout);
    ti_terminal_release();
    if (editor->dropping) {
        *end = TI_TYPED_DROPPED;
        return TERN_OK;
    }
    if (text && n > 0) {
        *end = TI_TYPED_LINE;
        return take(line, text, (size_t)n, err);
    }
    *end = TI_TYPED_NO_MORE;
    if (n < 0 && !ti_interrupted() && e != 0 && e != EINTR) {
        return ti_fail_errno(err, e, "editor", "cannot read standard input");
    }
    return TERN_OK;
}

/* A text that could not be remembered is not worth an error. */
void ti_editor_remember(ti_editor *editor, const char *text)
{
    size_t len = strlen(text), n = 0;
    wchar_t *wide = ti_calloc(len + 1, sizeof *wide);
    HistEventW event;
    uint32_t code;
    for (size_t at = 0, step; wide && at < len; at += step) {
        step = ti_utf8_decode(text + at, len - at, &code);
        if (step > 0) {
            wide[n++] = (wchar_t)code;
        } else {
            step = 1;
        }
    }
    if (wide && n > 0) {
        (void)history_w(editor->past, &event, H_ENTER, wide);
    }
    free(wide);
}

/* --- begin and end --------------------------------------------------------------------------
 */

bool ti_editor_able(void)
{
    const char *term = getenv("TERM");
    return isatty(STDIN_FILENO) == 1 && isatty(STDOUT_FILENO) == 1 && term && *term &&
           strcmp(term, "dumb") != 0;
}

/* tern speaks UTF-8 whatever the locale says; libedit asks the locale how wide characters are.
 */
static bool speak_utf8(void)
{
    return setlocale(LC_CTYPE, "C.UTF-8") || setlocale(LC_CTYPE, "en_US.UTF-8");
}

static bool set_up(ti_editor *editor)
{
    HistEventW event;
    editor->past = history_winit();
    editor->line = el_init("tern", stdin, stdout, stderr);
    if (!editor->past || !editor->line) {
        return false;
    }
    (void)history_w(editor->past, &event, H_SETSIZE, TI_EDITOR_PAST);
    (void)history_w(editor->past, &event, H_SETUNIQUE, 1);
    (void)el_wset(editor->line, EL_CLIENTDATA, editor);
    (void)el_wset(editor->line, EL_HIST, history_w, editor->past);
    (void)el_wset(editor->line, EL_PROMPT, prompt_of);
    (void)el_wset(editor->line, EL_EDITOR, L"emacs");
    (void)el_wset(editor->line, EL_GETCFN, read_key);
    ti_editor_bind(editor);
    return true;
}

tern_status ti_editor_open(ti_editor **out, const char *const *words, tern_err *err)
{
    struct sigaction action = {.sa_handler = on_resize, .sa_flags = SA_RESTART};
    ti_editor *editor = ti_calloc(1, sizeof *editor);
    if (!editor) {
        return ti_fail_nomem(err, "editor", sizeof *editor, "an editor");
    }
    if (!ti_editor_able() || !speak_utf8() || tcgetattr(STDIN_FILENO, &editor->modes) != 0) {
        free(editor);
        *out = NULL;
        return TERN_OK;
    }
    editor->words = words;
    sigemptyset(&action.sa_mask);
    sigaction(SIGWINCH, &action, &editor->on_resize);
    if (!set_up(editor)) {
        ti_editor_close(editor);
        return ti_fail_nomem(err, "editor", sizeof *editor, "an editor");
    }
    *out = editor;
    return TERN_OK;
}

void ti_editor_close(ti_editor *editor)
{
    if (!editor) {
        return;
    }
    sigaction(SIGWINCH, &editor->on_resize, NULL);
    if (editor->line) {
        /* Without this libedit would throw away what was typed for the shell meanwhile. */
        (void)el_wset(editor->line, EL_EDITMODE, 0);
        el_end(editor->line);
    }
    ti_terminal_set(&editor->modes);
    if (editor->past) {
        history_wend(editor->past);
    }
    free(editor);
}
