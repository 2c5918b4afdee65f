/* The service: implements confreg.v1.RegistryService, with one handler per method. A handler turns
 * a message into calls of the registry, the committer, the store and the watch hub, and the result
 * into a message. It validates all limits: the parts below see valid requests only.
 *
 * Threads: handlers run on call threads and never block. Reads from memory are answered there.
 * Writes are queued for the committer, and answered on the call's thread. Reads that block on the
 * store, or wait for a revision, run on the worker pool (deferred_read.h). */
#ifndef SERVICE_SERVICE_H
#define SERVICE_SERVICE_H

#include "committer.h"
#include "hub.h"
#include "pool.h"
#include "relay.h"
#include "rpc_server.h"
#include "waiters.h"

#define SERVICE_METHODS_MAX 64

struct access;
struct limits;
struct right;

/* Whom a created_by may name. */
enum author_rule {
    AUTHOR_CLAIMED, /* anybody: it stands beside the proven name */
    AUTHOR_TRUSTED, /* the caller himself, unless he is anonymous or may speak for others */
};

struct service {
    struct store *store; /* this and the next eight are borrowed */
    struct registry *registry;
    struct committer *committer;
    struct hub *hub;
    struct pool *pool;
    struct bus *bus;
    struct relay *relay;
    struct waiters *waiters;
    struct access *access;
    struct call_logs *logs; /* borrowed; NULL: calls are not logged */
    struct limits *parties; /* what callers use; borrowed, as those above */
    struct json_limits limits;
    enum author_rule author;
    int64_t start_time_us;
    struct rpc_service methods;                      /* filled by service_add, as is: */
    const struct right *rights[SERVICE_METHODS_MAX]; /* of the methods, in their order */
};

/* Registers the methods with a server that has not started. service must outlive the server. */
void service_add(struct service *service, struct rpc_server *server);

#endif
