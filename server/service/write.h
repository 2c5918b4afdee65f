/* The writing methods: CreateConfig, UpdateConfig, DeleteConfig, RollbackConfig, CommitChanges. */
#ifndef SERVICE_WRITE_H
#define SERVICE_WRITE_H

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

/* An operation on the whole registry, and a commit like any. */
void write_compact(struct rpc_call *call, const Confreg__V1__CompactRequest *request,
                   struct service *service);

#endif
