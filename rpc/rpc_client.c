#include "rpc_client.h"

#include <assert.h>
#include <grpc/grpc.h>
#include <grpc/support/time.h>
#include <stdio.h>
#include <string.h>
#include <sys/queue.h>

#include "address.h"
#include "bytes.h"
#include "channel.h"
#include "completion_queue.h"
#include "core.h"
#include "status_details.h"

struct rpc_client {
    struct channel_source **channels; /* one for each address */
    size_t n_channels;
    struct completion_queue cq;
    pthread_mutex_t lock;
    pthread_cond_t idle;
    LIST_HEAD(, rpc_client_call) calls; /* open */
    bool closing;
};

struct rpc_client_call {
    struct rpc_client *client;
    LIST_ENTRY(rpc_client_call) in_calls;
    struct channel *channel; /* a reference */
    grpc_call *core;
    unsigned n_batches; /* in flight; the client's thread's, once they are started */

    rpc_unary_done *unary_done; /* or, of a stream: */
    const struct rpc_client_stream_ops *ops;
    void *user;

    struct tag started;
    struct tag received;
    struct tag ended;
    struct rpc_task refused;
    grpc_byte_buffer *sent;
    grpc_byte_buffer *message;
    grpc_metadata *headers;
    size_t n_headers;
    grpc_metadata_array answer_headers;
    grpc_metadata_array trailers;
    grpc_status_code code;
    grpc_slice details;
};

/* ---- The client ---- */

static bool is_address(const char *text, struct status *st)
{
    struct address parsed;
    return strncmp(text, "dns:", 4) == 0 || address_parse(text, ADDRESS_TO_CONNECT, &parsed, st);
}

static void free_channels(struct rpc_client *client)
{
    for (size_t i = 0; i < client->n_channels; i++) {
        channel_source_free(client->channels[i]);
    }
    free(client->channels);
}

static bool make_channels(struct rpc_client *client, const char *const *addresses, size_t n,
                          const struct rpc_client_options *options, struct status *st)
{
    client->channels = mem_array(n, sizeof client->channels[0]);
    while (client->n_channels < n) {
        const char *address = addresses[client->n_channels];
        struct channel_source **channel = &client->channels[client->n_channels];
        if (!is_address(address, st) || !channel_source_new(address, options, channel, st)) {
            return false;
        }
        client->n_channels++;
    }
    return true;
}

bool rpc_client_open(const char *const *addresses, size_t n,
                     const struct rpc_client_options *options, struct rpc_client **ret_client,
                     struct status *st)
{
    static const struct rpc_client_options defaults = {0};
    assert(n > 0 && "a client has an address");
    core_init();
    struct rpc_client *client = mem_zalloc(sizeof *client);
    if (!make_channels(client, addresses, n, options == NULL ? &defaults : options, st)) {
        free_channels(client);
        free(client);
        core_shutdown();
        return false;
    }
    pthread_mutex_init(&client->lock, NULL);
    pthread_cond_init(&client->idle, NULL);
    cq_init(&client->cq, GRPC_CQ_DEFAULT_POLLING);
    cq_start(&client->cq);
    *ret_client = client;
    return true;
}

void rpc_client_reload(struct rpc_client *client)
{
    for (size_t i = 0; i < client->n_channels; i++) {
        channel_source_reload(client->channels[i]);
    }
}

static void cancel_all(struct rpc_client *client)
{
    pthread_mutex_lock(&client->lock);
    client->closing = true;
    for (struct rpc_client_call *call = LIST_FIRST(&client->calls); call != NULL;
         call = LIST_NEXT(call, in_calls)) {
        grpc_call_cancel(call->core, NULL);
    }
    while (!LIST_EMPTY(&client->calls)) {
        pthread_cond_wait(&client->idle, &client->lock);
    }
    pthread_mutex_unlock(&client->lock);
}

