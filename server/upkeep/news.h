/* The queue from the committer to upkeep: what was committed since upkeep looked last. Putting
 * never blocks for longer than the lock is held to move a few pointers, and its memory is bounded
 * by the number of configs: of each the newest head is kept. */
#ifndef UPKEEP_NEWS_H
#define UPKEEP_NEWS_H

#include "head_table.h"
#include "upkeep.h"

/* Everything that was put since the last take. Zeroed: nothing. */
struct news {
    struct head_table heads;  /* that changed; all that did through `position` */
    struct position position; /* of the last commit; revision 0: there was none */
    bool erases;              /* some commit erased payloads */
    uint64_t compaction;      /* the newest one, by the revision of its commit; 0: none */
    bool compaction_is_own;   /* this node made it */
    struct scrub_wait *waits; /* in no order */
    bool quiet;               /* nothing was put for NEWS_TICK_NS */
    bool stopped;             /* nothing will be put any more */
};

/* Takers learn of what is not urgent after so long, or when there is a lot of it. */
#define NEWS_TICK_NS INT64_C(1000000000)

struct news_queue;

struct news_queue *news_queue_new(void);
/* Empty, or stopped and taken. */
void news_queue_free(struct news_queue *queue);

void news_queue_put(struct news_queue *queue, const struct staged *staged, bool own);
/* False once the queue has stopped: wait is the caller's. */
bool news_queue_put_wait(struct news_queue *queue, struct scrub_wait *wait);
/* Waits until at_ns of clock_monotonic_ns() at most; not so long where something urgent comes (an
 * erase, a compaction, a wait, the end), where much has come, or NEWS_TICK_NS after anything did.
 * *ret_news: the caller's, with what it holds. */
void news_queue_take(struct news_queue *queue, int64_t at_ns, struct news *ret_news);
/* Wakes who takes, for good. */
void news_queue_stop(struct news_queue *queue);

#endif
