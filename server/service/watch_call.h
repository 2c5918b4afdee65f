/* Watch: from the request to a stream of the hub. */
#ifndef SERVICE_WATCH_CALL_H
#define SERVICE_WATCH_CALL_H

#include "request.h"

void watch_call(struct rpc_call *call, const Confreg__V1__WatchRequest *request,
                struct service *service);

#endif
