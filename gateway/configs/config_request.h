/* A request that reads or writes configs: its own headers, and what its answer needs. */
#ifndef GATEWAY_CONFIG_REQUEST_H
#define GATEWAY_CONFIG_REQUEST_H

#include "conditions.h"
#include "document.h"
#include "freshness.h"
#include "upstream_request.h"

TAILQ_HEAD(compression_waits, compression_wait);

/* The wait for a compressed form (compressor.h). */
struct compression_wait {
    struct compression *of;
    wait_over *over;
    TAILQ_ENTRY(compression_wait) in_waits;
};

struct config_request {
    struct upstream_request upstream;
    struct conditions conditions; /* of a write */
    struct str request_id;        /* of a write: its Idempotency-Key; empty: none */
    struct freshness freshness;   /* of a read */
    unsigned members;             /* of documents that a read asks for: DOCUMENT_… */
    int64_t poll_until_ns;        /* of a long poll; 0: it has not begun */
    struct handed_out written;    /* what a write that waits will hand out */
    enum coding coding;           /* that Accept-Encoding asks for */
    struct compression_wait compression;
    bool has_waited_for_gzip;
    struct mirror_config *shown; /* a reference: response.prepared is this config's */
};

/* The size of a page of a log or a comparison: 100 unless `limit` says otherwise, at most 1,000.
 * Adds a fault for a limit below 1. */
uint32_t config_request_limit(const struct number *limit, struct invalid *invalid);
/* Whether all versions are searched; only the live ones where the parameter is not given (NULL).
 * Adds a fault for another word. */
bool config_request_all_versions(const char *versions, struct invalid *invalid);
/* A revision; 0 if it is not given. Adds a fault for a negative one. */
uint64_t config_request_revision(const char *name, const struct number *number,
                                 struct invalid *invalid);

/* Starts the call that answers a read, as call_start, unless its query is invalid: then refuses it.
 * Frees the faults. */
void config_request_read(struct request *r, struct invalid *invalid, enum registry_method method,
                         const ProtobufCMessage *message, call_next *next);

/* The kinds of requests that read or write configs. */
extern const struct request_kind config_read, config_write;
/* Parts of config_read, for kinds that extend it. */
void config_request_parse_read(struct request *r, struct invalid *invalid);
void config_request_fini(struct request *r);

/* r must be of one of these kinds. */
static inline struct config_request *config_request_of(struct request *r)
{
    return CONTAINER_OF(r, struct config_request, upstream.base);
}

#endif
