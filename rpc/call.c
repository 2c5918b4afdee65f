#include "call.h"

#include <assert.h>
#include <grpc/support/alloc.h>
#include <grpc/support/time.h>
#include <stdlib.h>
#include <string.h>

#include "bytes.h"
#include "call_stats.h"
#include "clock.h"
#include "cork.h"
#include "message_check.h"
#include "status_details.h"

#define FAR_SECONDS 1000000000 /* a later deadline counts as none: nanoseconds overflow */

static void arrived(struct tag *tag, bool ok);

void call_request(struct rpc_server *server, const struct method *method,
                  struct completion_queue *listener)
{
    struct rpc_call *call = mem_zalloc(sizeof *call);
    bool streams = method != NULL && method->entry->kind == RPC_SERVER_STREAM;
    atomic_init(&call->refs, 1);
    call->server = server;
    call->method = method;
    call->listener = listener;
    call->cq = streams ? &server->stream_cq : listener;
    call->lane = cq_choose_lane(call->cq);
    call->stats =
        (method == NULL ? server->unknown_stats : method->stats) + (listener - server->cqs);
    call->code = STATUS_CANCELLED;
    call->arrived.fn = arrived;
    call->arrival.without_message = method != NULL && method->client_streams;
    grpc_call_details_init(&call->arrival.details);
    grpc_metadata_array_init(&call->arrival.headers);
    server_call_born(server);
    cq_request_call(server->core, method == NULL ? NULL : method->registered, &call->arrival,
                    call->lane, listener, &call->arrived);
}

void call_ref(struct rpc_call *call)
{
    atomic_fetch_add_explicit(&call->refs, 1, memory_order_relaxed);
}

static void release_caller(const struct rpc_server *server, void *caller)
{
    if (caller != NULL) {
        server->options.release_caller(caller);
    }
}

void call_unref(struct rpc_call *call)
{
    if (atomic_fetch_sub_explicit(&call->refs, 1, memory_order_acq_rel) > 1) {
        return;
    }
    struct rpc_server *server = call->server;
    stream_release(call->stream);
    grpc_byte_buffer_destroy(call->arrival.message);
    grpc_byte_buffer_destroy(call->sending);
    grpc_metadata_array_destroy(&call->arrival.headers);
    grpc_call_details_destroy(&call->arrival.details);
    free(call->peer);
    free(call->proven_name);
    if (call->charge != NULL) {
        server->options.limits->ended(server->options.limits->user, call->charge);
    }
    release_caller(server, call->caller);
    release_caller(server, call->caller_before);
    if (call->arrival.call != NULL) {
        grpc_call_unref(call->arrival.call);
    }
    free(call);
    server_call_gone(server);
}

void call_consume(struct rpc_call *call)
{
    bool before = atomic_exchange_explicit(&call->consumed, true, memory_order_relaxed);
    assert(!before && "a call is answered once");
}

/* Claims the right to answer the call; false if it is already answered. */
static bool claim(struct rpc_call *call)
{
    return !atomic_exchange_explicit(&call->answered, true, memory_order_relaxed);
}

void call_set_status(struct rpc_call *call, const struct status *st)
{
    call->code = st->code;
    if (st->code != STATUS_OK) { /* a status of success may have no texts */
        memcpy(call->reason, st->reason, sizeof call->reason);
    }
}

void call_count_end(struct rpc_call *call)
{
    const struct rpc_account *account = call->server->options.account;
    int64_t duration_ns = clock_monotonic_ns() - call->arrived_ns;
    call_stats_end(call->stats, call->code, duration_ns);
    if (account != NULL) {
        const struct rpc_call_end end = {
            .call = call,
            .code = call->code,
            .reason = call->reason,
            .note = call->note,
            .duration_ns = duration_ns,
            .request_bytes = call->request_bytes,
            .response_bytes = call->response_bytes,
        };
        account->ended(account->user, &end);
    }
}

/* ---- Arriving ---- */

