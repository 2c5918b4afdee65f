/* What all requests of a gateway share. HTTP thread only, but for calls,
 * feed, mirror, stats, sources and server_away. */
#ifndef GATEWAY_GATEWAY_H
#define GATEWAY_GATEWAY_H

#include <stdatomic.h>
#include <stdint.h>

#include "freshness.h"
#include "metrics.h"
#include "registry_client.h"

struct calls;
struct feed;
struct gateway_stats;
struct streams;
struct waits;

/* Since this process began. */
struct counters {
    uint64_t configs_created, configs_updated, configs_retrieved;
    uint64_t configs_deleted;    /* versions */
    uint64_t notifications_sent; /* of the server, as far as it is known */
};

/* Where reads were answered from. */
struct sources {
    struct metric mirror, stale_mirror, server;
};

/* How the mirror stood when it last moved, for whoever cannot look at it. */
struct mirror_gauges {
    atomic_bool in_step;
    atomic_uint_fast64_t revision, n_configs;
    atomic_int_fast64_t in_step_ns; /* when it was so last, on the monotonic clock */
};

/* Server-sent events. */
struct event_counts {
    struct metric opened, closed; /* streams */
    struct metric sent;
};

struct gateway {
    struct registry_client *client; /* owned; NULL once the gateway stops: calls end at once then */
    struct mirror *mirror;          /* owned; NULL when client is */
    struct calls *calls;            /* owned, like the next three */
    struct feed *feed;
    struct waits *waits;
    struct streams *streams;
    struct handed_out handed;
    bool stopping;      /* no new connections, no long waits */
    int64_t timeout_ms; /* of a call */
    uint64_t max_body_bytes;
    uint64_t body_bytes; /* of all requests under way */
    struct counters counters;
    struct sources sources;
    struct event_counts events;
    struct mirror_gauges mirror_gauges;
    atomic_bool server_away;     /* what was logged last */
    struct gateway_stats *stats; /* owned */
};

#endif
