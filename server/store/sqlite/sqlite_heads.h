/* The heads and the marks of a SQLite store. Each row has a seal (seal.h). The mark HEADS also has
 * a digest over all heads, which is updated in each transaction that writes some of them. */
#ifndef STORE_SQLITE_HEADS_H
#define STORE_SQLITE_HEADS_H

#include "sqlite_db.h"

/* See store.h. */
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

/* The tables that are made from the log when a store is upgraded. digest: only HEADS has one. */
#define SQLITE_DERIVED_TABLES                                                                      \
    "CREATE TABLE heads(environment TEXT NOT NULL, service TEXT NOT NULL, version INTEGER NOT"     \
    " NULL, last_version INTEGER NOT NULL, first_live_version INTEGER NOT NULL,"                   \
    " first_kept_version INTEGER NOT NULL, mod_revision INTEGER NOT NULL,"                         \
    " row_revision INTEGER NOT NULL, change_id INTEGER NOT NULL, holes BLOB NOT NULL,"             \
    " seal BLOB NOT NULL, PRIMARY KEY(environment, service)) WITHOUT ROWID;"                       \
    "CREATE TABLE marks(mark INTEGER PRIMARY KEY, value INTEGER NOT NULL, digest BLOB NOT NULL,"   \
    " seal BLOB NOT NULL);"
/* Appends the SQL that creates all marks, for a store without heads and marks. All are 0, except
 * RELAYED. So a mark that is missing later is damage. */
void sqlite_add_marks(const struct store_identity *identity, uint64_t relayed, struct str *sql);

#endif
