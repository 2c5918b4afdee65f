#include "fixture.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

extern const unsigned char echo_descriptors[];
extern const size_t echo_descriptors_size;

struct fixture fixture;

void counter_add(struct counter *counter)
{
    pthread_mutex_lock(&counter->lock);
    counter->n++;
    pthread_cond_broadcast(&counter->changed);
    pthread_mutex_unlock(&counter->lock);
}

void counter_wait(struct counter *counter, size_t n)
{
    pthread_mutex_lock(&counter->lock);
    while (counter->n < n) {
        pthread_cond_wait(&counter->changed, &counter->lock);
    }
    pthread_mutex_unlock(&counter->lock);
}

size_t counter_get(struct counter *counter)
{
    pthread_mutex_lock(&counter->lock);
    size_t n = counter->n;
    pthread_mutex_unlock(&counter->lock);
    return n;
}

void counter_init(struct counter *counter)
{
    pthread_mutex_init(&counter->lock, NULL);
    pthread_cond_init(&counter->changed, NULL);
    counter->n = 0;
}

/* ---- Unary methods ---- */

static void echo(struct rpc_call *call, const Rpc__Test__EchoRequest *request, struct fixture *f)
{
    (void)f;
    Rpc__Test__EchoResponse response = RPC__TEST__ECHO_RESPONSE__INIT;
    response.text = request->text;
    response.data = request->data;
    rpc_reply(call, &response.base);
}

static void fail(struct rpc_call *call, const Rpc__Test__EchoRequest *request, struct fixture *f)
{
    (void)request;
    rpc_fail(call, &f->refusal);
}

static void count_cancelled(void *user)
{
    struct fixture *f = user;
    counter_add(&f->cancelled);
}

static void hold(struct rpc_call *call, const Rpc__Test__EchoRequest *request, struct fixture *f)
{
    (void)request;
    f->hold = call;
    rpc_call_follow(call, count_cancelled, f);
    counter_add(&f->held);
}

static void describe(struct rpc_call *call, const Rpc__Test__EchoRequest *request,
                     struct fixture *f)
{
    (void)request;
    (void)f;
    char text[256];
    size_t size = 0;
    const char *header = rpc_call_header(call, "x-test", &size);
    snprintf(text, sizeof text, "%s %.*s", rpc_call_peer(call), (int)size,
             header == NULL ? "" : header);
    Rpc__Test__EchoResponse response = RPC__TEST__ECHO_RESPONSE__INIT;
    response.text = text;
    response.has_deadline = rpc_call_deadline(call) != RPC_NO_DEADLINE;
    rpc_reply(call, &response.base);
}

/* ---- Count ---- */

struct count {
    struct fixture *fixture;
    struct rpc_stream *stream;
    struct count *previous, *next; /* in fixture->live */
    uint64_t given;
    bool listed;
};

static void enlist(struct count *count)
{
    struct fixture *f = count->fixture;
    pthread_mutex_lock(&f->lock);
    count->listed = true;
    count->next = f->live;
    if (count->next != NULL) {
        count->next->previous = count;
    }
    f->live = count;
    pthread_mutex_unlock(&f->lock);
    counter_add(&f->opened);
}

static void unlist(struct count *count)
{
    struct fixture *f = count->fixture;
    pthread_mutex_lock(&f->lock);
    *(count->previous != NULL ? &count->previous->next : &f->live) = count->next;
    if (count->next != NULL) {
        count->next->previous = count->previous;
    }
    pthread_mutex_unlock(&f->lock);
}

static struct buf *encode(uint64_t number, size_t padding)
{
    Rpc__Test__CountResponse response = RPC__TEST__COUNT_RESPONSE__INIT;
    response.number = number;
    response.padding.len = padding;
    response.padding.data = mem_zalloc(padding);
    struct buf *bytes = buf_new(rpc__test__count_response__get_packed_size(&response));
    rpc__test__count_response__pack(&response, bytes->data);
    free(response.padding.data);
    return bytes;
}

