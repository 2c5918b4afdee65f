/* Appending to the log: asks the store, counts, and never writes into a hole. Committer's thread.
 */
#ifndef COMMIT_APPENDER_H
#define COMMIT_APPENDER_H

#include "catch_up.h"
#include "committer.h"

struct appender;

/* All borrowed. looker: NULL where the store is not shared. */
struct appender *appender_new(struct store *store, const struct catch_up *catch_up,
                              struct looker *looker, struct commit_stats *stats);
void appender_free(struct appender *appender);

enum append_result {
    APPEND_DONE,    /* durable */
    APPEND_LOST,    /* REVISION_TAKEN: another node's commit came before some of these */
    APPEND_UNKNOWN, /* OUTCOME_UNKNOWN: some may be in the log, or come into it yet */
    APPEND_FAILED,  /* nothing of it is in the log, or ever will be */
};
/* st: where not done, what the store said; DATA_LOSS where the log's end is damaged. */
enum append_result appender_append(struct appender *appender, struct commit *const *commits,
                                   size_t n, struct status *st);

#endif
