#include "pool.h"

#include <assert.h>
#include <pthread.h>

#define SWEEP_JOBS 64 /* waiting jobs that are checked when a job is added to a full queue */

struct job_queue {
    struct job *first;
    struct job **end;
    struct job **next_check; /* the link to the job that sweep checks next */
    size_t most_running;
    size_t most_waiting;
    struct pool_report report;
};

struct pool {
    pthread_mutex_t lock;
    pthread_cond_t wake;
    struct job_queue queues[JOB_KINDS];
    bool stopping;
    size_t n_threads;
    pthread_t threads[];
};

static struct job *take_first(struct job_queue *queue)
{
    struct job *job = queue->first;
    queue->first = job->next;
    if (queue->first == NULL) {
        queue->end = &queue->first;
    }
    if (queue->next_check == &job->next) {
        queue->next_check = &queue->first;
    }
    queue->report.waiting--;
    return job;
}

static void put_last(struct job_queue *queue, struct job *job)
{
    job->next = NULL;
    *queue->end = job;
    queue->end = &job->next;
    queue->report.waiting++;
}

/* The first kind that has a job and is below its maximum of threads; NULL: none. */
static struct job_queue *ready_queue(struct pool *pool)
{
    for (size_t i = 0; i < JOB_KINDS; i++) {
        struct job_queue *queue = &pool->queues[i];
        if (queue->first != NULL && queue->report.running < queue->most_running) {
            return queue;
        }
    }
    return NULL;
}

/* Waits for the next job and runs or drops it. False when the pool stops. */
static bool turn(struct pool *pool)
{
    struct job_queue *queue;
    pthread_mutex_lock(&pool->lock);
    while ((queue = ready_queue(pool)) == NULL && !pool->stopping) {
        pthread_cond_wait(&pool->wake, &pool->lock);
    }
    if (queue == NULL) {
        pthread_mutex_unlock(&pool->lock);
        return false;
    }
    struct job *job = take_first(queue);
    bool wanted = job->is_wanted(job);
    queue->report.running++;
    queue->report.unwanted += !wanted;
    pthread_mutex_unlock(&pool->lock);
    if (wanted) {
        job->run(job);
    } else {
        job->drop(job, JOB_UNWANTED);
    }
    pthread_mutex_lock(&pool->lock);
    queue->report.running--; /* no signal is needed: this thread looks for the next job itself */
    pthread_mutex_unlock(&pool->lock);
    return true;
}

static void *run(void *argument)
{
    while (turn(argument)) {
        continue;
    }
    return NULL;
}

struct pool *pool_new(const struct pool_options *options)
{
    struct pool *pool = mem_zalloc(sizeof *pool + options->n_threads * sizeof pool->threads[0]);
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->wake, NULL);
    pool->n_threads = options->n_threads;
    for (size_t i = 0; i < JOB_KINDS; i++) {
        struct job_queue *queue = &pool->queues[i];
        size_t threads = options->kinds[i].threads;
        assert(threads >= 1 && threads <= options->n_threads && "each kind has a share");
        queue->end = &queue->first;
        queue->next_check = &queue->first;
        queue->most_running = threads;
        queue->most_waiting = options->kinds[i].waiting;
    }
    for (size_t i = 0; i < pool->n_threads; i++) {
        if (pthread_create(&pool->threads[i], NULL, run, pool) != 0) {
            abort(); /* treated like running out of memory */
        }
    }
    return pool;
}

void pool_free(struct pool *pool)
{
    if (pool == NULL) {
        return;
    }
    pthread_mutex_lock(&pool->lock);
    for (size_t i = 0; i < JOB_KINDS; i++) {
        assert(pool->queues[i].first == NULL && "whoever waited was answered before");
    }
    pool->stopping = true;
    pthread_cond_broadcast(&pool->wake);
    pthread_mutex_unlock(&pool->lock);
    for (size_t i = 0; i < pool->n_threads; i++) {
        pthread_join(pool->threads[i], NULL);
    }
    pthread_cond_destroy(&pool->wake);
    pthread_mutex_destroy(&pool->lock);
    free(pool);
}

static bool is_full(const struct job_queue *queue)
{
    return queue->most_waiting != 0 && queue->report.waiting >= queue->most_waiting;
}

/* Removes jobs that nobody waits for from the queue; returns them as a list. Checks at most
 * SWEEP_JOBS, each time the next ones: with the lock held, a check of a long queue for each refused
 * job would stop all workers. */
static struct job *sweep(struct job_queue *queue)
{
    struct job *unwanted = NULL;
    struct job **at = queue->next_check;
    uint64_t n = queue->report.waiting < SWEEP_JOBS ? queue->report.waiting : SWEEP_JOBS;
    for (uint64_t i = 0; i < n; i++) {
        at = *at == NULL ? &queue->first : at;
        struct job *job = *at;
        if (job->is_wanted(job)) {
            at = &job->next;
            continue;
        }
        *at = job->next;
        queue->end = job->next == NULL ? at : queue->end;
        job->next = unwanted;
        unwanted = job;
        queue->report.waiting--;
        queue->report.unwanted++;
    }
    queue->next_check = at;
    return unwanted;
}

static void drop_all(struct job *jobs)
{
    while (jobs != NULL) {
        struct job *job = jobs;
        jobs = job->next;
        job->drop(job, JOB_UNWANTED);
    }
}

void pool_add(struct pool *pool, enum job_kind kind, struct job *job)
{
    struct job_queue *queue = &pool->queues[kind];
    pthread_mutex_lock(&pool->lock);
    struct job *unwanted = is_full(queue) ? sweep(queue) : NULL;
    bool full = is_full(queue);
    if (full) {
        queue->report.refused++;
    } else {
        put_last(queue, job);
        pthread_cond_signal(&pool->wake);
    }
    pthread_mutex_unlock(&pool->lock);
    drop_all(unwanted);
    if (full) {
        job->drop(job, JOB_REFUSED);
    }
}

void pool_report(struct pool *pool, enum job_kind kind, struct pool_report *ret_report)
{
    pthread_mutex_lock(&pool->lock);
    *ret_report = pool->queues[kind].report;
    pthread_mutex_unlock(&pool->lock);
}
