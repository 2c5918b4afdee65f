/* Reads the configurations of the service that confreg replaces: a MongoDB collection with one
 * document per version,
 *
 *     {service_name, environment, version, config_data, created_at, updated_at, created_by,
 *      comment}
 *
 * with dates in UTC. Never writes. Blocks on the network; for one thread. UNAVAILABLE
 * SOURCE_UNAVAILABLE: the database cannot be read. */
#ifndef LEGACY_OLD_CONFIGS_H
#define LEGACY_OLD_CONFIGS_H

#include <bson/bson.h>

#include "buf.h"
#include "json.h"
#include "mem.h"
#include "status.h"

struct old_configs;

/* The name, number and document id of a version. */
struct old_key {
    char *service; /* owned, as environment is */
    char *environment;
    uint64_t version;
    bson_value_t id;
};

struct old_version {
    struct buf *payload; /* owned reference */
    int64_t time_us;     /* created_at, else updated_at; microseconds since 1970 */
    char *author;        /* owned; NULL: none */
    char *comment;       /* owned; "": none */
};
void old_version_fini(struct old_version *version);

/* address: a MongoDB URI that names a database. INVALID_ARGUMENT SOURCE_ADDRESS: it is not one. */
bool old_configs_open(const char *address, const char *collection, struct old_configs **ret,
                      struct status *st);
void old_configs_close(struct old_configs *old);
MEM_CLEANUP(struct old_configs, old_configs_close)

/* Called for each document that cannot be imported. what: its name and version, or its id. */
typedef void old_refusal(void *user, const char *what, const struct status *why);

/* Lists all versions, ordered by service, environment and version; borrowed until
 * old_configs_close. Calls refuse for documents without a valid name or version, and for documents
 * that repeat the name and version of another. */
bool old_configs_list(struct old_configs *old, old_refusal *refuse, void *user,
                      const struct old_key **ret_keys, size_t *ret_n, struct status *st);

/* Reads one version; free it with old_version_fini. INVALID_ARGUMENT or RESOURCE_EXHAUSTED with the
 * field: it exceeds confreg's limits. NOT_FOUND DOCUMENT_GONE: it was deleted meanwhile. */
bool old_configs_read(struct old_configs *old, const struct old_key *key,
                      const struct json_limits *limits, struct old_version *ret_version,
                      struct status *st);

#endif
