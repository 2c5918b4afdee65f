/* The stored copy of the heads. */
#ifndef STORE_MONGODB_HEADS_H
#define STORE_MONGODB_HEADS_H

#include "mongodb_db.h"

/* See store.h. */
bool mongo_save_heads(struct store *store, struct head *const *heads, size_t n, uint64_t through,
                      struct status *st);
bool mongo_load_heads(struct store *store, store_head_row_visitor *visit, void *user,
                      struct status *st);
/* One find for the heads and one for the commits. Of use where the latter reads all commits
 * whatever it asks for. */
bool mongo_load(struct store *store, uint64_t from, uint64_t compaction,
                const struct store_load_rows *rows, struct status *st);

#endif
