#include "callbacks.h"

#include <assert.h>
#include <pthread.h>

#include "mem.h"

struct callbacks {
    pthread_t thread;
    pthread_mutex_t lock; /* of the next four */
    pthread_cond_t changed;
    struct callback *first, *last;
    bool ending;
    /* Of callbacks_free_here; only the thread. */
    void (*close)(void *user);
    void (*done)(void *user);
    void *user;
};

static _Thread_local const struct callbacks *here;

/* The next one to run; NULL: the end. */
static struct callback *take(struct callbacks *callbacks)
{
    pthread_mutex_lock(&callbacks->lock);
    while (callbacks->first == NULL && !callbacks->ending) {
        pthread_cond_wait(&callbacks->changed, &callbacks->lock);
    }
    struct callback *callback = callbacks->first;
    if (callback != NULL) {
        callbacks->first = callback->next;
    }
    pthread_mutex_unlock(&callbacks->lock);
    return callback;
}

static void destroy(struct callbacks *callbacks)
{
    pthread_cond_destroy(&callbacks->changed);
    pthread_mutex_destroy(&callbacks->lock);
    free(callbacks);
}

static void end(struct callbacks *callbacks)
{
    pthread_mutex_lock(&callbacks->lock);
    callbacks->ending = true;
    pthread_cond_signal(&callbacks->changed);
    pthread_mutex_unlock(&callbacks->lock);
}

static void close_once(struct callbacks *callbacks)
{
    void (*close)(void *user) = MOVE(callbacks->close);
    if (close != NULL) {
        close(callbacks->user);
        end(callbacks);
    }
}

static void *run(void *argument)
{
    struct callbacks *callbacks = argument;
    here = callbacks;
    for (struct callback *callback; (callback = take(callbacks)) != NULL;) {
        callback->run(callback);
        close_once(callbacks);
    }
    if (callbacks->done != NULL) {
        callbacks->done(callbacks->user);
        pthread_detach(pthread_self());
        destroy(callbacks);
    }
    return NULL;
}

struct callbacks *callbacks_new(void)
{
    struct callbacks *callbacks = mem_zalloc(sizeof *callbacks);
    pthread_mutex_init(&callbacks->lock, NULL);
    pthread_cond_init(&callbacks->changed, NULL);
    if (pthread_create(&callbacks->thread, NULL, run, callbacks) != 0) {
        destroy(callbacks);
        return NULL;
    }
    return callbacks;
}

void callbacks_post(struct callbacks *callbacks, struct callback *callback)
{
    callback->next = NULL;
    pthread_mutex_lock(&callbacks->lock);
    *(callbacks->first == NULL ? &callbacks->first : &callbacks->last->next) = callback;
    callbacks->last = callback;
    pthread_cond_signal(&callbacks->changed);
    pthread_mutex_unlock(&callbacks->lock);
}

bool callbacks_is_here(const struct callbacks *callbacks)
{
    return here == callbacks;
}

void callbacks_free(struct callbacks *callbacks)
{
    if (callbacks != NULL) {
        assert(!callbacks_is_here(callbacks) && "a thread does not wait for itself");
        end(callbacks);
        pthread_join(callbacks->thread, NULL);
        destroy(callbacks);
    }
}

void callbacks_free_here(struct callbacks *callbacks, void (*close)(void *user),
                         void (*done)(void *user), void *user)
{
    assert(callbacks_is_here(callbacks) && "a callback asks for it");
    callbacks->close = close;
    callbacks->done = done;
    callbacks->user = user;
}
