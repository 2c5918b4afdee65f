/* What every handler does with a request before it does its own work. */
#ifndef SERVICE_REQUEST_H
#define SERVICE_REQUEST_H

#include "confreg/v1/registry_service.pb-c.h"
#include "service.h"

#define REPLY_BYTES (3u << 20) /* limit of answers; gRPC clients accept 4 MiB by default */
#define PAGE_ITEMS 1000

/* "default" for "". */
const char *environment_or_default(const char *environment);

/* Checks both names; environment may be "". prefix: "" or what stands before the field's name, with
 * its dot. */
bool check_names(const char *environment, const char *service, const char *prefix,
                 struct status *st);

/* FAILED_PRECONDITION, reason EPOCH_MISMATCH, where epoch is not "" and not the log's. */
bool check_epoch(const struct service *service, const char *epoch, const char *field,
                 struct status *st);

bool no_such_config(const char *environment, const char *service, struct status *st);
bool no_such_version(const char *environment, const char *service, uint64_t version,
                     struct status *st);
/* Of a live version whose payload is not there: FAILED_PRECONDITION, reason PAYLOAD_COMPACTED; or
 * it was erased since it was looked for, and there is no such version. */
bool no_such_payload(const struct version_ref *version, struct status *st);

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
