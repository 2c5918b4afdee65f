#include "waiters.h"

#include <assert.h>
#include <pthread.h>

#include "clock.h"
#include "condition.h"
#include "mem.h"

struct waiters {
    pthread_mutex_t lock;
    pthread_cond_t wake;
    struct waiter *first;
    size_t n;
    uint64_t revision;
    bool stopped;
    bool ending;
    pthread_t thread;
};

/* Whether the waiter has ended; sets its result then. */
static bool has_ended(const struct waiters *waiters, struct waiter *waiter, int64_t now_ns)
{
    if (waiter->revision <= waiters->revision) {
        waiter->result = WAITER_REACHED;
    } else if (waiters->stopped) {
        waiter->result = WAITER_STOPPED;
    } else if (waiter->deadline_ns <= now_ns) {
        waiter->result = WAITER_TIMED_OUT;
    } else if (!waiter->is_wanted(waiter)) {
        waiter->result = WAITER_UNWANTED;
    } else {
        return false;
    }
    return true;
}

/* Removes and returns all waiters that have ended. Called with the lock held. */
static struct waiter *take_ended(struct waiters *waiters, int64_t now_ns)
{
    struct waiter *ended = NULL;
    for (struct waiter **link = &waiters->first; *link != NULL;) {
        struct waiter *waiter = *link;
        if (!has_ended(waiters, waiter, now_ns)) {
            link = &waiter->next;
            continue;
        }
        *link = waiter->next;
        waiters->n--;
        waiter->next = ended;
        ended = waiter;
    }
    return ended;
}

static int64_t earliest(const struct waiters *waiters)
{
    int64_t deadline = INT64_MAX;
    for (const struct waiter *waiter = waiters->first; waiter != NULL; waiter = waiter->next) {
        deadline = waiter->deadline_ns < deadline ? waiter->deadline_ns : deadline;
    }
    return deadline;
}

static void wait_for_news(struct waiters *waiters)
{
    condition_wait_until(&waiters->wake, &waiters->lock, earliest(waiters));
}

static void wake_all(struct waiter *ended)
{
    while (ended != NULL) {
        struct waiter *next = ended->next;
        ended->wake(ended);
        ended = next;
    }
}

static void *run(void *argument)
{
    struct waiters *waiters = argument;
    pthread_mutex_lock(&waiters->lock);
    while (!waiters->ending) {
        struct waiter *ended = take_ended(waiters, clock_monotonic_ns());
        if (ended == NULL) {
            wait_for_news(waiters);
            continue;
        }
        pthread_mutex_unlock(&waiters->lock);
        wake_all(ended);
        pthread_mutex_lock(&waiters->lock);
    }
    pthread_mutex_unlock(&waiters->lock);
    return NULL;
}

struct waiters *waiters_new(uint64_t revision)
{
    struct waiters *waiters = mem_zalloc(sizeof *waiters);
    waiters->revision = revision;
    pthread_mutex_init(&waiters->lock, NULL);
    pthread_cond_init(&waiters->wake, NULL);
    int failed = pthread_create(&waiters->thread, NULL, run, waiters);
    assert(failed == 0 && "a thread can be had at start");
    return waiters;
}

void waiters_stop(struct waiters *waiters)
{
    pthread_mutex_lock(&waiters->lock);
    waiters->stopped = true;
    pthread_cond_signal(&waiters->wake);
    pthread_mutex_unlock(&waiters->lock);
}

void waiters_free(struct waiters *waiters)
{
    if (waiters == NULL) {
        return;
    }
    pthread_mutex_lock(&waiters->lock);
    waiters->ending = true;
    pthread_cond_signal(&waiters->wake);
    pthread_mutex_unlock(&waiters->lock);
    pthread_join(waiters->thread, NULL);
    assert(waiters->first == NULL && "nobody waits any more");
    pthread_cond_destroy(&waiters->wake);
    pthread_mutex_destroy(&waiters->lock);
    free(waiters);
}

bool waiters_add(struct waiters *waiters, struct waiter *waiter)
{
    assert(waiter->wake != NULL && waiter->is_wanted != NULL && "a waiter has its callbacks");
    pthread_mutex_lock(&waiters->lock);
    bool room = waiters->n < WAITERS_MAX;
    if (room) {
        waiter->next = waiters->first;
        waiters->first = waiter;
        waiters->n++;
        pthread_cond_signal(&waiters->wake);
    }
    pthread_mutex_unlock(&waiters->lock);
    return room;
}

void waiters_advance(struct waiters *waiters, uint64_t revision)
{
    pthread_mutex_lock(&waiters->lock);
    waiters->revision = revision;
    if (waiters->first != NULL) {
        pthread_cond_signal(&waiters->wake);
    }
    pthread_mutex_unlock(&waiters->lock);
}

void waiters_review(struct waiters *waiters)
{
    pthread_mutex_lock(&waiters->lock);
    if (waiters->first != NULL) {
        pthread_cond_signal(&waiters->wake);
    }
    pthread_mutex_unlock(&waiters->lock);
}
