/* The target of a request: the decoded segments of its path, and its raw query. */
#ifndef GATEWAY_TARGET_H
#define GATEWAY_TARGET_H

#include <stdbool.h>

#include "str.h"

/* More than any route has, including one for a slash at the end. */
#define TARGET_SEGMENTS 10

struct target {
    char *text;                           /* owned: path and query as they came */
    size_t n_path;                        /* of the path in it */
    const char *query;                    /* in text, behind the '?' */
    size_t n_query;                       /* without a fragment */
    struct str segments[TARGET_SEGMENTS]; /* decoded: '+' is a plus; NULs stay */
    size_t n_segments;
    bool slash_at_end; /* the path without its last slashes is what segments hold */
    unsigned slashes;  /* a bit each of the segments that have an encoded slash */
    bool sound;        /* false: too many segments, or no path at all */
};

/* Takes an origin-form ("/path?query") or absolute-form ("http://host/path") target apart. */
void target_parse(const char *raw, struct target *ret_target);
void target_fini(struct target *target);

/* Appends the path without the slashes at its end, and the query: a relative reference, with what a
 * header must not hold percent-encoded. */
void target_without_slash(const struct target *target, struct str *out);

/* Appends a relative reference to the same path and query, but with this `page` in the query. */
void target_of_page(const struct target *target, const char *page, struct str *out);

#endif