void rpc_client_free(struct rpc_client *client)
{
    if (client == NULL) {
        return;
    }
    cancel_all(client);
    cq_close(&client->cq);
    cq_join(&client->cq);
    free_channels(client);
    cq_fini(&client->cq);
    pthread_cond_destroy(&client->idle);
    pthread_mutex_destroy(&client->lock);
    free(client);
    core_shutdown();
}

/* ---- A call's life ---- */

static bool copy_headers(struct rpc_client_call *call, const struct rpc_request *request)
{
    bool legal = true;
    call->n_headers = request->n_headers;
    call->headers = mem_array(request->n_headers, sizeof call->headers[0]);
    for (size_t i = 0; i < request->n_headers; i++) {
        grpc_metadata *header = &call->headers[i];
        header->key = grpc_slice_from_copied_string(request->headers[i].key);
        header->value = grpc_slice_from_copied_string(request->headers[i].value);
        legal = legal && grpc_header_key_is_legal(header->key) != 0 &&
                (grpc_is_binary_header(header->key) != 0 ||
                 grpc_header_nonbin_value_is_legal(header->value) != 0);
    }
    return legal;
}

static grpc_call *create_core(const struct rpc_client_call *call, const struct rpc_request *request)
{
    gpr_timespec deadline = gpr_inf_future(GPR_CLOCK_MONOTONIC);
    if (request->timeout_ms > 0) {
        deadline = gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC),
                                gpr_time_from_millis(request->timeout_ms, GPR_TIMESPAN));
    }
    grpc_slice path = grpc_slice_from_copied_string(request->path);
    grpc_call *core =
        grpc_channel_create_call(channel_core(call->channel), NULL, 0,
                                 call->client->cq.lanes[0].core, path, NULL, deadline, NULL);
    grpc_slice_unref(path);
    return core;
}

static struct rpc_client_call *new_call(struct rpc_client *client,
                                        const struct rpc_request *request, void *user)
{
    struct rpc_client_call *call = mem_zalloc(sizeof *call);
    call->client = client;
    call->user = user;
    assert(request->address < client->n_channels && "a call goes to an address of its client");
    call->channel = channel_source_take(client->channels[request->address]);
    call->core = create_core(call, request);
    call->sent = bytes_pack(request->message);
    call->details = grpc_empty_slice();
    grpc_metadata_array_init(&call->answer_headers);
    grpc_metadata_array_init(&call->trailers);
    return call;
}

static void enlist(struct rpc_client_call *call)
{
    struct rpc_client *client = call->client;
    pthread_mutex_lock(&client->lock);
    LIST_INSERT_HEAD(&client->calls, call, in_calls);
    if (client->closing) {
        grpc_call_cancel(call->core, NULL); /* a callback started it while the client is freed */
    }
    pthread_mutex_unlock(&client->lock);
}

static void unlist(struct rpc_client_call *call)
{
    struct rpc_client *client = call->client;
    pthread_mutex_lock(&client->lock);
    LIST_REMOVE(call, in_calls);
    if (LIST_EMPTY(&client->calls)) {
        pthread_cond_signal(&client->idle);
    }
    pthread_mutex_unlock(&client->lock);
}

static void free_call(struct rpc_client_call *call)
{
    grpc_byte_buffer_destroy(call->sent);
    grpc_byte_buffer_destroy(call->message);
    for (size_t i = 0; i < call->n_headers; i++) {
        grpc_slice_unref(call->headers[i].key);
        grpc_slice_unref(call->headers[i].value);
    }
    free(call->headers);
    grpc_metadata_array_destroy(&call->answer_headers);
    grpc_metadata_array_destroy(&call->trailers);
    grpc_slice_unref(call->details);
    grpc_call_unref(call->core);
    channel_unref(call->channel);
    free(call);
}

/* ---- How it ended ---- */

static void take_details(const struct rpc_client_call *call, struct status *st,
                         struct violations *room)
{
    for (size_t i = 0; i < call->trailers.count; i++) {
        const grpc_metadata *trailer = &call->trailers.metadata[i];
        if (grpc_slice_str_cmp(trailer->key, STATUS_DETAILS_KEY) == 0) {
            status_details_decode(GRPC_SLICE_START_PTR(trailer->value),
                                  GRPC_SLICE_LENGTH(trailer->value), st, room);
        }
    }
}

