/* What all requests of a gateway share. HTTP thread only, but for calls,
 * stats and server_away. */
#ifndef GATEWAY_GATEWAY_H
#define GATEWAY_GATEWAY_H

#include <stdatomic.h>
#include <stdint.h>

#include "client.h"

struct calls;
struct gateway_stats;

/* Since this process began. */
struct counters {
    uint64_t configs_created, configs_updated, configs_retrieved;
    uint64_t configs_deleted;    /* versions */
    uint64_t notifications_sent; /* of the server, as far as it is known */
};

struct gateway {
    struct client *client; /* owned; NULL once the gateway stops: calls end at once then */
    struct calls *calls;   /* owned */
    int64_t timeout_ms;    /* of a call */
    uint64_t max_body_bytes;
    uint64_t body_bytes; /* of all requests under way */
    struct counters counters;
    atomic_bool server_away;     /* what was logged last */
    struct gateway_stats *stats; /* owned */
};

#endif
