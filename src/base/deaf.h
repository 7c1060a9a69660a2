/* SPDX-License-Identifier: Apache-2.0 */
/* base/deaf.h - threads that take no signals: these are for the thread that waits for them. */
#ifndef TI_BASE_DEAF_H
#define TI_BASE_DEAF_H

#include <pthread.h>
#include <signal.h>

/* pthread_create() of a thread that takes no signals but those of its own faults: a mapped file
 * that shrinks must end the program.  Returns 0 or the error's number. */
static inline int ti_start_deaf(pthread_t *thread, void *(*run)(void *), void *user)
{
    static const int faults[] = {SIGBUS, SIGSEGV, SIGFPE, SIGILL};
    sigset_t all, before;
    sigfillset(&all);
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
        sigdelset(&all, faults[i]);
    }
    pthread_sigmask(SIG_SETMASK, &all, &before); /* the thread inherits it */
    int error = pthread_create(thread, NULL, run, user);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return error;
}

#endif
