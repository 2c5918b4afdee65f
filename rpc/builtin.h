/* The standard services: health and reflection. */
#ifndef RPC_BUILTIN_H
#define RPC_BUILTIN_H

#include "call.h"

/* Freed with free(), after the server's end. */
struct health *health_new(struct rpc_server *server);
const struct rpc_service *health_service(const struct health *health);
/* Any thread. */
void health_set(struct health *health, bool serving);

extern const struct reflection_version {
    const ProtobufCServiceDescriptor *descriptor;
    struct rpc_method method;
} reflection_versions[2];

#endif
