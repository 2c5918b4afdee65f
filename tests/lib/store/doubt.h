/* What several database servers do to a writer and its readers, and one server alone never shows:
 * answers that are lost, commits that land late or are rolled back, reads that lag behind. A part
 * of trace.c, in front of the store that it decorates. Any thread. */
#ifndef STORE_DOUBT_H
#define STORE_DOUBT_H

#include <pthread.h>

#include "trace.h"

struct doubt_state {
    pthread_mutex_t lock;
    struct store *inner; /* borrowed */
    struct trace_doubt next;
    bool armed;              /* the next append meets `next` */
    struct commit **pending; /* owned copies; of an append whose fate is open */
    size_t n_pending;
    struct trace_doubt fate;
    uint64_t lag;         /* reads of the log pass over so many of its last commits … */
    uint64_t stale_calls; /* … so many times */
};

void doubt_init(struct doubt_state *doubt, struct store *inner);
void doubt_fini(struct doubt_state *doubt);
void doubt_arm(struct doubt_state *doubt, const struct trace_doubt *next);
void doubt_lag(struct doubt_state *doubt, uint64_t lag, uint64_t calls);

/* A call of the store begins: what was to come by then comes. */
void doubt_pass_time(struct doubt_state *doubt);
/* An append, which may be the one that meets a doubt. */
bool doubt_append(struct doubt_state *doubt, struct commit *const *commits, size_t n,
                  struct status *st);
/* The tail, as far as reads show it now. */
bool doubt_tail(struct doubt_state *doubt, uint64_t *ret_revision, struct buf **ret_record,
                struct hash *ret_hash, struct status *st);
/* The last revision that a read of the log shows: UINT64_MAX, or where it lags, an older one. */
bool doubt_horizon(struct doubt_state *doubt, uint64_t *ret_last, struct status *st);

/* A visitor of rows that passes on those up to a revision. */
struct doubt_rows {
    uint64_t last;
    store_row_visitor *visit;
    void *user;
};
bool doubt_visit(void *user, const struct store_row *row);

#endif
