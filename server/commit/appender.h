/* Appends to the log, counts the results, and never appends after damage, because that could fill a
 * hole. Committer's thread. */
#ifndef COMMIT_APPENDER_H
#define COMMIT_APPENDER_H

#include "catch_up.h"
#include "committer.h"

struct appender;

/* All are borrowed. looker: NULL if the store is not shared. */
struct appender *appender_new(struct store *store, const struct catch_up *catch_up,
                              struct looker *looker, struct commit_stats *stats);
void appender_free(struct appender *appender);

enum append_result {
    APPEND_DONE,    /* durable */
    APPEND_LOST,    /* REVISION_TAKEN: another node's commit has a revision of one of these */
    APPEND_UNKNOWN, /* OUTCOME_UNKNOWN: some may be in the log now or later */
    APPEND_FAILED,  /* none is in the log, now or later */
};
/* st: the store's error unless APPEND_DONE; DATA_LOSS: the log's end is damaged. */
enum append_result appender_append(struct appender *appender, struct commit *const *commits,
                                   size_t n, struct status *st);

#endif
