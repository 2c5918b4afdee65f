/* Reading the log of a SQLite store, on connections of their own beside the writers. */
#ifndef STORE_SQLITE_READ_H
#define STORE_SQLITE_READ_H

#include "sqlite_db.h"

/* See store.h. */
bool sqlite_tail(struct store *store, uint64_t *ret_revision, struct buf **ret_record,
                 struct hash *ret_hash, struct status *st);
bool sqlite_read_commits(struct store *store, uint64_t from, uint64_t through, bool with_payloads,
                         store_row_visitor *visit, void *user, struct status *st);
bool sqlite_find_versions(struct store *store, const struct store_version *versions, size_t n,
                          store_found_visitor *visit, void *user, struct status *st);
bool sqlite_read_versions(struct store *store, const char *environment, const char *service,
                          uint64_t from, uint64_t down_to, bool with_payloads,
                          store_row_visitor *visit, void *user, struct status *st);
bool sqlite_find_changes(struct store *store, const struct store_config *configs, size_t n,
                         uint64_t revision, store_found_visitor *visit, void *user,
                         struct status *st);
bool sqlite_find_requests(struct store *store, const struct hash *keys, size_t n,
                          uint64_t *revisions, struct status *st);

#endif
