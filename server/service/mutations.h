/* Turns the requests of the writing methods into mutations (registry.h). Pure; any thread. */
#ifndef SERVICE_MUTATIONS_H
#define SERVICE_MUTATIONS_H

#include <protobuf-c/protobuf-c.h>

#include "service.h"

struct write_form;

/* The mutations of one request. They own copies of their texts and references to their payloads:
 * the request may be freed. */
struct mutations {
    struct mutation *items; /* owned, with their texts and payloads */
    size_t n;
    size_t payload_bytes; /* sum of the payloads' sizes */
};
void mutations_fini(struct mutations *mutations);

/* Each function validates a whole request. On failure ret holds nothing. INVALID_ARGUMENT with the
 * field: NAME_…, JSON_…, CONTENT_MISSING, CHANGES_COUNT, CHANGE_MISSING,
 * CHANGE_OPTION, PATCH_SYNTAX. RESOURCE_EXHAUSTED: JSON_TOO_LARGE, COMMIT_TOO_LARGE,
 * PATCH_OPERATIONS. */

/* Of a request about one config. */
bool mutations_of_one(const struct service *service, const struct write_form *form,
                      const ProtobufCMessage *request, struct mutations *ret, struct status *st);
/* Of SetSchema and DeleteSchema. */
bool mutations_of_schema(const struct service *service, const struct write_form *form,
                         const ProtobufCMessage *request, struct mutations *ret, struct status *st);
/* Of CommitChanges. */
bool mutations_of_commit(const struct service *service, const struct write_form *form,
                         const ProtobufCMessage *request, struct mutations *ret, struct status *st);
/* Of Compact. */
bool mutations_of_compact(const struct service *service, const struct write_form *form,
                          const ProtobufCMessage *request, struct mutations *ret,
                          struct status *st);

#endif
