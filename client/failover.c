#include "failover.h"

#include "hash.h"

#define NS_A_MS INT64_C(1000000)

void failover_init(struct failover *failover, size_t n)
{
    uint32_t random;
    random_bytes(&random, sizeof random);
    *failover = (struct failover){.n = n, .first = random % n};
    pthread_mutex_init(&failover->lock, NULL);
}

void failover_fini(struct failover *failover)
{
    pthread_mutex_destroy(&failover->lock);
}

struct failover_choice failover_choose(struct failover *failover)
{
    uint64_t n_failures = atomic_load(&failover->n_failures);
    return (struct failover_choice){(failover->first + n_failures) % failover->n, n_failures};
}

void failover_failed(struct failover *failover, struct failover_choice choice, int64_t now_ns)
{
    pthread_mutex_lock(&failover->lock);
    if (choice.n_failures == failover->n_failures) {
        failover->not_before_ns = now_ns + backoff_next_ms(&failover->backoff) * NS_A_MS;
        failover->n_failures++;
    }
    pthread_mutex_unlock(&failover->lock);
}

void failover_worked(struct failover *failover, struct failover_choice choice)
{
    if (atomic_load(&failover->not_before_ns) == 0) {
        return; /* nothing has failed since the last call that worked */
    }
    pthread_mutex_lock(&failover->lock);
    if (choice.n_failures == failover->n_failures) {
        backoff_reset(&failover->backoff);
        failover->not_before_ns = 0;
    }
    pthread_mutex_unlock(&failover->lock);
}

int64_t failover_pause_ms(struct failover *failover, int64_t now_ns)
{
    int64_t left_ns = atomic_load(&failover->not_before_ns) - now_ns;
    return left_ns <= 0 ? 0 : (left_ns + NS_A_MS - 1) / NS_A_MS;
}
