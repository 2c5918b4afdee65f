/* Whether a COMMIT that failed may have happened: all of a transaction can stand in the write-ahead
 * log before a sync, or the table of what is in the log, fails. SQLite rolls it back then, and yet
 * whoever opens the file after this process died finds it. */
#ifndef STORE_SQLITE_DOUBT_H
#define STORE_SQLITE_DOUBT_H

#include "sqlite_db.h"

/* Reads the write-ahead log behind what is known to be in it. True where a transaction stands there
 * or it cannot be told. After a COMMIT that failed, with nothing else writing. */
bool sqlite_may_have_happened(const struct sqlite_store *s);

#endif
