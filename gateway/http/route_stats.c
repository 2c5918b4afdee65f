#include "route_stats.h"

#include <stdio.h>

#include "clock.h"
#include "metrics.h"

/* The statuses that are counted; the last slot counts all others. 499: the client had gone. */
static const unsigned statuses[] = {200, 201, 304, 307, 400, 404, 405, 408, 409, 410, 412, 413,
                                    414, 417, 422, 429, 431, 499, 500, 501, 503, 504, 505, 0};
#define N_STATUSES COUNT_OF(statuses)
#define STATUS_GONE 499

struct one_route {
    struct metric ended[N_STATUSES];
    struct histogram duration;
};

struct route_stats {
    struct metric started;
    struct metric ended;
    const struct routes *routes;
    struct one_route by_route[]; /* one more than routes: the last is of what has no route */
};

struct route_stats *route_stats_new(const struct routes *routes)
{
    size_t size = sizeof(struct route_stats) + (routes->n + 1) * sizeof(struct one_route);
    struct route_stats *stats = mem_zalloc(size);
    stats->routes = routes;
    for (size_t i = 0; i <= routes->n; i++) {
        histogram_init(&stats->by_route[i].duration, &scale_latency);
    }
    return stats;
}

void route_stats_free(struct route_stats *stats)
{
    free(stats);
}

void route_stats_begin(struct route_stats *stats)
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

void route_stats_end(struct route_stats *stats, const struct route *route, unsigned status,
                     int64_t begun_ns)
{
    const struct routes *routes = stats->routes;
    size_t index = route == NULL ? routes->n : (size_t)(route - routes->rows);
    struct one_route *of_route = &stats->by_route[index];
    metric_add(&of_route->ended[status_index(status == 0 ? STATUS_GONE : status)], 1);
    histogram_observe(&of_route->duration, (uint64_t)(clock_monotonic_ns() - begun_ns));
    metric_add(&stats->ended, 1);
}

/* ---- The page ---- */

static struct metric_labels of_route(const struct route_stats *stats, size_t index)
{
    bool known = index < stats->routes->n;
    const struct route *route = &stats->routes->rows[index];
    return (struct metric_labels){
        {{"method", known ? route->method : ""}, {"route", known ? route->path : "unknown"}}};
}

/* A route that is not there has no samples. */
static bool is_shown(const struct route_stats *stats, size_t index)
{
    return index == stats->routes->n || routes_has(stats->routes, &stats->routes->rows[index]);
}

static void add_requests(const struct route_stats *stats, struct str *page)
{
    metrics_family(page, "confreg_gateway_requests_total", METRIC_COUNTER,
                   "HTTP requests that have ended; 499 where the client did not wait.");
    for (size_t i = 0; i <= stats->routes->n; i++) {
        struct metric_labels labels = of_route(stats, i);
        for (size_t k = 0; k < N_STATUSES && is_shown(stats, i); k++) {
            char code[16] = "other";
            uint64_t count = metric_value(&stats->by_route[i].ended[k]);
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

static void add_durations(const struct route_stats *stats, struct str *page)
{
    metrics_family(page, "confreg_gateway_request_duration_seconds", METRIC_HISTOGRAM,
                   "Time from a request's first line until it was over.");
    for (size_t i = 0; i <= stats->routes->n; i++) {
        struct metric_labels labels = of_route(stats, i);
        if (is_shown(stats, i)) {
            metrics_histogram(page, "confreg_gateway_request_duration_seconds", &labels,
                              &stats->by_route[i].duration);
        }
    }
}

/* `ended` is read first, so that the difference is never negative. */
static double in_flight(const struct route_stats *stats)
{
    uint64_t ended = metric_value(&stats->ended);
    atomic_thread_fence(memory_order_acquire);
    return (double)(metric_value(&stats->started) - ended);
}

void route_stats_render(const struct route_stats *stats, struct str *page)
{
    add_requests(stats, page);
    add_durations(stats, page);
    metrics_one(page, "confreg_gateway_requests_in_flight", METRIC_GAUGE,
                "HTTP requests under way.", in_flight(stats));
}
