/* Answers that leave together.
 *
 * The gRPC core sends each answer with a system call of its own, and each of them goes through the
 * whole of TCP and wakes the client. While a thread has many to send in a row it therefore holds
 * the connections that get more than one (TCP_CORK, tcp(7)), and lets them go when it is through:
 * what gathered leaves as one. At most CORK_SENDS are sent before that, so that nothing waits for
 * longer than they take. An answer alone is held, until the end of the run, only where there were
 * several the last time.
 *
 * A connection's descriptor may have been closed, and even be another's by now: to hold that one
 * for a moment does no harm. */
#ifndef RPC_CORK_H
#define RPC_CORK_H

#include <stdbool.h>

#define CORK_SENDS 64

/* Around a run of sends by this thread that does nothing that takes long. One within another is a
 * part of it. */
void cork_begin(void);
void cork_end(void);
/* This thread is about to send on the connection; -1: one that cannot be held. Nothing happens
 * outside of a run. */
void cork_before_send(int fd);
/* Whether this thread is in a run. */
bool cork_is_on(void);

#endif