static bool succeeded(const struct rpc_client_call *call, struct status *st,
                      struct violations *room)
{
    if (call->code == GRPC_STATUS_OK) {
        return true;
    }
    status_set(st, status_code_of(call->code), "", "%.*s", (int)GRPC_SLICE_LENGTH(call->details),
               (const char *)GRPC_SLICE_START_PTR(call->details));
    take_details(call, st, room);
    return false;
}

static void tell_unary(struct rpc_client_call *call)
{
    struct status st;
    struct violations violations = {0};
    if (!succeeded(call, &st, &violations)) {
        call->unary_done(call->user, &st, NULL, 0);
    } else if (call->message == NULL) {
        status_set(&st, STATUS_INTERNAL, "", "the server sent no answer");
        call->unary_done(call->user, &st, NULL, 0);
    } else {
        struct bytes_view view;
        bytes_open(&view, call->message);
        call->unary_done(call->user, NULL, view.data, view.size);
        bytes_close(&view);
    }
    violations_fini(&violations);
}

static void tell_done(struct rpc_client_call *call)
{
    struct status st;
    struct violations violations = {0};
    if (call->unary_done != NULL) {
        tell_unary(call);
    } else {
        call->ops->done(call->user, succeeded(call, &st, &violations) ? NULL : &st);
    }
    violations_fini(&violations);
}

static void end_call(struct rpc_client_call *call)
{
    tell_done(call);
    unlist(call);
    free_call(call);
}

static void batch_done(struct rpc_client_call *call)
{
    assert(call->n_batches > 0 && "each batch ends once");
    if (--call->n_batches == 0) {
        end_call(call);
    }
}

static void ended(struct tag *tag, bool ok)
{
    (void)ok; /* the status reports the failure */
    batch_done(CONTAINER_OF(tag, struct rpc_client_call, ended));
}

/* ---- Starting ---- */

static grpc_op op_send_headers(const struct rpc_client_call *call,
                               const struct rpc_request *request)
{
    return (grpc_op){
        .op = GRPC_OP_SEND_INITIAL_METADATA,
        .flags = request->wait_for_ready ? GRPC_INITIAL_METADATA_WAIT_FOR_READY |
                                               GRPC_INITIAL_METADATA_WAIT_FOR_READY_EXPLICITLY_SET
                                         : 0,
        .data.send_initial_metadata = {.count = call->n_headers, .metadata = call->headers},
    };
}

static grpc_op op_send_request(const struct rpc_client_call *call)
{
    return (grpc_op){.op = GRPC_OP_SEND_MESSAGE, .data.send_message.send_message = call->sent};
}

static grpc_op op_send_close(void)
{
    return (grpc_op){.op = GRPC_OP_SEND_CLOSE_FROM_CLIENT};
}

static grpc_op op_receive_headers(struct rpc_client_call *call)
{
    return (grpc_op){
        .op = GRPC_OP_RECV_INITIAL_METADATA,
        .data.recv_initial_metadata.recv_initial_metadata = &call->answer_headers,
    };
}

static grpc_op op_receive_message(struct rpc_client_call *call)
{
    return (grpc_op){.op = GRPC_OP_RECV_MESSAGE, .data.recv_message.recv_message = &call->message};
}

static grpc_op op_receive_status(struct rpc_client_call *call)
{
    return (grpc_op){
        .op = GRPC_OP_RECV_STATUS_ON_CLIENT,
        .data.recv_status_on_client = {.trailing_metadata = &call->trailers,
                                       .status = &call->code,
                                       .status_details = &call->details},
    };
}

