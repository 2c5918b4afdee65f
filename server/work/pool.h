/* A thread pool for work that blocks on the store, so that the threads of rpc never block.
 *
 * Each kind of job has its own FIFO queue and a maximum number of threads. The threads beyond that
 * maximum are reserved for the other kinds, so a kind with a long queue or slow jobs cannot starve
 * the others. If several kinds could use a free thread, the first kind of the enum gets it.
 *
 * A job that nobody waits for any more is dropped instead of run. A full queue refuses new jobs,
 * unless it finds a job to drop among a bounded number that it checks each time.
 *
 * A job is embedded in its owner's object. The pool owns it until it calls run or drop: exactly one
 * of them, once; either may free the job. Any thread may add. */
#ifndef WORK_POOL_H
#define WORK_POOL_H

#include <stdbool.h>
#include <stdint.h>

#include "mem.h"

enum job_kind {
    JOB_READ,  /* a read for a unary call */
    JOB_WATCH, /* a read for a watch stream */
    JOB_KINDS,
};

/* Why a job was dropped. */
enum job_drop {
    JOB_UNWANTED, /* is_wanted returned false */
    JOB_REFUSED,  /* its queue was full */
};

struct job {
    void (*run)(struct job *job);
    /* Called instead of run, on the thread that adds or on one of the pool. Must not block. */
    void (*drop)(struct job *job, enum job_drop why);
    /* Whether somebody still waits for the result. Called on any thread under the pool's lock: must
     * not block or take locks. Once false, it stays false. */
    bool (*is_wanted)(const struct job *job);
    struct job *next; /* for the pool */
};

struct pool;

struct pool_options {
    size_t n_threads;
    struct {
        size_t threads; /* most jobs that run at once; 1 to n_threads */
        size_t waiting; /* most jobs that wait; 0: the callers bound them */
    } kinds[JOB_KINDS];
};

struct pool *pool_new(const struct pool_options *options);
/* Joins the threads. No job may wait, and none may be added any more. NULL is ignored. */
void pool_free(struct pool *pool);
void pool_add(struct pool *pool, enum job_kind kind, struct job *job);

/* Counts of one kind. Any thread. */
struct pool_report {
    uint64_t waiting, running;  /* now */
    uint64_t unwanted, refused; /* dropped since the start */
};
void pool_report(struct pool *pool, enum job_kind kind, struct pool_report *ret_report);

#endif
