/* The signals of a program, received by a dedicated thread (sigwait).
 *
 *     SIGTERM, SIGINT   the program ends
 *     SIGHUP            the program reloads what can be changed while it runs, and goes on
 *     SIGPIPE, SIGXFSZ  ignored: the write fails with EPIPE or EFBIG instead
 *     SIGUSR1, SIGUSR2, SIGALRM, SIGVTALRM, SIGPROF, SIGIO, SIGPWR, SIGSTKFLT and the real-time
 *     signals           ignored
 *
 * All others keep their default action: SIGQUIT and faults (SIGSEGV, …) end the program, with a
 * core dump where one is allowed (confine.h), SIGSTOP and SIGTSTP stop it until SIGCONT.
 * docs/operations.md has the same table. */
#ifndef BASE_SIGNALS_H
#define BASE_SIGNALS_H

#include <stdbool.h>

/* The text of --help about signals. */
#define SIGNALS_HELP                                                                               \
    "SIGTERM and SIGINT stop it in order. SIGHUP makes it read its TLS and access files and open " \
    "its audit and access logs again. Other signals are ignored, except those that dump core "     \
    "(SIGQUIT, SIGSEGV, ...)."

/* Starts to receive signals. Call it once, on main's thread, before any other thread is started.
 * Until signals_end_in_order(true), SIGTERM and SIGINT end the process at once with this exit code,
 * whatever it waits for. That loses no data: the stores survive kill -9. */
void signals_start(int exit_code);

/* on: from now on SIGTERM and SIGINT only make signals_end_fd readable; main has to end the
 * program. off: they end the process at once, as after signals_start. */
void signals_end_in_order(bool on);

/* Calls reload(user) on the thread of signals whenever SIGHUP arrives, until it is called with
 * NULL; then no call is in progress. reload must not block. One function at a time. */
void signals_on_reload(void (*reload)(void *user), void *user);

/* A descriptor that becomes readable once the program has to end, and stays so. Do not read it. */
int signals_end_fd(void);
/* Whether the program has to end. */
bool signals_ending(void);

#endif
