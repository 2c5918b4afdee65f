/* Fills the ring at start: the newest commits are read from the log once, for all streams that
 * resume. A stream that needs a commit which is not in the ring yet reads it from the store itself.
 *
 * A thread reads the log backwards, in chunks that double in size; the owner of the ring inserts
 * them at its old end. The server waits at most PRELOAD_WAIT_NS, so that a slow or distant store
 * does not delay listening. */
#ifndef WATCH_PRELOAD_H
#define WATCH_PRELOAD_H

#include "encoded_commit.h"
#include "ring.h"
#include "store.h"

#define PRELOAD_COMMITS 16128 /* at most; a fraction of a second on a quick store */
#define PRELOAD_WAIT_NS INT64_C(250000000)

struct preload;

/* Starts to read the commits up to revision `newest`, at most max_bytes. The store is borrowed. */
struct preload *preload_new(struct store *store, uint64_t newest, size_t max_bytes);
/* Ends the thread, after at most the read of one commit. NULL is ignored. */
void preload_free(struct preload *preload);

/* Inserts the commits that are ready at the old end of the ring. Only the ring's thread. */
void preload_take(struct preload *preload, struct ring *ring);
/* The same, but first waits until all commits are ready, or for PRELOAD_WAIT_NS. */
void preload_wait(struct preload *preload, struct ring *ring);
/* Inserts no more commits: a new commit has erased payloads that they may contain. Only the ring's
 * thread. */
void preload_close(struct preload *preload);

#endif
