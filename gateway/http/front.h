/* Connects the HTTP server (http_server.h) with requests: makes a request of each exchange, finds
 * its route, collects its body, and sends what its handler answered.
 *
 * One thread runs the HTTP server and everything about requests. Handlers never block: a request
 * that waits is suspended, and front_resume goes on with it. */
#ifndef GATEWAY_FRONT_H
#define GATEWAY_FRONT_H

#include "listener.h"
#include "routes.h"

struct cors;
struct front;
struct http_server;
struct tls_server;

struct front_settings {
    struct listener *listener; /* borrowed; front_stop closes it */
    struct gateway *gateway;   /* borrowed: that of all requests */
    const struct routes *routes;
    const struct cors *cors; /* borrowed; NULL: pages of no other origin are allowed */
    uint64_t max_body_bytes;
    /* Finds out whose a request is, when its route is known and its body is not read. False: the
     * request is answered. NULL: nobody asks. */
    bool (*identify)(struct request *r);
    void (*forget)(struct request *r); /* before the request ends */
    struct limits *limits;             /* borrowed: of what one address uses */
    struct tls_server *tls;            /* borrowed; NULL: no TLS */
    int64_t handshake_ms;              /* how long a client may take for the TLS handshake */
    int64_t hsts_ms; /* how long browsers are to use TLS only; 0: they are not told */
};

/* UNAVAILABLE where the system has not enough of something. */
bool front_new(const struct front_settings *settings, struct front **ret_front, struct status *st);
/* No request may be suspended. NULL is ignored. */
void front_free(struct front *front);

/* The HTTP server, for the loop: to be polled and run. Borrowed. */
struct http_server *front_server(const struct front *front);

/* A request_resume: sends the answer, or more of it; the request may end by that. user is not
 * used. */
request_resume front_resume;
/* How many requests are suspended. */
size_t front_suspended(const struct front *front);

/* Sends answers that were held back (request_fail), and are no longer. */
void front_run(struct front *front);
/* When the first one is due; -1: none is held back. */
int64_t front_next_ns(const struct front *front);

/* Closes the listener. Requests under way go on; nothing is held back any more. */
void front_stop(struct front *front);
/* Requests that have not reached their handler are refused with 503 from now on. */
void front_refuse(struct front *front);

#endif
