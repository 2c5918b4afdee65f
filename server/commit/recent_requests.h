/* The request_ids of the newest commits, by key. A read of the store may lag behind what this node
 * has applied, and must not make it take a repeat for a first; and a write that has to be tried
 * again need not ask the store again. Committer's thread. */
#ifndef COMMIT_RECENT_REQUESTS_H
#define COMMIT_RECENT_REQUESTS_H

#include "commit.h"

/* The requests of the newest commits, up to this number, are all in the table. */
#define RECENT_REQUESTS 4096

struct recent_requests;

struct recent_requests *recent_requests_new(void);
void recent_requests_free(struct recent_requests *recent);
/* A commit without a request_id is passed over. */
void recent_requests_add(struct recent_requests *recent, const struct commit *commit);
/* The revision of the newest commit with this key; 0: it is not among these. */
uint64_t recent_requests_find(const struct recent_requests *recent, const struct hash *key);

#endif
