/* How new an answer has to be: what a request says of it, and whether the mirror will do.
 *
 * - `Cache-Control: no-cache` asks the server.
 * - `X-Config-Min-Revision: EPOCH-REVISION`, as X-Config-Revision gave it, asks for no older
 * answer.
 * - `Prefer: wait=SECONDS` waits until the config differs from what If-None-Match names; without
 *   If-None-Match, until a missing config is created.
 * - Without any of them nobody gets an answer from the mirror that is older than one that this
 *   gateway gave before: a client sees its own writes, and never goes back. */
#ifndef GATEWAY_FRESHNESS_H
#define GATEWAY_FRESHNESS_H

#include "etag.h"
#include "invalid.h"
#include "mirror.h"

struct config_request;
struct request;

#define PREFER_WAIT_MAX_S 60

struct freshness {
    bool no_cache;
    bool bounded; /* there is a minimum */
    struct expectation minimum;
    unsigned wait_s; /* 0: not preferred; at most PREFER_WAIT_MAX_S */
};

/* Each header may be NULL. A malformed minimum is a fault; malformed parts of the others are
 * ignored, as HTTP requires. */
void freshness_parse(const char *cache_control, const char *prefer, const char *minimum,
                     struct freshness *ret, struct invalid *invalid);

/* Whether a mirror in the state `view` may answer the request. */
bool freshness_allows(const struct config_request *c, const struct mirror_view *view);

/* Adds Warning and Age where the mirror is not in step. */
void freshness_describe(struct request *r, const struct mirror_view *view);

#endif
