/* A few threads for work that waits on the store, so that the threads of rpc never do.
 *
 * Jobs are of kinds. Each kind has a queue of its own, first come first served, and at most so many
 * of the threads at once: what one kind leaves is the others' share, which it cannot take from
 * them, however much of it waits and however long the store takes. Where threads are free for
 * several kinds the first kind goes first.
 *
 * What nobody waits for any more is not begun. A queue that is full refuses.
 *
 * A job is embedded in its owner's object and belongs to the pool until run or drop is called, one
 * of them and once; either may free it. Any thread may add. */
#ifndef WORK_POOL_H
#define WORK_POOL_H

#include <stdbool.h>
#include <stdint.h>

#include "mem.h"

enum job_kind {
    JOB_READ,  /* a call waits for it */
    JOB_WATCH, /* a stream goes on with it */
    JOB_KINDS,
};

/* Why a job was not begun. */
enum job_drop {
    JOB_UNWANTED, /* is_wanted said no */
    JOB_REFUSED,  /* the queue is full */
};

struct job {
    void (*run)(struct job *job);
    /* Instead of run. On the thread that adds, or on one of the pool's; must not block. */
    void (*drop)(struct job *job, enum job_drop why);
    /* Whether somebody still waits for it. Any thread, under the pool's lock: only looks. Once it
     * has said no it goes on saying no. */
    bool (*is_wanted)(const struct job *job);
    struct job *next; /* the pool's own */
};

struct pool;

struct pool_options {
    size_t n_threads;
    struct {
        size_t threads; /* that its jobs may take at once: at least 1, at most n_threads */
        size_t waiting; /* the most that wait; 0: there is no need of a bound */
    } kinds[JOB_KINDS];
};

struct pool *pool_new(const struct pool_options *options);
/* Ends the threads. Nothing waits any more, and nothing may be added. NULL is ignored. */
void pool_free(struct pool *pool);
void pool_add(struct pool *pool, enum job_kind kind, struct job *job);

/* What there is of a kind, now and since the start. Any thread. */
struct pool_report {
    uint64_t waiting, running;
    uint64_t unwanted, refused; /* were dropped */
};
void pool_report(struct pool *pool, enum job_kind kind, struct pool_report *ret_report);

#endif
