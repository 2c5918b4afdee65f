/* Telling of commits that were applied: the listener, upkeep, and who remembers request_ids. In the
 * order of revisions; committer's thread. */
#ifndef COMMIT_ANNOUNCER_H
#define COMMIT_ANNOUNCER_H

#include "committer.h"
#include "recent_requests.h"

struct announcer;

struct announcer_options {
    struct commit_listener listener;
    const struct registry *registry; /* borrowed, as all here */
    struct upkeep *upkeep;
    struct recent_requests *recent;
    struct commit_stats *stats;
};

struct announcer *announcer_new(const struct announcer_options *options);
void announcer_free(struct announcer *announcer);
/* A commit was applied; own: this node appended it. Its payloads are given back. */
void announcer_commit(struct announcer *announcer, const struct staged *staged, bool own);
/* It was the last one for now; own: this node appended at least one of them. */
void announcer_settle(struct announcer *announcer, bool own);

#endif
