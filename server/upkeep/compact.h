/* Carrying out the newest compaction: dropping the payloads that it lets go of, in small steps.
 *
 * The compaction commit decides what goes (compaction_through). Any node may carry it out, at any
 * time and more than once; the mark COMPACTED says that it is finished. The node that made it
 * begins at once, others when it is still not finished after a minute. */
#ifndef UPKEEP_COMPACT_H
#define UPKEEP_COMPACT_H

#include "upkeep.h"

/* Whether another compaction may be made: FAILED_PRECONDITION, reason COMPACTION_RUNNING, while the
 * one before is not finished. Faults of the store. Any thread. */
bool compact_may_begin(struct store *store, const struct registry *registry, struct status *st);

/* Upkeep's thread. */
struct compactor;

/* Both are borrowed. A compaction that was not finished before is resumed. */
struct compactor *compactor_new(struct store *store, const struct registry *registry);
void compactor_free(struct compactor *compactor);
/* The commit of this revision compacts; own: this node made it. */
void compactor_note(struct compactor *compactor, uint64_t revision, bool own);
/* When the next step is due, on clock_monotonic_ns(); INT64_MAX: none is. */
int64_t compactor_due_ns(const struct compactor *compactor);
/* A step. Where it fails, the compaction is begun again ten seconds later. Faults of the store. */
bool compactor_step(struct compactor *compactor, struct status *st);

#endif