static void refused(struct rpc_task *task)
{
    struct rpc_client_call *call = CONTAINER_OF(task, struct rpc_client_call, refused);
    call->code = GRPC_STATUS_INVALID_ARGUMENT;
    call->details = grpc_slice_from_static_string("a header that HTTP/2 cannot carry");
    end_call(call);
}

/* False: the headers are invalid; done is called on the client's thread in this case, too. */
static bool prepare(struct rpc_client_call *call, const struct rpc_request *request)
{
    enlist(call);
    if (!copy_headers(call, request)) {
        call->refused.fn = refused;
        cq_post(&call->client->cq, &call->refused);
        return false;
    }
    return true;
}

void rpc_client_unary(struct rpc_client *client, const struct rpc_request *request,
                      rpc_unary_done *done, void *user)
{
    assert(done != NULL && "a call tells its end");
    struct rpc_client_call *call = new_call(client, request, user);
    call->unary_done = done;
    call->ended.fn = ended;
    if (!prepare(call, request)) {
        return;
    }
    const grpc_op ops[] = {
        op_send_headers(call, request), op_send_request(call),    op_send_close(),
        op_receive_headers(call),       op_receive_message(call), op_receive_status(call),
    };
    call->n_batches = 1;
    cq_start_batch(call->core, ops, COUNT_OF(ops), &call->ended);
}

/* ---- Streams ---- */

static void receive_next(struct rpc_client_call *call)
{
    assert(call->message == NULL && "one message is received at a time");
    const grpc_op op = op_receive_message(call);
    cq_start_batch(call->core, &op, 1, &call->received);
}

static bool give_message(struct rpc_client_call *call)
{
    struct bytes_view view;
    bytes_open(&view, call->message);
    bool more = call->ops->message(call->user, view.data, view.size);
    bytes_close(&view);
    grpc_byte_buffer_destroy(call->message);
    call->message = NULL;
    return more;
}

static void started(struct tag *tag, bool ok)
{
    (void)ok; /* the status reports the failure */
    batch_done(CONTAINER_OF(tag, struct rpc_client_call, started));
}

static void received(struct tag *tag, bool ok)
{
    struct rpc_client_call *call = CONTAINER_OF(tag, struct rpc_client_call, received);
    if (ok && call->message != NULL) {
        if (give_message(call)) {
            receive_next(call);
            return;
        }
        grpc_call_cancel(call->core, NULL);
    }
    batch_done(call);
}

static void start_stream(struct rpc_client_call *call, const struct rpc_request *request)
{
    const grpc_op status = op_receive_status(call);
    const grpc_op ops[] = {
        op_send_headers(call, request),
        op_send_request(call),
        op_send_close(),
        op_receive_headers(call),
    };
    call->n_batches = 3;
    cq_start_batch(call->core, &status, 1, &call->ended);
    cq_start_batch(call->core, ops, COUNT_OF(ops), &call->started);
    receive_next(call); /* from here on the call may end at any time */
}

struct rpc_client_call *rpc_client_stream(struct rpc_client *client,
                                          const struct rpc_request *request,
                                          const struct rpc_client_stream_ops *ops, void *user)
{
    assert(ops->message != NULL && ops->done != NULL && "a stream has its callbacks");
    struct rpc_client_call *call = new_call(client, request, user);
    call->ops = ops;
    call->started.fn = started;
    call->received.fn = received;
    call->ended.fn = ended;
    if (prepare(call, request)) {
        start_stream(call, request);
    }
    return call;
}

void rpc_client_cancel(struct rpc_client_call *call)
{
    grpc_call_cancel(call->core, NULL);
}

/* ---- Tasks and timers ---- */

void rpc_client_post(struct rpc_client *client, struct rpc_task *task)
{
    cq_post(&client->cq, task);
}

void rpc_client_set_timer(struct rpc_client *client, struct rpc_timer *timer, int64_t at_ns)
{
    cq_set_timer(&client->cq, timer, at_ns);
}

void rpc_client_clear_timer(struct rpc_client *client, struct rpc_timer *timer)
{
    cq_clear_timer(&client->cq, timer);
}
