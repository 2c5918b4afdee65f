/* Private to rpc: what the files of the server side share: methods, calls, streams, the server. */
#ifndef RPC_CALL_H
#define RPC_CALL_H

#include <stdatomic.h>
#include <sys/queue.h>

#include "acceptor.h"
#include "completion_queue.h"
#include "descriptors.h"
#include "rpc_server.h"

struct call_stats;
struct health;

struct method {
    struct method *next;
    struct rpc_server *server;
    const struct rpc_service *service;
    const struct rpc_method *entry;
    const ProtobufCMessageDescriptor *input;
    void *registered;
    bool open;                /* to everybody: it is not subject to options.admit */
    bool client_streams;      /* the handler gets no request; it reads requests from the stream */
    struct call_stats *stats; /* one per call queue */
};

/* Reference-counted. The handler owns one reference, which passes to the stream or the reply; each
 * batch in flight and each posted task holds one more. */
struct rpc_call {
    atomic_uint refs;
    atomic_bool consumed; /* by a reply, a failure or rpc_stream_open */
    atomic_bool answered; /* unary calls: by the handler or by call_refuse */
    struct rpc_server *server;
    const struct method *method;       /* NULL: unknown */
    struct completion_queue *listener; /* the call arrives on its thread */
    struct completion_queue *cq;       /* the call's batches complete on its thread */
    struct lane *lane;                 /* of cq */
    struct call_stats *stats;          /* counts this call */
    int64_t arrived_ns;
    enum status_code code; /* of the status that was sent; CANCELLED before */
    char reason[sizeof((struct status *)0)->reason]; /* of the same */
    void *note;                                      /* of the account, which owns it */
    uint64_t request_bytes, response_bytes;
    struct arrival arrival;
    struct tag arrived;
    struct tag ended;
    struct tag noted; /* followed calls: the call is over */
    bool followed;
    void (*on_cancelled)(void *user); /* of a followed call; or NULL */
    void *on_cancelled_user;
    atomic_bool over;
    atomic_uint ends; /* followed calls: how many of answer and end are pending */
    grpc_byte_buffer *sending;
    int cancelled;
    int socket; /* the connection's descriptor, set on first use; -1: unknown */
    bool socket_known;
    char *peer;             /* owned; set on first use, like the next one */
    char *proven_name;      /* owned */
    _Atomic(void *) caller; /* from options.admit; owned */
    void *caller_before;    /* the one that it has replaced; owned; NULL: none */
    void *charge;           /* from options.limits; owned */
    struct held *held;      /* its answer, held back; owned; only the listener's thread */
    struct rpc_stream *stream;
    struct rpc_task refusal, release;
    bool refused;                  /* on arrival, because the server stops */
    LIST_ENTRY(rpc_call) in_calls; /* unless refused */
};

/* Requests the next call of the method from the core; NULL: of any unknown method. */
void call_request(struct rpc_server *server, const struct method *method,
                  struct completion_queue *listener);
void call_ref(struct rpc_call *call);
void call_unref(struct rpc_call *call);
/* Notes the status that is about to be sent. */
void call_set_status(struct rpc_call *call, const struct status *st);
/* Counts the end of the call and tells the account. Once. */
void call_count_end(struct rpc_call *call);
/* Must be called before data is sent to the client; see cork.h. */
void call_will_send(struct rpc_call *call);
/* Marks the call as consumed. Once. */
void call_consume(struct rpc_call *call);
/* Answers a unary call with SHUTTING_DOWN; the handler's later answer is dropped. Does nothing for
 * streams, which end by themselves. Once. */
void call_refuse(struct rpc_call *call);
/* Sends the refusal of a call that is held back. Once. */
void call_release(struct rpc_call *call);

/* Make operations for a batch. What they point to must live until the batch has been started. */
grpc_op op_headers(void);
grpc_op op_message(grpc_byte_buffer *bytes);
grpc_op op_close(int *cancelled);

/* The memory of a status operation. */
struct ending {
    grpc_slice message;
    grpc_metadata details;
};
grpc_op op_status(struct ending *ending, const struct status *st, const char *domain);
void ending_fini(struct ending *ending);

/* Requests the next message of the client. received is called once, on the stream thread; bytes are
 * borrowed; NULL: there is no further message. One request at a time. */
typedef void stream_received(void *state, grpc_byte_buffer *bytes);
void stream_receive(struct rpc_stream *stream, stream_received *received);
/* Called when the last reference to the stream's call was released. */
void stream_release(struct rpc_stream *stream);

struct rpc_server {
    struct rpc_server_options options;
    grpc_server *core;
    struct descriptors *descriptors;
    const struct rpc_service **services; /* in the order of adding */
    size_t n_services;
    struct method *methods;
    struct call_stats *unknown_stats; /* of calls of unknown methods, one per call queue */
    struct health *health;
    struct rpc_service reflection[2]; /* v1 and v1alpha, once added */
    struct acceptor *acceptor;        /* of all connections */

    struct completion_queue *cqs; /* options.n_call_threads of them */
    struct completion_queue stream_cq;
    atomic_bool running; /* the threads run */
    atomic_bool stopping;

    /* For the shutdown. */
    pthread_mutex_t lock;
    pthread_cond_t quiet;
    size_t n_calls;              /* all rpc_call objects, including those that wait for a call */
    LIST_HEAD(, rpc_call) calls; /* calls in progress: their end has not been sent yet */
    size_t n_refused;            /* refused calls whose end has not been sent yet */
    bool shut_down;
    struct tag down;

    LIST_HEAD(, rpc_stream) streams; /* only the stream thread */
    struct rpc_task kick_streams;
    atomic_bool kick_posted;
};

void server_call_born(struct rpc_server *server);
void server_call_gone(struct rpc_server *server);
/* A call is in progress from server_call_arrived until server_call_over, which is called when its
 * end was sent or could not be. False: the server stops, and the call must be refused. */
bool server_call_arrived(struct rpc_call *call);
void server_call_over(struct rpc_call *call);
/* Kicks all streams. Does nothing before the threads run. Any thread. */
void server_kick_streams(struct rpc_server *server);
/* The task that it posts to the stream thread. */
void stream_kick_all(struct rpc_task *task);

#endif
