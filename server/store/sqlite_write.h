/* Transactions of a SQLite store's writer. */
#ifndef STORE_SQLITE_WRITE_H
#define STORE_SQLITE_WRITE_H

#include "sqlite_db.h"

/* Nothing is written where the files that are open are not those at their paths. While `writing` is
 * held. */
bool sqlite_check_files(struct sqlite_store *s, struct status *st);
/* Takes `writing`. False, and nothing is open or held, where it cannot begin. */
bool sqlite_begin(struct sqlite_store *s, struct status *st);
/* Commits where ok, rolls back where not, and gives `writing` back. UNAVAILABLE, reason
 * OUTCOME_UNKNOWN, where a COMMIT that failed may have happened. */
bool sqlite_finish(struct sqlite_store *s, bool ok, struct status *st);

#endif
