/* Connects the HTTP server (http_server.h) with the gateway's requests: fills a request from an
 * exchange, sends what its handler answered, and runs the loop.
 *
 * One thread runs http_serve and everything about requests. It never waits for anything but the
 * sockets: requests whose call is under way go on when calls.h says so. */
#ifndef GATEWAY_HTTP_H
#define GATEWAY_HTTP_H

#include "gateway.h"
#include "listener.h"

struct http;

/* Serves on a listener (borrowed; http_serve stops accepting by closing it). gateway is borrowed.
 * UNAVAILABLE where the system has not enough of something. */
bool http_new(struct listener *listener, struct gateway *gateway, struct http **ret_http,
              struct status *st);
/* Serves until stop_fd is readable. Then it accepts no more, lets requests that are under way end
 * within grace_ms, frees gateway->mirror and gateway->client, which ends the calls that are left,
 * and answers those 503. */
void http_serve(struct http *http, int stop_fd, int64_t grace_ms);
/* NULL is ignored. After http_serve, or without it. */
void http_free(struct http *http);

#endif
