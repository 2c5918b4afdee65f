/* The metrics of confregd: renders the counters of all parts of a node as one Prometheus page.
 * Names and labels of metrics are an interface (docs/monitoring): they must not change. */
#ifndef METRICS_NODE_METRICS_H
#define METRICS_NODE_METRICS_H

#include "access.h"
#include "call_logs.h"
#include "committer.h"
#include "hub.h"
#include "parties.h"
#include "pool.h"
#include "relay.h"
#include "rpc_server.h"
#include "tls_server.h"

/* The parts that are measured. All borrowed. */
struct node_parts {
    const struct rpc_server *server;
    struct tls_server *tls; /* NULL: no TLS */
    struct access *access;
    struct call_logs *logs; /* NULL: calls are not logged */
    struct registry *registry;
    struct limits *limits;
    const struct store *store;
    struct committer *committer;
    struct hub *hub;
    struct pool *pool;
    struct relay *relay;
};

/* Appends the page. Only while the server runs. Not on a thread of rpc, because hub_measure waits
 * for one. */
void node_metrics(const struct node_parts *parts, struct str *page);

#endif
