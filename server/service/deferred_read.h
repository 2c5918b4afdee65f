/* Reads that cannot always be answered at once: they wait for a revision (min_revision), for the
 * log's end (LINEARIZABLE), or for a thread of the worker pool, because they block on the store.
 *
 * Handlers run on call threads and must not block. A read that has to wait is deferred with a copy
 * of its request, and runs on the worker pool. */
#ifndef SERVICE_DEFERRED_READ_H
#define SERVICE_DEFERRED_READ_H

#include "confreg/v1/registry_service.pb-c.h"
#include "service.h"

/* The body of a read: answers the call, which it consumes. request is borrowed until it returns. */
typedef void read_body(struct service *service, struct rpc_call *call,
                       const ProtobufCMessage *request);

/* Where a body runs. */
enum read_place {
    READ_HERE,    /* on the call thread: it reads memory only */
    READ_ON_POOL, /* on the worker pool: it may block on the store */
};

/* Runs the body when the read options (NULL: none) are met: min_revision is reached, the log's end
 * was read for LINEARIZABLE. Consumes the call. Fails the call with EPOCH_MISMATCH,
 * REVISION_NOT_REACHED (after the call's deadline, or 10 s), OVERLOADED or SHUTTING_DOWN. */
void read_when_ready(struct service *service, struct rpc_call *call,
                     const ProtobufCMessage *request, const Confreg__V1__ReadOptions *options,
                     enum read_place place, read_body *body);
/* Revisions that a read needs beside min_revision; 0: none. */
struct read_revisions {
    uint64_t
        awaited;    /* of a page token, which another node may have issued: the read waits for it */
    uint64_t named; /* that the client wants to see. If the log ends before it, the body runs all
                       the same and must refuse */
};

/* The same on the worker pool, and with these revisions. */
void read_when_reached(struct service *service, struct rpc_call *call,
                       const ProtobufCMessage *request, const Confreg__V1__ReadOptions *options,
                       const struct read_revisions *revisions, read_body *body);

#endif
