/* The method WriteConfigs: independent writes in one call. They are submitted together, and the
 * call is answered when the last one is done. */
#ifndef SERVICE_WRITE_MANY_H
#define SERVICE_WRITE_MANY_H

#include "confreg/v1/registry_service.pb-c.h"
#include "service.h"

void write_many(struct rpc_call *call, const Confreg__V1__WriteConfigsRequest *request,
                struct service *service);

#endif
