/* Simulates faults of a replica set that a single database server never shows: lost answers,
 * commits that land late or are rolled back, and reads that lag. A part of trace.c, between it and
 * the store that it decorates. Any thread. */
#ifndef STORE_DOUBT_H
#define STORE_DOUBT_H

#include <pthread.h>

#include "trace.h"

struct doubt_state {
    pthread_mutex_t lock; /* protects `entered` */
    pthread_cond_t left;
    /* A thread uses the members below. It may call the inner store, which takes locks of its own,
     * so this is no mutex: no code holds two locks at once. */
    bool entered;
    struct store *inner; /* borrowed */
    struct trace_doubt next;
    bool armed;              /* `next` applies to the next append */
    struct commit **pending; /* owned copies of the commits of an append in doubt */
    size_t n_pending;
    struct trace_doubt fate; /* how the append in doubt will end */
    uint64_t lag;            /* how many of the last commits reads of the log do not see … */
    uint64_t stale_calls;    /* … for this many reads */
};

void doubt_init(struct doubt_state *doubt, struct store *inner);
void doubt_fini(struct doubt_state *doubt);
void doubt_arm(struct doubt_state *doubt, const struct trace_doubt *next);
void doubt_lag(struct doubt_state *doubt, uint64_t lag, uint64_t calls);

/* Called at the start of each call of the store: settles an append in doubt when its time has
 * come. */
void doubt_pass_time(struct doubt_state *doubt);
/* Appends; the append may be the one that ends in doubt. */
bool doubt_append(struct doubt_state *doubt, struct commit *const *commits, size_t n,
                  struct status *st);
/* The tail that reads see now. */
bool doubt_tail(struct doubt_state *doubt, uint64_t *ret_revision, struct buf **ret_record,
                struct hash *ret_hash, struct status *st);
/* The last revision that a read of the log sees: UINT64_MAX, or an older one while reads lag. */
bool doubt_horizon(struct doubt_state *doubt, uint64_t *ret_last, struct status *st);

/* A visitor that forwards rows up to a revision. */
struct doubt_rows {
    uint64_t last;
    store_row_visitor *visit;
    void *user;
};
bool doubt_visit(void *user, const struct store_row *row);

/* The same for reads of many names. */
struct doubt_found {
    uint64_t last;
    store_found_visitor *visit;
    void *user;
};
bool doubt_visit_found(void *user, size_t which, const struct store_row *row);

#endif
