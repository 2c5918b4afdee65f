#include "rpc_echo.h"

#include <stdatomic.h>
#include <string.h>

#include "echo.pb-c.h"
#include "rpc_server.h"
#include "stress.h"

#define LATE_BEHIND 32 /* a late answer waits for so many other calls */
#define GRACE_MS 20

extern const unsigned char stress_descriptors[];
extern const size_t stress_descriptors_size;

/* A call that another thread answers. */
struct handed {
    struct rpc_call *call;
    uint64_t number;
    uint64_t due; /* answered when so many were handed over */
    struct handed *next;
};

struct counter {
    struct echo *echo;
    struct rpc_stream *stream;
    uint64_t next;
    uint64_t upto;
    bool listed;
    bool closed;
    struct counter *previous, *following; /* in echo->counters */
};

struct echo {
    struct rpc_server *rpc;
    int port;

    pthread_mutex_t lock;
    pthread_cond_t wake;
    struct handed *handed; /* in no order */
    uint64_t n_handed;
    struct counter *counters;
    bool hurry; /* answer everything that is held */
    bool ending;
    pthread_t worker;

    atomic_uint_fast64_t ticks;
    atomic_uint_fast64_t n_opened, n_closed, n_released;
};

/* ---- Say ---- */

static void answer(struct rpc_call *call, uint64_t number, const ProtobufCBinaryData *ballast)
{
    Confreg__Stress__SayResponse response;
    confreg__stress__say_response__init(&response);
    response.number = number;
    if (ballast != NULL) {
        response.ballast = *ballast;
    }
    rpc_reply(call, &response.base);
}

static void refuse(struct rpc_call *call)
{
    struct status st;
    status_set(&st, STATUS_RESOURCE_EXHAUSTED, "ASKED_FOR", "as you wish");
    rpc_fail(call, &st);
}

static void hand_over(struct echo *echo, struct rpc_call *call, uint64_t number, bool late)
{
    struct handed *handed = mem_zalloc(sizeof *handed);
    handed->call = call;
    handed->number = number;
    rpc_call_follow(call, NULL, NULL);
    pthread_mutex_lock(&echo->lock);
    handed->due = echo->n_handed++ + (late ? LATE_BEHIND : 0);
    handed->next = echo->handed;
    echo->handed = handed;
    pthread_cond_signal(&echo->wake);
    pthread_mutex_unlock(&echo->lock);
}

static void say(struct rpc_call *call, const Confreg__Stress__SayRequest *request,
                struct echo *echo)
{
    CHECK(rpc_call_deadline(call) > 0 && rpc_call_peer(call) != NULL, "a call has both");
    switch (request->manner) {
    case CONFREG__STRESS__MANNER__MANNER_HANDED_OVER:
    case CONFREG__STRESS__MANNER__MANNER_LATE:
        hand_over(echo, call, request->number,
                  request->manner == CONFREG__STRESS__MANNER__MANNER_LATE);
        break;
    case CONFREG__STRESS__MANNER__MANNER_REFUSED:
        refuse(call);
        break;
    default:
        answer(call, request->number, &request->ballast);
    }
}

/* Takes what is due out of the list. */
static struct handed *take_due(struct echo *echo)
{
    struct handed *due = NULL;
    for (struct handed **link = &echo->handed; *link != NULL;) {
        struct handed *handed = *link;
        if (!echo->hurry && handed->due >= echo->n_handed) {
            link = &handed->next;
            continue;
        }
        *link = handed->next;
        handed->next = due;
        due = handed;
    }
    return due;
}

/* Under the lock. Returns references to the streams of all counters, in an array that is owned. */
static struct rpc_stream **ref_streams(const struct echo *echo, size_t *ret_n)
{
    size_t n = 0;
    for (struct counter *counter = echo->counters; counter != NULL; counter = counter->following) {
        n++;
    }
    struct rpc_stream **streams = mem_array(n + 1, sizeof streams[0]);
    *ret_n = 0;
    for (struct counter *counter = echo->counters; counter != NULL; counter = counter->following) {
        streams[(*ret_n)++] = rpc_stream_ref(counter->stream);
    }
    return streams;
}

static void kick(struct echo *echo, struct rpc_stream **streams, size_t n)
{
    atomic_fetch_add(&echo->ticks, 1);
    for (size_t i = 0; i < n; i++) {
        rpc_stream_kick(streams[i]);
        rpc_stream_unref(streams[i]);
    }
    free(streams);
}

static void *work(void *argument)
{
    struct echo *echo = argument;
    pthread_mutex_lock(&echo->lock);
    while (!echo->ending || echo->handed != NULL) {
        struct handed *due = take_due(echo);
        if (due == NULL) {
            pthread_cond_wait(&echo->wake, &echo->lock);
            continue;
        }
        size_t n_streams;
        struct rpc_stream **streams = ref_streams(echo, &n_streams);
        pthread_mutex_unlock(&echo->lock);
        kick(echo, streams, n_streams);
        while (due != NULL) {
            struct handed *next = due->next;
            answer(due->call, due->number, NULL);
            free(due);
            due = next;
        }
        pthread_mutex_lock(&echo->lock);
    }
    pthread_mutex_unlock(&echo->lock);
    return NULL;
}

