/* The methods GetConfig and BatchGetConfigs. Heads are answered from memory, on the call thread;
 * old versions on the worker pool. */
#ifndef SERVICE_READ_H
#define SERVICE_READ_H

#include "confreg/v1/registry_service.pb-c.h"
#include "service.h"

void read_get(struct rpc_call *call, const Confreg__V1__GetConfigRequest *request,
              struct service *service);
/* Answers a read of a key, now: environment is that of a key, and names are checked. */
void read_one(struct service *service, struct rpc_call *call,
              const Confreg__V1__GetConfigRequest *of_key);
void read_batch(struct rpc_call *call, const Confreg__V1__BatchGetConfigsRequest *request,
                struct service *service);

#endif
