/* Answers writes: counts the result of each and calls its done. Any thread. */
#ifndef COMMIT_ANSWERS_H
#define COMMIT_ANSWERS_H

#include "committer.h"

struct answers;

/* All borrowed. */
struct answers *answers_new(const struct registry *registry, struct upkeep *upkeep,
                            struct commit_stats *stats);
void answers_free(struct answers *answers);

/* Answers a write that succeeded, with write->staged as its result. If it erased payloads, the
 * answer follows after upkeep has scrubbed them. */
void answers_succeed(struct answers *answers, struct write *write);
void answers_fail(struct answers *answers, struct write *write, const struct status *st);
/* Answers all writes of a list. */
void answers_fail_all(struct answers *answers, struct write *writes, const struct status *st);

#endif
