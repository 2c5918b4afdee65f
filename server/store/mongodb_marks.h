/* The marks of a MongoDB store, in confreg_marks, one document each: `_id` is its number, `value`,
 * and `seal`. All are made together, HEADS last: where that one is there, one that is missing was
 * lost. */
#ifndef STORE_MONGODB_MARKS_H
#define STORE_MONGODB_MARKS_H

#include "mongodb_db.h"

/* Where there are none, as of a new store or where they were dropped: all 0. */
bool mongo_make_marks(struct mongo_store *s, struct status *st);

/* As the contract has them. */
bool mongo_get_mark(struct store *store, enum store_mark mark, uint64_t *ret_value,
                    struct status *st);
bool mongo_set_mark(struct store *store, enum store_mark mark, uint64_t value, struct status *st);
bool mongo_move_mark(struct store *store, enum store_mark mark, uint64_t from, uint64_t to,
                     bool *ret_moved, struct status *st);

#endif
