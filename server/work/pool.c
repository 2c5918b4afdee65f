#include "pool.h"

#include <pthread.h>
#include <stdbool.h>

struct pool {
    pthread_mutex_t lock;
    pthread_cond_t wake;
    struct job *first;
    struct job **end;
    bool stopping;
    size_t n_threads;
    pthread_t threads[];
};

/* The next job; NULL when there will be none. */
static struct job *take(struct pool *pool)
{
    pthread_mutex_lock(&pool->lock);
    while (pool->first == NULL && !pool->stopping) {
        pthread_cond_wait(&pool->wake, &pool->lock);
    }
    struct job *job = pool->first;
    if (job != NULL) {
        pool->first = job->next;
        if (pool->first == NULL) {
            pool->end = &pool->first;
        }
    }
    pthread_mutex_unlock(&pool->lock);
    return job;
}

static void *run(void *argument)
{
    struct pool *pool = argument;
    for (struct job *job; (job = take(pool)) != NULL;) {
        job->run(job);
    }
    return NULL;
}

struct pool *pool_new(size_t n_threads)
{
    struct pool *pool = mem_zalloc(sizeof *pool + n_threads * sizeof pool->threads[0]);
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->wake, NULL);
    pool->end = &pool->first;
    pool->n_threads = n_threads;
    for (size_t i = 0; i < n_threads; i++) {
        if (pthread_create(&pool->threads[i], NULL, run, pool) != 0) {
            abort(); /* no thread at start is like no memory */
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

void pool_add(struct pool *pool, struct job *job)
{
    job->next = NULL;
    pthread_mutex_lock(&pool->lock);
    *pool->end = job;
    pool->end = &job->next;
    pthread_cond_signal(&pool->wake);
    pthread_mutex_unlock(&pool->lock);
}
