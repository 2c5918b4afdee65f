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

#endif
