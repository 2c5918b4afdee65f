/* A batch: writes that were checked against the registry and each other, made commits, and go into
 * the log in one append. What changes nothing, as a refusal, is answered at once where it is known
 * to hold, else it is held by the batch:
 *
 * - what it saw of commits of the batch is not so before they are in the log;
 * - where other nodes append, too, the registry may have been behind: an append that goes well
 *   proves that it was not, and a look at the log's end does.
 *
 * Committer's thread. */
#ifndef COMMIT_BATCH_H
#define COMMIT_BATCH_H

#include "answers.h"
#include "catch_up.h"
#include "recent_requests.h"

#define BATCH_WRITES 128
#define BATCH_BYTES (8u << 20)

struct batch;

/* What staging needs; all borrowed. */
struct staging_desk {
    struct store *store;
    struct registry *registry;
    const struct recent_requests *recent;
    struct answers *answers;
};

/* Whether a write is to be carried out once, however often it comes. */
bool batch_is_once(const struct write *write);

/* Makes a batch of a list of writes, from its first on. *ret_rest: what has to wait for the next
 * one. Its commits are accepted by the registry, not applied. Owned by the caller. */
struct batch *batch_stage(const struct staging_desk *desk, struct write *writes,
                          struct write **ret_rest);
/* The writes that it still has are left alone. NULL is ignored. */
void batch_free(struct batch *batch);

/* Its commits, which it owns, and how many were seen in the log. */
struct own_commits *batch_own(struct batch *batch);
/* The write of the commit with this index; NULL: it was answered, or was taken. */
struct write *batch_write(struct batch *batch, size_t index);
/* The same; the batch does not have it any more. */
struct write *batch_take_write(struct batch *batch, size_t index);

/* The batch is in the log, or has no commits and needs none: answers what it holds. */
void batch_release_held(const struct staging_desk *desk, struct batch *batch);
/* It is not: takes what it holds, as a list, to be staged again. Where the store is shared, those
 * that were not known to be current have to wait for a look before; they are in *ret_to_look. */
struct write *batch_take_held(struct batch *batch, struct write **ret_to_look);

#endif
