/* Settles appends that lost their revision to another node, or whose outcome is not known.
 *
 * Reads the log. If that does not decide, appends the same commits again, so that a commit that is
 * still on its way cannot get into the log beside another commit of the same write. If the outcome
 * cannot be found out in time, the commits stay in doubt and are settled before the next append.
 *
 * Committer's thread. */
#ifndef COMMIT_SETTLE_H
#define COMMIT_SETTLE_H

#include "appender.h"
#include "batch.h"
#include "write_health.h"
#include "write_queue.h"

struct settler;

/* All borrowed. */
struct settler_options {
    const struct registry *registry;
    struct catch_up *catch_up;
    struct log_identity *identity;
    struct appender *appender;
    struct answers *answers;
    struct write_health *health;
    struct write_queue *queue; /* its stop ends all waiting */
    /* Called for each commit of this node that was found in the log. */
    void (*landed)(void *user, const struct commit *commit);
    /* Called after each try to read the log. */
    void (*caught_up)(void *user, bool ok, const struct status *st);
    void *user;
};

struct settler *settler_new(const struct settler_options *options);
void settler_free(struct settler *settler);

/* Call after an append with the result APPEND_LOST or APPEND_UNKNOWN (st). Answers the writes whose
 * commits are in the log, and returns the others, in order and before `rest`, to be staged again.
 * If the outcome cannot be found out in time, the writes are answered with that. Takes ownership of
 * the batch. */
struct write *settler_settle(struct settler *settler, struct batch *batch, struct status *st,
                             struct write *rest);
/* Tries once to settle the commits in doubt. True: none are left. Error: UNAVAILABLE. */
bool settler_clear_doubt(struct settler *settler, struct status *st);
/* The commits in doubt; NULL: none are. */
struct own_commits *settler_doubt(struct settler *settler);

#endif
