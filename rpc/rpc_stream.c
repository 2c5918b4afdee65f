#include <assert.h>

#include "bytes.h"
#include "call.h"

/* The flags by which kicks and the stream thread synchronise. A kick only adds KICKED; the kick
 * that finds no flag set posts the stream to its thread. */
enum {
    KICKED = 1, /* next() is to be asked (again) */
    BUSY = 2,   /* being asked, or a message on its way */
    OVER = 4,
};

struct rpc_stream {
    struct rpc_call *call;
    const struct rpc_stream_ops *ops;
    void *state;
    atomic_uint flags;
    struct rpc_task run;
    struct tag sent;
    struct tag received;
    stream_received *on_received;
    grpc_byte_buffer *incoming;
    bool headers_sent;
    bool sending;
    bool ended; /* for the core; what ends it may still be on its way to the socket */
    LIST_ENTRY(rpc_stream) in_streams;
};

static void begin(struct rpc_task *task);
static void run(struct rpc_task *task);
static void sent(struct tag *tag, bool ok);
static void received(struct tag *tag, bool ok);
static void closed(struct tag *tag, bool ok);

void rpc_stream_open(struct rpc_call *call, const struct rpc_stream_ops *ops, void *state,
                     struct rpc_stream **ret_stream)
{
    assert(call->method->entry->kind == RPC_SERVER_STREAM && "the method streams");
    call_consume(call);
    struct rpc_stream *stream = mem_zalloc(sizeof *stream);
    stream->call = call;
    stream->ops = ops;
    stream->state = state;
    atomic_init(&stream->flags, KICKED);
    stream->run.fn = begin;
    stream->sent.fn = sent;
    stream->received.fn = received;
    call->stream = stream;
    call->ended.fn = closed;
    if (ret_stream != NULL) {
        *ret_stream = stream;
    }
    cq_post(call->cq, &stream->run); /* the handler's reference goes along */
}

struct rpc_stream *rpc_stream_ref(struct rpc_stream *stream)
{
    call_ref(stream->call);
    return stream;
}

void rpc_stream_unref(struct rpc_stream *stream)
{
    call_unref(stream->call);
}

void stream_release(struct rpc_stream *stream)
{
    if (stream != NULL) {
        stream->ops->released(stream->state);
        free(stream);
    }
}

static void post_run(struct rpc_stream *stream)
{
    rpc_stream_ref(stream);
    cq_post(stream->call->cq, &stream->run);
}

void rpc_stream_kick(struct rpc_stream *stream)
{
    if (atomic_fetch_or(&stream->flags, KICKED) == 0) {
        post_run(stream);
    }
}

void stream_kick_all(struct rpc_task *task)
{
    struct rpc_server *server = CONTAINER_OF(task, struct rpc_server, kick_streams);
    atomic_exchange(&server->kick_posted, false);
    for (struct rpc_stream *stream = LIST_FIRST(&server->streams); stream != NULL;
         stream = LIST_NEXT(stream, in_streams)) {
        rpc_stream_kick(stream);
    }
}

/* ---- The stream thread ---- */

static bool is_over(const struct rpc_stream *stream)
{
    return (atomic_load(&stream->flags) & OVER) != 0;
}

static void finish(struct rpc_stream *stream)
{
    if (!is_over(stream)) {
        atomic_fetch_or(&stream->flags, OVER);
        LIST_REMOVE(stream, in_streams);
        call_count_end(stream->call);
        stream->ops->closed(stream->state);
    }
}

static void start_batch(struct rpc_stream *stream, const grpc_op *op, struct tag *tag)
{
    rpc_stream_ref(stream);
    cq_start_batch(stream->call->arrival.call, op, 1, tag);
}

/* The headers are sent with the first operation, which follows at once. */
static void start_sending(struct rpc_stream *stream, const grpc_op *op)
{
    grpc_op ops[2] = {op_headers()};
    size_t n = stream->headers_sent ? 0 : 1;
    if (op != NULL) {
        ops[n++] = *op;
    }
    assert(!stream->sending && "a stream has one message on its way at most");
    stream->headers_sent = true;
    stream->sending = true;
    rpc_stream_ref(stream);
    call_will_send(stream->call);
    cq_start_batch(stream->call->arrival.call, ops, n, &stream->sent);
    cq_expect(stream->call->cq, stream->call->lane);
}

