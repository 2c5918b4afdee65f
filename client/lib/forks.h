/* Whether this process is the child of one that had clients: their threads, and those of gRPC's
 * core, are gone there, and neither can be begun anew. Any thread. */
#ifndef LIB_FORKS_H
#define LIB_FORKS_H

#include <stdbool.h>

/* The process is going to have a client. False: it is such a child. */
bool forks_enter(void);
bool forks_is_child(void);

#endif
