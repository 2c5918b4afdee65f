/* A pseudo-random generator (splitmix64): the same seed gives the same numbers. */
#ifndef TESTS_RANDOM_H
#define TESTS_RANDOM_H

#include <inttypes.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

struct random {
    uint64_t state;
};

static inline uint64_t random_next(struct random *r)
{
    uint64_t x = r->state += 0x9e3779b97f4a7c15u;
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
    return x ^ x >> 31;
}

static inline size_t random_below(struct random *r, size_t bound)
{
    return (size_t)(random_next(r) % bound);
}

static inline bool random_percent(struct random *r, unsigned percent)
{
    return random_below(r, 100) < percent;
}

/* The seed in CONFREG_TEST_SEED, or a fixed one; prints it at the first call. Any
 * thread. */
static inline uint64_t random_seed(void)
{
    static atomic_flag said = ATOMIC_FLAG_INIT;
    const char *text = getenv("CONFREG_TEST_SEED");
    uint64_t seed = text == NULL ? 20260131 : strtoull(text, NULL, 10);
    if (!atomic_flag_test_and_set(&said)) {
        fprintf(stderr, "CONFREG_TEST_SEED=%" PRIu64 "\n", seed);
    }
    return seed;
}

#endif
