/* The embedded store: one SQLite file, its write-ahead log beside it, and a lock file. */
#ifndef STORE_SQLITE_H
#define STORE_SQLITE_H

#include "store.h"

extern const struct store_ops store_sqlite;

#endif
