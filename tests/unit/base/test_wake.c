/* Waking a thread, and waiting longer and longer. */
#include <criterion/criterion.h>
#include <pthread.h>

#include "backoff.h"
#include "clock.h"
#include "wake.h"

#define ROUNDS 20000

struct pair {
    struct wake wake;
    atomic_int given;
};

static void *give(void *argument)
{
    struct pair *pair = argument;
    for (int i = 0; i < ROUNDS; i++) {
        atomic_fetch_add(&pair->given, 1);
        wake_set(&pair->wake);
    }
    return NULL;
}

/* Every gift is found, though the taker looks only when it is woken. */
Test(wake, loses_nothing, .timeout = 240)
{
    struct pair pair = {.given = 0};
    pthread_t giver;
    wake_init(&pair.wake);
    pthread_create(&giver, NULL, give, &pair);
    for (int taken = 0; taken < ROUNDS;) {
        wake_wait(&pair.wake, -1, INT64_MAX);
        wake_clear(&pair.wake);
        taken += atomic_exchange(&pair.given, 0);
    }
    pthread_join(giver, NULL);
    wake_fini(&pair.wake);
}

Test(wake, ends_a_pause_only_to_stop)
{
    struct wake wake;
    wake_init(&wake);
    wake_set(&wake);
    int64_t begun = clock_monotonic_ns();
    wake_pause(&wake, 20);
    cr_assert_geq(clock_monotonic_ns() - begun, 20000000);
    wake_stop(&wake);
    cr_assert(wake_stopping(&wake));
    wake_pause(&wake, INT64_C(1) << 40);
    wake_fini(&wake);
}

Test(backoff, grows_to_its_bound)
{
    struct backoff backoff = {0};
    for (int64_t bound = BACKOFF_FIRST_MS, i = 0; i < 100; i++) {
        int64_t ms = backoff_next_ms(&backoff);
        cr_assert(ms >= 0 && ms <= bound, "try %d: %d ms", (int)i, (int)ms);
        bound = bound * 2 < BACKOFF_LONGEST_MS ? bound * 2 : BACKOFF_LONGEST_MS;
    }
    backoff_reset(&backoff);
    cr_assert_leq(backoff_next_ms(&backoff), BACKOFF_FIRST_MS);
}

/* Many that begin together do not come back together. */
Test(backoff, is_random)
{
    int64_t least = BACKOFF_FIRST_MS;
    int64_t most = 0;
    for (size_t i = 0; i < 1000; i++) {
        struct backoff backoff = {0};
        int64_t ms = backoff_next_ms(&backoff);
        least = ms < least ? ms : least;
        most = ms > most ? ms : most;
    }
    cr_assert_lt(least, 10);
    cr_assert_gt(most, 90);
}
