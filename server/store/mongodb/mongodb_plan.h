/* How a server finds commits by revision, as its `explain` tells. Its name and version do not
 * matter, and one that does not explain itself is taken for MongoDB. */
#ifndef STORE_MONGODB_PLAN_H
#define STORE_MONGODB_PLAN_H

#include "mongodb_db.h"

/* Asks the server. confreg_commits exists. Fails only where the server cannot be reached. */
bool mongo_ask_plan(struct mongo_store *s, enum mongo_plan *ret_plan, struct status *st);

/* Whether an answer to `explain` says that the find reads the whole collection. */
bool mongo_plan_scans(const bson_t *reply);

#endif
