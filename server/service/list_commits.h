/* ListCommits: the change log. */
#ifndef SERVICE_LIST_COMMITS_H
#define SERVICE_LIST_COMMITS_H

#include "confreg/v1/registry_service.pb-c.h"
#include "service.h"

void list_commits(struct rpc_call *call, const Confreg__V1__ListCommitsRequest *request,
                  struct service *service);

#endif
