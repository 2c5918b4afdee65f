/* Requests of browsers for pages of other origins (CORS, of the Fetch standard).
 *
 * A page of an allowed origin may send every request and read every answer: its preflights are
 * answered from the table of routes, and each answer names its origin. Nothing else is allowed:
 * other pages' requests are answered without these fields, so their browser keeps the answers from
 * them. Credentials (cookies) are never allowed. Immutable once made. */
#ifndef GATEWAY_CORS_H
#define GATEWAY_CORS_H

#include <stdbool.h>

#include "options.h"
#include "status.h"
#include "str.h"

struct cors;

/* origins: "https://HOST" or "https://HOST:PORT", of any scheme, without a path. NULL is made of
 * none. INVALID_ARGUMENT ORIGIN: one is malformed; "*" and "null", which stand for any page, are
 * refused. */
bool cors_new(const struct option_list *origins, struct cors **ret_cors, struct status *st);
void cors_free(struct cors *cors);

/* Whether pages of that origin (NULL: the request named none) are allowed. */
bool cors_allows(const struct cors *cors, const char *origin);

/* The fields of each answer to a request of that origin, for http_exchange.fields. is_private: the
 * answer depends on who asks, so other fields keep shared caches from it. Borrowed; NULL: none. */
const struct str *cors_fields(const struct cors *cors, const char *origin, bool is_private);

/* The values of a preflight's answer besides the methods. */
#define CORS_REQUEST_HEADERS                                                                       \
    "Accept, Authorization, Cache-Control, Content-Type, Idempotency-Key, If-Match, "              \
    "If-None-Match, Last-Event-ID, Prefer, X-API-Key, X-Config-Min-Revision, "                     \
    "traceparent"
#define CORS_MAX_AGE "3600" /* seconds for which a browser may keep the answer */

#endif
