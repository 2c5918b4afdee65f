/* Reading the log by config: its versions, its changes, and the requests that made them. */
#ifndef STORE_MONGODB_HISTORY_H
#define STORE_MONGODB_HISTORY_H

#include "mongodb_db.h"
#include "mongodb_rows.h"

/* Finds the revision of the commit that added a version; 0: none. */
bool mongo_find_version(struct mongo_store *s, const char *environment, const char *service,
                        uint64_t version, uint64_t *ret_revision, struct status *st);
/* The parts of each commit that are read. */
enum mongo_history {
    MONGO_HISTORY_KEYS,     /* `configs` and `versions` */
    MONGO_HISTORY_FACTS,    /* all but the payloads */
    MONGO_HISTORY_PAYLOADS, /* the payloads, too */
};

/* Begins a walk over the commits that changed a config, up to a revision, newest first; limit 0:
 * over all of them. */
void mongo_find_history(struct mongo_store *s, const struct str *config, uint64_t through,
                        enum mongo_history what, uint64_t limit, struct mongo_walk *ret_walk);
/* Fills st with DATA_LOSS: a payload of this revision is missing. Returns false. */
bool mongo_tell_lost(uint64_t revision, struct status *st);

/* See store.h. */
bool mongo_read_version(struct store *store, const char *environment, const char *service,
                        uint64_t version, store_row_visitor *visit, void *user, struct status *st);
bool mongo_read_versions(struct store *store, const char *environment, const char *service,
                         uint64_t from, uint64_t down_to, bool with_payloads,
                         store_row_visitor *visit, void *user, struct status *st);
bool mongo_find_change(struct store *store, const char *environment, const char *service,
                       uint64_t revision, uint64_t *ret_revision, uint32_t *ret_index,
                       struct status *st);
bool mongo_find_requests(struct store *store, const struct hash *keys, size_t n,
                         uint64_t *revisions, struct status *st);

#endif
