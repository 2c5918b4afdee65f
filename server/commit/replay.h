/* The answer to a repeated write, rebuilt from the log. Committer's thread. */
#ifndef COMMIT_REPLAY_H
#define COMMIT_REPLAY_H

#include "registry.h"
#include "store.h"

/* Looks for a commit with the command's request_id. *ret_staged: what the first write had as its
 * result (without `before` heads), owned; NULL where there was no first. FAILED_PRECONDITION,
 * reason REQUEST_ID_REUSED, where the first was another request; faults of the store. */
bool replay_find(struct store *store, const struct command *command, struct staged **ret_staged,
                 struct status *st);

#endif
