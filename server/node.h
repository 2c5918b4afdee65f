/* A node: all parts of confregd put together, in the order in which they start and stop. */
#ifndef SERVER_NODE_H
#define SERVER_NODE_H

#include "status.h"

struct node;

struct node_options {
    const char *listen; /* addresses, separated by commas */
    const char *store;
    bool may_create; /* a missing store is created */
    const char *bus;
    const char *bus_user, *bus_password; /* where the address has none; NULL: not said */
    const char *metrics;                 /* where to show them; NULL: nowhere */
    bool publish_history; /* the first time that events are published: all of the log */
    uint64_t max_payload_bytes;
    uint64_t ring_bytes;
    uint64_t max_watches; /* of a connection */
    uint64_t threads;     /* call threads; 0: one a core */
    int64_t grace_ms;
    uint64_t compact_keep_versions; /* 0: all, or one where an age is given */
    int64_t compact_keep_age_ms;    /* 0: none */
    int64_t compact_interval_ms;
    /* Once, on a thread of the node that must not be held up, where the store's log turns out not
     * to be the one that was loaded: stop the node and start another one. */
    void (*diverged)(void *user);
    void *user;
};

/* Opens the store, loads the registry, listens and serves. On failure nothing is left running. */
bool node_start(const struct node_options *options, struct node **ret_node, struct status *st);
/* Ends streams and calls, finishes accepted writes, closes the store. Takes at most the grace and
 * one second; after that it ends the process (watchdog.h). NULL is ignored. */
void node_stop(struct node *node);

#endif
