/* A batch: writes that were checked against the registry and against each other, made into commits,
 * and go into the log in one append.
 *
 * A write without a commit (a refusal, or a write that changes nothing) is answered at once if its
 * result is certain. Otherwise the batch holds it, for one of two reasons:
 *
 * - it was checked against commits of the batch, which are not in the log yet;
 * - other nodes append, too, so the registry may be behind. A successful append proves that it was
 *   not, and so does a look at the log's end.
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

/* The parts that staging uses; all borrowed. */
struct staging_desk {
    struct store *store;
    struct registry *registry;
    const struct recent_requests *recent;
    struct answers *answers;
};

/* Whether repeats of the write must have no effect: it has a request_id. */
bool batch_is_once(const struct write *write);

/* Stages writes from the start of the list. *ret_rest: the writes left for the next batch. The
 * commits are accepted by the registry, but not applied. The caller owns the batch. */
struct batch *batch_stage(const struct staging_desk *desk, struct write *writes,
                          struct write **ret_rest);
/* Does not touch the writes that the batch still contains. NULL is ignored. */
void batch_free(struct batch *batch);

/* The batch's commits, which it owns, and how many of them were seen in the log. */
struct own_commits *batch_own(struct batch *batch);
/* The write of the commit with this index; NULL: it was answered or taken. */
struct write *batch_write(struct batch *batch, size_t index);
/* Like batch_write, and removes the write from the batch. */
struct write *batch_take_write(struct batch *batch, size_t index);

/* Answers the held writes. Call when the batch is in the log, or has no commits and needs none. */
void batch_release_held(const struct staging_desk *desk, struct batch *batch);
/* Takes the held writes, as a list, to be staged again. Call when the batch did not get into the
 * log. With a shared store, writes that may have been checked against an old state must wait for a
 * look first; they are in *ret_to_look. */
struct write *batch_take_held(struct batch *batch, struct write **ret_to_look);

#endif
