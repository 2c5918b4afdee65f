/* Taking payloads out of a SQLite store, beside appends. The bytes are overwritten (secure_delete)
 * in short transactions; scrub also empties the write-ahead log, which may hold them, too. */
#ifndef STORE_SQLITE_ERASE_H
#define STORE_SQLITE_ERASE_H

#include "sqlite_db.h"

/* See store.h. */
bool sqlite_scrub(struct store *store, const char *environment, const char *service, uint64_t from,
                  uint64_t through, struct status *st);
bool sqlite_drop(struct store *store, const struct version_range *ranges, size_t n, bool *ret_more,
                 struct status *st);

#endif
