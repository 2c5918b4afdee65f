/* Validation and refusals that many handlers share. Each function returns whether the request is
 * valid; if not, st says why. Pure; any thread. */
#ifndef SERVICE_CHECKS_H
#define SERVICE_CHECKS_H

#include "history.h"
#include "service.h"

/* Returns "default" for "", else the argument. */
const char *environment_or_default(const char *environment);

/* Translates include_deleted of a request. */
static inline enum history_scope scope_of(bool include_deleted)
{
    return include_deleted ? HISTORY_KEPT : HISTORY_LIVE;
}

/* Validates both names; environment may be "". prefix: "" or the path of the enclosing message,
 * with its final dot, for the field in the error. INVALID_ARGUMENT NAME_…. */
bool check_names(const char *environment, const char *service, const char *prefix,
                 struct status *st);

/* The same for the names of a schema, whose environment may be "". */
bool check_schema_names(const char *environment, const char *service, const char *prefix,
                        struct status *st);

/* FAILED_PRECONDITION EPOCH_MISMATCH: epoch is neither "" nor the log's. */
bool check_epoch(const struct service *service, const char *epoch, const char *field,
                 struct status *st);

/* These set st and return false. NOT_FOUND CONFIG_NOT_FOUND, VERSION_NOT_FOUND. */
bool no_such_config(const char *environment, const char *service, struct status *st);
bool no_such_version(const char *environment, const char *service, uint64_t version,
                     struct status *st);
/* For a version whose payload is missing. FAILED_PRECONDITION PAYLOAD_COMPACTED: a compaction
 * removed it; NOT_FOUND VERSION_NOT_FOUND: it was erased. */
bool no_such_payload(const struct version_ref *version, struct status *st);

#endif
