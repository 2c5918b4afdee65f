/* Opening and closing a SQLite store. */
#ifndef STORE_SQLITE_OPEN_H
#define STORE_SQLITE_OPEN_H

#include "sqlite_db.h"

bool sqlite_store_open(const char *location, bool may_create, struct store **ret_store,
                       struct status *st);
void sqlite_store_interrupt(struct store *store);
void sqlite_store_close(struct store *store);

#endif
