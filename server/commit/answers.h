/* Answering writes: counts what came of each and hands it back. Any thread. */
#ifndef COMMIT_ANSWERS_H
#define COMMIT_ANSWERS_H

#include "committer.h"

struct answers;

/* All borrowed. */
struct answers *answers_new(const struct registry *registry, struct upkeep *upkeep,
                            struct commit_stats *stats);
void answers_free(struct answers *answers);

/* The write went well; write->staged says what came of it. One that was to erase something is
 * answered after upkeep has scrubbed. */
void answers_succeed(struct answers *answers, struct write *write);
void answers_fail(struct answers *answers, struct write *write, const struct status *st);
/* All of a list. */
void answers_fail_all(struct answers *answers, struct write *writes, const struct status *st);

#endif
