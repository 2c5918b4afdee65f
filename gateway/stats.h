/* What the gateway has done, route by route, and the page that shows it to Prometheus. Counted on
 * the HTTP thread; the page may be made on any. */
#ifndef GATEWAY_STATS_H
#define GATEWAY_STATS_H

#include <stdint.h>

#include "str.h"

struct gateway;
struct route;
struct gateway_stats;

struct gateway_stats *gateway_stats_new(void);
void gateway_stats_free(struct gateway_stats *stats);

/* A request has come. */
void gateway_stats_begin(struct gateway_stats *stats);
/* It is over. route: NULL where there was none; status: what was answered, 0 where the client was
 * gone before. */
void gateway_stats_end(struct gateway_stats *stats, const struct route *route, unsigned status,
                       int64_t begun_ns);

/* Adds the page; an exporter_render. */
void gateway_metrics(void *gateway, struct str *page);

#endif
