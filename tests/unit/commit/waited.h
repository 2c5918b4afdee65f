/* A write that is waited for. */
#ifndef TESTS_COMMIT_WAITED_H
#define TESTS_COMMIT_WAITED_H

#include <pthread.h>

#include "committer.h"

struct waited {
    struct write write;
    pthread_mutex_t lock;
    pthread_cond_t finished;
    bool done;
};

/* Of one mutation; both are borrowed until it is done. */
void waited_init(struct waited *w, const struct mutation *m, const char *request_id);
/* Hands it in and waits; write.ok tells how it went. staged is the caller's then. */
void waited_submit(struct committer *committer, struct waited *w);

/* The two halves of it: what a write is done with, and the waiting. */
void waited_done(struct write *write);
void waited_wait(struct waited *w);

/* Waits until the node has followed the log to its end; false with st where it could not. */
bool wait_sync(struct committer *committer, struct status *st);

#endif
