/* SetSchema and DeleteSchema: writes that are tried before they go to the committer, on the worker
 * pool, against all configs that the schema concerns (schema_trial.h). If the committer finds that
 * too much has changed meanwhile, the change is tried again. */
#ifndef SERVICE_SCHEMA_WRITE_H
#define SERVICE_SCHEMA_WRITE_H

#include "service.h"

/* Handler of both methods; user: the service. */
void schema_write(struct rpc_call *call, const ProtobufCMessage *request, void *user);

#endif
