/* The writes that wait for the committer. Any thread puts, the committer takes.
 *
 * The queue is bounded. A write that was taken and has to wait for something else (a look at the
 * log's end) is lent: it comes back past the bounds, and the queue does not end before. */
#ifndef COMMIT_WRITE_QUEUE_H
#define COMMIT_WRITE_QUEUE_H

#include "write.h"

struct write_queue;

struct write_queue *write_queue_new(size_t max_n, size_t max_bytes);
void write_queue_free(struct write_queue *queue);

/* Puts the first of n writes, as many as may come, and returns how many; st says why no more:
 * RESOURCE_EXHAUSTED OVERLOADED, UNAVAILABLE SHUTTING_DOWN. */
size_t write_queue_put(struct write_queue *queue, struct write *const *writes, size_t n,
                       struct status *st);
/* One that was taken will be given back. Committer's thread. */
void write_queue_lend(struct write_queue *queue);
/* It comes back, at the end; NULL: it was answered. Any thread. */
void write_queue_give_back(struct write_queue *queue, struct write *write);
/* Who takes has something else to do. */
void write_queue_poke(struct write_queue *queue);

enum write_queue_news {
    WRITE_QUEUE_POKED, /* perhaps with writes */
    WRITE_QUEUE_WRITES,
    WRITE_QUEUE_STOPPED, /* and is empty now, and will stay so */
};
/* Waits for something; then what waits, up to max_n writes and (but for the first) max_bytes of
 * payload, as a list (NULL: none). */
struct write *write_queue_take(struct write_queue *queue, size_t max_n, size_t max_bytes,
                               enum write_queue_news *ret_news);
/* How many writes wait. */
size_t write_queue_size(struct write_queue *queue);
/* Takes no more writes, but for those that are lent. */
void write_queue_stop(struct write_queue *queue);
/* Waits until the time has passed or the queue stops; true where it stops. */
bool write_queue_pause(struct write_queue *queue, int64_t wait_ns);

#endif
