#include "worker.h"

#include <pthread.h>
#include <stdlib.h>

#include "mem.h"
#include "wake.h"

STAILQ_HEAD(worker_jobs, worker_job);

struct worker {
    pthread_t thread;
    struct wake done_wake; /* for the HTTP thread */
    size_t n;              /* jobs that were started and are not done; HTTP thread */
    pthread_mutex_t lock;  /* for all below */
    pthread_cond_t more;
    bool stopping;
    struct worker_jobs wanted, done;
};

/* ---- The thread ---- */

/* NULL: to stop. Called with the lock. */
static struct worker_job *await_wanted(struct worker *worker)
{
    while (STAILQ_EMPTY(&worker->wanted) && !worker->stopping) {
        pthread_cond_wait(&worker->more, &worker->lock);
    }
    struct worker_job *job = STAILQ_FIRST(&worker->wanted);
    if (worker->stopping) {
        return NULL;
    }
    STAILQ_REMOVE_HEAD(&worker->wanted, next);
    return job;
}

static void *run(void *user)
{
    struct worker *worker = user;
    struct worker_job *job;
    pthread_mutex_lock(&worker->lock);
    while ((job = await_wanted(worker)) != NULL) {
        pthread_mutex_unlock(&worker->lock);
        job->work(job);
        pthread_mutex_lock(&worker->lock);
        STAILQ_INSERT_TAIL(&worker->done, job, next);
        wake_set(&worker->done_wake);
    }
    pthread_mutex_unlock(&worker->lock);
    return NULL;
}

/* ---- Start and end ---- */

struct worker *worker_new(void)
{
    struct worker *worker = mem_zalloc(sizeof *worker);
    wake_init(&worker->done_wake);
    pthread_mutex_init(&worker->lock, NULL);
    pthread_cond_init(&worker->more, NULL);
    STAILQ_INIT(&worker->wanted);
    STAILQ_INIT(&worker->done);
    if (pthread_create(&worker->thread, NULL, run, worker) != 0) {
        abort();
    }
    return worker;
}

static void drop(struct worker_jobs *jobs)
{
    struct worker_job *job;
    while ((job = STAILQ_FIRST(jobs)) != NULL) {
        STAILQ_REMOVE_HEAD(jobs, next);
        job->drop(job);
    }
}

void worker_free(struct worker *worker)
{
    if (worker == NULL) {
        return;
    }
    pthread_mutex_lock(&worker->lock);
    worker->stopping = true;
    pthread_cond_signal(&worker->more);
    pthread_mutex_unlock(&worker->lock);
    pthread_join(worker->thread, NULL);
    drop(&worker->wanted);
    drop(&worker->done);
    pthread_cond_destroy(&worker->more);
    pthread_mutex_destroy(&worker->lock);
    wake_fini(&worker->done_wake);
    free(worker);
}

/* ---- Jobs ---- */

void worker_start(struct worker *worker, struct worker_job *job)
{
    worker->n++;
    pthread_mutex_lock(&worker->lock);
    STAILQ_INSERT_TAIL(&worker->wanted, job, next);
    pthread_cond_signal(&worker->more);
    pthread_mutex_unlock(&worker->lock);
}

int worker_fd(const struct worker *worker)
{
    return worker->done_wake.fd;
}

void worker_run(struct worker *worker, request_resume *resume, void *user)
{
    struct worker_jobs done = STAILQ_HEAD_INITIALIZER(done);
    if (worker->n == 0) {
        return;
    }
    pthread_mutex_lock(&worker->lock);
    wake_clear(&worker->done_wake); /* with the lock, so that it is set only for what is done */
    STAILQ_CONCAT(&done, &worker->done);
    pthread_mutex_unlock(&worker->lock);
    struct worker_job *job;
    while ((job = STAILQ_FIRST(&done)) != NULL) {
        STAILQ_REMOVE_HEAD(&done, next);
        worker->n--;
        job->done(job, resume, user);
    }
}
