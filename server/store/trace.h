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
/* How many calls were made. */
uint64_t trace_calls(const struct store *trace);

#endif
