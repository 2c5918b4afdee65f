/* A request that calls the registry server or waits for the mirror. */
#ifndef GATEWAY_UPSTREAM_REQUEST_H
#define GATEWAY_UPSTREAM_REQUEST_H

#include "calls.h"
#include "request.h"
#include "upstream.h"
#include "waits.h"

struct upstream_request {
    struct request base;
    struct upstream_call call;
    struct wait wait;

    /* For identify.c. */
    int64_t asked_ns; /* when the caller's rights were asked for */
    bool has_asked;
    void (*go_on)(struct request *r);
};

/* The kind of requests that only read. */
extern const struct request_kind upstream_read;
/* The same of routes that are open to everybody; their calls are the gateway's own. */
extern const struct request_kind upstream_open;

/* r must be of a kind that begins with struct upstream_request. */
static inline struct upstream_request *upstream_request_of(struct request *r)
{
    return CONTAINER_OF(r, struct upstream_request, base);
}

#endif
