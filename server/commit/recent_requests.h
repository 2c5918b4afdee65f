/* The requests of the newest commits, by key. A read of the store may lag behind what this node has
 * applied already, and must not make it take a repeat for a first; and a write that has to be tried
 * again need not ask the store again. Zeroed is empty. One thread. */
#ifndef COMMIT_RECENT_REQUESTS_H
#define COMMIT_RECENT_REQUESTS_H

#include "commit.h"
#include "table.h"

/* So many commits back are all known. */
#define RECENT_REQUESTS 4096

struct recent_requests {
    struct recent_request {
        struct hash key;
        uint64_t revision;
    } items[RECENT_REQUESTS]; /* a ring: the next one replaces the oldest */
    uint64_t n_added;
    struct table by_key; /* the newest item of each key */
};

void recent_requests_fini(struct recent_requests *recent);

/* A commit without a request_id is passed over. */
void recent_requests_add(struct recent_requests *recent, const struct commit *commit);
/* The revision of the newest commit with this key; 0: it is not among these. */
uint64_t recent_requests_find(const struct recent_requests *recent, const struct hash *key);

#endif
