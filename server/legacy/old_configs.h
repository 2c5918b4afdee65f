/* The configurations of the service that confreg replaces: a MongoDB collection with one document a
 * version,
 *
 *     {service_name, environment, version, config_data, created_at, updated_at, created_by,
 *      comment}
 *
 * with dates in UTC. Read only; nothing is written there. One thread. */
#ifndef LEGACY_OLD_CONFIGS_H
#define LEGACY_OLD_CONFIGS_H

#include <bson/bson.h>

#include "buf.h"
#include "json.h"
#include "mem.h"
#include "status.h"

struct old_configs;

/* Where a version is. */
struct old_key {
    char *service; /* owned, as environment is */
    char *environment;
    uint64_t version;
    bson_value_t id;
};

struct old_version {
    struct buf *payload; /* owned reference */
    int64_t time_us;     /* created_at, else updated_at */
    char *author;        /* owned; NULL: none */
    char *comment;       /* owned; "": none */
};
void old_version_fini(struct old_version *version);

/* address: a MongoDB URI with a database. INVALID_ARGUMENT; UNAVAILABLE. */
bool old_configs_open(const char *address, const char *collection, struct old_configs **ret,
                      struct status *st);
void old_configs_close(struct old_configs *old);
MEM_CLEANUP(struct old_configs, old_configs_close)

/* Told of each document that cannot be taken over: where it is, and why not. */
typedef void old_refusal(void *user, const char *what, const struct status *why);

/* All versions, by service, environment and version; borrowed until the end. A document without a
 * usable name or version, and one that says the same name and version as another, is refused.
 * UNAVAILABLE. */
bool old_configs_list(struct old_configs *old, old_refusal *refuse, void *user,
                      const struct old_key **ret_keys, size_t *ret_n, struct status *st);

/* One of them. INVALID_ARGUMENT or RESOURCE_EXHAUSTED with the field where it does not fit
 * confreg's limits; NOT_FOUND where it is gone; UNAVAILABLE. */
bool old_configs_read(struct old_configs *old, const struct old_key *key,
                      const struct json_limits *limits, struct old_version *ret_version,
                      struct status *st);

#endif
