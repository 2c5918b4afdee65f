/* The queue from the committer to upkeep: the commits since upkeep's last look. A put holds the
 * lock only to move a few pointers. Memory is bounded by the number of configs, because only the
 * newest head of each is kept. */
#ifndef UPKEEP_NEWS_H
#define UPKEEP_NEWS_H

#include "head_table.h"
#include "upkeep.h"

/* Everything that was put since the last take. Zeroed: nothing. */
struct news {
    struct head_table heads;  /* all heads that changed, up to `position` */
    struct position position; /* of the last commit; revision 0: none */
    bool erases;              /* a commit erased payloads */
    uint64_t compaction;      /* revision of the newest commit that compacts; 0: none */
    bool compaction_is_own;   /* this node made it */
    struct scrub_wait *waits; /* in no order */
    bool quiet;               /* nothing was put for NEWS_TICK_NS */
    bool stopped;             /* no further put will follow */
};

/* Delay after which news that is not urgent is delivered, unless much has gathered. */
#define NEWS_TICK_NS INT64_C(1000000000)

struct news_queue;

struct news_queue *news_queue_new(void);
/* The queue must be empty: nothing was put, or it was stopped and taken. */
void news_queue_free(struct news_queue *queue);

void news_queue_put(struct news_queue *queue, const struct staged *staged, bool own);
/* Queues a wait. False: the queue has stopped, and the wait remains the caller's. */
bool news_queue_put_wait(struct news_queue *queue, struct scrub_wait *wait);
/* Waits until at_ns (clock_monotonic_ns()) for news. Returns earlier for urgent news (an erase, a
 * compaction, a wait, the stop), for many commits, or NEWS_TICK_NS after any put. The caller owns
 * what *ret_news contains. */
void news_queue_take(struct news_queue *queue, int64_t at_ns, struct news *ret_news);
/* Stops the queue: takes return at once from now on. */
void news_queue_stop(struct news_queue *queue);

#endif
