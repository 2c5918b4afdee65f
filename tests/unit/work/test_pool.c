/* The pool: which jobs run, in which order, and which are dropped. Jobs wait at a gate, so that
 * each test knows what runs. */
#include "pool.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <stdatomic.h>

#define JOBS 1024

struct gated {
    struct job job;
    enum job_kind kind;
    int number;
    atomic_bool wanted;
    bool gate; /* it runs until the gate is opened */
};

static struct {
    pthread_mutex_t lock;
    pthread_cond_t moved;
    bool open;
    size_t running[JOB_KINDS];
    size_t most[JOB_KINDS]; /* that ran at once */
    int begun[JOBS];        /* their numbers, in order */
    size_t n_begun, n_done;
    size_t dropped[2]; /* by enum job_drop */
} seen = {.lock = PTHREAD_MUTEX_INITIALIZER, .moved = PTHREAD_COND_INITIALIZER};

static struct gated *gated_of(const struct job *job)
{
    return CONTAINER_OF((struct job *)(uintptr_t)job, struct gated, job);
}

static atomic_size_t n_checks;

static bool is_wanted(const struct job *job)
{
    atomic_fetch_add(&n_checks, 1);
    return atomic_load(&gated_of(job)->wanted);
}

static void run(struct job *job)
{
    struct gated *g = gated_of(job);
    pthread_mutex_lock(&seen.lock);
    seen.begun[seen.n_begun++] = g->number;
    size_t now = ++seen.running[g->kind];
    seen.most[g->kind] = now > seen.most[g->kind] ? now : seen.most[g->kind];
    pthread_cond_broadcast(&seen.moved);
    while (g->gate && !seen.open) {
        pthread_cond_wait(&seen.moved, &seen.lock);
    }
    seen.running[g->kind]--;
    seen.n_done++;
    pthread_cond_broadcast(&seen.moved);
    pthread_mutex_unlock(&seen.lock);
}

static void drop(struct job *job, enum job_drop why)
{
    (void)job;
    pthread_mutex_lock(&seen.lock);
    seen.dropped[why]++;
    pthread_cond_broadcast(&seen.moved);
    pthread_mutex_unlock(&seen.lock);
}

static struct gated jobs[JOBS];

static void add(struct pool *pool, int number, enum job_kind kind, bool gate)
{
    struct gated *g = &jobs[number];
    g->job = (struct job){.run = run, .drop = drop, .is_wanted = is_wanted};
    g->kind = kind;
    g->number = number;
    g->gate = gate;
    atomic_store(&g->wanted, true);
    pool_add(pool, kind, &g->job);
}

static void await(const size_t *count, size_t wanted)
{
    pthread_mutex_lock(&seen.lock);
    while (*count < wanted) {
        pthread_cond_wait(&seen.moved, &seen.lock);
    }
    pthread_mutex_unlock(&seen.lock);
}

static void open_gate(void)
{
    pthread_mutex_lock(&seen.lock);
    seen.open = true;
    pthread_cond_broadcast(&seen.moved);
    pthread_mutex_unlock(&seen.lock);
}

static struct pool *make(size_t threads, size_t reads, size_t watches, size_t waiting)
{
    struct pool_options options = {
        .n_threads = threads,
        .kinds = {[JOB_READ] = {reads, waiting}, [JOB_WATCH] = {watches, 0}},
    };
    return pool_new(&options);
}

Test(pool, jobs_of_a_kind_run_in_their_order)
{
    struct pool *pool = make(1, 1, 1, 0);
    for (int i = 0; i < JOBS; i++) {
        add(pool, i, JOB_READ, false);
    }
    await(&seen.n_done, JOBS);
    pool_free(pool);
    for (int i = 0; i < JOBS; i++) {
        cr_assert_eq(seen.begun[i], i);
    }
}

Test(pool, watches_cannot_take_the_share_of_reads)
{
    struct pool *pool = make(4, 3, 2, 0);
    for (int i = 0; i < 20; i++) {
        add(pool, i, JOB_WATCH, true);
    }
    await(&seen.running[JOB_WATCH], 2);
    add(pool, 20, JOB_READ, false);
    await(&seen.n_done, 1); /* while the jobs of watches wait at the gate */
    cr_assert_eq(seen.running[JOB_WATCH], 2);
    open_gate();
    await(&seen.n_done, 21);
    pool_free(pool);
    cr_assert_eq(seen.most[JOB_WATCH], 2);
}

