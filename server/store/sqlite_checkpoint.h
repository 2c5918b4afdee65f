/* Checkpoints of a SQLite store: the write-ahead log is copied into the file, on a thread of its
 * own beside the writer. What fails is counted and tried again a second later. */
#ifndef STORE_SQLITE_CHECKPOINT_H
#define STORE_SQLITE_CHECKPOINT_H

#include "sqlite_db.h"

void sqlite_checkpoint_start(struct sqlite_store *s);
/* Nothing where it was not started. */
void sqlite_checkpoint_stop(struct sqlite_store *s);

/* Copies the write-ahead log into the file and empties it, so that nothing that was overwritten can
 * be read from either. Waits for readers; UNAVAILABLE where they do not leave in time. */
bool sqlite_empty_log(struct sqlite_store *s, struct status *st);
/* Has the write-ahead log copied into the file soon, on the thread that does so. Any thread. */
void sqlite_want_checkpoint(struct sqlite_store *s);

#endif
