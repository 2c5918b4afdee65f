/* A request that calls the registry server or waits for the mirror. */
#ifndef GATEWAY_UPSTREAM_REQUEST_H
#define GATEWAY_UPSTREAM_REQUEST_H

#include "calls.h"
#include "request.h"
#include "upstream.h"
#include "waits.h"

struct upstream_request {
    struct request base;
    struct call call;
    struct wait wait;
};

/* The kind of requests that only read. */
extern const struct request_kind upstream_read;

/* r must be of a kind that begins with struct upstream_request. */
static inline struct upstream_request *upstream_request_of(struct request *r)
{
    return CONTAINER_OF(r, struct upstream_request, base);
}

#endif
