/* SPDX-License-Identifier: Apache-2.0 */
/* Ctrl-C asks for an end; a second one, while the first is still being obeyed, enforces it. */
#include <signal.h>
#include <string.h>

#include "cli/out.h"
#include "cli/terminal.h"

static volatile sig_atomic_t arrived;

static void on_signal(int number)
{
    if (arrived) {
        ti_terminal_undo();
        signal(number, SIG_DFL);
        raise(number);
    }
    arrived = number;
}

void ti_interrupt_catch(void)
{
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = on_signal; /* without SA_RESTART: a read of the terminal must return */
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

int ti_interrupted(void)
{
    return arrived;
}

void ti_interrupt_clear(void)
{
    arrived = 0;
}
