/* The answer to a repeated write, rebuilt from the log. Committer's thread. */
#ifndef COMMIT_REPLAY_H
#define COMMIT_REPLAY_H

#include "registry.h"
#include "store.h"

/* Rebuilds the result of the first write, which was committed at this revision. *ret_staged: owned,
 * without `before` heads. FAILED_PRECONDITION REQUEST_ID_REUSED: the first write was another
 * request than the command. Other errors: those of the store. */
bool replay_first(struct store *store, uint64_t revision, const struct command *command,
                  struct staged **ret_staged, struct status *st);

#endif
