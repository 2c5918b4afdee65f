#include "waited.h"

#include <string.h>

void waited_done(struct write *write)
{
    struct waited *w = CONTAINER_OF(write, struct waited, write);
    pthread_mutex_lock(&w->lock);
    w->done = true;
    pthread_cond_signal(&w->finished);
    pthread_mutex_unlock(&w->lock);
}

void waited_init(struct waited *w, const struct mutation *m, const char *request_id)
{
    *w = (struct waited){.write = {.deadline_ns = INT64_MAX, .done = waited_done}};
    w->write.command = (struct command){.actor = "",
                                        .credential = "",
                                        .method = "",
                                        .peer = "",
                                        .comment = "",
                                        .request_id = request_id,
                                        .fingerprint = hash_bytes(request_id, strlen(request_id)),
                                        .mutations = m,
                                        .n_mutations = 1,
                                        .limits = {1 << 20, 64}};
    pthread_mutex_init(&w->lock, NULL);
    pthread_cond_init(&w->finished, NULL);
}

void waited_submit(struct committer *committer, struct waited *w)
{
    committer_submit(committer, &w->write);
    waited_wait(w);
}

void waited_wait(struct waited *w)
{
    pthread_mutex_lock(&w->lock);
    while (!w->done) {
        pthread_cond_wait(&w->finished, &w->lock);
    }
    pthread_mutex_unlock(&w->lock);
}

struct waited_sync {
    struct sync sync;
    pthread_mutex_t lock;
    pthread_cond_t finished;
    bool done;
};

static void on_sync(struct sync *sync)
{
    struct waited_sync *w = CONTAINER_OF(sync, struct waited_sync, sync);
    pthread_mutex_lock(&w->lock);
    w->done = true;
    pthread_cond_signal(&w->finished);
    pthread_mutex_unlock(&w->lock);
}

bool wait_sync(struct committer *committer, struct status *st)
{
    struct waited_sync w = {.sync.done = on_sync,
                            .lock = PTHREAD_MUTEX_INITIALIZER,
                            .finished = PTHREAD_COND_INITIALIZER};
    committer_sync(committer, &w.sync);
    pthread_mutex_lock(&w.lock);
    while (!w.done) {
        pthread_cond_wait(&w.finished, &w.lock);
    }
    pthread_mutex_unlock(&w.lock);
    *st = w.sync.st;
    return w.sync.ok;
}
