/* What the parts of the server side share: methods, calls, streams, the server itself. */
#ifndef RPC_CALL_H
#define RPC_CALL_H

#include <stdatomic.h>

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
    bool client_streams;      /* its handler gets no request, but reads them from the stream */
    struct call_stats *stats; /* one a call queue */
};

/* Counted: one reference is the handler's, then the stream's or the reply's; each batch in flight
 * and each posted task has one more. */
struct rpc_call {
    atomic_uint refs;
    atomic_bool consumed; /* replied to, failed or made a stream */
    atomic_bool answered; /* a unary call: by its handler or by call_refuse */
    struct rpc_server *server;
    const struct method *method;       /* NULL: none that we have */
    struct completion_queue *listener; /* on whose thread the call arrives */
    struct completion_queue *cq;       /* on whose thread its batches complete */
    struct lane *lane;                 /* of that queue */
    struct call_stats *stats;          /* where it is counted */
    int64_t arrived_ns;
    enum status_code code; /* the status that was sent; CANCELLED until then */
    struct arrival arrival;
    struct tag arrived;
    struct tag ended;
    struct tag noted; /* of a followed call: it is over */
    bool followed;
    void (*on_cancelled)(void *user); /* of a followed call; or NULL */
    void *on_cancelled_user;
    atomic_bool over;
    atomic_uint ends; /* of a followed call: how many of its answer and its end are pending */
    grpc_byte_buffer *sending;
    int cancelled;
    int socket; /* the connection's descriptor, set on first use; -1: unknown */
    bool socket_known;
    char *peer; /* owned; set on first use */
    struct rpc_stream *stream;
    struct rpc_task refusal;
    bool refused;                     /* on arrival, because the server stops */
    struct rpc_call *previous, *next; /* in server->calls, unless refused */
};

/* Asks the core for the next call of the method; NULL: of an unknown one. */
void call_request(struct rpc_server *server, const struct method *method,
                  struct completion_queue *listener);
void call_ref(struct rpc_call *call);
void call_unref(struct rpc_call *call);
/* Counts the end, which comes once. */
void call_count_end(struct rpc_call *call);
/* To be called before something is sent to the client; see cork.h. */
void call_will_send(struct rpc_call *call);
/* To be called where a call is consumed, which is once. */
void call_consume(struct rpc_call *call);
/* Answers a unary call with SHUTTING_DOWN instead of its handler, whose later answer is dropped.
 * Does nothing to streams, which end by themselves. Once. */
void call_refuse(struct rpc_call *call);

/* Fills the operations; what they point to must stay until the batch has been started. */
grpc_op op_headers(void);
grpc_op op_message(grpc_byte_buffer *bytes);
grpc_op op_close(int *cancelled);

/* The status that ends a call, with what it is made of. */
struct ending {
    grpc_slice message;
    grpc_metadata details;
};
grpc_op op_status(struct ending *ending, const struct status *st, const char *domain);
void ending_fini(struct ending *ending);

/* Asks the client of a stream for its next message. `received` comes once, on the stream thread,
 * with NULL where there is none any more; the bytes are borrowed. One request at a time. */
typedef void stream_received(void *state, grpc_byte_buffer *bytes);
void stream_receive(struct rpc_stream *stream, stream_received *received);
/* The last reference of the stream's call is gone. */
void stream_release(struct rpc_stream *stream);

struct rpc_server {
    struct rpc_server_options options;
    grpc_server *core;
    struct descriptors *descriptors;
    const struct rpc_service **services; /* in the order of adding */
    size_t n_services;
    struct method *methods;
    struct call_stats *unknown_stats; /* of calls without a method, one a call queue */
    struct health *health;
    struct rpc_service reflection[2]; /* v1 and v1alpha, once added */
    int *lock_files;                  /* of the unix sockets */
    size_t n_lock_files;
    struct acceptor *acceptor; /* of TCP */

    struct completion_queue *cqs; /* options.n_call_threads of them */
    struct completion_queue stream_cq;
    atomic_bool running; /* the threads are */
    atomic_bool stopping;

    /* How it ends. */
    pthread_mutex_t lock;
    pthread_cond_t quiet;
    size_t n_calls;         /* all that exist, including those that wait to arrive */
    struct rpc_call *calls; /* being served: their end has not been sent yet */
    size_t n_refused;       /* refused calls whose end has not been sent yet */
    bool shut_down;
    struct tag down;

    struct rpc_stream *streams; /* the stream thread's */
    struct rpc_task kick_streams;
    atomic_bool kick_posted;
};

/* Adds a service of which every method streams both ways where client_streams is set. */
void server_add(struct rpc_server *server, const struct rpc_service *service, bool client_streams);
void server_call_born(struct rpc_server *server);
void server_call_gone(struct rpc_server *server);
/* A call is in progress from server_call_arrived until server_call_over, when its end was sent or
 * has failed. False: the server stops, and the call has to be refused. */
bool server_call_arrived(struct rpc_call *call);
void server_call_over(struct rpc_call *call);
/* Has next() of every stream asked once more; nothing before the threads run. Any thread. */
void server_kick_streams(struct rpc_server *server);
/* What it posts. */
void stream_kick_all(struct rpc_task *task);

#endif
