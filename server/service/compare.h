/* DiffVersions. */
#ifndef SERVICE_COMPARE_H
#define SERVICE_COMPARE_H

#include "request.h"

void compare_versions(struct rpc_call *call, const Confreg__V1__DiffVersionsRequest *request,
                      struct service *service);

#endif
