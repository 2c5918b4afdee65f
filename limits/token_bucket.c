#include "token_bucket.h"

#define NS_A_SECOND 1e9

static void refill(struct token_bucket *bucket, const struct rate *rate, int64_t now_ns)
{
    double filled = (double)(now_ns - bucket->at_ns) / NS_A_SECOND * (double)rate->a_second;
    bucket->missing = filled < bucket->missing ? bucket->missing - filled : 0;
    bucket->at_ns = now_ns;
}

bool token_bucket_take(struct token_bucket *bucket, const struct rate *rate, uint64_t n,
                       int64_t now_ns, int64_t *ret_wait_ns)
{
    if (rate->a_second == 0) {
        return true;
    }
    refill(bucket, rate, now_ns);
    double most = (double)rate->burst - 1; /* that may be missing while there is a token */
    if (bucket->missing > most) {
        double wait_s = (bucket->missing - most) / (double)rate->a_second;
        *ret_wait_ns = (int64_t)(wait_s * NS_A_SECOND) + 1;
        return false;
    }
    bucket->missing += (double)n;
    return true;
}

bool token_bucket_is_full(struct token_bucket *bucket, const struct rate *rate, int64_t now_ns)
{
    refill(bucket, rate, now_ns);
    return bucket->missing == 0;
}