static bool take_request(struct rpc_call *call, ProtobufCMessage **ret_request, struct status *st)
{
    if (call->method->client_streams) {
        *ret_request = NULL;
        return true;
    }
    if (call->arrival.message == NULL) {
        return status_set(st, STATUS_INVALID_ARGUMENT, "MALFORMED_MESSAGE",
                          "the request message is missing");
    }
    struct bytes_view view;
    bytes_open(&view, call->arrival.message);
    bool decoded = message_decode(call->method->input, view.data, view.size, ret_request, st);
    bytes_close(&view);
    call->request_bytes = view.size;
    grpc_byte_buffer_destroy(call->arrival.message);
    call->arrival.message = NULL;
    return decoded;
}

static void refuse_unknown(struct rpc_call *call)
{
    struct status st;
    const grpc_slice *path = &call->arrival.details.method;
    status_set(&st, STATUS_UNIMPLEMENTED, "METHOD_UNKNOWN", "there is no method %.*s",
               (int)GRPC_SLICE_LENGTH(*path), (const char *)GRPC_SLICE_START_PTR(*path));
    rpc_fail(call, &st);
}

static void refuse(struct rpc_call *call)
{
    struct status st;
    status_set(&st, STATUS_UNAVAILABLE, "SHUTTING_DOWN", "the server is stopping");
    rpc_fail(call, &st);
}

/* Whether the call may be handled, as far as it is the account's to say. */
static bool open_account(const struct rpc_call *call, struct status *st)
{
    const struct rpc_account *account = call->server->options.account;
    return account == NULL || account->open(account->user, call, st);
}

static void begin_account(struct rpc_call *call, const ProtobufCMessage *request)
{
    const struct rpc_account *account = call->server->options.account;
    if (account != NULL) {
        account->begun(account->user, call, request, &call->note);
    }
}

static bool allow(struct rpc_call *call, const ProtobufCMessage *request, struct status *st)
{
    const struct method *method = call->method;
    const struct rpc_server_options *options = &call->server->options;
    return options->allow == NULL || method->open ||
           options->allow(options->admit_user, call, method->service, method->entry, request, st);
}

static void handle(struct rpc_call *call, const ProtobufCMessage *request)
{
    struct status st;
    begin_account(call, request);
    if (allow(call, request, &st)) {
        call->method->entry->handler(call, request, call->method->service->user);
    } else {
        rpc_fail(call, &st);
    }
}

static bool admit(struct rpc_call *call, struct status *st)
{
    const struct method *method = call->method;
    const struct rpc_server_options *options = &call->server->options;
    void *caller = NULL;
    bool ok =
        options->admit == NULL || method->open ||
        options->admit(options->admit_user, call, method->service, method->entry, &caller, st);
    atomic_store(&call->caller, caller);
    return ok;
}

static bool charge(struct rpc_call *call, struct status *st)
{
    const struct method *method = call->method;
    const struct rpc_limits *limits = call->server->options.limits;
    size_t bytes =
        call->arrival.message == NULL ? 0 : grpc_byte_buffer_length(call->arrival.message);
    return limits == NULL || method->open ||
           limits->begun(limits->user, call, method->entry, bytes, &call->charge, st);
}

/* ---- Refusals that are held back ---- */

struct held {
    struct rpc_timer timer;
    struct rpc_call *call; /* the handler's reference */
    struct status st;
};

static void let_go(struct rpc_call *call)
{
    struct held *held = MOVE(call->held);
    cq_clear_timer(call->listener, &held->timer);
    rpc_fail(call, &held->st);
    free(held);
}

static void hold_ended(struct rpc_timer *timer)
{
    let_go(CONTAINER_OF(timer, struct held, timer)->call);
}

static void hold_back(struct rpc_call *call, const struct status *st, int64_t ns)
{
    struct held *held = mem_zalloc(sizeof *held);
    held->timer.fn = hold_ended;
    held->call = call;
    held->st = *st;
    call->held = held;
    cq_set_timer(call->listener, &held->timer, clock_monotonic_ns() + ns);
}