/* ---- Count ---- */

static void list(struct counter *counter)
{
    struct echo *echo = counter->echo;
    pthread_mutex_lock(&echo->lock);
    counter->following = echo->counters;
    if (counter->following != NULL) {
        counter->following->previous = counter;
    }
    echo->counters = counter;
    counter->listed = true;
    pthread_mutex_unlock(&echo->lock);
}

static void unlist(struct counter *counter)
{
    struct echo *echo = counter->echo;
    pthread_mutex_lock(&echo->lock);
    struct counter **link =
        counter->previous != NULL ? &counter->previous->following : &echo->counters;
    *link = counter->following;
    if (counter->following != NULL) {
        counter->following->previous = counter->previous;
    }
    pthread_mutex_unlock(&echo->lock);
}

static enum rpc_next next_number(void *state, struct rpc_pieces *pieces, struct status *st)
{
    struct counter *counter = state;
    struct echo *echo = counter->echo;
    CHECK(!counter->closed, "a closed stream is asked");
    if (!counter->listed) {
        list(counter);
    }
    if (rpc_server_stopping(echo->rpc)) {
        status_set(st, STATUS_UNAVAILABLE, "SHUTTING_DOWN", "the end");
        return RPC_NEXT_END;
    }
    if (counter->next == counter->upto) {
        return RPC_NEXT_END;
    }
    if (counter->next >= atomic_load(&echo->ticks)) {
        return RPC_NEXT_IDLE;
    }
    Confreg__Stress__CountResponse response;
    confreg__stress__count_response__init(&response);
    response.number = counter->next++;
    struct buf *piece = buf_new(confreg__stress__count_response__get_packed_size(&response));
    confreg__stress__count_response__pack(&response, piece->data);
    pieces->items[pieces->n++] = piece;
    return RPC_NEXT_MESSAGE;
}

static void closed(void *state)
{
    struct counter *counter = state;
    CHECK(!counter->closed, "closed twice");
    counter->closed = true;
    atomic_fetch_add(&counter->echo->n_closed, 1);
    if (counter->listed) {
        unlist(counter);
    }
}

static void released(void *state)
{
    struct counter *counter = state;
    CHECK(counter->closed, "released before it was closed");
    atomic_fetch_add(&counter->echo->n_released, 1);
    free(counter);
}

static void count(struct rpc_call *call, const Confreg__Stress__CountRequest *request,
                  struct echo *echo)
{
    static const struct rpc_stream_ops ops = {
        .next = next_number, .closed = closed, .released = released};
    struct counter *counter = mem_zalloc(sizeof *counter);
    counter->echo = echo;
    counter->upto = request->upto;
    atomic_fetch_add(&echo->n_opened, 1);
    rpc_stream_open(call, &ops, counter, &counter->stream);
}

/* ---- The server ---- */

RPC_HANDLER(say, Confreg__Stress__SayRequest, struct echo)
RPC_HANDLER(count, Confreg__Stress__CountRequest, struct echo)

static const struct rpc_method methods[] = {
    {"Say", RPC_UNARY, say_thunk},
    {"Count", RPC_SERVER_STREAM, count_thunk},
};

struct echo *echo_start(void)
{
    static struct rpc_service service;
    struct echo *echo = mem_zalloc(sizeof *echo);
    struct rpc_server_options options = {
        .n_call_threads = 2,
        .error_domain = "stress",
        .descriptor_set = stress_descriptors,
        .descriptor_set_size = stress_descriptors_size,
    };
    struct status st;
    pthread_mutex_init(&echo->lock, NULL);
    pthread_cond_init(&echo->wake, NULL);
    CHECK(rpc_server_new(&options, &echo->rpc, &st), "%s", st.message);
    service = (struct rpc_service){&confreg__stress__echo__descriptor, methods, 2, echo};
    rpc_server_add(echo->rpc, &service);
    rpc_server_add_health(echo->rpc);
    CHECK(rpc_server_listen(echo->rpc, "127.0.0.1:0", &echo->port, &st), "%s", st.message);
    CHECK(pthread_create(&echo->worker, NULL, work, echo) == 0, "no thread");
    rpc_server_start(echo->rpc);
    rpc_server_set_serving(echo->rpc, true);
    return echo;
}

int echo_port(const struct echo *echo)
{
    return echo->port;
}

static void set(struct echo *echo, bool *flag)
{
    pthread_mutex_lock(&echo->lock);
    *flag = true;
    pthread_cond_signal(&echo->wake);
    pthread_mutex_unlock(&echo->lock);
}

void echo_stop(struct echo *echo)
{
    set(echo, &echo->hurry);
    rpc_server_stop(echo->rpc, GRACE_MS);
    set(echo, &echo->ending);
    pthread_join(echo->worker, NULL);
    CHECK(echo->n_opened == echo->n_closed && echo->n_closed == echo->n_released,
          "streams: %lu opened, %lu closed, %lu released", echo->n_opened, echo->n_closed,
          echo->n_released);
    CHECK(echo->counters == NULL, "a stream is left");
    rpc_server_free(echo->rpc);
    pthread_cond_destroy(&echo->wake);
    pthread_mutex_destroy(&echo->lock);
    free(echo);
}
