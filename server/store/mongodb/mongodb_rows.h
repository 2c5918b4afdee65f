/* How commits and heads are kept as documents.
 *
 * confreg_commits, one document a commit:
 *     _id       the revision (int64)
 *     record    its byte form, and `hash` that of it
 *     request   the request key, where there is one
 *     configs   an array with an element a change: "ENVIRONMENT/SERVICE" (no name has a slash)
 *     versions  another one: "ENVIRONMENT/SERVICE/VERSION", null where the change brought none
 *     payloads  {"3": {salt, data}} by the change's index; null where it was erased
 * confreg_heads_3, one document a config: _id as in `configs`, row_revision and the others, holes
 * as 8 bytes each, little-endian, where the newest version is: revision, index, and `seal`. Formats
 * 1 and 2 had confreg_heads. */
#ifndef STORE_MONGODB_ROWS_H
#define STORE_MONGODB_ROWS_H

#include "mongodb_db.h"
#include "row_room.h"

/* A commit's document; owned by the caller. */
bson_t *mongo_commit_document(const struct commit *commit);
/* Fills an empty room from a commit's document. only: the index of the only change whose payload is
 * wanted; SIZE_MAX: all. A malformed element becomes a value that fails the checks of store.c. */
void mongo_read_row(const bson_t *document, size_t only, struct row_room *room);
/* Reads a hash of a document. False: it has none of this name. */
bool mongo_read_hash(const bson_t *document, const char *name, struct hash *ret_hash);

/* Append an element of `configs` or `versions`. */
void mongo_config_key(const char *environment, const char *service, struct str *out);
void mongo_version_key(const char *environment, const char *service, uint64_t version,
                       struct str *out);

/* One of these arrays, decoded. */
struct mongo_keys {
    const char *keys[COMMIT_MAX_CHANGES]; /* borrowed from the document; NULL: null */
    size_t n;
};
void mongo_read_keys(const bson_t *document, const char *name, struct mongo_keys *ret_keys);
/* The version in a key of `versions`; 0: the key is not of this config. */
uint64_t mongo_key_version(const char *key, const struct str *config);

/* The update that creates or renews a head; owned by the caller. */
bson_t *mongo_head_document(const struct head *head);

/* A head's row, and the memory that it points to. */
struct mongo_head {
    struct store_head_row row;
    char *environment; /* owned */
    char *service;     /* owned */
    uint64_t *holes;   /* owned */
};
void mongo_read_head(const bson_t *document, struct mongo_head *ret_head);
void mongo_head_fini(struct mongo_head *head);

#endif