static void release(struct rpc_task *task)
{
    struct rpc_call *call = CONTAINER_OF(task, struct rpc_call, release);
    if (call->held != NULL) {
        let_go(call);
    }
    call_unref(call);
}

void call_release(struct rpc_call *call)
{
    call_ref(call);
    call->release.fn = release;
    cq_post(call->listener, &call->release);
}

/* Answers a call that admit has refused. A server that stops has not the time to hold it back; what
 * it holds by then it releases. */
static void refuse_caller(struct rpc_call *call, struct status *st)
{
    const struct rpc_limits *limits = call->server->options.limits;
    int64_t ns = limits == NULL ? 0 : limits->refused(limits->user, call, &call->charge, st);
    if (ns > 0 && !rpc_server_stopping(call->server)) {
        hold_back(call, st, ns);
    } else {
        rpc_fail(call, st);
    }
}

static void dispatch(struct rpc_call *call)
{
    const struct method *method = call->method;
    ProtobufCMessage *request;
    struct status st;
    if (method == NULL) {
        refuse_unknown(call);
    } else if (!open_account(call, &st)) {
        rpc_fail(call, &st);
    } else if (!admit(call, &st)) {
        refuse_caller(call, &st);
    } else if (!charge(call, &st) || !take_request(call, &request, &st)) {
        rpc_fail(call, &st);
    } else {
        handle(call, request);
        if (request != NULL) {
            protobuf_c_message_free_unpacked(request, NULL);
        }
    }
}

static void arrived(struct tag *tag, bool ok)
{
    struct rpc_call *call = CONTAINER_OF(tag, struct rpc_call, arrived);
    if (!ok) {
        call_unref(call);
        return;
    }
    call->arrived_ns = clock_monotonic_ns();
    metric_add(&call->stats->started, 1);
    if (call->server->options.account != NULL) {
        rpc_call_peer(call); /* while the connection is known to exist */
    }
    /* Also while the server stops: the core answers unrequested calls with CANCELLED. */
    call_request(call->server, call->method, call->listener);
    if (server_call_arrived(call)) {
        dispatch(call);
    } else {
        refuse(call);
    }
}

/* ---- Operations ---- */

grpc_op op_headers(void)
{
    return (grpc_op){.op = GRPC_OP_SEND_INITIAL_METADATA};
}

grpc_op op_message(grpc_byte_buffer *bytes)
{
    return (grpc_op){.op = GRPC_OP_SEND_MESSAGE, .data.send_message.send_message = bytes};
}

grpc_op op_close(int *cancelled)
{
    return (grpc_op){.op = GRPC_OP_RECV_CLOSE_ON_SERVER,
                     .data.recv_close_on_server.cancelled = cancelled};
}

grpc_op op_status(struct ending *ending, const struct status *st, const char *domain)
{
    *ending = (struct ending){
        .message = grpc_slice_from_copied_string(st->message),
        .details.key = grpc_slice_from_static_string(STATUS_DETAILS_KEY),
        .details.value = grpc_empty_slice(),
    };
    grpc_op op = {.op = GRPC_OP_SEND_STATUS_FROM_SERVER};
    op.data.send_status_from_server.status = (grpc_status_code)st->code;
    op.data.send_status_from_server.status_details = &ending->message;
    if (status_has_details(st)) {
        AUTO(buf_unref) struct buf *details = status_details_encode(st, domain);
        ending->details.value =
            grpc_slice_from_copied_buffer((const char *)details->data, details->len);
        op.data.send_status_from_server.trailing_metadata = &ending->details;
        op.data.send_status_from_server.trailing_metadata_count = 1;
    }
    return op;
}

void ending_fini(struct ending *ending)
{
    grpc_slice_unref(ending->message);
    grpc_slice_unref(ending->details.value);
}

