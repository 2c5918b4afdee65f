/* Making erased payloads go away: an erase commit says what has to go, the mark SCRUBBED how far
 * that was done. Committer's thread, or before there is one. */
#ifndef COMMIT_SCRUB_H
#define COMMIT_SCRUB_H

#include "store.h"

/* Removes what the commits from the mark to `through` erased, and moves the mark. */
bool scrub_finish(struct store *store, uint64_t through, struct status *st);
/* Whether payloads may still have to be removed up to `through`. */
bool scrub_is_due(struct store *store, uint64_t through);

#endif
