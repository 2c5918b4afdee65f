/* How long to wait between tries: exponentially longer, each time a random part of it (full
 * jitter), so that many who lost the same thing do not come back in step. Zero-initialise it. */
#ifndef BASE_BACKOFF_H
#define BASE_BACKOFF_H

#include <stdint.h>

struct backoff {
    uint32_t tries;
};

#define BACKOFF_FIRST_MS 100
#define BACKOFF_LONGEST_MS 10000

/* The next wait, up to 100 ms, 200 ms, 400 ms … 10 s. */
int64_t backoff_next_ms(struct backoff *backoff);
static inline void backoff_reset(struct backoff *backoff)
{
    backoff->tries = 0;
}

#endif
