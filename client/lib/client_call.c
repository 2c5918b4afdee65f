#include "client_call.h"

#include <string.h>

#include "clock.h"
#include "error.h"
#include "hash.h"
#include "mem.h"
#include "message.h"

#define NS_A_MS INT64_C(1000000)
#define TRY_MS 1000 /* what a try gets at least, if so much is left */

struct client_call {
    struct confreg_client *client;
    enum registry_method method;
    ProtobufCMessage *request; /* owned */
    int64_t deadline_ns;
    unsigned n_tries;
    struct status *unreached; /* owned; how the try before has failed; NULL: there was none */
    struct rpc_timer pause;
    LIST_ENTRY(client_call) in_pauses;
    call_finished *finished;
    void *user;
};

static void finish(struct client_call *call, ProtobufCMessage *response, const struct status *st)
{
    call->finished(call->user, response, st);
    message_free(call->request);
    free(call->unreached);
    free(call);
}

static void finish_closing(struct client_call *call)
{
    struct status st;
    status_set(&st, STATUS_CANCELLED, "CLIENT_FREED", "the client is being freed");
    finish(call, NULL, &st);
}

/* ---- Tries ---- */

static void try_done(void *user, ProtobufCMessage *response, const struct status *st);

static int64_t left_ms(const struct client_call *call)
{
    return (call->deadline_ns - clock_monotonic_ns()) / NS_A_MS;
}

/* With several addresses a try gets half of the time, so that one that hangs leaves some for the
 * next one. */
static int64_t try_timeout_ms(const struct client_call *call)
{
    int64_t left = left_ms(call);
    int64_t most = registry_client_has_choice(call->client->registry) ? left / 2 : left;
    most = most < TRY_MS ? TRY_MS : most;
    left = most < left ? most : left;
    return left < 1 ? 1 : left;
}

static void try(struct client_call *call)
{
    const struct registry_call attempt = {
        .method = call->method,
        .request = call->request,
        .timeout_ms = try_timeout_ms(call),
        .patient = call->n_tries > 0,
    };
    call->n_tries++;
    registry_client_start(call->client->registry, &attempt, try_done, call);
}

static void pause_over(struct rpc_timer *timer)
{
    struct client_call *call = CONTAINER_OF(timer, struct client_call, pause);
    LIST_REMOVE(call, in_pauses);
    try(call);
}

/* Whether the same call may succeed at another address, or later. */
static bool may_work_later(const struct client_call *call, const struct status *st)
{
    return st->code == STATUS_UNAVAILABLE || (st->code == STATUS_DEADLINE_EXCEEDED &&
                                              registry_client_has_choice(call->client->registry));
}

/* True: the call is going to be tried again. */
static bool pause_call(struct client_call *call, const struct status *st)
{
    int64_t pause_ms = registry_client_pause_ms(call->client->registry);
    pause_ms += st->retry_ms;
    if (!may_work_later(call, st) || pause_ms >= left_ms(call)) {
        return false;
    }
    free(call->unreached);
    call->unreached = mem_alloc(sizeof *call->unreached);
    *call->unreached = *st;
    call->unreached->n_violations = 0;
    LIST_INSERT_HEAD(&call->client->pauses, call, in_pauses);
    call->pause.fn = pause_over;
    registry_client_set_timer(call->client->registry, &call->pause,
                              clock_monotonic_ns() + pause_ms * NS_A_MS);
    return true;
}

/* On the thread of the registry's client. */
static void try_done(void *user, ProtobufCMessage *response, const struct status *st)
{
    struct client_call *call = user;
    if (response != NULL) {
        finish(call, response, NULL);
    } else if (atomic_load(&call->client->closing)) {
        finish_closing(call);
    } else if (!pause_call(call, st)) {
        bool waited = st->code == STATUS_DEADLINE_EXCEEDED && call->unreached != NULL;
        finish(call, NULL, waited ? call->unreached : st);
    }
}

/* ---- Starting ---- */

static void complete_write(const struct confreg_client *client, ProtobufCMessage *request)
{
    uint8_t random[16];
    char id[2 * sizeof random + 1];
    random_bytes(random, sizeof random);
    hex_encode(random, sizeof random, id);
    message_default_text(request, "request_id", id);
    if (client->author != NULL && !message_is_true(request, "created_by_empty")) {
        message_default_text(request, "created_by", client->author);
    }
}