static enum rpc_next next_number(void *state, struct rpc_pieces *pieces, struct status *st)
{
    struct count *count = state;
    struct fixture *f = count->fixture;
    if (!count->listed) {
        enlist(count);
    }
    pthread_mutex_lock(&f->lock);
    uint64_t limit = f->limit;
    bool end = f->end;
    pthread_mutex_unlock(&f->lock);
    counter_add(&f->asked);
    if (count->given < limit) {
        pieces->items[pieces->n++] = encode(++count->given, f->padding);
        return RPC_NEXT_MESSAGE;
    }
    if (rpc_server_stopping(f->server)) {
        status_set(st, STATUS_UNAVAILABLE, "SHUTTING_DOWN", "the server is stopping");
        return RPC_NEXT_END;
    }
    if (end && f->refusal.code != STATUS_OK) {
        *st = f->refusal;
    }
    return end ? RPC_NEXT_END : RPC_NEXT_IDLE;
}

static void count_closed(void *state)
{
    struct count *count = state;
    unlist(count);
    counter_add(&count->fixture->closed);
}

static void count_released(void *state)
{
    struct fixture *f = ((struct count *)state)->fixture;
    free(state);
    counter_add(&f->released);
}

static void count(struct rpc_call *call, const Rpc__Test__CountRequest *request, struct fixture *f)
{
    static const struct rpc_stream_ops ops = {
        .next = next_number, .closed = count_closed, .released = count_released};
    (void)request;
    struct count *state = mem_zalloc(sizeof *state);
    state->fixture = f;
    rpc_stream_open(call, &ops, state, &state->stream);
}

/* Under the lock. Returns references to all open streams, in an array that is owned. */
static struct rpc_stream **ref_streams(size_t *ret_n)
{
    size_t n = 0;
    for (struct count *count = fixture.live; count != NULL; count = count->next) {
        n++;
    }
    struct rpc_stream **streams = mem_array(n + 1, sizeof streams[0]);
    *ret_n = n;
    n = 0;
    for (struct count *count = fixture.live; count != NULL; count = count->next) {
        streams[n++] = rpc_stream_ref(count->stream);
    }
    return streams;
}

static void kick_all(struct rpc_stream **streams, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        rpc_stream_kick(streams[i]);
        rpc_stream_unref(streams[i]);
    }
    free(streams);
}

void fixture_release(uint64_t n)
{
    size_t n_streams;
    pthread_mutex_lock(&fixture.lock);
    fixture.limit = n;
    struct rpc_stream **streams = ref_streams(&n_streams);
    pthread_mutex_unlock(&fixture.lock);
    kick_all(streams, n_streams);
}

void fixture_end_streams(void)
{
    size_t n_streams;
    pthread_mutex_lock(&fixture.lock);
    fixture.end = true;
    struct rpc_stream **streams = ref_streams(&n_streams);
    pthread_mutex_unlock(&fixture.lock);
    kick_all(streams, n_streams);
}

struct rpc_stream *fixture_any_stream(void)
{
    pthread_mutex_lock(&fixture.lock);
    struct rpc_stream *stream = rpc_stream_ref(fixture.live->stream);
    pthread_mutex_unlock(&fixture.lock);
    return stream;
}

RPC_HANDLER(echo, Rpc__Test__EchoRequest, struct fixture)
RPC_HANDLER(fail, Rpc__Test__EchoRequest, struct fixture)
RPC_HANDLER(hold, Rpc__Test__EchoRequest, struct fixture)
RPC_HANDLER(describe, Rpc__Test__EchoRequest, struct fixture)
RPC_HANDLER(count, Rpc__Test__CountRequest, struct fixture)

/* ---- The fixture ---- */

void fixture_prepare(void)
{
    static const struct rpc_method methods[] = {
        {"Echo", RPC_UNARY, echo_thunk},           {"Fail", RPC_UNARY, fail_thunk},
        {"Hold", RPC_UNARY, hold_thunk},           {"Describe", RPC_UNARY, describe_thunk},
        {"Count", RPC_SERVER_STREAM, count_thunk},
    };
    fixture = (struct fixture){
        .service = {&rpc__test__echo__descriptor, methods, COUNT_OF(methods), &fixture},
        .options = {.n_call_threads = 2,
                    .error_domain = "rpc.test",
                    .descriptor_set = echo_descriptors,
                    .descriptor_set_size = echo_descriptors_size},
    };
    pthread_mutex_init(&fixture.lock, NULL);
    counter_init(&fixture.held);
    counter_init(&fixture.cancelled);
    counter_init(&fixture.opened);
    counter_init(&fixture.closed);
    counter_init(&fixture.released);
    counter_init(&fixture.asked);
}

