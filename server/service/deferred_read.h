/* Reads that wait: for a revision that the caller has seen, for the newest commits of other nodes,
 * or for a thread of the pool, because they read the store. */
#ifndef SERVICE_DEFERRED_READ_H
#define SERVICE_DEFERRED_READ_H

#include "confreg/v1/registry_service.pb-c.h"
#include "service.h"

/* A read's body: answers the call (consuming it) from a request that it must not keep. */
typedef void read_body(struct service *service, struct rpc_call *call,
                       const ProtobufCMessage *request);

/* Where a body runs. */
enum read_place {
    READ_HERE,    /* it only looks at memory */
    READ_ON_POOL, /* it may read the store */
};

/* Heeds the read options (NULL: none), waiting where they say so, then runs the body. Consumes the
 * call; refuses it where the options are wrong or the revision does not come in time. */
void read_when_ready(struct service *service, struct rpc_call *call,
                     const ProtobufCMessage *request, const Confreg__V1__ReadOptions *options,
                     enum read_place place, read_body *body);
/* The same for what goes on with an answer of this revision, perhaps another node's. */
void read_when_reached(struct service *service, struct rpc_call *call,
                       const ProtobufCMessage *request, const Confreg__V1__ReadOptions *options,
                       uint64_t revision, read_body *body);

#endif
