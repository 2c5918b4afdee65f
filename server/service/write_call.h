/* The writing methods with one write per call: CreateConfig, UpdateConfig, DeleteConfig,
 * RollbackConfig, UndeleteConfig, CommitChanges and Compact. Each queues a write for the committer
 * and answers when the committer is done with it. */
#ifndef SERVICE_WRITE_CALL_H
#define SERVICE_WRITE_CALL_H

#include "service.h"

/* A handler for rpc_method; user: the service. Handles every request that has a form
 * (write_form.h). */
void write_call(struct rpc_call *call, const ProtobufCMessage *request, void *user);

#endif
