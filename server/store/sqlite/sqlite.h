/* The embedded store: one SQLite file, and its write-ahead log beside it. */
#ifndef STORE_SQLITE_H
#define STORE_SQLITE_H

#include "store.h"

extern const struct store_ops store_sqlite;

#endif
