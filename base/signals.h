/* The signals of a program, taken by a thread of their own.
 *
 *     SIGTERM, SIGINT   the program ends
 *     SIGHUP            the program reloads what can be changed while it runs, and goes on
 *     SIGPIPE, SIGXFSZ  ignored: the write that meets them fails, and says why
 *     SIGUSR1, SIGUSR2, SIGALRM, SIGVTALRM, SIGPROF, SIGIO, SIGPWR, SIGSTKFLT and the real-time
 *     signals           ignored
 *
 * The others do what the system does: SIGQUIT and what a fault raises end the program with a core
 * dump, SIGSTOP and its kin stop it until SIGCONT. The table of docs/operations.md is this one. */
#ifndef BASE_SIGNALS_H
#define BASE_SIGNALS_H

#include <stdbool.h>

/* What --help says of them. */
#define SIGNALS_HELP                                                                               \
    "SIGTERM and SIGINT stop it in order, SIGHUP has it reload what it can reload; other signals " \
    "are ignored, but for those that end any program with a core dump (SIGQUIT, SIGSEGV, ...)."

/* Takes them from here on. Once, on main's thread, before any other thread is there. Until
 * signals_end_in_order is called, a signal that ends the program does so at once, with this exit
 * code: whatever is waited for, and as safely as kill -9, which nothing that is kept minds. */
void signals_start(int exit_code);

/* on: what ends the program only makes signals_end_fd readable. Where one had come before, this
 * does not return. Off again: as after signals_start. */
void signals_end_in_order(bool on);

/* Readable, for good, once the program is to end. Not to be read. */
int signals_end_fd(void);
/* Whether it is. */
bool signals_ending(void);

/* What SIGHUP does, on the thread of the signals; returns what was reloaded, for the log. Where
 * none is set, nothing is. */
typedef const char *signals_reload(void *user);
void signals_on_reload(signals_reload *reload, void *user);

#endif
