/* A request that reads or writes configs: its own headers, and what its answer needs. */
#ifndef GATEWAY_CONFIG_REQUEST_H
#define GATEWAY_CONFIG_REQUEST_H

#include "conditions.h"
#include "document.h"
#include "freshness.h"
#include "upstream_request.h"

struct config_request {
    struct upstream_request upstream;
    struct conditions conditions; /* of a write */
    struct freshness freshness;   /* of a read */
    unsigned members;             /* of documents that a read asks for: DOCUMENT_… */
    int64_t poll_until_ns;        /* of a long poll; 0: it has not begun */
    struct handed_out written;    /* what a write that waits will hand out */
    struct mirror_config *shown;  /* a reference: response.prepared is this config's */
};

/* The kinds of requests that read or write configs. */
extern const struct request_kind config_read, config_write;

/* r must be of one of these kinds. */
static inline struct config_request *config_request_of(struct request *r)
{
    return CONTAINER_OF(r, struct config_request, upstream.base);
}

#endif
