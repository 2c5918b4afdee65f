/* Types that the server and the client side of rpc share. */
#ifndef RPC_TYPES_H
#define RPC_TYPES_H

#include "heap.h"

/* No deadline, on the clock of clock_monotonic_ns(). */
#define RPC_NO_DEADLINE INT64_MAX

/* A task that runs once on a thread of rpc. It is embedded in an object of the poster, and belongs
 * to rpc from the post until fn is called. */
struct rpc_task {
    void (*fn)(struct rpc_task *task);
    struct rpc_task *next; /* private to rpc */
};

/* A timer that runs once, embedded in an object of its owner. */
struct rpc_timer {
    void (*fn)(struct rpc_timer *timer);
    struct heap_node node; /* private to rpc; initially zeroed */
};

#endif
