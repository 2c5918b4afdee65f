/* Checkpoints of a SQLite store: a thread of its own copies the write-ahead log into the file, so
 * that appends do not wait for it. It enters the gate only for the last few pages, and to truncate
 * the log. A failure is counted and retried a second later. */
#ifndef STORE_SQLITE_CHECKPOINT_H
#define STORE_SQLITE_CHECKPOINT_H

#include "sqlite_db.h"

void sqlite_checkpoint_start(struct sqlite_store *s);
/* Does nothing if it was not started. */
void sqlite_checkpoint_stop(struct sqlite_store *s);

/* Has the checkpoint thread copy the write-ahead log into the file and truncate it, so that
 * overwritten data can be read from neither, and waits for that. Appends go on meanwhile, but for
 * the last step. UNAVAILABLE if readers do not finish in time. Outside the gate. */
bool sqlite_empty_log(struct sqlite_store *s, struct status *st);
/* Asks the checkpoint thread to run. Any thread, outside the gate. */
void sqlite_want_checkpoint(struct sqlite_store *s);
/* The same, if the log has grown long. */
void sqlite_checkpoint_if_due(struct sqlite_store *s);

#endif
