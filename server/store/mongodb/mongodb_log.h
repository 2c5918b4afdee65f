/* Reading the log by revision: its end, and ranges of commits. */
#ifndef STORE_MONGODB_LOG_H
#define STORE_MONGODB_LOG_H

#include "mongodb_db.h"

/* A filter for the commits `from` to `through`; owned by the caller. */
bson_t *mongo_range_of(uint64_t from, uint64_t through);

/* The revision of the newest commit; 0: none. */
bool mongo_last_revision(struct mongo_store *s, uint64_t *ret_revision, struct status *st);

/* See store.h. */
bool mongo_tail(struct store *store, uint64_t *ret_revision, struct buf **ret_record,
                struct hash *ret_hash, struct status *st);
bool mongo_read_commits(struct store *store, uint64_t from, uint64_t through, bool with_payloads,
                        store_row_visitor *visit, void *user, struct status *st);

#endif
