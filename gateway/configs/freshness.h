/* How new an answer must be, and whether the mirror is new enough.
 *
 * - `Cache-Control: no-cache`: ask the server.
 * - `X-Config-Min-Revision: EPOCH-REVISION` (a value of X-Config-Revision): not older than this.
 * - `Prefer: wait=SECONDS`: wait until the config differs from the one in If-None-Match; without
 *   If-None-Match, until a missing config is created.
 * - Always: not older than any answer that this gateway has given. So a client sees its own writes
 *   and never an older state than before. */
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

/* Adds the headers Warning and Age if the mirror is not in step. */
void freshness_describe(struct request *r, const struct mirror_view *view);

#endif
