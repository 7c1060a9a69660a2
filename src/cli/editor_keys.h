/* SPDX-License-Identifier: Apache-2.0 */
/* cli/editor_keys.h - what editor.c and editor_keys.c share. */
#ifndef TI_CLI_EDITOR_KEYS_H
#define TI_CLI_EDITOR_KEYS_H

#include <histedit.h>
#include <signal.h>
#include <termios.h>

#include "cli/editor.h"

enum {
    PROMPT_MAX = 8,
    KEY_DROP = 3 /* stands for Ctrl-C, which is a signal and no character */
};

struct ti_editor {
    EditLine *line;
    HistoryW *past;
    const char *const *words;
    struct termios modes;       /* the terminal's own */
    struct sigaction on_resize; /* what was there before */
    wchar_t prompt[PROMPT_MAX];
    bool inside;   /* see ti_editor_read() */
    bool dropping; /* Ctrl-C was pressed */
};

/* The editor that `line` belongs to. */
ti_editor *ti_editor_of(EditLine *line);

/* Binds the keys that libedit does not have by itself. */
void ti_editor_bind(ti_editor *editor);

#endif
