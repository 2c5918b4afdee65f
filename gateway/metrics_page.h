/* The page that a Prometheus scrapes: what the gateway has done. */
#ifndef GATEWAY_METRICS_PAGE_H
#define GATEWAY_METRICS_PAGE_H

#include "str.h"

/* Adds the page; an exporter_render. user is the struct gateway. Any thread. */
void metrics_page_render(void *user, struct str *page);

#endif
