/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/terminal.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"

enum { UNDO_MAX = 64, N_SIGNALS = 3 };

static const int signals[N_SIGNALS] = {SIGHUP, SIGQUIT, SIGTSTP};

/* Written with signals blocked, read by the handler. */
static struct {
    char undo[UNDO_MAX];
    size_t len;
    bool held, has_modes;
    struct termios modes;
    struct sigaction before[N_SIGNALS];
} keep;
static volatile sig_atomic_t resumed;

void ti_terminal_set(const struct termios *modes)
{
    if (tcgetpgrp(STDIN_FILENO) == getpgrp()) {
        (void)tcsetattr(STDIN_FILENO, TCSADRAIN, modes);
    }
}

/* Only what POSIX allows in the handler of a signal. */
void ti_terminal_undo(void)
{
    if (!keep.held) {
        return;
    }
    ssize_t ignored = write(STDOUT_FILENO, keep.undo, keep.len);
    (void)ignored;
    if (keep.has_modes) {
        ti_terminal_set(&keep.modes);
    }
}

/* Lets the signal do now what it does by itself: stop, or end. */
static void obey(int number, const struct sigaction *by_default, struct sigaction *ours)
{
    sigset_t only, before;
    sigaction(number, by_default, ours);
    sigemptyset(&only);
    sigaddset(&only, number);
    raise(number);
    pthread_sigmask(SIG_UNBLOCK, &only, &before); /* here it happens */
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

static void on_signal(int number)
{
    struct sigaction by_default = {.sa_handler = SIG_DFL}, ours;
    int e = errno;
    ti_terminal_undo();
    obey(number, &by_default, &ours);
    sigaction(number, &ours, NULL); /* continued */
    resumed = 1;
    errno = e;
}

/* What the user's shell has set to be ignored stays so. */
static void catch_signals(void)
{
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    sigfillset(&action.sa_mask);
    for (size_t i = 0; i < N_SIGNALS; i++) {
        sigaction(signals[i], NULL, &keep.before[i]);
        if (keep.before[i].sa_handler == SIG_DFL) {
            sigaction(signals[i], &action, NULL);
        }
    }
}

void ti_terminal_hold(const char *undo, const struct termios *modes)
{
    sigset_t all, before;
    size_t len = strlen(undo);
    TI_ASSERT(len < UNDO_MAX);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    memcpy(keep.undo, undo, len);
    keep.len = len;
    keep.has_modes = modes != NULL;
    if (modes) {
        keep.modes = *modes;
    }
    if (!keep.held) {
        keep.held = true;
        resumed = 0;
        catch_signals();
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

void ti_terminal_release(void)
{
    sigset_t all, before;
    if (!keep.held) {
        return;
    }
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    keep.held = false;
    for (size_t i = 0; i < N_SIGNALS; i++) {
        sigaction(signals[i], &keep.before[i], NULL);
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

bool ti_terminal_resumed(void)
{
    bool was = resumed;
    resumed = 0;
    return was;
}
