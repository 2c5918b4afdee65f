/* The method DiffVersions. Runs on the worker pool, as it may read the store. */
#ifndef SERVICE_COMPARE_H
#define SERVICE_COMPARE_H

#include "confreg/v1/registry_service.pb-c.h"
#include "service.h"

void compare_versions(struct rpc_call *call, const Confreg__V1__DiffVersionsRequest *request,
                      struct service *service);
/* The same for keys of any kind, now: both environments are those of keys, and names are checked.
 */
void compare_keys(struct service *service, struct rpc_call *call,
                  const Confreg__V1__DiffVersionsRequest *r);

#endif
