/* Private to rpc: statistics of a server's calls, per method. Each call queue has its own counters,
 * so that the threads do not share cache lines. */
#ifndef RPC_CALL_STATS_H
#define RPC_CALL_STATS_H

#include "rpc_server.h"

struct call_stats {
    struct metric started;
    struct metric ended[STATUS_CODES];
    struct histogram duration;
    char apart[64];
};

/* Returns an array of n zeroed counters; free it with free(). */
struct call_stats *call_stats_new(size_t n);
/* Counts the end of a call. */
void call_stats_end(struct call_stats *stats, enum status_code code, int64_t duration_ns);

#endif
