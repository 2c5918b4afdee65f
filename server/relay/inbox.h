/* The newest commits, from the committer to the relay: a window on the log's end, bounded in number
 * and bytes. What has left it is read from the store. Any thread. */
#ifndef RELAY_INBOX_H
#define RELAY_INBOX_H

#include <pthread.h>

#include "commit.h"

#define INBOX_COMMITS 4096 /* a power of two */
#define INBOX_BYTES (4u << 20)

struct inbox {
    pthread_mutex_t lock;
    struct commit *slots[INBOX_COMMITS]; /* owned references, by revision */
    uint64_t first, next;                /* revisions first … next - 1 are here */
    size_t bytes;                        /* of records */
};

/* The log is at this revision. */
void inbox_init(struct inbox *inbox, uint64_t revision);
void inbox_fini(struct inbox *inbox);
/* Takes the commit of the next revision in; the oldest make room. */
void inbox_put(struct inbox *inbox, struct commit *commit);
/* The commit, as a reference, and drops what is older; NULL where it is not here. */
struct commit *inbox_take(struct inbox *inbox, uint64_t revision);
/* The newest revision that was put, or that the log began at. */
uint64_t inbox_newest(struct inbox *inbox);

#endif
