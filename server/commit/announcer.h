/* Reports applied commits to the listener, to upkeep and to the memory of request_ids, in the order
 * of revisions. Committer's thread. */
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
/* Reports a commit that was applied, and releases its payloads; own: this node appended it. */
void announcer_commit(struct announcer *announcer, const struct staged *staged, bool own);
/* Reports the end of a batch, after its last commit; own: this node appended at least one of its
 * commits. */
void announcer_settle(struct announcer *announcer, bool own);

#endif
