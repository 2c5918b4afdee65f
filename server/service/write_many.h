/* WriteConfigs: independent writes in one call. */
#ifndef SERVICE_WRITE_MANY_H
#define SERVICE_WRITE_MANY_H

#include "confreg/v1/registry_service.pb-c.h"
#include "service.h"

void write_many(struct rpc_call *call, const Confreg__V1__WriteConfigsRequest *request,
                struct service *service);

#endif
