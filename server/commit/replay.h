/* The answer to a repeated write, rebuilt from the log. Committer's thread. */
#ifndef COMMIT_REPLAY_H
#define COMMIT_REPLAY_H

#include "registry.h"
#include "store.h"

/* *ret_staged: what the first write, committed at this revision, had as its result (without
 * `before` heads), owned. FAILED_PRECONDITION, reason REQUEST_ID_REUSED, where it was another
 * request than the command; faults of the store. */
bool replay_first(struct store *store, uint64_t revision, const struct command *command,
                  struct staged **ret_staged, struct status *st);

#endif
