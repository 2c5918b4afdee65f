/* Confines a program before it opens anything: whose rights it has, and what may be read of its
 * memory.
 *
 * - It becomes another user for good, and keeps no capability but CAP_NET_BIND_SERVICE, to listen
 *   on ports below 1024.
 * - It and the programs that it might start never gain rights (no_new_privs).
 * - It writes no core file, and users without CAP_SYS_PTRACE cannot read its memory: configs,
 *   tokens and keys are in it. */
#ifndef BASE_CONFINE_H
#define BASE_CONFINE_H

#include <stdbool.h>

#include "options.h"
#include "status.h"

struct confine_options {
    const char *user; /* NULL: stay who one is; borrowed */
    bool allow_core;
};

/* The rows of both programs' tables of options. o: struct confine_options. */
/* clang-format off */
#define CONFINE_ROWS(o)                                                                            \
    {"user", OPTION_TEXT, &(o)->user, NULL, "NAME",                                                \
     "Become this user before anything is opened; only root can. It may still listen on ports "    \
     "below 1024. Files that are given must be readable for this user, the store and the logs "    \
     "writable.",                                                                                  \
     0, 0, NULL},                                                                                  \
    {"allow-core", OPTION_SWITCH, &(o)->allow_core, "no", NULL,                                    \
     "Allow core files and debuggers. They show configs, tokens and keys.", 0, 0, NULL}
/* clang-format on */

/* Call it before any thread is started. FAILED_PRECONDITION, reason USER: the user does not exist,
 * or the process may not become it. */
bool confine_process(const struct confine_options *options, struct status *st);

#endif
