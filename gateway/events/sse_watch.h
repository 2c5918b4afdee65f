/* GET /api/watch: changes as server-sent events. */
#ifndef GATEWAY_SSE_WATCH_H
#define GATEWAY_SSE_WATCH_H

struct request;

void handle_watch(struct request *r);

#endif
