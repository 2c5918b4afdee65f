/* Counters of reads and writes since this process started. */
#ifndef GATEWAY_CONFIG_COUNTS_H
#define GATEWAY_CONFIG_COUNTS_H

#include <stdint.h>

#include "metrics.h"

/* Of /health and /stats. HTTP thread only. */
struct counters {
    uint64_t configs_created, configs_updated, configs_retrieved;
    uint64_t configs_deleted;    /* versions */
    uint64_t notifications_sent; /* by the server, as it said last */
};

/* Reads by what they were answered from. */
struct read_sources {
    struct metric mirror, stale_mirror, server;
};

struct config_counts {
    struct counters counters;
    struct read_sources sources;
};

#endif
