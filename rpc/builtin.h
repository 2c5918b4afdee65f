/* Private to rpc: the standard services grpc.health.v1 and grpc.reflection (v1, v1alpha). */
#ifndef RPC_BUILTIN_H
#define RPC_BUILTIN_H

#include "call.h"

/* The health service; free it with free() after the server has ended. */
struct health *health_new(struct rpc_server *server);
const struct rpc_service *health_service(const struct health *health);
/* Sets the health of all services, and tells the streams that watch it. Any thread. */
void health_set(struct health *health, bool serving);

extern const struct reflection_version {
    const ProtobufCServiceDescriptor *descriptor;
    struct rpc_method method;
} reflection_versions[2];

#endif
