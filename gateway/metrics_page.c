#include "metrics_page.h"

#include "call_logs.h"
#include "clock.h"
#include "compressor.h"
#include "config_counts.h"
#include "gateway.h"
#include "metrics.h"
#include "packer.h"
#include "parties.h"
#include "process.h"
#include "route_stats.h"
#include "sse_streams.h"
#include "tls_server.h"
#include "upstream.h"

static void add_reads(const struct read_sources *sources, struct str *page)
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

static void add_events(const struct sse_streams *streams, struct str *page)
{
    struct sse_counts counts;
    sse_streams_count(streams, &counts);
    metrics_one(page, "confreg_gateway_event_streams", METRIC_GAUGE,
                "Open streams of server-sent events.", (double)counts.open);
    metrics_one(page, "confreg_gateway_events_sent_total", METRIC_COUNTER,
                "Server-sent events, snapshots included.", (double)counts.sent);
    metrics_one(page, "confreg_gateway_event_stream_visits_total", METRIC_COUNTER,
                "Streams that were looked at because of a change, summed over all changes.",
                (double)counts.visited);
}

static void add_compressed(const struct gateway *gateway, struct str *page)
{
    struct compressor_counts counts;
    compressor_count(gateway->compressor, &counts);
    metrics_one(page, "confreg_gateway_answers_compressed_total", METRIC_COUNTER,
                "Answers that were compressed while they were sent.",
                (double)packer_count(gateway->packer));
    metrics_one(page, "confreg_gateway_compressions_total", METRIC_COUNTER,
                "Versions of configs that were compressed for answers.", (double)counts.made);
    metrics_one(page, "confreg_gateway_compressed_bytes", METRIC_GAUGE,
                "Memory of the compressed versions.", (double)counts.held_bytes);
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

void metrics_page_render(void *user, struct str *page)
{
    const struct gateway *gateway = user;
    const struct upstream *upstream = gateway->upstream;
    struct metric_labels version = {{{"version", CONFREG_VERSION}}};
    metrics_family(page, "confreg_gateway_build_info", METRIC_GAUGE,
                   "1; what runs here is in the labels.");
    metrics_sample(page, "confreg_gateway_build_info", &version, 1);
    route_stats_render(gateway->routes, page);
    call_logs_metrics(gateway->logs, "confreg_gateway", page);
    metrics_one(page, "confreg_gateway_server_up", METRIC_GAUGE,
                "0 where confregd was away when a call or the mirror last noticed.",
                !atomic_load(&upstream->is_away));
    add_reads(&gateway->configs->sources, page);
    add_mirror(&upstream->gauges, page);
    add_compressed(gateway, page);
    add_events(gateway->streams, page);
    if (gateway->tls != NULL) {
        tls_server_metrics(gateway->tls, "confreg_gateway", page);
    }
    limits_metrics(gateway->limits, "confreg_gateway", page);
    process_metrics(page);
}
