#include "service.h"

#include <assert.h>

#include "access_call.h"
#include "compare.h"
#include "diff_configs.h"
#include "find_broken.h"
#include "find_secrets.h"
#include "list.h"
#include "list_commits.h"
#include "read.h"
#include "rights.h"
#include "schema_write.h"
#include "schemas.h"
#include "status_call.h"
#include "watch_call.h"
#include "write_call.h"
#include "write_many.h"

RPC_HANDLER(write_many, Confreg__V1__WriteConfigsRequest, struct service)
RPC_HANDLER(read_get, Confreg__V1__GetConfigRequest, struct service)
RPC_HANDLER(read_batch, Confreg__V1__BatchGetConfigsRequest, struct service)
RPC_HANDLER(list_configs, Confreg__V1__ListConfigsRequest, struct service)
RPC_HANDLER(list_versions, Confreg__V1__ListVersionsRequest, struct service)
RPC_HANDLER(list_commits, Confreg__V1__ListCommitsRequest, struct service)
RPC_HANDLER(compare_versions, Confreg__V1__DiffVersionsRequest, struct service)
RPC_HANDLER(find_secrets, Confreg__V1__FindSecretsRequest, struct service)
RPC_HANDLER(try_schema, Confreg__V1__TrySchemaRequest, struct service)
RPC_HANDLER(find_broken, Confreg__V1__FindBrokenRequest, struct service)
RPC_HANDLER(diff_configs, Confreg__V1__DiffConfigsRequest, struct service)
RPC_HANDLER(schemas_get, Confreg__V1__GetSchemaRequest, struct service)
RPC_HANDLER(schemas_list, Confreg__V1__ListSchemasRequest, struct service)
RPC_HANDLER(schemas_list_versions, Confreg__V1__ListSchemaVersionsRequest, struct service)
RPC_HANDLER(schemas_diff, Confreg__V1__DiffSchemasRequest, struct service)
RPC_HANDLER(watch_call, Confreg__V1__WatchRequest, struct service)
RPC_HANDLER(watch_progress_call, Confreg__V1__WatchProgressRequest, struct service)
RPC_HANDLER(status_call, Confreg__V1__GetStatusRequest, struct service)
RPC_HANDLER(access_call, Confreg__V1__GetAccessRequest, struct service)

static const struct rpc_method methods[] = {
    {"CreateConfig", RPC_UNARY, write_call},
    {"UpdateConfig", RPC_UNARY, write_call},
    {"DeleteConfig", RPC_UNARY, write_call},
    {"RollbackConfig", RPC_UNARY, write_call},
    {"UndeleteConfig", RPC_UNARY, write_call},
    {"CommitChanges", RPC_UNARY, write_call},
    {"WriteConfigs", RPC_UNARY, write_many_thunk},
    {"GetConfig", RPC_UNARY, read_get_thunk},
    {"BatchGetConfigs", RPC_UNARY, read_batch_thunk},
    {"ListConfigs", RPC_UNARY, list_configs_thunk},
    {"ListVersions", RPC_UNARY, list_versions_thunk},
    {"DiffVersions", RPC_UNARY, compare_versions_thunk},
    {"DiffConfigs", RPC_UNARY, diff_configs_thunk},
    {"FindSecrets", RPC_UNARY, find_secrets_thunk},
    {"ListCommits", RPC_UNARY, list_commits_thunk},
    {"SetSchema", RPC_UNARY, schema_write},
    {"GetSchema", RPC_UNARY, schemas_get_thunk},
    {"ListSchemas", RPC_UNARY, schemas_list_thunk},
    {"DeleteSchema", RPC_UNARY, schema_write},
    {"ListSchemaVersions", RPC_UNARY, schemas_list_versions_thunk},
    {"DiffSchemas", RPC_UNARY, schemas_diff_thunk},
    {"TrySchema", RPC_UNARY, try_schema_thunk},
    {"FindBroken", RPC_UNARY, find_broken_thunk},
    {"Watch", RPC_SERVER_STREAM, watch_call_thunk},
    {"WatchProgress", RPC_UNARY, watch_progress_call_thunk},
    {"GetStatus", RPC_UNARY, status_call_thunk},
    {"GetAccess", RPC_UNARY, access_call_thunk},
    {"Compact", RPC_UNARY, write_call},
};

void service_add(struct service *service, struct rpc_server *server)
{
    service->methods = (struct rpc_service){
        .descriptor = &confreg__v1__registry_service__descriptor,
        .methods = methods,
        .n_methods = COUNT_OF(methods),
        .user = service,
    };
    static_assert(COUNT_OF(methods) <= SERVICE_METHODS_MAX, "every method has a place");
    for (size_t i = 0; i < COUNT_OF(methods); i++) {
        service->rights[i] = rights_of(methods[i].name);
    }
    rpc_server_add(server, &service->methods);
}
