/* Appending to the log of a SQLite store. */
#ifndef STORE_SQLITE_APPEND_H
#define STORE_SQLITE_APPEND_H

#include "sqlite_db.h"

/* See store.h. */
bool sqlite_append(struct store *store, struct commit *const *commits, size_t n, struct status *st);

#endif
