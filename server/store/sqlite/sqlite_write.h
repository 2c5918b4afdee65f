/* Transactions of a SQLite store's writer. */
#ifndef STORE_SQLITE_WRITE_H
#define STORE_SQLITE_WRITE_H

#include "sqlite_db.h"

/* Checks before a write that the open files are still the ones at their paths. The caller holds
 * `writing`. */
bool sqlite_check_files(struct sqlite_store *s, struct status *st);
/* Takes `writing` and begins a transaction. False: neither is left. */
bool sqlite_begin(struct sqlite_store *s, struct status *st);
/* Commits if ok, else rolls back; releases `writing`. UNAVAILABLE, reason OUTCOME_UNKNOWN: a failed
 * COMMIT may have taken effect. */
bool sqlite_finish(struct sqlite_store *s, bool ok, struct status *st);

#endif
