#include "handshakes.h"

#include <assert.h>
#include <pthread.h>
#include <stdbool.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/queue.h>
#include <unistd.h>

#include "clock.h"
#include "mem.h"
#include "peer_address.h"
#include "tls_server.h"
#include "tls_session.h"
#include "tls_sockets.h"

#define EVENTS 64

struct handshake {
    TAILQ_ENTRY(handshake) open;
    int fd;
    struct sockaddr_storage address;
    struct tls_session *session;
    int64_t until_ns; /* of clock_monotonic_ns() */
    uint32_t awaited; /* events of epoll(7) */
};

TAILQ_HEAD(queue, handshake);

struct handshake_worker {
    struct handshakes *owner;
    pthread_t thread;
    int poll;             /* of epoll; its event without data is `wake` */
    int wake;             /* eventfd: there are new ones, or the thread is to end */
    pthread_mutex_t lock; /* of the next two */
    struct queue added;
    bool stopping;
    struct queue open; /* the oldest first; the thread's, like the next one */
    size_t n_open;
};

struct handshakes {
    struct handshakes_options options;
    struct handshake_worker *workers;
    size_t next;
};

/* ---- One handshake ---- */

static void forget(struct handshake_worker *worker, struct handshake *handshake)
{
    TAILQ_REMOVE(&worker->open, handshake, open);
    worker->n_open--;
    free(handshake);
}

static void fail(struct handshake_worker *worker, struct handshake *handshake,
                 enum tls_failure failure)
{
    char peer[PEER_ADDRESS_SIZE];
    peer_address_text(&handshake->address, peer);
    tls_server_failed(worker->owner->options.tls, failure, peer);
    tls_session_close(handshake->session);
    close(handshake->fd);
    forget(worker, handshake);
}

static void succeed(struct handshake_worker *worker, struct handshake *handshake)
{
    const struct handshakes_options *options = &worker->owner->options;
    epoll_ctl(worker->poll, EPOLL_CTL_DEL, handshake->fd, NULL);
    options->done(options->user, handshake->fd, &handshake->address, handshake->session);
    forget(worker, handshake);
}

static void await(struct handshake_worker *worker, struct handshake *handshake, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = handshake};
    if (handshake->awaited != events) {
        int operation = handshake->awaited == 0 ? EPOLL_CTL_ADD : EPOLL_CTL_MOD;
        handshake->awaited = events;
        if (epoll_ctl(worker->poll, operation, handshake->fd, &event) != 0) {
            fail(worker, handshake, TLS_FAILURE_OVERLOAD); /* no memory, or the user's limit */
        }
    }
}

static void go_on(struct handshake_worker *worker, struct handshake *handshake)
{
    enum tls_failure failure = TLS_FAILURE_OTHER;
    switch (tls_session_handshake(handshake->session, &failure)) {
    case TLS_STEP_DONE:
        succeed(worker, handshake);
        break;
    case TLS_STEP_READ:
        await(worker, handshake, EPOLLIN);
        break;
    case TLS_STEP_WRITE:
        await(worker, handshake, EPOLLOUT);
        break;
    case TLS_STEP_FAILED:
        fail(worker, handshake, failure);
        break;
    }
}

/* ---- The thread ---- */

static void fail_late(struct handshake_worker *worker)
{
    int64_t now_ns = clock_monotonic_ns();
    struct handshake *oldest;
    while ((oldest = TAILQ_FIRST(&worker->open)) != NULL && oldest->until_ns <= now_ns) {
        fail(worker, oldest, TLS_FAILURE_TIMEOUT);
    }
}

static int ms_to_wait(const struct handshake_worker *worker)
{
    const struct handshake *oldest = TAILQ_FIRST(&worker->open);
    if (oldest == NULL) {
        return -1;
    }
    int64_t left_ns = oldest->until_ns - clock_monotonic_ns();
    return left_ns <= 0 ? 0 : (int)(left_ns / 1000000 + 1);
}

static struct handshake *next_added(struct handshake_worker *worker)
{
    pthread_mutex_lock(&worker->lock);
    struct handshake *added = TAILQ_FIRST(&worker->added);
    if (added != NULL) {
        TAILQ_REMOVE(&worker->added, added, open);
    }
    pthread_mutex_unlock(&worker->lock);
    return added;
}

