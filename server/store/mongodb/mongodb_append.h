/* Appending to the log: one insert command for a batch. */
#ifndef STORE_MONGODB_APPEND_H
#define STORE_MONGODB_APPEND_H

#include "mongodb_db.h"

/* See store.h. */
bool mongo_append(struct store *store, struct commit *const *commits, size_t n, struct status *st);

#endif
