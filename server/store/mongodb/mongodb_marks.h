/* The marks of a MongoDB store: one document each in confreg_marks, with `_id` (its number),
 * `value` and `seal`. All are created together, HEADS last: if HEADS exists, a missing mark is
 * damage. */
#ifndef STORE_MONGODB_MARKS_H
#define STORE_MONGODB_MARKS_H

#include "mongodb_db.h"

/* Creates all marks as 0 if there are none: in a new store, or after they were dropped. */
bool mongo_make_marks(struct mongo_store *s, struct status *st);

/* See store.h. */
bool mongo_get_mark(struct store *store, enum store_mark mark, uint64_t *ret_value,
                    struct status *st);
bool mongo_set_mark(struct store *store, enum store_mark mark, uint64_t value, struct status *st);
bool mongo_move_mark(struct store *store, enum store_mark mark, uint64_t from, uint64_t to,
                     bool *ret_moved, struct status *st);

#endif