void fixture_start(void)
{
    struct status st;
    int port = 0;
    cr_assert(rpc_server_new(&fixture.options, &fixture.server, &st), "%s", st.message);
    rpc_server_add(fixture.server, &fixture.service);
    rpc_server_add_health(fixture.server);
    rpc_server_add_reflection(fixture.server);
    cr_assert(rpc_server_listen(fixture.server, "127.0.0.1:0", &port, &st), "%s", st.message);
    cr_assert_gt(port, 0);
    rpc_server_start(fixture.server);
    snprintf(fixture.address, sizeof fixture.address, "127.0.0.1:%d", port);
    cr_assert(rpc_client_to(fixture.address, NULL, &fixture.client, &st), "%s", st.message);
}

void fixture_setup(void)
{
    fixture_prepare();
    fixture_start();
}

void fixture_teardown(void)
{
    rpc_client_free(fixture.client);
    if (fixture.server != NULL && !rpc_server_stopping(fixture.server)) {
        rpc_server_stop(fixture.server, 2000);
    }
    rpc_server_free(fixture.server);
}

/* ---- Calls that wait ---- */

struct waiting {
    struct answer answer;
    struct counter done;
};

static void take_answer(void *user, const struct status *st, const uint8_t *bytes, size_t size)
{
    struct waiting *waiting = user;
    waiting->answer.ok = st == NULL;
    if (st != NULL) {
        waiting->answer.st = *st;
    } else {
        waiting->answer.bytes = buf_copy(bytes, size);
    }
    counter_add(&waiting->done);
}

struct answer call_and_wait(struct rpc_client *client, const struct rpc_request *request)
{
    struct waiting waiting = {.answer.ok = false};
    counter_init(&waiting.done);
    rpc_client_unary(client, request, take_answer, &waiting);
    counter_wait(&waiting.done, 1);
    return waiting.answer;
}

struct answer call_method(const char *method, const ProtobufCMessage *message)
{
    char path[128];
    snprintf(path, sizeof path, "/rpc.test.Echo/%s", method);
    return call_and_wait(fixture.client, &(struct rpc_request){.path = path, .message = message});
}

void answer_fini(struct answer *answer)
{
    buf_unref(answer->bytes);
}

Rpc__Test__EchoRequest echo_request(const char *text)
{
    Rpc__Test__EchoRequest request = RPC__TEST__ECHO_REQUEST__INIT;
    request.text = (char *)(uintptr_t)text;
    return request;
}

Rpc__Test__EchoResponse *echo_response(const struct answer *answer)
{
    cr_assert(answer->ok, "%s", answer->st.message);
    Rpc__Test__EchoResponse *response =
        rpc__test__echo_response__unpack(NULL, answer->bytes->len, answer->bytes->data);
    cr_assert_not_null(response);
    return response;
}

/* ---- Readers of Count ---- */

static bool read_message(void *user, const uint8_t *bytes, size_t size)
{
    struct reader *reader = user;
    Rpc__Test__CountResponse *response = rpc__test__count_response__unpack(NULL, size, bytes);
    reader->in_order = reader->in_order && response->number == reader->last + 1;
    reader->last = response->number;
    rpc__test__count_response__free_unpacked(response, NULL);
    counter_add(&reader->messages);
    if (reader->gate != NULL) {
        counter_wait(reader->gate, 1);
    }
    return !reader->cancel_on_message;
}

static void read_end(void *user, const struct status *st)
{
    struct reader *reader = user;
    reader->ok = st == NULL;
    if (st != NULL) {
        reader->st = *st;
    }
    counter_add(&reader->ended);
}

void reader_start_at(struct reader *reader, struct rpc_client *client, const char *path,
                     const ProtobufCMessage *request, int64_t timeout_ms)
{
    static const struct rpc_client_stream_ops ops = {read_message, read_end};
    counter_init(&reader->messages);
    counter_init(&reader->ended);
    reader->in_order = true;
    reader->call = rpc_client_stream(
        client, &(struct rpc_request){.path = path, .message = request, .timeout_ms = timeout_ms},
        &ops, reader);
}

void reader_start(struct reader *reader, struct rpc_client *client, int64_t timeout_ms)
{
    const Rpc__Test__CountRequest request = RPC__TEST__COUNT_REQUEST__INIT;
    reader_start_at(reader, client, "/rpc.test.Echo/Count", &request.base, timeout_ms);
}
