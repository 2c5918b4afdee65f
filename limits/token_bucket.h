/* A rate with a burst: a bucket that fills evenly and from which tokens are taken. Times are of
 * clock_monotonic_ns(). One thread at a time. */
#ifndef LIMITS_TOKEN_BUCKET_H
#define LIMITS_TOKEN_BUCKET_H

#include <stdbool.h>
#include <stdint.h>

struct rate {
    uint64_t a_second; /* 0: no limit */
    uint64_t burst;    /* the size of the bucket, at least 1 */
};

/* Zeroed: full. */
struct token_bucket {
    double missing; /* tokens, as of at_ns; may exceed burst after a large take */
    int64_t at_ns;
};

/* Takes n tokens. A bucket that is not empty gives them all, even if it has fewer, and is then in
 * debt: so that a request larger than the burst is possible at all. False: the bucket is empty;
 * *ret_wait_ns: until it has a token. */
bool token_bucket_take(struct token_bucket *bucket, const struct rate *rate, uint64_t n,
                       int64_t now_ns, int64_t *ret_wait_ns);
/* Whether nothing is missing, so that the bucket may be forgotten. */
bool token_bucket_is_full(struct token_bucket *bucket, const struct rate *rate, int64_t now_ns);

#endif
