/* The heads and the marks of a SQLite store. A head has a seal; a mark has one, too, and HEADS a
 * digest over all heads, written in one transaction with them. */
#ifndef STORE_SQLITE_HEADS_H
#define STORE_SQLITE_HEADS_H

#include "sqlite_db.h"

/* As the contract has them. */
bool sqlite_load_heads(struct store *store, store_head_row_visitor *visit, void *user,
                       struct status *st);
bool sqlite_save_heads(struct store *store, struct head *const *heads, size_t n, uint64_t through,
                       struct status *st);
bool sqlite_forget_heads(struct store *store, struct status *st);
bool sqlite_get_mark(struct store *store, enum store_mark mark, uint64_t *ret_value,
                     struct status *st);
bool sqlite_set_mark(struct store *store, enum store_mark mark, uint64_t value, struct status *st);
bool sqlite_move_mark(struct store *store, enum store_mark mark, uint64_t from, uint64_t to,
                      bool *ret_moved, struct status *st);

/* digest: of HEADS only. */
#define SQLITE_MARKS_TABLE                                                                         \
    "CREATE TABLE marks(mark INTEGER PRIMARY KEY, value INTEGER NOT NULL, digest BLOB NOT NULL,"   \
    " seal BLOB NOT NULL);"
/* For a store without heads and marks: adds the SQL that makes all marks, 0 but for RELAYED. A mark
 * that is missing later on was lost. */
void sqlite_add_marks(const struct store_identity *identity, uint64_t relayed, struct str *sql);

#endif
