/* Removing payloads from commits: scrubbing what was erased, dropping what was compacted. */
#ifndef STORE_MONGODB_ERASE_H
#define STORE_MONGODB_ERASE_H

#include "mongodb_db.h"

/* See store.h. */
bool mongo_scrub(struct store *store, const char *environment, const char *service, uint64_t from,
                 uint64_t through, struct status *st);
bool mongo_drop(struct store *store, const struct version_range *ranges, size_t n, bool *ret_more,
                struct status *st);

#endif
