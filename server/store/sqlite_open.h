/* Opening and closing a SQLite store: lock, tables, identity, checkpoints. */
#ifndef STORE_SQLITE_OPEN_H
#define STORE_SQLITE_OPEN_H

#include "sqlite_db.h"

bool sqlite_store_open(const char *location, struct store **ret_store, struct status *st);
void sqlite_store_close(struct store *store);
bool sqlite_store_renew(struct store *store, const struct store_identity *identity,
                        struct status *st);

/* Copies the write-ahead log into the file and empties it, so that nothing that was overwritten can
 * be read from either. Waits for readers; UNAVAILABLE where they do not leave in time. */
bool sqlite_empty_log(struct sqlite_store *s, struct status *st);
/* Has the write-ahead log copied into the file soon, on the thread that does so. Any thread. */
void sqlite_want_checkpoint(struct sqlite_store *s);

#endif