/* Waits for the first bytes: a client has often not sent any yet. */
static void take_added(struct handshake_worker *worker)
{
    eventfd_t ignored;
    eventfd_read(worker->wake, &ignored);
    for (struct handshake *added; (added = next_added(worker)) != NULL;) {
        if (worker->n_open == HANDSHAKES_MAX) {
            fail(worker, TAILQ_FIRST(&worker->open), TLS_FAILURE_OVERLOAD);
        }
        TAILQ_INSERT_TAIL(&worker->open, added, open);
        worker->n_open++;
        await(worker, added, EPOLLIN);
    }
}

static bool is_stopping(struct handshake_worker *worker)
{
    pthread_mutex_lock(&worker->lock);
    bool stopping = worker->stopping;
    pthread_mutex_unlock(&worker->lock);
    return stopping;
}

/* New ones come last: they may end old ones, whose events are then void. */
static void *run(void *argument)
{
    struct handshake_worker *worker = argument;
    struct epoll_event events[EVENTS];
    while (!is_stopping(worker)) {
        bool woken = false;
        int n = epoll_wait(worker->poll, events, EVENTS, ms_to_wait(worker));
        for (int i = 0; i < n; i++) {
            if (events[i].data.ptr == NULL) {
                woken = true;
            } else {
                go_on(worker, events[i].data.ptr);
            }
        }
        fail_late(worker);
        if (woken) {
            take_added(worker);
        }
    }
    return NULL;
}

/* ---- Life ---- */

static void start_worker(struct handshake_worker *worker, struct handshakes *owner)
{
    struct epoll_event event = {.events = EPOLLIN};
    worker->owner = owner;
    worker->poll = epoll_create1(EPOLL_CLOEXEC);
    worker->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (worker->poll < 0 || worker->wake < 0 ||
        epoll_ctl(worker->poll, EPOLL_CTL_ADD, worker->wake, &event) != 0) {
        abort(); /* no descriptors at the start */
    }
    TAILQ_INIT(&worker->added);
    TAILQ_INIT(&worker->open);
    pthread_mutex_init(&worker->lock, NULL);
    int error = pthread_create(&worker->thread, NULL, run, worker);
    assert(error == 0 && "a server can have its threads");
}

struct handshakes *handshakes_start(const struct handshakes_options *options)
{
    struct handshakes *handshakes = mem_zalloc(sizeof *handshakes);
    handshakes->options = *options;
    handshakes->workers = mem_array(options->n_threads, sizeof handshakes->workers[0]);
    for (size_t i = 0; i < options->n_threads; i++) {
        start_worker(&handshakes->workers[i], handshakes);
    }
    return handshakes;
}

void handshakes_add(struct handshakes *handshakes, int fd, const struct sockaddr_storage *address)
{
    const struct handshakes_options *options = &handshakes->options;
    struct handshake_worker *worker = &handshakes->workers[handshakes->next++ % options->n_threads];
    if (fd >= TLS_SOCKETS_MAX) {
        close(fd);
        return;
    }
    struct handshake *added = mem_zalloc(sizeof *added);
    added->fd = fd;
    added->address = *address;
    added->session = tls_session_new(options->tls, fd, TLS_PROTOCOL_H2);
    added->until_ns = clock_monotonic_ns() + options->timeout_ms * 1000000;
    pthread_mutex_lock(&worker->lock);
    TAILQ_INSERT_TAIL(&worker->added, added, open);
    pthread_mutex_unlock(&worker->lock);
    eventfd_write(worker->wake, 1);
}

static void close_all(struct queue *queue)
{
    struct handshake *handshake;
    while ((handshake = TAILQ_FIRST(queue)) != NULL) {
        TAILQ_REMOVE(queue, handshake, open);
        tls_session_close(handshake->session);
        close(handshake->fd);
        free(handshake);
    }
}

static void stop_worker(struct handshake_worker *worker)
{
    pthread_mutex_lock(&worker->lock);
    worker->stopping = true;
    pthread_mutex_unlock(&worker->lock);
    eventfd_write(worker->wake, 1);
    pthread_join(worker->thread, NULL);
    close_all(&worker->added);
    close_all(&worker->open);
    close(worker->wake);
    close(worker->poll);
    pthread_mutex_destroy(&worker->lock);
}

void handshakes_stop(struct handshakes *handshakes)
{
    if (handshakes == NULL) {
        return;
    }
    for (size_t i = 0; i < handshakes->options.n_threads; i++) {
        stop_worker(&handshakes->workers[i]);
    }
    free(handshakes->workers);
    free(handshakes);
}
