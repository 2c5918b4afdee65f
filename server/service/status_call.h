/* The method GetStatus. Answered from memory, on the call thread. */
#ifndef SERVICE_STATUS_CALL_H
#define SERVICE_STATUS_CALL_H

#include "confreg/v1/registry_service.pb-c.h"
#include "service.h"

void status_call(struct rpc_call *call, const Confreg__V1__GetStatusRequest *request,
                 struct service *service);

#endif
