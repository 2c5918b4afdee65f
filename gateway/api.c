#include "api.h"

#include "config_handlers.h"
#include "config_request.h"
#include "door_request.h"
#include "doors.h"
#include "probes.h"
#include "sessions.h"
#include "sse_watch.h"
#include "upstream_request.h"

#define FLAGS "/api/ofrep/{environment}/*/ofrep/v1/evaluate/flags"
#define SPRING "/api/spring/*/{profiles}"
#define NAMED PARAMETER_ENVIRONMENT
#define WRITE PARAMETER_VALIDATE_ONLY
#define VALUE (WRITE | PARAMETER_ALLOW_SECRETS) /* of a write that brings values */
/* A schema is for an environment, or for all: without the parameter. */
#define OF_SCHEMA (PARAMETER_ENVIRONMENT_FILTER | PARAMETERS_STRICT)
/* Of a write whose body has no place for them. */
#define SIGNED (PARAMETER_COMMENT | PARAMETER_CREATED_BY)
/* A list of documents, whole or in pages. */
#define PAGED (PARAMETER_LIMIT | PARAMETER_PAGE | PARAMETER_FIELDS)

static const struct route rows[] = {
    {"GET", "/api/configs", handle_list,
     PARAMETER_SERVICE_FILTER | PARAMETER_ENVIRONMENT_FILTER | PAGED | PARAMETER_DELETED, BODY_NONE,
     &config_read},
    {"GET", "/api/configs:batchGet", handle_batch,
     PARAMETER_NAME | PARAMETER_FIELDS | PARAMETERS_STRICT, BODY_NONE, &config_read},
    {"POST", "/api/configs:batchGet", handle_batch, PARAMETER_FIELDS | PARAMETERS_STRICT,
     BODY_NAMES, &config_read},
    {"GET", "/api/configs/*", handle_get,
     NAMED | PARAMETER_VERSION | PARAMETER_RESOLVE | PARAMETER_INCLUDE_DELETED |
         PARAMETER_APPLY_DEFAULTS,
     BODY_NONE, &config_read},
    {"POST", "/api/configs/*", handle_create, NAMED | VALUE, BODY_CONFIG, &config_write},
    {"PUT", "/api/configs/*", handle_update, NAMED | VALUE | PARAMETER_UPSERT, BODY_CONFIG,
     &config_write},
    {"PATCH", "/api/configs/*", handle_patch, NAMED | VALUE | SIGNED | PARAMETERS_STRICT,
     BODY_PATCH, &config_write},
    /* Strict, unlike the other old routes: a delete by a mistyped request cannot be undone. */
    {"DELETE", "/api/configs/*", handle_delete,
     NAMED | PARAMETER_VERSION | WRITE | SIGNED | PARAMETERS_STRICT, BODY_EMPTY, &config_write},
    {"GET", "/api/configs/*/history", handle_history, NAMED | PAGED | PARAMETER_INCLUDE_DELETED,
     BODY_NONE, &config_read},
    {"GET", "/api/configs/*/diff", handle_diff,
     NAMED | PARAMETER_OLD_VERSION | PARAMETER_NEW_VERSION | PARAMETER_INCLUDE_DELETED, BODY_NONE,
     &config_read},
    {"POST", "/api/configs/*/rollback", handle_rollback, NAMED | VALUE | PARAMETERS_STRICT,
     BODY_VERSION, &config_write},
    {"POST", "/api/configs/*/copy", handle_copy,
     NAMED | PARAMETER_SOURCE | VALUE | PARAMETERS_STRICT, BODY_VERSION, &config_write},
    {"POST", "/api/configs/*/undelete", handle_undelete, NAMED | VALUE | PARAMETERS_STRICT,
     BODY_VERSION, &config_write},
    {"GET", "/api/schemas", handle_schemas,
     PARAMETER_SERVICE_FILTER | PARAMETER_ENVIRONMENT_FILTER | PARAMETER_PREFIX_FILTER |
         PARAMETER_LIMIT | PARAMETER_PAGE | PARAMETERS_STRICT,
     BODY_NONE, &config_read},
    {"GET", "/api/schemas/*", handle_schema,
     OF_SCHEMA | PARAMETER_VERSION | PARAMETER_IN_FORCE | PARAMETER_INCLUDE_DELETED |
         PARAMETER_DEFAULTS,
     BODY_NONE, &config_read},
    {"PUT", "/api/schemas/*", handle_schema_set, OF_SCHEMA | WRITE | PARAMETER_FORCE, BODY_SCHEMA,
     &config_write},
    {"DELETE", "/api/schemas/*", handle_schema_delete, OF_SCHEMA | WRITE | SIGNED | PARAMETER_FORCE,
     BODY_EMPTY, &config_write},
    {"POST", "/api/schemas/*/rollback", handle_schema_rollback, OF_SCHEMA | WRITE | PARAMETER_FORCE,
     BODY_VERSION, &config_write},
    {"POST", "/api/schemas/*/try", handle_schema_try,
     OF_SCHEMA | PARAMETER_VERSIONS | PARAMETER_LIMIT | PARAMETER_PAGE, BODY_SCHEMA, &config_read},
    {"GET", "/api/schemas/*/history", handle_schema_history,
     OF_SCHEMA | PARAMETER_LIMIT | PARAMETER_PAGE | PARAMETER_INCLUDE_DELETED, BODY_NONE,
     &config_read},
    {"GET", "/api/schemas/*/diff", handle_schema_diff,
     OF_SCHEMA | PARAMETER_OLD_VERSION | PARAMETER_NEW_VERSION | PARAMETER_INCLUDE_DELETED,
     BODY_NONE, &config_read},
    {"GET", "/api/diff", handle_diffs,
     NAMED | PARAMETER_SIDES | PARAMETER_SERVICE_FILTER | PARAMETER_PREFIX_FILTER |
         PARAMETER_LIMIT | PARAMETER_PAGE | PARAMETERS_STRICT,
     BODY_NONE, &config_read},
    {"GET", "/api/secrets", handle_suspects,
     PARAMETER_SERVICE_FILTER | PARAMETER_ENVIRONMENT_FILTER | PARAMETER_PREFIX_FILTER |
         PARAMETER_VERSIONS | PARAMETER_LIMIT | PARAMETER_PAGE | PARAMETERS_STRICT,
     BODY_NONE, &config_read},
    {"GET", "/api/broken", handle_broken,
     PARAMETER_SERVICE_FILTER | PARAMETER_ENVIRONMENT_FILTER | PARAMETER_PREFIX_FILTER |
         PARAMETER_LIMIT | PARAMETER_PAGE | PARAMETERS_STRICT,
     BODY_NONE, &config_read},
    {"GET", "/api/commits", handle_commits,
     PARAMETER_SERVICE_FILTER | PARAMETER_ENVIRONMENT_FILTER | PARAMETER_PREFIX_FILTER |
         PARAMETER_CREATED_BY | PARAMETER_LOG_FILTERS | PARAMETER_LIMIT | PARAMETER_PAGE |
         PARAMETERS_STRICT,
     BODY_NONE, &config_read},
    {"POST", "/api/commits", handle_commit, VALUE | PARAMETERS_STRICT, BODY_CHANGES, &config_write},
    {"GET", "/api/watch", handle_watch,
     PARAMETER_SERVICE_FILTER | PARAMETER_ENVIRONMENT_FILTER | PARAMETER_PREFIX_FILTER |
         PARAMETER_SNAPSHOT | PARAMETERS_STRICT,
     BODY_NONE, &upstream_read},
    {"POST", FLAGS, handle_flags, 0, BODY_OWN, &door_ofrep},
    {"POST", FLAGS "/{key}", handle_flag, 0, BODY_OWN, &door_ofrep},
    {"GET", SPRING, handle_spring, 0, BODY_NONE, &door_spring},
    {"GET", SPRING "/{label}", handle_spring, 0, BODY_NONE, &door_spring},
    {"GET", "/api/session", handle_session, PARAMETERS_STRICT, BODY_NONE, &upstream_read},
    {"POST", "/api/session", handle_sign_in, PARAMETERS_STRICT, BODY_EMPTY, &upstream_read},
    {"DELETE", "/api/session", handle_sign_out, PARAMETERS_STRICT, BODY_EMPTY, &request_open},
    {"GET", "/health", handle_health, 0, BODY_NONE, &upstream_open},
    {"GET", "/stats", handle_stats, 0, BODY_NONE, &upstream_open},
    {"GET", "/livez", handle_livez, 0, BODY_NONE, &request_open},
    {"GET", "/readyz", handle_readyz, 0, BODY_NONE, &upstream_open},
    {"GET", "/metrics", handle_metrics, 0, BODY_NONE, &request_open},
    {"GET", "/openapi.json", handle_openapi, 0, BODY_NONE, &request_document},
};

const struct routes api_routes = {rows, COUNT_OF(rows), DOORS_ALL};
