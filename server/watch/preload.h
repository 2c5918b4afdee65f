/* The ring at start: what a restart has thrown away is read from the log, once for all streams that
 * come back. What is not there yet, or cannot be read, the streams read themselves.
 *
 * A thread reads the log backwards, in chunks that double in size; the ring's owner puts them in
 * front of the ring. The server does not wait for it longer than PRELOAD_WAIT_NS, so that a slow
 * store, or a long way to it, does not keep it from listening. */
#ifndef WATCH_PRELOAD_H
#define WATCH_PRELOAD_H

#include "encoded_commit.h"
#include "ring.h"
#include "store.h"

#define PRELOAD_COMMITS 16128 /* at most; a fraction of a second on a quick store */
#define PRELOAD_WAIT_NS INT64_C(250000000)

struct preload;

/* Starts reading the commits up to `newest`, up to max_bytes of them. The store is borrowed. */
struct preload *preload_new(struct store *store, uint64_t newest, size_t max_bytes);
/* Ends the reading, at the latest when the read of one commit returns. NULL is ignored. */
void preload_free(struct preload *preload);

/* Puts what is ready in front of the ring. Only the ring's thread. */
void preload_take(struct preload *preload, struct ring *ring);
/* The same, and waits until all is there or PRELOAD_WAIT_NS are over. */
void preload_wait(struct preload *preload, struct ring *ring);
/* From now on nothing older may come into the ring, as when a commit erases what it would show.
 * Only the ring's thread. */
void preload_close(struct preload *preload);

#endif
