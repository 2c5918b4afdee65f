/* The identity of a SQLite store: the table meta, protected by a seal. */
#ifndef STORE_SQLITE_IDENTITY_H
#define STORE_SQLITE_IDENTITY_H

#include "sqlite_db.h"

/* *ret_format 0: there is no format number. */
bool sqlite_read_format(struct sqlite_store *s, int64_t *ret_format, struct status *st);
/* Reads the identity into the store. DATA_LOSS, reason STORE_DAMAGED: it does not match its seal;
 * format 1 has none. */
bool sqlite_read_identity(struct sqlite_store *s, struct status *st);
/* Upgrades a store of an older format to STORE_FORMAT in one transaction. The log stays; heads and
 * marks have to be rebuilt from it afterwards. */
bool sqlite_upgrade(struct sqlite_store *s, struct status *st);
/* See store_new_epoch. */
bool sqlite_store_renew(struct store *store, const struct store_identity *identity,
                        struct status *st);

/* Appends the SQL that stores the seal. */
void sqlite_add_identity_seal(const struct store_identity *identity, struct str *sql);

#endif
