#include "failover.h"

#include "clock.h"
#include "hash.h"
#include "mem.h"

#define NS_A_MS INT64_C(1000000)

void failover_init(struct failover *failover, size_t n)
{
    uint32_t random;
    random_bytes(&random, sizeof random);
    *failover = (struct failover){
        .n = n, .current = random % n, .addresses = mem_array(n, sizeof *failover->addresses)};
    pthread_mutex_init(&failover->lock, NULL);
}

void failover_fini(struct failover *failover)
{
    pthread_mutex_destroy(&failover->lock);
    free(failover->addresses);
}

struct failover_choice failover_choose(struct failover *failover)
{
    pthread_mutex_lock(&failover->lock);
    struct failover_choice choice = {failover->current, failover->n_failures};
    pthread_mutex_unlock(&failover->lock);
    return choice;
}

/* The address that waits the shortest; of those that do not wait, the next one in turn. */
static size_t next_of(const struct failover *failover)
{
    size_t best = (failover->current + 1) % failover->n;
    for (size_t i = 2; i <= failover->n; i++) {
        size_t other = (failover->current + i) % failover->n;
        if (failover->addresses[other].not_before_ns < failover->addresses[best].not_before_ns) {
            best = other;
        }
    }
    return best;
}

void failover_failed(struct failover *failover, struct failover_choice choice, int64_t now_ns)
{
    pthread_mutex_lock(&failover->lock);
    if (choice.n_failures == failover->n_failures) {
        struct failover_address *address = &failover->addresses[choice.address];
        address->not_before_ns = now_ns + backoff_next_ms(&address->backoff) * NS_A_MS;
        failover->n_failures++;
        failover->current = next_of(failover);
    }
    pthread_mutex_unlock(&failover->lock);
}

void failover_worked(struct failover *failover, struct failover_choice choice)
{
    pthread_mutex_lock(&failover->lock);
    struct failover_address *address = &failover->addresses[choice.address];
    if (choice.n_failures == failover->n_failures) {
        backoff_reset(&address->backoff);
        address->not_before_ns = 0;
    }
    pthread_mutex_unlock(&failover->lock);
}

int64_t failover_pause_ms(struct failover *failover, int64_t now_ns)
{
    pthread_mutex_lock(&failover->lock);
    int64_t left_ns = failover->addresses[failover->current].not_before_ns - now_ns;
    pthread_mutex_unlock(&failover->lock);
    return left_ns <= 0 ? 0 : (left_ns + NS_A_MS - 1) / NS_A_MS;
}