/* ---- The connection ---- */

/* The descriptor in the peer's name. For a connection that was handed to it, the core reports the
 * peer as "fd:N"; for one that it accepted itself, as an address. -1: it is an address. */
static int descriptor_in(const char *peer)
{
    static const char prefix[] = "fd:";
    const size_t n = sizeof prefix - 1;
    return strncmp(peer, prefix, n) == 0 ? (int)strtol(peer + n, NULL, 10) : -1;
}

static int socket_of(struct rpc_call *call)
{
    if (!call->socket_known) {
        char *name = grpc_call_get_peer(call->arrival.call);
        call->socket = descriptor_in(name);
        if (call->socket < 0) {
            call->peer = mem_string(name);
        }
        gpr_free(name);
        call->socket_known = true;
    }
    return call->socket;
}

const char *rpc_call_peer(struct rpc_call *call)
{
    int socket = socket_of(call);
    if (call->peer == NULL) {
        char peer[PEER_ADDRESS_SIZE];
        acceptor_peer(call->server->acceptor, socket, peer);
        call->peer = mem_string(peer);
    }
    return call->peer;
}

const char *rpc_call_proven_name(struct rpc_call *call)
{
    int socket = socket_of(call);
    if (call->proven_name == NULL) {
        call->proven_name =
            socket < 0 ? mem_string("") : acceptor_name(call->server->acceptor, socket);
    }
    return call->proven_name;
}

void call_will_send(struct rpc_call *call)
{
    if (cork_is_on()) {
        cork_before_send(socket_of(call));
    }
}

/* ---- Answering ---- */

/* A followed call has two batches, for its answer and its end; its status is known after both. */
static bool is_last_end(struct rpc_call *call)
{
    return !call->followed || atomic_fetch_sub(&call->ends, 1) == 1;
}

static void end_one(struct rpc_call *call)
{
    if (is_last_end(call)) {
        call->code = call->cancelled ? STATUS_CANCELLED : call->code;
        call_count_end(call);
        server_call_over(call);
    }
    call_unref(call);
}

static void ended(struct tag *tag, bool ok)
{
    (void)ok; /* the call is over even if the client has gone (ok false) */
    end_one(CONTAINER_OF(tag, struct rpc_call, ended));
}

static void noted(struct tag *tag, bool ok)
{
    (void)ok;
    struct rpc_call *call = CONTAINER_OF(tag, struct rpc_call, noted);
    atomic_store(&call->over, true);
    if (call->cancelled && call->on_cancelled != NULL) {
        call->on_cancelled(call->on_cancelled_user);
    }
    end_one(call);
}

void rpc_call_follow(struct rpc_call *call, void (*cancelled)(void *user), void *user)
{
    assert(!call->followed && !atomic_load(&call->consumed) && "a call is followed before its end");
    grpc_op op = op_close(&call->cancelled);
    call->followed = true;
    call->on_cancelled = cancelled;
    call->on_cancelled_user = user;
    atomic_store(&call->ends, 2);
    call->noted.fn = noted;
    call_ref(call);
    cq_start_batch(call->arrival.call, &op, 1, &call->noted);
}

bool rpc_call_is_over(const struct rpc_call *call)
{
    return atomic_load(&call->over);
}

/* The caller's reference moves to the batch. */
static void send_answer(struct rpc_call *call, grpc_byte_buffer *bytes, const struct status *st)
{
    struct ending ending;
    grpc_op ops[4] = {op_headers(), op_status(&ending, st, call->server->options.error_domain)};
    size_t n = 2;
    if (!call->followed) {
        ops[n++] = op_close(&call->cancelled);
    }
    if (bytes != NULL) {
        ops[n++] = op_message(bytes);
    }
    call->sending = bytes;
    call->response_bytes = bytes == NULL ? 0 : grpc_byte_buffer_length(bytes);
    call_set_status(call, st);
    call->ended.fn = ended;
    call_will_send(call);
    cq_start_batch(call->arrival.call, ops, n, &call->ended);
    ending_fini(&ending);
}

