/* A few threads for work that waits on the disk, so that the threads of rpc never do.
 *
 * Jobs run in the order in which they came, several at once. A job is embedded in its owner's
 * object and belongs to the pool until run is called; run may free it. Any thread may add. */
#ifndef WORK_POOL_H
#define WORK_POOL_H

#include "mem.h"

struct job {
    void (*run)(struct job *job);
    struct job *next; /* the pool's own */
};

struct pool;

struct pool *pool_new(size_t n_threads);
/* Runs what waits, ends the threads. Nothing may be added any more. NULL is ignored. */
void pool_free(struct pool *pool);
void pool_add(struct pool *pool, struct job *job);

#endif