static void send_message(struct rpc_stream *stream, const struct rpc_pieces *pieces)
{
    assert(pieces->n > 0 && pieces->n <= RPC_STREAM_PIECES && "a message has its pieces");
    stream->call->sending = bytes_join(pieces->items, pieces->n);
    stream->call->response_bytes += grpc_byte_buffer_length(stream->call->sending);
    grpc_op op = op_message(stream->call->sending);
    start_sending(stream, &op);
}

static void send_end(struct rpc_stream *stream, const struct status *st)
{
    struct ending ending;
    grpc_op op = op_status(&ending, st, stream->call->server->options.error_domain);
    start_sending(stream, &op);
    ending_fini(&ending);
    call_set_status(stream->call, st);
    finish(stream);
}

static void rest(struct rpc_stream *stream)
{
    if (!stream->headers_sent) {
        start_sending(stream, NULL);
        return;
    }
    unsigned busy = BUSY;
    if (!atomic_compare_exchange_strong(&stream->flags, &busy, 0)) {
        /* Kicked meanwhile. The other streams come first. */
        atomic_exchange(&stream->flags, KICKED);
        post_run(stream);
    }
}

static void ask(struct rpc_stream *stream)
{
    /* Exchanged, not stored: what a kicker wrote before its kick is seen by next(). */
    atomic_exchange(&stream->flags, BUSY);
    struct rpc_pieces pieces;
    struct status st = {.code = STATUS_OK};
    pieces.n = 0;
    switch (stream->ops->next(stream->state, &pieces, &st)) {
    case RPC_NEXT_MESSAGE:
        send_message(stream, &pieces);
        break;
    case RPC_NEXT_IDLE:
        rest(stream);
        break;
    case RPC_NEXT_END:
        send_end(stream, &st);
        break;
    }
}

static void begin(struct rpc_task *task)
{
    struct rpc_stream *stream = CONTAINER_OF(task, struct rpc_stream, run);
    grpc_op op = op_close(&stream->call->cancelled);
    stream->run.fn = run;
    LIST_INSERT_HEAD(&stream->call->server->streams, stream, in_streams);
    start_batch(stream, &op, &stream->call->ended);
    run(task);
}

static void run(struct rpc_task *task)
{
    struct rpc_stream *stream = CONTAINER_OF(task, struct rpc_stream, run);
    if (!is_over(stream)) {
        ask(stream);
    }
    rpc_stream_unref(stream);
}

static void check_over(struct rpc_stream *stream)
{
    if (stream->ended && !stream->sending) {
        server_call_over(stream->call);
    }
}

static void sent(struct tag *tag, bool ok)
{
    struct rpc_stream *stream = CONTAINER_OF(tag, struct rpc_stream, sent);
    cq_expected_came(stream->call->cq);
    stream->sending = false;
    grpc_byte_buffer_destroy(stream->call->sending);
    stream->call->sending = NULL;
    /* Where sending failed the call is over; closed() tells. */
    if (ok && !is_over(stream)) {
        ask(stream);
    }
    check_over(stream);
    rpc_stream_unref(stream);
}

static void closed(struct tag *tag, bool ok)
{
    (void)ok;
    struct rpc_call *call = CONTAINER_OF(tag, struct rpc_call, ended);
    finish(call->stream);
    call->stream->ended = true;
    check_over(call->stream);
    call_unref(call);
}

/* ---- What the client sends ---- */

void stream_receive(struct rpc_stream *stream, stream_received *on_received)
{
    assert(stream->incoming == NULL && "one message is received at a time");
    stream->on_received = on_received;
    grpc_op op = {.op = GRPC_OP_RECV_MESSAGE, .data.recv_message.recv_message = &stream->incoming};
    start_batch(stream, &op, &stream->received);
}

static void received(struct tag *tag, bool ok)
{
    (void)ok; /* there is no message then */
    struct rpc_stream *stream = CONTAINER_OF(tag, struct rpc_stream, received);
    grpc_byte_buffer *incoming = MOVE(stream->incoming);
    if (!is_over(stream)) {
        stream->on_received(stream->state, incoming);
    }
    grpc_byte_buffer_destroy(incoming);
    rpc_stream_unref(stream);
}
