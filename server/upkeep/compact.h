/* Carries out the newest compaction: drops the payloads that it releases, in small steps.
 *
 * compaction_through() defines which payloads a compaction commit releases. Every node may carry it
 * out, at any time and more than once; the mark COMPACTED records that it is finished. The node
 * that made the commit begins at once. Other nodes begin if it is not finished after a minute. */
#ifndef UPKEEP_COMPACT_H
#define UPKEEP_COMPACT_H

#include "upkeep.h"

/* Whether a compaction may be committed now. Errors: FAILED_PRECONDITION with reason
 * COMPACTION_RUNNING while the previous one is unfinished; faults of the store. Any thread. */
bool compact_may_begin(struct store *store, const struct registry *registry, struct status *st);

/* Upkeep's thread. */
struct compactor;

/* Both are borrowed. Resumes a compaction that was not finished. */
struct compactor *compactor_new(struct store *store, const struct registry *registry);
void compactor_free(struct compactor *compactor);
/* Notes a commit that compacts; own: this node made it. */
void compactor_note(struct compactor *compactor, uint64_t revision, bool own);
/* Time of the next step, on clock_monotonic_ns(); INT64_MAX: none is due. */
int64_t compactor_due_ns(const struct compactor *compactor);
/* Runs one step. After a failure the compaction starts again ten seconds later. Errors: faults of
 * the store. */
bool compactor_step(struct compactor *compactor, struct status *st);

#endif
