/* The changes of POST /api/commits: the items of its body's list.
 *     {"create": {"service_name", "environment"?, "config_data"}}
 *     {"update": {"service_name", "environment"?, "config_data" | "merge_patch" | "json_patch" |
 *                 "source_environment", "source_version"?,
 *                 "expected_version"?, "expected_revision"?, "expected_epoch"?, "upsert"?}}
 *     {"delete": {"service_name", "environment"?, "version"?, "expected_…"?, "allow_missing"?,
 *                 "erase"?}}
 *     {"rollback": {"service_name", "environment"?, "version", "expected_…"?}}
 *     {"undelete": {"service_name", "environment"?, "version"?, "expected_revision"?,
 *                   "expected_epoch"?}} */
#ifndef GATEWAY_CHANGES_H
#define GATEWAY_CHANGES_H

#include "confreg/v1/registry_service.pb-c.h"
#include "invalid.h"
#include "json.h"

struct change_read;

struct changes {
    Confreg__V1__Write **list; /* for CommitChangesRequest.changes; points into items */
    struct change_read *items; /* owned, and so is list */
    size_t n;
};

/* Reads a list whose text, which payloads point into, lives longer than ret. Adds a fault for each
 * member that is missing, unknown or of another type. ret is complete where there was no fault, and
 * to be given to changes_fini in any case. Payloads are the server's to judge. */
void changes_read(struct json_text list, struct changes *ret, struct invalid *invalid);
void changes_fini(struct changes *changes);

#endif
