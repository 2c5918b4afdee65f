#include "stats.h"

#include <stdio.h>

#include "clock.h"
#include "gateway.h"
#include "metrics.h"
#include "process.h"
#include "routes.h"

/* What is answered, and at the end everything else. 499: the client did not wait. */
static const unsigned statuses[] = {200, 201, 304, 307, 400, 404, 405, 408, 409, 410, 412, 413,
                                    414, 417, 422, 429, 431, 499, 500, 501, 503, 504, 505, 0};
#define N_STATUSES COUNT_OF(statuses)
#define STATUS_GONE 499

struct route_stats {
    struct metric ended[N_STATUSES];
    struct histogram duration;
};

struct gateway_stats {
    struct metric started;
    struct metric ended;
    size_t n_routes;             /* without the last, which is of what has no route */
    struct route_stats routes[]; /* in the order of routes_at */
};

struct gateway_stats *gateway_stats_new(void)
{
    size_t n = 0;
    while (routes_at(n) != NULL) {
        n++;
    }
    struct gateway_stats *stats = mem_zalloc(sizeof *stats + (n + 1) * sizeof stats->routes[0]);
    stats->n_routes = n;
    for (size_t i = 0; i <= n; i++) {
        histogram_init(&stats->routes[i].duration, &scale_latency);
    }
    return stats;
}

void gateway_stats_free(struct gateway_stats *stats)
{
    free(stats);
}

void gateway_stats_begin(struct gateway_stats *stats)
{
    metric_add(&stats->started, 1);
}

static size_t status_index(unsigned status)
{
    size_t i = 0;
    while (i < N_STATUSES - 1 && statuses[i] != status) {
        i++;
    }
    return i;
}

void gateway_stats_end(struct gateway_stats *stats, const struct route *route, unsigned status,
                       int64_t begun_ns)
{
    size_t index = route == NULL ? stats->n_routes : (size_t)(route - routes_at(0));
    struct route_stats *of_route = &stats->routes[index];
    metric_add(&of_route->ended[status_index(status == 0 ? STATUS_GONE : status)], 1);
    histogram_observe(&of_route->duration, (uint64_t)(clock_monotonic_ns() - begun_ns));
    metric_add(&stats->ended, 1);
}

/* ---- The page ---- */

static struct metric_labels of_route(size_t index)
{
    const struct route *route = routes_at(index);
    return (struct metric_labels){{{"method", route == NULL ? "" : route->method},
                                   {"route", route == NULL ? "unknown" : route->path}}};
}

static void add_requests(const struct gateway_stats *stats, struct str *page)
{
    metrics_family(page, "confreg_gateway_requests_total", METRIC_COUNTER,
                   "HTTP requests that have ended; 499 where the client did not wait.");
    for (size_t i = 0; i <= stats->n_routes; i++) {
        struct metric_labels labels = of_route(i);
        for (size_t k = 0; k < N_STATUSES; k++) {
            char code[16] = "other";
            uint64_t count = metric_value(&stats->routes[i].ended[k]);
            if (count == 0 && statuses[k] != 200) {
                continue;
            }
            if (statuses[k] != 0) {
                snprintf(code, sizeof code, "%u", statuses[k]);
            }
            labels.items[2] = (struct metric_label){"code", code};
            metrics_sample(page, "confreg_gateway_requests_total", &labels, (double)count);
        }
    }
}

static void add_durations(const struct gateway_stats *stats, struct str *page)
{
    metrics_family(page, "confreg_gateway_request_duration_seconds", METRIC_HISTOGRAM,
                   "Time from a request's first line until it was over.");
    for (size_t i = 0; i <= stats->n_routes; i++) {
        struct metric_labels labels = of_route(i);
        metrics_histogram(page, "confreg_gateway_request_duration_seconds", &labels,
                          &stats->routes[i].duration);
    }
}

/* The ends are read first: what has ended has started. */
static double in_flight(const struct gateway_stats *stats)
{
    uint64_t ended = metric_value(&stats->ended);
    atomic_thread_fence(memory_order_acquire);
    return (double)(metric_value(&stats->started) - ended);
}

static void add_reads(const struct sources *sources, struct str *page)
{
    const struct {
        const char *source;
        const struct metric *count;
    } rows[] = {{"mirror", &sources->mirror},
                {"stale_mirror", &sources->stale_mirror},
                {"server", &sources->server}};
    metrics_family(page, "confreg_gateway_reads_total", METRIC_COUNTER,
                   "Reads of configs and lists by where they were answered from.");
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct metric_labels labels = {{{"source", rows[i].source}}};
        metrics_sample(page, "confreg_gateway_reads_total", &labels,
                       (double)metric_value(rows[i].count));
    }
}

static void add_events(const struct event_counts *events, struct str *page)
{
    uint64_t closed = metric_value(&events->closed);
    atomic_thread_fence(memory_order_acquire);
    metrics_one(page, "confreg_gateway_event_streams", METRIC_GAUGE,
                "Open streams of server-sent events.",
                (double)(metric_value(&events->opened) - closed));
    metrics_one(page, "confreg_gateway_events_sent_total", METRIC_COUNTER,
                "Server-sent events, snapshots included.", (double)metric_value(&events->sent));
}

static double mirror_age(const struct mirror_gauges *gauges)
{
    if (atomic_load(&gauges->in_step)) {
        return 0;
    }
    return (double)(clock_monotonic_ns() - atomic_load(&gauges->in_step_ns)) / 1e9;
}

static void add_mirror(const struct mirror_gauges *gauges, struct str *page)
{
    metrics_one(page, "confreg_gateway_mirror_in_step", METRIC_GAUGE,
                "1 while the mirror follows the server.", atomic_load(&gauges->in_step));
    metrics_one(page, "confreg_gateway_mirror_age_seconds", METRIC_GAUGE,
                "Time since the mirror was in step; 0 while it is.", mirror_age(gauges));
    metrics_one(page, "confreg_gateway_mirror_revision", METRIC_GAUGE,
                "All up to this revision is in the mirror.",
                (double)atomic_load(&gauges->revision));
    metrics_one(page, "confreg_gateway_mirror_configs", METRIC_GAUGE, "Configs in the mirror.",
                (double)atomic_load(&gauges->n_configs));
}

void gateway_metrics(void *user, struct str *page)
{
    const struct gateway *gateway = user;
    struct metric_labels version = {{{"version", CONFREG_VERSION}}};
    metrics_family(page, "confreg_gateway_build_info", METRIC_GAUGE,
                   "1; what runs here is in the labels.");
    metrics_sample(page, "confreg_gateway_build_info", &version, 1);
    add_requests(gateway->stats, page);
    add_durations(gateway->stats, page);
    metrics_one(page, "confreg_gateway_requests_in_flight", METRIC_GAUGE,
                "HTTP requests under way.", in_flight(gateway->stats));
    metrics_one(page, "confreg_gateway_server_up", METRIC_GAUGE,
                "0 where confregd was away when a call or the mirror last noticed.",
                !atomic_load(&gateway->server_away));
    add_reads(&gateway->sources, page);
    add_mirror(&gateway->mirror_gauges, page);
    add_events(&gateway->events, page);
    process_metrics(page);
}
