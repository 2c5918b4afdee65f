/* The newest commits, from the committer to the relay: a window on the log's end, bounded in number
 * and bytes. What has left it is read from the store. Any thread. */
#ifndef RELAY_COMMIT_WINDOW_H
#define RELAY_COMMIT_WINDOW_H

#include <pthread.h>

#include "commit.h"

#define COMMIT_WINDOW_COMMITS 4096 /* a power of two */
#define COMMIT_WINDOW_BYTES (4u << 20)

struct commit_window {
    pthread_mutex_t lock;
    struct commit *slots[COMMIT_WINDOW_COMMITS]; /* owned references, by revision */
    uint64_t first, next;                        /* revisions first … next - 1 are here */
    size_t bytes;                                /* of records */
};

/* The log is at this revision. */
void commit_window_init(struct commit_window *window, uint64_t revision);
void commit_window_fini(struct commit_window *window);
/* Takes the commit of the next revision in; the oldest make room. */
void commit_window_put(struct commit_window *window, struct commit *commit);
/* The commit, as a reference, and drops what is older; NULL where it is not here. */
struct commit *commit_window_take(struct commit_window *window, uint64_t revision);
/* The newest revision that was put, or that the log began at. */
uint64_t commit_window_newest(struct commit_window *window);

#endif
