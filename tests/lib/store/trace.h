/* A store for tests that decorates another one: it reports every call, makes chosen calls fail or
 * wait, and simulates faults of a replica set (doubt.h). */
#ifndef STORE_TRACE_H
#define STORE_TRACE_H

#include "store.h"

enum trace_fault {
    TRACE_FAIL_BEFORE, /* the call fails without reaching the store */
    TRACE_FAIL_AFTER,  /* the call is executed, and then reported as OUTCOME_UNKNOWN (append) or as
                          failed (others) */
};

struct trace_event {
    const char *call; /* "append", … */
    uint64_t number;  /* of the call, from 0 on, over all kinds of calls */
    bool ok;
};

/* Decorates inner, which it owns and closes. on_call (may be NULL) is called for each call, on its
 * thread. */
struct store *trace_new(struct store *inner,
                        void (*on_call)(void *user, const struct trace_event *), void *user);
/* Calls number first … first + n - 1 fail with this fault. n 0 switches it off. Any thread. */
void trace_fail(struct store *trace, uint64_t first, uint64_t n, enum trace_fault fault);

/* Calls of this name ("save_heads", …) wait from now on, before they reach the store, until another
 * name or NULL is given. The name is borrowed. Any thread. */
void trace_hold(struct store *trace, const char *call);
/* Waits until a call is being held. */
void trace_wait_held(struct store *trace);

/* How an append in doubt ends. The caller gets OUTCOME_UNKNOWN at once; the end comes later, as on
 * a replica set that changes its primary. */
struct trace_doubt {
    size_t landed;    /* this many of its first commits stay in the log (SIZE_MAX: all); the others
                         are rolled back */
    uint64_t calls;   /* the end comes after this many more calls of the store */
    bool holds_place; /* true: until then its revisions are taken, but no read shows the commits;
                         false: they are free, and another append that takes them wins */
};
/* Makes the next append end in doubt. */
void trace_doubt_next(struct store *trace, const struct trace_doubt *doubt);
/* The next `calls` reads of the log (tail, read_commits, find_versions, read_versions,
 * find_changes, find_requests) do not see its last `lag` commits. */
void trace_lag(struct store *trace, uint64_t lag, uint64_t calls);

/* The number of calls so far. */
uint64_t trace_calls(const struct store *trace);

#endif
