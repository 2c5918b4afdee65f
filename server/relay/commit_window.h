/* The commit window: a queue from the committer to the relay that holds the newest commits, bounded
 * in number and bytes. When it is full the oldest commits are dropped: the relay reads those from
 * the store. Neither side waits for the other. Any thread. */
#ifndef RELAY_COMMIT_WINDOW_H
#define RELAY_COMMIT_WINDOW_H

#include <pthread.h>

#include "commit.h"

#define COMMIT_WINDOW_COMMITS 4096 /* a power of two */
#define COMMIT_WINDOW_BYTES (4u << 20)

struct commit_window {
    pthread_mutex_t lock;
    struct commit *slots[COMMIT_WINDOW_COMMITS]; /* owned references, at revision modulo
                                                    COMMIT_WINDOW_COMMITS */
    uint64_t first, next; /* revisions first … next - 1 are in the window */
    size_t bytes;         /* of their records */
};

/* revision: of the log's newest commit. */
void commit_window_init(struct commit_window *window, uint64_t revision);
void commit_window_fini(struct commit_window *window);
/* Adds the commit of the next revision (a reference is taken); drops the oldest if full. */
void commit_window_put(struct commit_window *window, struct commit *commit);
/* Drops all commits older than the revision and returns a reference to the commit of that revision;
 * NULL: it is not in the window. */
struct commit *commit_window_take(struct commit_window *window, uint64_t revision);
/* The newest revision that was put; before the first, the revision given to commit_window_init. */
uint64_t commit_window_newest(struct commit_window *window);

#endif
