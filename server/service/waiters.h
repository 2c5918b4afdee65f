/* Reads that wait until the node has reached a revision. */
#ifndef SERVICE_WAITERS_H
#define SERVICE_WAITERS_H

#include <stdbool.h>
#include <stdint.h>

#define WAITERS_MAX 10000

struct waiters;

/* Embedded by who waits; belongs to waiters until `wake` is called, once, on any thread; it must
 * not block. */
struct waiter {
    uint64_t revision;
    int64_t deadline_ns; /* on clock_monotonic_ns() */
    enum waiter_result { WAITER_REACHED, WAITER_TIMED_OUT, WAITER_STOPPED } result;
    void (*wake)(struct waiter *waiter);
    struct waiter *next;
};

struct waiters *waiters_new(uint64_t revision);
/* Wakes all that wait with WAITER_STOPPED; later ones are woken so at once. Any thread. */
void waiters_stop(struct waiters *waiters);
void waiters_free(struct waiters *waiters);

/* Any thread; wake may be called before this returns. False, without adding, if WAITERS_MAX wait
 * already. */
bool waiters_add(struct waiters *waiters, struct waiter *waiter);
/* The node is at this revision now. Any thread, cheap while nobody waits. */
void waiters_advance(struct waiters *waiters, uint64_t revision);

#endif
