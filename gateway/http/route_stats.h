/* How many requests ended, with which status, and how long they took, by route. Counted on the
 * HTTP thread; rendered on any. */
#ifndef GATEWAY_ROUTE_STATS_H
#define GATEWAY_ROUTE_STATS_H

#include <stdint.h>

#include "routes.h"
#include "str.h"

struct route_stats;

/* routes is borrowed. */
struct route_stats *route_stats_new(const struct routes *routes);
void route_stats_free(struct route_stats *stats);

/* A request has come. */
void route_stats_begin(struct route_stats *stats);
/* Counts the end of a request. route: NULL: none matched. status: of the answer; 0: the client
 * disconnected before. */
void route_stats_end(struct route_stats *stats, const struct route *route, unsigned status,
                     int64_t begun_ns);

/* Adds the families of metrics about requests to a page for Prometheus. */
void route_stats_render(const struct route_stats *stats, struct str *page);

#endif
