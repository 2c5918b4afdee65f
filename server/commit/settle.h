/* Finding out what became of an append that was lost to another node or whose outcome is not known.
 *
 * The log is read; where it does not tell, the same commits are appended again, so that one that is
 * still on its way cannot come in beside another commit of the same write. What cannot be found out
 * in time is kept in doubt, and settled before anything new is appended.
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
    struct write_queue *queue; /* tells when the committer stops, which ends the patience */
    /* A commit of this node's was found in the log. */
    void (*landed)(void *user, const struct commit *commit);
    /* The log was read, or could not be. */
    void (*caught_up)(void *user, bool ok, const struct status *st);
    void *user;
};

struct settler *settler_new(const struct settler_options *options);
void settler_free(struct settler *settler);

/* After an append that ended APPEND_LOST or APPEND_UNKNOWN (st): answers what is in the log, and
 * returns what has to be staged again, in order, in front of `rest`. Where the outcome cannot be
 * found out in time, the batch's callers are told so. The batch moves in. */
struct write *settler_settle(struct settler *settler, struct batch *batch, struct status *st,
                             struct write *rest);
/* Tries once to settle what is in doubt; true where nothing is. UNAVAILABLE. */
bool settler_clear_doubt(struct settler *settler, struct status *st);
/* The commits in doubt; NULL: none are. */
struct own_commits *settler_doubt(struct settler *settler);

#endif
