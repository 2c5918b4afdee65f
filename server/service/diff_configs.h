/* DiffConfigs: what differs between two environments, or between two revisions of the log. Runs on
 * the worker pool, as it may read the store. */
#ifndef SERVICE_DIFF_CONFIGS_H
#define SERVICE_DIFF_CONFIGS_H

#include "confreg/v1/registry_service.pb-c.h"
#include "service.h"

void diff_configs(struct rpc_call *call, const Confreg__V1__DiffConfigsRequest *request,
                  struct service *service);

#endif