/* The handler's reference moves to the task. */
static void answer(struct rpc_call *call, grpc_byte_buffer *bytes, const struct status *st)
{
    call_consume(call);
    if (claim(call)) {
        send_answer(call, bytes, st);
    } else {
        grpc_byte_buffer_destroy(bytes);
        call_unref(call);
    }
}

static void refuse_late(struct rpc_task *task)
{
    struct rpc_call *call = CONTAINER_OF(task, struct rpc_call, refusal);
    if (claim(call)) {
        struct status st;
        status_set(&st, STATUS_UNAVAILABLE, "SHUTTING_DOWN",
                   "the server stopped before the call ended; what it was to do may happen yet");
        send_answer(call, NULL, &st);
    } else {
        call_unref(call);
    }
}

/* Posts to the thread of the call's handler, so that it runs after the handler has returned. */
void call_refuse(struct rpc_call *call)
{
    if (call->method == NULL || call->method->entry->kind == RPC_UNARY) {
        call_ref(call);
        call->refusal.fn = refuse_late;
        cq_post(call->listener, &call->refusal);
    }
}

void rpc_reply(struct rpc_call *call, const ProtobufCMessage *message)
{
    answer(call, bytes_pack(message), &(struct status){.code = STATUS_OK});
}

void rpc_reply_bufs(struct rpc_call *call, struct buf *const *pieces, size_t n)
{
    answer(call, bytes_join(pieces, n), &(struct status){.code = STATUS_OK});
}

void rpc_fail(struct rpc_call *call, const struct status *st)
{
    assert(st->code != STATUS_OK && "a failure says what failed");
    answer(call, NULL, st);
}

struct buf *rpc_encode_status(const struct rpc_call *call, const struct status *st)
{
    return status_details_encode(st, call->server->options.error_domain);
}

/* ---- About a call ---- */

int64_t rpc_call_deadline(const struct rpc_call *call)
{
    gpr_timespec deadline = gpr_convert_clock_type(call->arrival.deadline, GPR_CLOCK_MONOTONIC);
    gpr_timespec left = gpr_time_sub(deadline, gpr_now(GPR_CLOCK_MONOTONIC));
    if (left.tv_sec > FAR_SECONDS) {
        return RPC_NO_DEADLINE;
    }
    return clock_monotonic_ns() + left.tv_sec * INT64_C(1000000000) + left.tv_nsec;
}

const char *rpc_call_service(const struct rpc_call *call)
{
    return call->method == NULL ? "" : call->method->service->descriptor->name;
}

const char *rpc_call_method(const struct rpc_call *call)
{
    return call->method == NULL ? "unknown" : call->method->entry->name;
}

enum rpc_kind rpc_call_kind(const struct rpc_call *call)
{
    return call->method == NULL ? RPC_UNARY : call->method->entry->kind;
}

void *rpc_call_caller(const struct rpc_call *call)
{
    return call->caller;
}

void rpc_call_set_caller(struct rpc_call *call, void *caller)
{
    assert(call->caller_before == NULL && "a call gets another caller once");
    call->caller_before = atomic_exchange(&call->caller, caller);
}

void *rpc_call_charge(const struct rpc_call *call)
{
    return call->charge;
}

const char *rpc_call_header(const struct rpc_call *call, const char *key, size_t *ret_size)
{
    for (size_t i = 0; i < call->arrival.headers.count; i++) {
        const grpc_metadata *header = &call->arrival.headers.metadata[i];
        if (grpc_slice_str_cmp(header->key, key) == 0) {
            *ret_size = GRPC_SLICE_LENGTH(header->value);
            return (const char *)GRPC_SLICE_START_PTR(header->value);
        }
    }
    return NULL;
}

void rpc_call_post(struct rpc_call *call, struct rpc_task *task)
{
    cq_post(call->cq, task);
}
