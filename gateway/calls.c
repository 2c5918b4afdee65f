#include "calls.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "log.h"
#include "request.h"

struct calls {
    int fd;
    pthread_mutex_t lock;
    struct call *first; /* the newest; under lock */
};

struct calls *calls_new(void)
{
    struct calls *calls = mem_zalloc(sizeof *calls);
    calls->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (calls->fd < 0) {
        abort();
    }
    pthread_mutex_init(&calls->lock, NULL);
    return calls;
}

void calls_free(struct calls *calls)
{
    if (calls != NULL) {
        assert(calls->first == NULL);
        close(calls->fd);
        pthread_mutex_destroy(&calls->lock);
        free(calls);
    }
}

int calls_fd(const struct calls *calls)
{
    return calls->fd;
}

/* A write per wake-up, not per call: only the first one finds the queue empty. */
static void push(struct calls *calls, struct call *call)
{
    pthread_mutex_lock(&calls->lock);
    bool wake = calls->first == NULL;
    call->next_done = calls->first;
    calls->first = call;
    pthread_mutex_unlock(&calls->lock);
    if (wake) {
        eventfd_write(calls->fd, 1);
    }
}

/* In the order in which they were done. */
static struct call *take_all(struct calls *calls)
{
    eventfd_t count;
    eventfd_read(calls->fd, &count);
    pthread_mutex_lock(&calls->lock);
    struct call *newest = calls->first;
    calls->first = NULL;
    pthread_mutex_unlock(&calls->lock);
    struct call *oldest = NULL;
    while (newest != NULL) {
        struct call *call = newest;
        newest = call->next_done;
        call->next_done = oldest;
        oldest = call;
    }
    return oldest;
}

static void fail(struct call *call, const struct status *st)
{
    call->st = mem_alloc(sizeof *st);
    *call->st = *st;
}

/* The client's thread. */
static void done(void *user, ProtobufCMessage *response, const struct status *st)
{
    struct call *call = user;
    call->response = response;
    if (st != NULL) {
        fail(call, st);
    }
    push(call->calls, call);
}

void call_start(struct request *r, enum client_method method, const ProtobufCMessage *message,
                int64_t timeout_ms, call_next *next)
{
    struct call *call = &r->call;
    struct gateway *gateway = r->gateway;
    assert(!call->open);
    *call = (struct call){.open = true, .calls = gateway->calls, .next = next};
    if (gateway->client == NULL) {
        struct status st;
        status_set(&st, STATUS_UNAVAILABLE, "SHUTTING_DOWN", "the gateway is stopping");
        fail(call, &st);
        push(call->calls, call);
    } else {
        client_call(gateway->client, method, message, timeout_ms, done, call);
    }
}

/* Once when the server goes out of reach, once when it is back. */
static void log_reach(struct gateway *gateway, const struct call *call)
{
    bool back = call->response != NULL || call->st->reason[0] != '\0';
    bool away = !back && call->st->code == STATUS_UNAVAILABLE;
    if (gateway->client == NULL || back == away || away == gateway->server_away) {
        return;
    }
    gateway->server_away = away;
    if (away) {
        log_event(LOG_WARNING, "server_away", "message", call->st->message, NULL);
    } else {
        log_event(LOG_INFO, "server_back", NULL);
    }
}

void calls_run(struct calls *calls, void (*answered)(void *user, struct request *r), void *user)
{
    struct call *call = take_all(calls);
    while (call != NULL) {
        struct request *r = CONTAINER_OF(call, struct request, call);
        struct call *following = call->next_done;
        ProtobufCMessage *response = call->response;
        log_reach(r->gateway, call);
        AUTO(free) struct status *st = MOVE(call->st);
        call->open = false;
        call->next(r, response, st);
        if (response != NULL) {
            protobuf_c_message_free_unpacked(response, NULL);
        }
        if (!request_is_open(r)) {
            answered(user, r);
        }
        call = following;
    }
}
