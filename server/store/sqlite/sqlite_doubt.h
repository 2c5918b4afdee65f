/* Whether a failed COMMIT may have taken effect. A transaction can be complete in the write-ahead
 * log when the fsync, or the update of the log's index (FILE-shm), fails. SQLite then rolls it
 * back; but if this process dies, whoever opens the file next recovers the transaction from the
 * log. */
#ifndef STORE_SQLITE_DOUBT_H
#define STORE_SQLITE_DOUBT_H

#include "sqlite_db.h"

/* Reads the write-ahead log behind its last valid frame. True if a complete transaction is there,
 * or if that cannot be determined. Call it after a failed COMMIT, while nothing else writes. */
bool sqlite_may_have_happened(const struct sqlite_store *s);

#endif
