#include "call_stats.h"

#include "call.h"

struct call_stats *call_stats_new(size_t n)
{
    struct call_stats *stats = mem_array(n, sizeof stats[0]);
    for (size_t i = 0; i < n; i++) {
        histogram_init(&stats[i].duration, &scale_latency);
    }
    return stats;
}

void call_stats_end(struct call_stats *stats, enum status_code code, int64_t duration_ns)
{
    metric_add(&stats->ended[(unsigned)code < STATUS_CODES ? code : STATUS_UNKNOWN], 1);
    histogram_observe(&stats->duration, (uint64_t)duration_ns);
}

/* The sum of all queues' counters of one method. Ends are read before starts, so that no more calls
 * have ended than started. */
static void sum_up(const struct call_stats *stats, size_t n, struct rpc_stats *sum)
{
    histogram_init(&sum->duration, &scale_latency);
    for (size_t i = 0; i < n; i++) {
        for (size_t code = 0; code < STATUS_CODES; code++) {
            sum->ended[code] += metric_value(&stats[i].ended[code]);
        }
        histogram_add(&sum->duration, &stats[i].duration);
    }
    atomic_thread_fence(memory_order_acquire);
    for (size_t i = 0; i < n; i++) {
        sum->started += metric_value(&stats[i].started);
    }
}

void rpc_server_stats(const struct rpc_server *server, rpc_stats_visitor *visit, void *user)
{
    size_t n = server->options.n_call_threads;
    struct rpc_stats unknown = {.service = "", .method = "unknown", .kind = RPC_UNARY};
    sum_up(server->unknown_stats, n, &unknown);
    visit(user, &unknown);
    for (const struct method *method = server->methods; method != NULL; method = method->next) {
        struct rpc_stats stats = {.service = method->service->descriptor->name,
                                  .method = method->entry->name,
                                  .kind = method->entry->kind};
        sum_up(method->stats, n, &stats);
        visit(user, &stats);
    }
}
