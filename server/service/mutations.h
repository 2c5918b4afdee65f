/* Turns the requests of the writing methods into mutations (registry.h). Pure; any thread. */
#ifndef SERVICE_MUTATIONS_H
#define SERVICE_MUTATIONS_H

#include "confreg/v1/registry_service.pb-c.h"
#include "service.h"

/* The mutations of one request. They own copies of their texts and references to their payloads:
 * the request may be freed. */
struct mutations {
    struct mutation *items; /* owned, with their texts and payloads */
    size_t n;
    size_t payload_bytes; /* sum of the payloads' sizes */
};
void mutations_fini(struct mutations *mutations);

/* Each function validates a whole request. On failure ret holds nothing. INVALID_ARGUMENT with the
 * field: NAME_…, JSON_…, CONTENT_MISSING, VERSION_MISSING, CHANGES_COUNT, CHANGE_MISSING.
 * RESOURCE_EXHAUSTED: JSON_TOO_LARGE, COMMIT_TOO_LARGE. */
bool mutations_of_create(const struct service *service, const Confreg__V1__CreateConfigRequest *r,
                         struct mutations *ret, struct status *st);
bool mutations_of_update(const struct service *service, const Confreg__V1__UpdateConfigRequest *r,
                         struct mutations *ret, struct status *st);
bool mutations_of_delete(const struct service *service, const Confreg__V1__DeleteConfigRequest *r,
                         struct mutations *ret, struct status *st);
bool mutations_of_rollback(const struct service *service,
                           const Confreg__V1__RollbackConfigRequest *r, struct mutations *ret,
                           struct status *st);
bool mutations_of_compact(const struct service *service, const Confreg__V1__CompactRequest *r,
                          struct mutations *ret, struct status *st);
bool mutations_of_commit(const struct service *service, const Confreg__V1__CommitChangesRequest *r,
                         struct mutations *ret, struct status *st);

#endif
