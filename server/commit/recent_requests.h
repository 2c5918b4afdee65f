/* The request_ids of the newest commits that this node has applied, by key. A look-up in the store
 * alone does not find all repeats, because reads may lag behind; and a write that is staged again
 * need not ask the store again. Committer's thread. */
#ifndef COMMIT_RECENT_REQUESTS_H
#define COMMIT_RECENT_REQUESTS_H

#include "commit.h"

/* The table has the requests of at least this many of the newest commits. */
#define RECENT_REQUESTS 4096

struct recent_requests;

struct recent_requests *recent_requests_new(void);
void recent_requests_free(struct recent_requests *recent);
/* Adds the commit's request; ignores a commit without a request_id. */
void recent_requests_add(struct recent_requests *recent, const struct commit *commit);
/* The revision of the newest commit with this key; 0: not in the table. */
uint64_t recent_requests_find(const struct recent_requests *recent, const struct hash *key);

#endif
