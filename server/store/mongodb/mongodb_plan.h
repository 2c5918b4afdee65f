/* Finds out how a server looks commits up by revision, from its answers to `explain`. Its name and
 * version do not matter. A server without `explain` is assumed to use indexes, as MongoDB does. */
#ifndef STORE_MONGODB_PLAN_H
#define STORE_MONGODB_PLAN_H

#include "mongodb_db.h"

/* Asks the server; the collection confreg_commits must exist. Fails only if the server cannot be
 * reached. */
bool mongo_ask_plan(struct mongo_store *s, enum mongo_plan *ret_plan, struct status *st);

/* Whether a reply to `explain` means that the find reads the whole collection. */
bool mongo_plan_scans(const bson_t *reply);

#endif
