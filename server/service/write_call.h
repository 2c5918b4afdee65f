/* The writing methods with one write per call: CreateConfig, UpdateConfig, DeleteConfig,
 * RollbackConfig, CommitChanges and Compact. Each queues a write for the committer and answers when
 * the committer is done with it. */
#ifndef SERVICE_WRITE_CALL_H
#define SERVICE_WRITE_CALL_H

#include "confreg/v1/registry_service.pb-c.h"
#include "service.h"

void write_create(struct rpc_call *call, const Confreg__V1__CreateConfigRequest *request,
                  struct service *service);
void write_update(struct rpc_call *call, const Confreg__V1__UpdateConfigRequest *request,
                  struct service *service);
void write_delete(struct rpc_call *call, const Confreg__V1__DeleteConfigRequest *request,
                  struct service *service);
void write_rollback(struct rpc_call *call, const Confreg__V1__RollbackConfigRequest *request,
                    struct service *service);
void write_commit(struct rpc_call *call, const Confreg__V1__CommitChangesRequest *request,
                  struct service *service);

/* Concerns the whole registry; committed like any other write. */
void write_compact(struct rpc_call *call, const Confreg__V1__CompactRequest *request,
                   struct service *service);

#endif
