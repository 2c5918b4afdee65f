/* The queue of writes for the committer. Any thread puts; the committer takes.
 *
 * The queue is bounded. A write that was taken, but must wait for a look at the log's end, is lent:
 * it may come back in spite of the bounds, and the queue does not end before it does. */
#ifndef COMMIT_WRITE_QUEUE_H
#define COMMIT_WRITE_QUEUE_H

#include "write.h"

struct write_queue;

struct write_queue *write_queue_new(size_t max_n, size_t max_bytes);
void write_queue_free(struct write_queue *queue);

/* Adds the first of n writes, as many as the bounds allow, and returns their number. If fewer than
 * n, st says why: RESOURCE_EXHAUSTED OVERLOADED or UNAVAILABLE SHUTTING_DOWN. */
size_t write_queue_put(struct write_queue *queue, struct write *const *writes, size_t n,
                       struct status *st);
/* Lends a write that was taken: write_queue_give_back must follow. Committer's thread. */
void write_queue_lend(struct write_queue *queue);
/* Returns a lent write to the end of the queue; NULL: the write was answered instead. Any thread.
 */
void write_queue_give_back(struct write_queue *queue, struct write *write);
/* Wakes write_queue_take without a write. */
void write_queue_poke(struct write_queue *queue);

enum write_queue_news {
    WRITE_QUEUE_POKED, /* possibly with writes */
    WRITE_QUEUE_WRITES,
    WRITE_QUEUE_STOPPED, /* and is empty for good */
};
/* Waits for writes, a poke or the stop. Returns the waiting writes as a list (NULL: none): at most
 * max_n, and at most max_bytes of payloads, but always the first. */
struct write *write_queue_take(struct write_queue *queue, size_t max_n, size_t max_bytes,
                               enum write_queue_news *ret_news);
/* The number of queued writes. */
size_t write_queue_size(struct write_queue *queue);
/* Stops the queue: only lent writes can still come back. */
void write_queue_stop(struct write_queue *queue);
/* Waits until the time has passed or the queue stops; true: it stops. */
bool write_queue_pause(struct write_queue *queue, int64_t wait_ns);

#endif
