/* Keys: what has versions. A key is a pair of texts, environment and service, and has a kind:
 *
 * - a config: the environment is that of the config;
 * - a schema: the environment is KEY_SCHEMA_MARK and the environment that the schema is for, which
 *   is empty if it is for all environments of the service.
 *
 * Names contain no control characters, so keys of different kinds are never equal, and in the order
 * of keys all schemas come before all configs. Everything that holds for configs holds for schemas:
 * log, heads, versions, history, compaction and stores know keys only. The kind matters where keys
 * meet clients: requests, lists, watches, events and metrics.
 *
 * Pure; any thread. */
#ifndef MODEL_KEY_H
#define MODEL_KEY_H

#include <stdbool.h>
#include <stddef.h>

#include "str.h"
#include "utf8.h"

#define KEY_SCHEMA_MARK '\x01'
#define KEY_FIRST_CONFIG "\x02" /* an environment between those of all schemas and all configs */
#define KEY_ENVIRONMENT_MAX_BYTES (NAME_MAX_BYTES + 1)

/* The first values equal confreg.v1.ResourceKind. */
enum key_kind {
    KEY_CONFIG,
    KEY_SCHEMA,
    KEY_KINDS,
    KEY_ANY = KEY_KINDS, /* in filters */
};

/* Each `environment` is that of a key. */
static inline enum key_kind key_kind(const char *environment)
{
    return environment[0] == KEY_SCHEMA_MARK ? KEY_SCHEMA : KEY_CONFIG;
}
/* The environment without the mark; borrowed. */
static inline const char *key_environment(const char *environment)
{
    return environment + (key_kind(environment) == KEY_SCHEMA);
}

/* The environment of a schema's key. */
struct key_text {
    char text[KEY_ENVIRONMENT_MAX_BYTES + 1];
};
/* environment: at most NAME_MAX_BYTES; "": the schema is for all environments. */
struct key_text key_of_schema(const char *environment);

/* The name of a key in messages: "prod/billing", "the schema prod/billing" or "the schema
 * billing". */
#define KEY_NAME_SIZE (sizeof "the schema /" + 2 * NAME_MAX_BYTES)
struct key_name {
    char text[KEY_NAME_SIZE];
};
struct key_name key_name(const char *environment, const char *service);

#endif
