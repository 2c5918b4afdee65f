/* Whether the database still holds the identity that the store was opened with. A database that is
 * dropped comes back empty with the next insert, and a restored one may be another log: an append
 * to it must not succeed.
 *
 * A thread looks the identity up by its key beside each append, on a connection of its own, so that
 * the append takes no second round trip. An append that begins after the database was dropped has
 * a look that begins after that, too, and fails. */
#ifndef STORE_MONGODB_GUARD_H
#define STORE_MONGODB_GUARD_H

#include "mongodb_db.h"

struct mongo_guard;

/* Starts the thread. The store is borrowed. */
struct mongo_guard *mongo_guard_new(struct mongo_store *s);
/* The store must have been interrupted, or its server answer. NULL is ignored. */
void mongo_guard_free(struct mongo_guard *guard);

/* Begins a look. Committer's thread. */
void mongo_guard_begin(struct mongo_guard *guard);
/* Waits for the end of the look that was begun last. False: as mongo_check_identity. Committer's
 * thread. */
bool mongo_guard_end(struct mongo_guard *guard, struct status *st);

/* Looks on the calling thread, by one find. False: the identity is gone or another one (store.h,
 * `replaced`), or it could not be looked up. Any thread. */
bool mongo_check_identity(struct mongo_store *s, struct status *st);

#endif
