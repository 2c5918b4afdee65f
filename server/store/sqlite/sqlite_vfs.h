/* SQLite's file operations with fewer system calls for the write-ahead log, and short syncs of the
 * database file while a checkpoint copies into it. All else is SQLite's default VFS, which is
 * looked up at each open.
 *
 * - SQLITE_VFS_APPENDER: what a transaction adds to the log is gathered and written by one call
 * when SQLite syncs it. Only for a connection that syncs each commit: SQLite tells readers of a
 *   transaction after its sync, and they read the log file by descriptors of their own. After a
 * sync that failed, the next one writes all of the log again: what the kernel could not write may
 * be upkeep's, which stands before the transaction that is repeated.
 * - SQLITE_VFS_COPIER: what is written to the database file is synced piece by piece. One large
 * sync would keep the syncs of appends waiting for as long as the disk takes for all of it.
 *
 * A failed write drops what was gathered: SQLite rolls the transaction back.
 *
 * Threads: a file is used by one thread at a time, as its connection is. */
#ifndef STORE_SQLITE_VFS_H
#define STORE_SQLITE_VFS_H

#include <sqlite3.h>

#define SQLITE_VFS_APPENDER "confreg-appender"
#define SQLITE_VFS_COPIER "confreg-copier"

/* Registers both, once in a process. */
void sqlite_vfs_register(void);
/* Forgets what was gathered for a transaction that an appender has rolled back, so that it does not
 * come into the log later. */
void sqlite_vfs_forget(sqlite3 *db);

#endif
