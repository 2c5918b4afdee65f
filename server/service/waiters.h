/* Reads that wait until the node has reached a revision, a deadline has passed, nobody wants the
 * answer any more, or the server stops. A thread of its own wakes them. */
#ifndef SERVICE_WAITERS_H
#define SERVICE_WAITERS_H

#include <stdbool.h>
#include <stdint.h>

#define WAITERS_MAX 10000

struct waiters;

/* Embedded in the waiting object. Owned by waiters from waiters_add until wake is called. wake is
 * called exactly once, on the thread of waiters, with result set; it must not block, and may free
 * the object. */
struct waiter {
    uint64_t revision;
    int64_t deadline_ns; /* on clock_monotonic_ns() */
    enum waiter_result {
        WAITER_REACHED,
        WAITER_TIMED_OUT,
        WAITER_UNWANTED,
        WAITER_STOPPED,
    } result;
    /* Whether somebody still waits for the answer; once false, it stays false. Called with the lock
     * of waiters held: must not block or take locks. */
    bool (*is_wanted)(const struct waiter *waiter);
    void (*wake)(struct waiter *waiter);
    struct waiter *next;
};

/* revision: where the node is now. */
struct waiters *waiters_new(uint64_t revision);
/* Ends all waiters, and all that are added later, with WAITER_STOPPED unless their revision has
 * been reached. Any thread. */
void waiters_stop(struct waiters *waiters);
/* Nobody may wait any more. NULL is ignored. */
void waiters_free(struct waiters *waiters);

/* Any thread; wake may be called before this returns. False, without adding: WAITERS_MAX wait
 * already. */
bool waiters_add(struct waiters *waiters, struct waiter *waiter);
/* Some waiters may be unwanted now: ends them. Any thread; cheap while nobody waits. */
void waiters_review(struct waiters *waiters);
/* Sets the revision that the node has reached. Any thread; cheap while nobody waits. */
void waiters_advance(struct waiters *waiters, uint64_t revision);

#endif