/* Each write of WriteConfigs is a request of its own. */
static void complete_request(const struct confreg_client *client, ProtobufCMessage *request)
{
    complete_write(client, request);
    if (request->descriptor == &confreg__v1__write_configs_request__descriptor) {
        const Confreg__V1__WriteConfigsRequest *writes = (const void *)request;
        for (size_t i = 0; i < writes->n_writes; i++) {
            /* Whichever of them it is, it begins as all messages do. */
            const Confreg__V1__Write *write = writes->writes[i];
            if (write->write_case != CONFREG__V1__WRITE__WRITE__NOT_SET && write->create != NULL) {
                complete_write(client, &write->create->base);
            }
        }
    }
}

void call_start(struct confreg_client *client, enum registry_method method,
                ProtobufCMessage *request, int64_t timeout_ms, call_finished *finished, void *user)
{
    int64_t timeout = timeout_ms <= 0 ? client->timeout_ms : timeout_ms;
    struct client_call *call = mem_zalloc(sizeof *call);
    *call = (struct client_call){
        .client = client,
        .method = method,
        .request = request,
        .deadline_ns = clock_after_ms(timeout),
        .finished = finished,
        .user = user,
    };
    complete_request(client, request);
    if (client_enter(client)) {
        try(call);
        client_leave(client);
    } else {
        finish_closing(call);
    }
}

struct end_task {
    struct rpc_task task;
    struct confreg_client *client;
    pthread_mutex_t lock; /* of the next two */
    pthread_cond_t ended;
    bool has_ended;
};

static void end_pauses(struct rpc_task *task)
{
    struct end_task *end = CONTAINER_OF(task, struct end_task, task);
    struct confreg_client *client = end->client;
    for (struct client_call *call; (call = LIST_FIRST(&client->pauses)) != NULL;) {
        LIST_REMOVE(call, in_pauses);
        registry_client_clear_timer(client->registry, &call->pause);
        finish_closing(call);
    }
    pthread_mutex_lock(&end->lock);
    end->has_ended = true;
    pthread_cond_signal(&end->ended);
    pthread_mutex_unlock(&end->lock);
}

void calls_end_pauses(struct confreg_client *client)
{
    struct end_task end = {.task.fn = end_pauses, .client = client};
    pthread_mutex_init(&end.lock, NULL);
    pthread_cond_init(&end.ended, NULL);
    registry_client_post(client->registry, &end.task);
    pthread_mutex_lock(&end.lock);
    while (!end.has_ended) {
        pthread_cond_wait(&end.ended, &end.lock);
    }
    pthread_mutex_unlock(&end.lock);
    pthread_cond_destroy(&end.ended);
    pthread_mutex_destroy(&end.lock);
}

/* ---- Waiting ---- */

struct call_waiter {
    pthread_mutex_t lock; /* of all that follows */
    pthread_cond_t ended;
    bool has_ended;
    ProtobufCMessage *response;
    struct confreg_error *error;
};

static void wake(void *user, ProtobufCMessage *response, const struct status *st)
{
    struct call_waiter *waiter = user;
    pthread_mutex_lock(&waiter->lock);
    waiter->response = response;
    if (response == NULL) {
        error_of(waiter->error, st);
    }
    waiter->has_ended = true;
    pthread_cond_signal(&waiter->ended);
    pthread_mutex_unlock(&waiter->lock);
}

ProtobufCMessage *call_wait(struct confreg_client *client, enum registry_method method,
                            ProtobufCMessage *request, int64_t timeout_ms,
                            struct confreg_error *error)
{
    if (!client_check(client, true, error)) {
        message_free(request);
        return NULL;
    }
    struct call_waiter waiter = {.error = error};
    pthread_mutex_init(&waiter.lock, NULL);
    pthread_cond_init(&waiter.ended, NULL);
    call_start(client, method, request, timeout_ms, wake, &waiter);
    pthread_mutex_lock(&waiter.lock);
    while (!waiter.has_ended) {
        pthread_cond_wait(&waiter.ended, &waiter.lock);
    }
    pthread_mutex_unlock(&waiter.lock);
    pthread_cond_destroy(&waiter.ended);
    pthread_mutex_destroy(&waiter.lock);
    return waiter.response;
}
