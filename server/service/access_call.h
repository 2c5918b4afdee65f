/* The method GetAccess: who the caller is and what he may. Answered from memory, on the call
 * thread.
 */
#ifndef SERVICE_ACCESS_CALL_H
#define SERVICE_ACCESS_CALL_H

#include "confreg/v1/registry_service.pb-c.h"
#include "service.h"

void access_call(struct rpc_call *call, const Confreg__V1__GetAccessRequest *request,
                 struct service *service);

#endif
