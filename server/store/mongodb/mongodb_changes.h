/* Wake-ups from the server: a change stream on confreg_commits, read by a thread with a connection
 * of its own. A server that has no change streams, or refuses them to this user, says so when the
 * stream is opened; then there are no wake-ups of this kind, for good. */
#ifndef STORE_MONGODB_CHANGES_H
#define STORE_MONGODB_CHANGES_H

#include "mongodb_db.h"

/* See store.h. */
void mongo_listen(struct store *store, const struct store_listener *listener);
void mongo_unlisten(struct store *store);

#endif
