#include "calls.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "identities.h"
#include "reach.h"
#include "together.h"
#include "upstream_request.h"

#define TOGETHER_GROUPS 16 /* callers whose writes wait for the end of a turn */

struct calls {
    int fd;
    pthread_mutex_t lock;
    struct upstream_call *first; /* the newest; under lock */
    /* Writes of this turn, those of each caller together; the HTTP thread's. */
    struct together *together[TOGETHER_GROUPS];
    size_t n_together;
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
        assert(calls->first == NULL && calls->n_together == 0);
        close(calls->fd);
        pthread_mutex_destroy(&calls->lock);
        free(calls);
    }
}

int calls_fd(const struct calls *calls)
{
    return calls->fd;
}

void calls_done_add(struct calls_done *done, struct upstream_call *call, ProtobufCMessage *response,
                    const struct status *st)
{
    call->response = response;
    if (st != NULL) {
        call->st = mem_alloc(sizeof *st);
        *call->st = *st;
        violations_keep(&call->violations, call->st);
    }
    call->next_done = done->newest;
    done->newest = call;
    if (done->oldest == NULL) {
        done->oldest = call;
    }
}

/* Writes the eventfd once for all calls that calls_run has not taken yet. */
void calls_hand_over(struct calls_done *done)
{
    struct calls *calls = done->newest->calls;
    pthread_mutex_lock(&calls->lock);
    bool wake = calls->first == NULL;
    done->oldest->next_done = calls->first;
    calls->first = done->newest;
    pthread_mutex_unlock(&calls->lock);
    if (wake) {
        eventfd_write(calls->fd, 1);
    }
}

/* In the order in which they were done. */
static struct upstream_call *take_all(struct calls *calls)
{
    eventfd_t count;
    eventfd_read(calls->fd, &count);
    pthread_mutex_lock(&calls->lock);
    struct upstream_call *newest = calls->first;
    calls->first = NULL;
    pthread_mutex_unlock(&calls->lock);
    struct upstream_call *oldest = NULL;
    while (newest != NULL) {
        struct upstream_call *call = newest;
        newest = call->next_done;
        call->next_done = oldest;
        oldest = call;
    }
    return oldest;
}

/* The client's thread. */
static void done(void *user, ProtobufCMessage *response, const struct status *st)
{
    struct calls_done one = {0};
    calls_done_add(&one, user, response, st);
    calls_hand_over(&one);
}

/* Fails a call that is started while the gateway has no client. */
static void refuse(struct upstream_call *call)
{
    struct status st;
    status_set(&st, STATUS_UNAVAILABLE, "SHUTTING_DOWN", "the gateway is stopping");
    done(call, NULL, &st);
}

/* Where the writes of the call's caller are; NULL there: the first one. */
static struct together **group_of(struct calls *calls, const struct upstream_call *call)
{
    for (size_t i = 0; i < calls->n_together; i++) {
        if (together_is_of(calls->together[i], call)) {
            return &calls->together[i];
        }
    }
    if (calls->n_together == TOGETHER_GROUPS) {
        calls_flush(calls);
    }
    return &calls->together[calls->n_together++];
}

static void add_to_others(struct upstream_call *call, struct registry_client *client,
                          const ProtobufCMessage *message)
{
    memcpy(&call->write, message, message->descriptor->sizeof_message);
    struct together **group = group_of(call->calls, call);
    if (!together_add(group, client, call)) {
        together_send(MOVE(*group), done);
        together_add(group, client, call);
    }
}

static const struct suspension by_call = {.cancel = NULL};

/* Connections of a host differ in their ports, but its writes may share a call. */
static void copy_host(const char *peer, char host[PEER_ADDRESS_SIZE])
{
    const char *colon = strrchr(peer, ':');
    bool has_port = colon != NULL && colon[1] != '\0';
    size_t n = has_port ? (size_t)(colon - peer) : strlen(peer);
    assert(n < PEER_ADDRESS_SIZE);
    memcpy(host, peer, n);
    host[n] = '\0';
}

static void set_caller(struct upstream_call *call, const struct request *r)
{
    if (r->identity != NULL) {
        copy_host(r->peer, call->peer);
        call->has_caller = identity_caller(r->identity, call->peer, &call->caller);
    }
}

const struct registry_caller *call_caller(const struct upstream_call *call)
{
    return call->has_caller ? &call->caller : NULL;
}

struct registry_call call_to_send(const struct upstream_call *call, enum registry_method method,
                                  const ProtobufCMessage *message)
{
    return (struct registry_call){.method = method,
                                  .request = message,
                                  .timeout_ms = call->timeout_ms,
                                  .caller = call_caller(call),
                                  .trace = call->trace};
}

void call_start(struct request *r, enum registry_method method, const ProtobufCMessage *message,
                int64_t timeout_ms, call_next *next)
{
    struct upstream *upstream = r->gateway->upstream;
    struct upstream_call *call = &upstream_request_of(r)->call;
    request_suspend(r, &by_call);
    *call = (struct upstream_call){.method = method,
                                   .timeout_ms = timeout_ms,
                                   .calls = upstream->calls,
                                   .next = next,
                                   .trace = r->trace};
    set_caller(call, r);
    if (upstream->client == NULL) {
        refuse(call);
    } else if (together_takes(method, message)) {
        add_to_others(call, upstream->client, message);
    } else {
        const struct registry_call sent = call_to_send(call, method, message);
        registry_client_start(upstream->client, &sent, done, call);
    }
}

void calls_flush(struct calls *calls)
{
    for (size_t i = 0; i < calls->n_together; i++) {
        together_send(MOVE(calls->together[i]), done);
    }
    calls->n_together = 0;
}

static void note_reach(struct upstream *upstream, const struct upstream_call *call)
{
    if (call->response != NULL || call->st->reason[0] != '\0') {
        reach_is_there(upstream);
    } else if (call->st->code == STATUS_UNAVAILABLE) {
        reach_is_away(upstream, call->st->message);
    }
}

void calls_run(struct calls *calls, request_resume *resume, void *user)
{
    struct upstream_call *call = take_all(calls);
    while (call != NULL) {
        struct request *r = &CONTAINER_OF(call, struct upstream_request, call)->base;
        struct upstream_call *following = call->next_done;
        ProtobufCMessage *response = call->response;
        note_reach(r->gateway->upstream, call);
        AUTO(free) struct status *st = MOVE(call->st);
        struct violations violations = call->violations; /* the request may begin another call */
        call->violations = (struct violations){0};
        request_resumed(r);
        call->next(r, response, st);
        if (response != NULL) {
            protobuf_c_message_free_unpacked(response, NULL);
        }
        violations_fini(&violations);
        if (r->suspended == NULL) {
            resume(user, r);
        }
        call = following;
    }
}
