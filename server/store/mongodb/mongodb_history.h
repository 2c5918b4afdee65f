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

/* A walk over the commits that changed a config, from a revision down, newest first: by finds with
 * a limit, as many as the walk goes on for. */
struct mongo_history_walk {
    struct mongo_store *store;
    const struct str *config;
    enum mongo_history what;
    uint64_t through; /* the next find's */
    uint64_t limit;   /* of one find */
    uint64_t left;    /* of the limit of the find under way */
    struct mongo_walk walk;
    bool under_way; /* there is a find */
    struct status fault;
    bool failed; /* a find failed, with that */
};

/* wanted: how many commits the caller expects to visit; a find has no more, and a fixed number at
 * most. config is borrowed until the end. */
void mongo_history_begin(struct mongo_history_walk *history, struct mongo_store *s,
                         const struct str *config, uint64_t through, enum mongo_history what,
                         uint64_t wanted);
/* The next document, borrowed until the following call; false at the end and on errors. */
bool mongo_history_next(struct mongo_history_walk *history, const bson_t **ret_document);
/* Ends it; false with st where an error had ended it before. */
bool mongo_history_end(struct mongo_history_walk *history, const char *doing, struct status *st);

/* Fills st with DATA_LOSS: a payload of this revision is missing. Returns false. */
bool mongo_tell_lost(uint64_t revision, struct status *st);

/* See store.h. */
bool mongo_find_versions(struct store *store, const struct store_version *versions, size_t n,
                         store_found_visitor *visit, void *user, struct status *st);
bool mongo_read_versions(struct store *store, const char *environment, const char *service,
                         uint64_t from, uint64_t down_to, bool with_payloads,
                         store_row_visitor *visit, void *user, struct status *st);
bool mongo_find_changes(struct store *store, const struct store_config *configs, size_t n,
                        uint64_t revision, store_found_visitor *visit, void *user,
                        struct status *st);
bool mongo_search(struct store *store, const struct store_search *search, store_row_visitor *visit,
                  void *user, struct status *st);
bool mongo_find_requests(struct store *store, const struct hash *keys, size_t n,
                         uint64_t *revisions, struct status *st);

#endif
