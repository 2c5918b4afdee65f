/* What server and client side of rpc share: the shape of methods. */
#ifndef RPC_TYPES_H
#define RPC_TYPES_H

#include "heap.h"

/* No deadline, on the clock of clock_monotonic_ns(). */
#define RPC_NO_DEADLINE INT64_MAX

/* A piece of work that runs once on a thread of rpc's. It is embedded in the poster's object and
 * belongs to rpc from the post until fn is called. */
struct rpc_task {
    void (*fn)(struct rpc_task *task);
    struct rpc_task *next; /* rpc's own */
};

/* Work that runs once at a time that is set, embedded in its owner's object. */
struct rpc_timer {
    void (*fn)(struct rpc_timer *timer);
    struct heap_node node; /* rpc's own; zeroed to begin with */
};

#endif
