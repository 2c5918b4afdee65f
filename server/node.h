/* A node: creates and connects all parts of confregd, and starts and stops them in order.
 *
 * Start: open the store, load the registry from it, start the relay, then create the server, the
 * worker pool, the watch hub and the committer, and listen. Stop: end the calls first, then the
 * parts that calls use, the store last. One thread starts and stops a node. */
#ifndef SERVER_NODE_H
#define SERVER_NODE_H

#include "parties.h"
#include "status.h"

struct access;
struct secret_policy;
struct node;
struct call_logs;
struct tls_server;

struct node_options {
    const char *listen; /* addresses, separated by commas */
    const char *store;
    bool may_create; /* create the store if it is missing */
    const char *bus;
    const char *bus_user, *bus_password; /* used if the address has none; NULL: not given */
    const char *metrics;                 /* address to serve metrics on; NULL: do not */
    bool publish_history; /* if nothing was ever published: begin with the oldest commit */
    uint64_t max_payload_bytes;
    uint64_t ring_bytes;
    uint64_t max_watches;                      /* per connection */
    struct tls_server *tls;                    /* borrowed; NULL: no TLS */
    struct access *access;                     /* borrowed */
    const struct secret_policy *secret_policy; /* borrowed; NULL: the default */
    struct limits_settings limits;             /* of what callers use */
    bool author_trusted;            /* created_by may only name the caller (AUTHOR_TRUSTED) */
    struct call_logs *logs;         /* borrowed; NULL: calls are not logged */
    bool identified;                /* callers have to prove who they are */
    bool insecure;                  /* other machines may be served without TLS or proof */
    int64_t handshake_ms;           /* how long a client may take for the TLS handshake */
    uint64_t threads;               /* call threads; 0: one per core */
    int64_t grace_ms;               /* how long running calls may take after node_stop was called */
    uint64_t compact_keep_versions; /* 0: all; 1 if an age is given */
    int64_t compact_keep_age_ms;    /* 0: no age */
    int64_t compact_interval_ms;
    /* Called once if the store's log is no longer the one that was loaded: the caller must stop the
     * node and start another one. On a thread of the node; must not block. */
    void (*diverged)(void *user);
    void *user;
};

/* FAILED_PRECONDITION, reason INSECURE_LISTENER: other machines would be served without TLS, or
 * without proof of who they are.
 * Opens the store, loads the registry, listens and serves. On failure, nothing is left running.
 * Errors of the store, the bus and the listeners are passed on. */
bool node_start(const struct node_options *options, struct node **ret_node, struct status *st);
/* Ends streams and calls, finishes accepted writes, closes the store. Takes at most the grace and
 * one second; after that it ends the process (watchdog.h). NULL is ignored. */
void node_stop(struct node *node);

#endif