Test(pool, reads_leave_a_share_to_watches)
{
    struct pool *pool = make(4, 3, 2, 0);
    for (int i = 0; i < 20; i++) {
        add(pool, i, JOB_READ, true);
    }
    await(&seen.running[JOB_READ], 3);
    add(pool, 20, JOB_WATCH, false);
    await(&seen.n_done, 1);
    open_gate();
    await(&seen.n_done, 21);
    pool_free(pool);
    cr_assert_eq(seen.most[JOB_READ], 3);
}

Test(pool, the_first_kind_goes_first)
{
    struct pool *pool = make(1, 1, 1, 0);
    add(pool, 0, JOB_WATCH, true);
    await(&seen.running[JOB_WATCH], 1);
    add(pool, 1, JOB_WATCH, false);
    add(pool, 2, JOB_READ, false);
    open_gate();
    await(&seen.n_done, 3);
    pool_free(pool);
    cr_assert_eq(seen.begun[1], 2);
    cr_assert_eq(seen.begun[2], 1);
}

Test(pool, what_nobody_waits_for_is_not_begun)
{
    struct pool *pool = make(1, 1, 1, 0);
    add(pool, 0, JOB_READ, true);
    await(&seen.running[JOB_READ], 1);
    for (int i = 1; i < 10; i++) {
        add(pool, i, JOB_READ, false);
    }
    for (int i = 1; i < 9; i++) {
        atomic_store(&jobs[i].wanted, false);
    }
    open_gate();
    await(&seen.n_done, 2);
    struct pool_report report;
    pool_report(pool, JOB_READ, &report);
    pool_free(pool);
    cr_assert_eq(seen.dropped[JOB_UNWANTED], 8);
    cr_assert_eq(seen.begun[1], 9);
    cr_assert_eq(report.unwanted, 8);
}

Test(pool, a_full_queue_refuses_once_all_that_wait_are_wanted)
{
    struct pool *pool = make(1, 1, 1, 4);
    add(pool, 0, JOB_READ, true);
    await(&seen.running[JOB_READ], 1);
    for (int i = 1; i <= 4; i++) {
        add(pool, i, JOB_READ, false);
    }
    add(pool, 5, JOB_READ, false);
    cr_assert_eq(seen.dropped[JOB_REFUSED], 1);
    atomic_store(&jobs[1].wanted, false); /* the first */
    atomic_store(&jobs[4].wanted, false); /* and the last make room */
    add(pool, 6, JOB_READ, false);
    add(pool, 7, JOB_READ, false);
    cr_assert_eq(seen.dropped[JOB_REFUSED], 1);
    cr_assert_eq(seen.dropped[JOB_UNWANTED], 2);
    add(pool, 8, JOB_READ, false);
    cr_assert_eq(seen.dropped[JOB_REFUSED], 2);
    open_gate();
    await(&seen.n_done, 5);
    struct pool_report report;
    pool_report(pool, JOB_READ, &report);
    pool_free(pool);
    cr_assert_eq(report.refused, 2);
    cr_assert_eq(report.waiting, 0);
    int order[] = {0, 2, 3, 6, 7};
    for (size_t i = 0; i < COUNT_OF(order); i++) {
        cr_assert_eq(seen.begun[i], order[i]);
    }
}

/* The lock is held meanwhile. */
Test(pool, a_job_for_a_long_full_queue_costs_few_checks)
{
    enum { WAITING = 400 };
    int number = 0;
    struct pool *pool = make(1, 1, 1, WAITING);
    add(pool, number++, JOB_READ, true);
    await(&seen.running[JOB_READ], 1);
    while (number <= WAITING) {
        add(pool, number++, JOB_READ, false);
    }
    atomic_store(&n_checks, 0);
    add(pool, number++, JOB_READ, false);
    cr_assert_eq(seen.dropped[JOB_REFUSED], 1);
    cr_expect_lt(atomic_load(&n_checks), 100u);
    for (int i = 1; i <= WAITING; i++) {
        atomic_store(&jobs[i].wanted, i % 100 != 0);
    }
    while (seen.dropped[JOB_UNWANTED] < WAITING / 100 && number < JOBS) {
        add(pool, number++, JOB_READ, false);
    }
    cr_assert_eq(seen.dropped[JOB_UNWANTED], WAITING / 100, "later checks reach all jobs");
    open_gate();
    await(&seen.n_done, (size_t)number - seen.dropped[JOB_REFUSED] - seen.dropped[JOB_UNWANTED]);
    pool_free(pool);
    for (size_t i = 1; i < seen.n_begun; i++) {
        cr_assert_lt(seen.begun[i - 1], seen.begun[i], "in the order in which they were added");
    }
}
