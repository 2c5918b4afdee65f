#include "checks.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "overlay.h"
#include "utf8.h"

const char *environment_or_default(const char *environment)
{
    return environment[0] == '\0' ? DEFAULT_ENVIRONMENT : environment;
}

/* The field's path is composed only where the name is refused. */
static bool check_name(const char *name, const char *prefix, const char *field, struct status *st)
{
    if (name_check(name, strlen(name), field, st)) {
        return true;
    }
    char path[96];
    snprintf(path, sizeof path, "%s%s", prefix, field);
    return name_check(name, strlen(name), path, st);
}

bool check_names(const char *environment, const char *service, const char *prefix,
                 struct status *st)
{
    return check_name(environment_or_default(environment), prefix, "environment", st) &&
           check_name(service, prefix, "service_name", st);
}

bool check_schema_names(const char *environment, const char *service, const char *prefix,
                        struct status *st)
{
    return (environment[0] == '\0' || check_name(environment, prefix, "environment", st)) &&
           check_name(service, prefix, "service_name", st);
}

bool check_epoch(const struct service *service, const char *epoch, const char *field,
                 struct status *st)
{
    const char *own = registry_epoch(service->registry);
    if (epoch[0] == '\0' || strcmp(epoch, own) == 0) {
        return true;
    }
    return status_set_outcome(st, OUTCOME_EPOCH_MISMATCH, "%s is \"%.32s\", the log's epoch is %s",
                              field, epoch, own);
}

bool no_such_config(const char *environment, const char *service, struct status *st)
{
    struct key_name name = key_name(environment, service);
    if (key_kind(environment) == KEY_SCHEMA) {
        return status_set(st, STATUS_NOT_FOUND, "SCHEMA_NOT_FOUND", "%s does not exist", name.text);
    }
    return status_set_outcome(st, OUTCOME_CONFIG_NOT_FOUND, "there is no configuration for %s",
                              name.text);
}

bool no_such_version(const char *environment, const char *service, uint64_t version,
                     struct status *st)
{
    status_set_outcome(st, OUTCOME_VERSION_NOT_FOUND, "%s has no version %" PRIu64,
                       key_name(environment, service).text, version);
    status_add_number(st, "version", version);
    return false;
}

bool no_such_payload(const struct version_ref *version, struct status *st)
{
    const struct change *change = version_change(version);
    if (!change->compacted) {
        return no_such_version(change->environment, change->service, change->version, st);
    }
    status_set_outcome(st, OUTCOME_PAYLOAD_COMPACTED,
                       "the payload of version %" PRIu64 " of %s was removed by a compaction",
                       change->version, key_name(change->environment, change->service).text);
    status_add_number(st, "version", change->version);
    return false;
}
