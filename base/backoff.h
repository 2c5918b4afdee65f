/* Exponential backoff with full jitter: each pause is random, up to a bound that doubles. Many
 * clients that lost the same server then do not reconnect at the same time. Zero-initialise it. Not
 * thread-safe. */
#ifndef BASE_BACKOFF_H
#define BASE_BACKOFF_H

#include <stdint.h>

struct backoff {
    uint32_t tries;
};

#define BACKOFF_FIRST_MS 100
#define BACKOFF_LONGEST_MS 10000

/* The next pause in milliseconds: random, up to 100 ms, 200 ms, 400 ms … 10 s. */
int64_t backoff_next_ms(struct backoff *backoff);
static inline void backoff_reset(struct backoff *backoff)
{
    backoff->tries = 0;
}

#endif
