/* Whose log a SQLite store holds: the table meta, which has a seal. */
#ifndef STORE_SQLITE_IDENTITY_H
#define STORE_SQLITE_IDENTITY_H

#include "sqlite_db.h"

/* 0: there is none. */
bool sqlite_read_format(struct sqlite_store *s, int64_t *ret_format, struct status *st);
/* Into the store. DATA_LOSS, reason STORE_DAMAGED, where it does not match its seal; format 1 has
 * none. */
bool sqlite_read_identity(struct sqlite_store *s, struct status *st);
/* Makes a store of an older format one of this, in one step: its log stays, its heads and marks are
 * to be made again from the log. */
bool sqlite_upgrade(struct sqlite_store *s, struct status *st);
/* As the contract has it. */
bool sqlite_store_renew(struct store *store, const struct store_identity *identity,
                        struct status *st);

/* Adds the SQL that stores the seal. */
void sqlite_add_identity_seal(const struct store_identity *identity, struct str *sql);

#endif
