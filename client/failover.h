/* Which of several addresses the next call uses, and when. Calls stay with an address until it
 * fails; then they go to the next one in turn, after a random pause (backoff.h), which grows until
 * a call works. So the clients of a server that is gone do not come to another one all at once.
 *
 * Many calls can fail for one reason, a connection that is lost. So a failure counts only if its
 * call began after the failure that was counted before.
 *
 * Any thread. While all works, a call reads two words and writes none. */
#ifndef CLIENT_FAILOVER_H
#define CLIENT_FAILOVER_H

#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "backoff.h"

struct failover {
    size_t n, first;
    /* That were counted; each leads to the next address. */
    atomic_uint_least64_t n_failures;
    atomic_int_least64_t
        not_before_ns;    /* clock_monotonic_ns(); 0: at once, and no failure counts */
    pthread_mutex_t lock; /* of changes of these, and of `backoff` */
    struct backoff backoff;
};

/* A call's choice, which it gives back with its outcome. */
struct failover_choice {
    size_t address;
    uint64_t n_failures; /* when it was made */
};

/* Begins with a random one of n addresses. */
void failover_init(struct failover *failover, size_t n);
void failover_fini(struct failover *failover);

struct failover_choice failover_choose(struct failover *failover);
void failover_failed(struct failover *failover, struct failover_choice choice, int64_t now_ns);
void failover_worked(struct failover *failover, struct failover_choice choice);
/* How long the next call should wait; 0: not at all. */
int64_t failover_pause_ms(struct failover *failover, int64_t now_ns);

#endif
