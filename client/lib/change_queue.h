/* The changes that wait for a watcher's callback, in order.
 *
 * Beyond a limit, or from the start if only the newest states are wanted, the changes of one config
 * are made one: it has the state before the first and the state after the last of them. So the
 * queue holds at most `limit` changes or one for each config. Not thread-safe. */
#ifndef LIB_CHANGE_QUEUE_H
#define LIB_CHANGE_QUEUE_H

#include <sys/queue.h>

#include "mirror.h"
#include "table.h"

/* A change of the mirror's that owns what it refers to. */
struct queued_change {
    struct mirror_change change; /* owns environment, service_name, created_by, comment, configs */
    TAILQ_ENTRY(queued_change) link;
};
TAILQ_HEAD(queued_changes, queued_change);

struct change_queue {
    struct queued_changes changes;
    size_t n, limit;
    bool newest;        /* always merge */
    bool merges;        /* until the queue is empty */
    struct table names; /* while it merges: the changes by their config */
};

void change_queue_init(struct change_queue *queue, bool newest, size_t limit);
void change_queue_fini(struct change_queue *queue);
/* Adds a copy. One that leaves the head of the config alone is no change here, nor is one from the
 * log before to another in which the config has the same value. */
void change_queue_add(struct change_queue *queue, const struct mirror_change *change);
/* The oldest, which moves to the caller; NULL: there is none. */
struct queued_change *change_queue_take(struct change_queue *queue);
/* NULL is ignored. */
void queued_change_free(struct queued_change *queued);
MEM_CLEANUP(struct queued_change, queued_change_free)

#endif
