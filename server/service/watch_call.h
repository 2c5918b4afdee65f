/* The methods Watch and WatchProgress: validate the request and hand the call to the watch hub. */
#ifndef SERVICE_WATCH_CALL_H
#define SERVICE_WATCH_CALL_H

#include "confreg/v1/registry_service.pb-c.h"
#include "service.h"

void watch_call(struct rpc_call *call, const Confreg__V1__WatchRequest *request,
                struct service *service);
void watch_progress_call(struct rpc_call *call, const Confreg__V1__WatchProgressRequest *request,
                         struct service *service);

#endif
