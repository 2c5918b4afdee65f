/* What a server has done, counted method by method. Each call queue counts apart, so that its
 * thread does not wait for another one's cache lines. */
#ifndef RPC_CALL_STATS_H
#define RPC_CALL_STATS_H

#include "rpc_server.h"

struct call_stats {
    struct metric started;
    struct metric ended[STATUS_CODES];
    struct histogram duration;
    char apart[64];
};

/* n zeroed ones, to be freed. */
struct call_stats *call_stats_new(size_t n);
/* A call that began at this time (clock_monotonic_ns) has ended. */
void call_stats_end(struct call_stats *stats, enum status_code code, int64_t begun_ns);

#endif
