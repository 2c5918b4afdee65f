#include "backoff.h"

#include "hash.h"

int64_t backoff_next_ms(struct backoff *backoff)
{
    int64_t longest = (int64_t)BACKOFF_FIRST_MS << backoff->tries;
    if (longest < BACKOFF_LONGEST_MS) {
        backoff->tries++;
    } else {
        longest = BACKOFF_LONGEST_MS;
    }
    uint32_t random;
    random_bytes(&random, sizeof random);
    return random % (uint32_t)(longest + 1);
}
