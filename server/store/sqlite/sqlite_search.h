/* Searching the log of a SQLite store for the commits that changed some configs. */
#ifndef STORE_SQLITE_SEARCH_H
#define STORE_SQLITE_SEARCH_H

#include "sqlite_db.h"

/* See store.h. */
bool sqlite_search(struct store *store, const struct store_search *search, store_row_visitor *visit,
                   void *user, struct status *st);

#endif
