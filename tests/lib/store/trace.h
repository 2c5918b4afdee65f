/* A store that passes every call on to another one and can make chosen calls fail, for tests and
 * for looking at what the server does to its store. */
#ifndef STORE_TRACE_H
#define STORE_TRACE_H

#include "store.h"

enum trace_fault {
    TRACE_FAIL_BEFORE, /* the call fails without reaching the store */
    TRACE_FAIL_AFTER, /* the call is carried out and then reported as OUTCOME_UNKNOWN (append) or as
                         failed (others) */
};

struct trace_event {
    const char *call; /* "append", … */
    uint64_t number;  /* of the call, from 0 on, counted over all calls */
    bool ok;
};

/* Decorates inner, which it owns and closes. on_call (may be NULL) is told of each call, on the
 * thread that makes it. */
struct store *trace_new(struct store *inner,
                        void (*on_call)(void *user, const struct trace_event *), void *user);
/* Calls number first … first + n - 1 fail with this fault. n 0 switches it off. Any thread. */
void trace_fail(struct store *trace, uint64_t first, uint64_t n, enum trace_fault fault);

/* How an append ends that the caller is told OUTCOME_UNKNOWN of, as a group of database servers
 * that lose and change their leader makes it end. */
struct trace_doubt {
    size_t landed;    /* so many of its first commits stay in the log (SIZE_MAX: all), the rest is
                         rolled back */
    uint64_t calls;   /* the store serves so many more calls before that is decided */
    bool holds_place; /* until then its revisions are taken, though no read shows whose they are;
                         else they are free, and another's append there keeps this one out */
};
/* The next append ends like this. */
void trace_doubt_next(struct store *trace, const struct trace_doubt *doubt);
/* The next `calls` reads of the log (tail, read_commits, read_version, read_versions, find_change,
 * find_requests) do not see its last `lag` commits. */
void trace_lag(struct store *trace, uint64_t lag, uint64_t calls);

/* How many calls were made. */
uint64_t trace_calls(const struct store *trace);

#endif
