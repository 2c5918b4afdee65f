/* TrySchema and FindBroken: places in stored values that break a schema, the one that is tried or
 * the one in force. */
#ifndef SERVICE_FIND_BROKEN_H
#define SERVICE_FIND_BROKEN_H

#include "confreg/v1/registry_service.pb-c.h"
#include "service.h"

void try_schema(struct rpc_call *call, const Confreg__V1__TrySchemaRequest *request,
                struct service *service);
void find_broken(struct rpc_call *call, const Confreg__V1__FindBrokenRequest *request,
                 struct service *service);

#endif
