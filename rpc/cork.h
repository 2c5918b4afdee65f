/* Corking: answers that follow each other on a connection are sent together.
 *
 * The gRPC core sends each answer with a system call of its own, which passes through all of TCP
 * and wakes the client. While a thread sends many answers in a row (a run), it therefore corks the
 * connections that get more than one (TCP_CORK, tcp(7)), and uncorks them at the end of the run. A
 * run has at most CORK_SENDS answers, which bounds how long an answer waits. A connection is corked
 * from its first answer on if it had several in its last run, else from the second.
 *
 * The descriptor of a connection may have been closed and reused meanwhile: corking another
 * connection for a moment does no harm.
 *
 * Threads: each thread has its own runs. */
#ifndef RPC_CORK_H
#define RPC_CORK_H

#include <stdbool.h>

#define CORK_SENDS 64

/* Begin and end a run of sends of this thread, which must not do anything that takes long. Nested
 * runs are part of the outer one. */
void cork_begin(void);
void cork_end(void);
/* Called before this thread sends on a connection. fd -1: the connection cannot be corked. Does
 * nothing outside of a run. */
void cork_before_send(int fd);
/* Whether this thread is in a run. */
bool cork_is_on(void);

#endif
