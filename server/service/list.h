/* The methods ListConfigs and ListVersions. They run on the worker pool, as they may read the
 * store. Pages are cut by number (PAGE_ITEMS) and by bytes (REPLY_BYTES). */
#ifndef SERVICE_LIST_H
#define SERVICE_LIST_H

#include "confreg/v1/registry_service.pb-c.h"
#include "service.h"

void list_configs(struct rpc_call *call, const Confreg__V1__ListConfigsRequest *request,
                  struct service *service);
void list_versions(struct rpc_call *call, const Confreg__V1__ListVersionsRequest *request,
                   struct service *service);

/* ---- The same for keys of any kind (model/key.h) ----
 *
 * `environment` of the request is that of a key, or "" if a list is not filtered by it; names are
 * checked. The revisions are those to wait for before the answer, which is sent at once. */

bool list_keys_revision(const struct service *service, const struct rpc_call *call,
                        const Confreg__V1__ListConfigsRequest *r, enum key_kind kind,
                        uint64_t *ret_revision, struct status *st);
void list_keys(struct service *service, struct rpc_call *call,
               const Confreg__V1__ListConfigsRequest *r, enum key_kind kind);
bool list_versions_revision(const struct service *service, const struct rpc_call *call,
                            const Confreg__V1__ListVersionsRequest *r, uint64_t *ret_revision,
                            struct status *st);
void list_versions_of_key(struct service *service, struct rpc_call *call,
                          const Confreg__V1__ListVersionsRequest *r);

#endif
