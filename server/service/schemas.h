/* The reading methods of schemas: GetSchema, ListSchemas, ListSchemaVersions and DiffSchemas. A
 * schema is kept like a config (model/key.h), so each is the method of configs with another key. */
#ifndef SERVICE_SCHEMAS_H
#define SERVICE_SCHEMAS_H

#include "confreg/v1/registry_service.pb-c.h"
#include "service.h"

void schemas_get(struct rpc_call *call, const Confreg__V1__GetSchemaRequest *request,
                 struct service *service);
void schemas_list(struct rpc_call *call, const Confreg__V1__ListSchemasRequest *request,
                  struct service *service);
void schemas_list_versions(struct rpc_call *call,
                           const Confreg__V1__ListSchemaVersionsRequest *request,
                           struct service *service);
void schemas_diff(struct rpc_call *call, const Confreg__V1__DiffSchemasRequest *request,
                  struct service *service);

#endif
