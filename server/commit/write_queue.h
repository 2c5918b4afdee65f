/* The writes that wait for the committer. Any thread puts, the committer takes. */
#ifndef COMMIT_WRITE_QUEUE_H
#define COMMIT_WRITE_QUEUE_H

#include <pthread.h>

#include "committer.h"

struct write_queue {
    pthread_mutex_t lock;
    pthread_cond_t wake;
    struct write *first;
    struct write **end;
    size_t n;
    size_t bytes;
    size_t max_n;
    size_t max_bytes;
    bool poked;
    bool stopping;
};

void write_queue_init(struct write_queue *queue, size_t max_n, size_t max_bytes);
void write_queue_fini(struct write_queue *queue);
/* Puts the first of n writes, as many as may come, and returns how many; st says why no more:
 * RESOURCE_EXHAUSTED OVERLOADED, UNAVAILABLE SHUTTING_DOWN. */
size_t write_queue_put(struct write_queue *queue, struct write *const *writes, size_t n,
                       struct status *st);
/* Who takes has something else to do. */
void write_queue_poke(struct write_queue *queue);

enum write_queue_news {
    WRITE_QUEUE_NOTHING, /* the time passed */
    WRITE_QUEUE_POKED,   /* perhaps with writes */
    WRITE_QUEUE_WRITES,
    WRITE_QUEUE_STOPPED, /* and is empty now */
};
/* What waits, up to max_n writes and (but for the first) max_bytes of payload, as a list (NULL:
 * none). Waits up to wait_ns for something. */
struct write *write_queue_take(struct write_queue *queue, size_t max_n, size_t max_bytes,
                               int64_t wait_ns, enum write_queue_news *ret_news);
/* How many writes wait. */
size_t write_queue_size(struct write_queue *queue);
void write_queue_stop(struct write_queue *queue);
/* Waits until the time has passed or the queue stops; true where it stops. */
bool write_queue_pause(struct write_queue *queue, int64_t wait_ns);

#endif
