/* A watch of the stress program that breaks off and resumes, again and again, and checks what it
 * gets. All watchers live on the thread of their rpc client. */
#ifndef STRESS_NODE_WATCHER_H
#define STRESS_NODE_WATCHER_H

#include <stdatomic.h>

#include "random.h"
#include "rpc_client.h"
#include "stress.h"

/* Shared by all watchers. */
struct watching {
    struct rpc_client *rpc;
    atomic_uint_fast64_t goal; /* watchers end for good at this revision; UINT64_MAX: not yet */
    struct tally through;      /* watchers that have ended for good */
    atomic_uint_fast64_t n_streams, n_events;
};

struct watcher {
    struct watching *all;
    struct random random;
    char service[16]; /* "": everything */
    char id[16];
    bool snapshot; /* begins with one; else with revision 1 */
    bool include_previous, conflate, resolve, progress;
    bool began; /* position holds */
    char epoch[20];
    uint64_t revision, chain; /* of the last response that was complete */

    /* Of the present stream. */
    uint64_t delivered; /* the newest event or snapshot */
    uint64_t last, last_index;
    uint64_t n_responses, break_after;
};

void watcher_init(struct watcher *watcher, struct watching *all, size_t number);
/* Opens the first stream. Any thread. */
void watcher_begin(struct watcher *watcher);

#endif
