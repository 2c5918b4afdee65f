/* FindSecrets: places in stored values that look like secrets. */
#ifndef SERVICE_FIND_SECRETS_H
#define SERVICE_FIND_SECRETS_H

#include "confreg/v1/registry_service.pb-c.h"
#include "service.h"

void find_secrets(struct rpc_call *call, const Confreg__V1__FindSecretsRequest *request,
                  struct service *service);

#endif
