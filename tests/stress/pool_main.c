/* The pool under threads that add jobs and give them up, for ThreadSanitizer: each job is run or
 * dropped exactly once. */
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

#include "pool.h"
#include "stress.h"

#define ADDERS 6
#define JOBS 20000
#define WAITING 512

struct item {
    struct job job;
    atomic_bool wanted;
    atomic_uint ends;
};

static struct tally run_jobs = TALLY_INIT, unwanted = TALLY_INIT, refused = TALLY_INIT;
static struct tally all = TALLY_INIT;
static struct pool *pool;

static struct item *item_of(const struct job *job)
{
    return CONTAINER_OF((struct job *)(uintptr_t)job, struct item, job);
}

static bool is_wanted(const struct job *job)
{
    return atomic_load(&item_of(job)->wanted);
}

static void run(struct job *job)
{
    atomic_fetch_add(&item_of(job)->ends, 1);
    tally_add(&run_jobs, 1);
    tally_add(&all, 1);
}

static void drop(struct job *job, enum job_drop why)
{
    atomic_fetch_add(&item_of(job)->ends, 1);
    tally_add(why == JOB_REFUSED ? &refused : &unwanted, 1);
    tally_add(&all, 1);
}

/* Gives up every third job, some of them before they run. */
static void *add(void *argument)
{
    struct item *items = argument;
    for (size_t i = 0; i < JOBS; i++) {
        struct item *item = &items[i];
        item->job = (struct job){.run = run, .drop = drop, .is_wanted = is_wanted};
        atomic_store(&item->wanted, i % 9 != 0);
        pool_add(pool, i % 2 == 0 ? JOB_READ : JOB_WATCH, &item->job);
        if (i % 3 == 0) {
            atomic_store(&item->wanted, false);
        }
    }
    return NULL;
}

int main(void)
{
    struct pool_options options = {
        .n_threads = 4,
        .kinds = {[JOB_READ] = {3, WAITING}, [JOB_WATCH] = {2, WAITING}},
    };
    pthread_t threads[ADDERS];
    struct item *items[ADDERS];
    pool = pool_new(&options);
    for (size_t i = 0; i < ADDERS; i++) {
        items[i] = mem_zalloc(JOBS * sizeof items[i][0]);
        CHECK(pthread_create(&threads[i], NULL, add, items[i]) == 0, "adder %zu", i);
    }
    for (size_t i = 0; i < ADDERS; i++) {
        pthread_join(threads[i], NULL);
    }
    tally_wait(&all, ADDERS * JOBS);
    pool_free(pool);
    for (size_t i = 0; i < ADDERS; i++) {
        for (size_t j = 0; j < JOBS; j++) {
            CHECK(atomic_load(&items[i][j].ends) == 1, "job %zu of adder %zu", j, i);
        }
        free(items[i]);
    }
    printf("run %" PRIu64 ", unwanted %" PRIu64 ", refused %" PRIu64 "\n", tally_get(&run_jobs),
           tally_get(&unwanted), tally_get(&refused));
    return 0;
}
