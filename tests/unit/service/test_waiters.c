#include <criterion/criterion.h>
#include <pthread.h>
#include <stdatomic.h>

#include "clock.h"
#include "leak_check.h"
#include "mem.h"
#include "waiters.h"

#define SOON INT64_C(20000000)
#define NEVER INT64_MAX

struct probe {
    struct waiter waiter;
    pthread_mutex_t lock;
    pthread_cond_t woken_up;
    int woken;
    atomic_bool unwanted;
};

static void wake(struct waiter *waiter)
{
    struct probe *probe = CONTAINER_OF(waiter, struct probe, waiter);
    pthread_mutex_lock(&probe->lock);
    probe->woken++;
    pthread_cond_signal(&probe->woken_up);
    pthread_mutex_unlock(&probe->lock);
}

static bool is_wanted(const struct waiter *waiter)
{
    const struct probe *probe =
        CONTAINER_OF((struct waiter *)(uintptr_t)waiter, struct probe, waiter);
    return !atomic_load(&probe->unwanted);
}

static void probe_init(struct probe *probe, uint64_t revision, int64_t deadline_ns)
{
    *probe = (struct probe){.waiter = {.revision = revision,
                                       .deadline_ns = deadline_ns,
                                       .wake = wake,
                                       .is_wanted = is_wanted}};
    pthread_mutex_init(&probe->lock, NULL);
    pthread_cond_init(&probe->woken_up, NULL);
}

static void take_in(struct waiters *waiters, struct waiter *waiter)
{
    cr_assert(waiters_add(waiters, waiter));
}

static enum waiter_result wait_for(struct probe *probe)
{
    pthread_mutex_lock(&probe->lock);
    while (probe->woken == 0) {
        pthread_cond_wait(&probe->woken_up, &probe->lock);
    }
    cr_assert_eq(probe->woken, 1, "once");
    pthread_mutex_unlock(&probe->lock);
    return probe->waiter.result;
}

Test(waiters, only_the_unwanted_ones_leave_on_a_review, .timeout = 240)
{
    struct waiters *waiters = waiters_new(5);
    struct probe unwanted, wanted;
    probe_init(&unwanted, 7, NEVER);
    probe_init(&wanted, 7, NEVER);
    take_in(waiters, &unwanted.waiter);
    take_in(waiters, &wanted.waiter);
    atomic_store(&unwanted.unwanted, true);
    waiters_review(waiters);
    cr_expect_eq(wait_for(&unwanted), WAITER_UNWANTED);
    waiters_advance(waiters, 7);
    cr_expect_eq(wait_for(&wanted), WAITER_REACHED);
    waiters_free(waiters);
    leak_check();
}

Test(waiters, the_revision_comes, .timeout = 240)
{
    struct waiters *waiters = waiters_new(5);
    struct probe now, later, last;
    probe_init(&now, 5, NEVER);
    probe_init(&later, 7, NEVER);
    probe_init(&last, 9, NEVER);
    take_in(waiters, &now.waiter);
    take_in(waiters, &later.waiter);
    take_in(waiters, &last.waiter);
    cr_assert_eq(wait_for(&now), WAITER_REACHED);
    waiters_advance(waiters, 8);
    cr_assert_eq(wait_for(&later), WAITER_REACHED);
    cr_assert_eq(last.woken, 0);
    waiters_stop(waiters);
    cr_assert_eq(wait_for(&last), WAITER_STOPPED);
    waiters_free(waiters);
    leak_check();
}

Test(waiters, the_deadline_comes_first, .timeout = 240)
{
    struct waiters *waiters = waiters_new(1);
    struct probe probe;
    probe_init(&probe, 2, clock_monotonic_ns() + SOON);
    take_in(waiters, &probe.waiter);
    cr_assert_eq(wait_for(&probe), WAITER_TIMED_OUT);
    waiters_free(waiters);
    leak_check();
}

Test(waiters, nobody_waits_after_the_stop, .timeout = 240)
{
    struct waiters *waiters = waiters_new(1);
    struct probe probe;
    waiters_stop(waiters);
    probe_init(&probe, 2, NEVER);
    take_in(waiters, &probe.waiter);
    cr_assert_eq(wait_for(&probe), WAITER_STOPPED);
    waiters_free(waiters);
    leak_check();
}

Test(waiters, there_is_room_for_so_many, .timeout = 240)
{
    struct waiters *waiters = waiters_new(1);
    struct probe *probes = mem_array(WAITERS_MAX + 1, sizeof probes[0]);
    for (size_t i = 0; i <= WAITERS_MAX; i++) {
        probe_init(&probes[i], i < WAITERS_MAX - 1 ? 3 : 2, NEVER);
        cr_assert_eq(waiters_add(waiters, &probes[i].waiter), i < WAITERS_MAX);
    }
    waiters_advance(waiters, 2);
    cr_assert_eq(wait_for(&probes[WAITERS_MAX - 1]), WAITER_REACHED);
    probe_init(&probes[WAITERS_MAX], 3, NEVER);
    take_in(waiters, &probes[WAITERS_MAX].waiter);
    waiters_stop(waiters);
    for (size_t i = 0; i <= WAITERS_MAX; i++) {
        if (i != WAITERS_MAX - 1) {
            cr_assert_eq(wait_for(&probes[i]), WAITER_STOPPED);
        }
    }
    waiters_free(waiters);
    free(probes);
    leak_check();
}
