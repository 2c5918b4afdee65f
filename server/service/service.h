/* The service: confreg.v1.RegistryService, one handler a method. It turns messages into calls of
 * the registry, the committer, the store and the hub, and their results into messages; it checks
 * every limit before anything else sees a request.
 *
 * Handlers run on the call threads. What is answered from memory is answered there; what has to
 * read the store, or to wait, is copied and goes to the worker pool. */
#ifndef SERVICE_SERVICE_H
#define SERVICE_SERVICE_H

#include "committer.h"
#include "hub.h"
#include "pool.h"
#include "relay.h"
#include "rpc_server.h"
#include "waiters.h"

struct service {
    struct store *store; /* all borrowed */
    struct registry *registry;
    struct committer *committer;
    struct hub *hub;
    struct pool *pool;
    struct bus *bus;
    struct relay *relay;
    struct waiters *waiters;
    struct json_limits limits;
    int64_t start_time_us;
    struct rpc_service methods; /* filled by service_add */
};

/* Adds the methods to a server that has not started; service must outlive it. */
void service_add(struct service *service, struct rpc_server *server);

#endif
