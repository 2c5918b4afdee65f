/* What a node tells Prometheus: the numbers of all its parts on one page, under names that stay. */
#ifndef METRICS_NODE_METRICS_H
#define METRICS_NODE_METRICS_H

#include "committer.h"
#include "hub.h"
#include "pool.h"
#include "relay.h"
#include "rpc_server.h"

/* All borrowed. */
struct node_parts {
    const struct rpc_server *server;
    const struct registry *registry;
    const struct store *store;
    struct committer *committer;
    struct hub *hub;
    struct pool *pool;
    struct relay *relay;
};

/* Adds the page. Only while the server runs; not on a thread of rpc's (see hub_measure). */
void node_metrics(const struct node_parts *parts, struct str *page);

#endif
