/* A thread for work that would hold up all other requests: jobs are done one after the other, in
 * the order of their start. Functions are for the HTTP thread. */
#ifndef GATEWAY_WORKER_H
#define GATEWAY_WORKER_H

#include <sys/queue.h>

#include "request.h"

struct worker;

/* To be put into a larger struct, which belongs to the worker from worker_start until `done` or
 * `drop` is called. */
struct worker_job {
    STAILQ_ENTRY(worker_job) next;
    /* On the thread. */
    void (*work)(struct worker_job *job);
    /* On the HTTP thread, after the work. Goes on by resume(user, …) with requests that waited. */
    void (*done)(struct worker_job *job, request_resume *resume, void *user);
    /* On the HTTP thread, instead of `done`: the worker ends. No request waits any more. */
    void (*drop)(struct worker_job *job);
};

struct worker *worker_new(void);
/* Drops what is not done. NULL is ignored. */
void worker_free(struct worker *worker);

void worker_start(struct worker *worker, struct worker_job *job);

/* Readable when worker_run has something to do. */
int worker_fd(const struct worker *worker);
/* Calls `done` of the jobs that are. */
void worker_run(struct worker *worker, request_resume *resume, void *user);

#endif
