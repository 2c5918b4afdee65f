/* The server side of gRPC, made small: it stands on the gRPC C core and knows nothing of what
 * its methods do.
 *
 * Threads. A server runs one call thread per completion queue, which receives calls and runs
 * unary handlers, and one stream thread, to which every server-streaming call is bound. Handlers
 * and stream callbacks must not block. A reply, a failure, a kick or a post may come from any
 * thread.
 *
 * Ownership. A handler owns one reference to its call. Exactly one of rpc_reply, rpc_reply_bufs,
 * rpc_fail and rpc_stream_open consumes it, now or later, on any thread. After that the call must
 * not be touched. The request message is borrowed: it is valid until the handler returns.
 *
 * Cancellation and deadlines end a call by themselves; a reply to a call that has ended is dropped.
 *
 * No grpc header is included here, and none is needed by those who include this. */
#ifndef RPC_SERVER_H
#define RPC_SERVER_H

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>

#include "buf.h"
#include "metrics.h"
#include "rpc_types.h"
#include "status.h"

struct rpc_server;
struct rpc_call;
struct rpc_stream;

enum rpc_kind { RPC_UNARY, RPC_SERVER_STREAM };

struct rpc_method {
    const char *name; /* as in the .proto file: "GetConfig" */
    enum rpc_kind kind;
    void (*handler)(struct rpc_call *call, const ProtobufCMessage *request, void *user);
};

/* Defines `handler_thunk`, what rpc_method.handler takes, around a typed handler
 *     static void handler(struct rpc_call *, const Request *, struct user *);
 */
#define RPC_HANDLER(typed, Request, User)                                                          \
    static void typed##_thunk(struct rpc_call *call, const ProtobufCMessage *request, void *user)  \
    {                                                                                              \
        typed(call, (const Request *)(const void *)request, (User *)user);                         \
    }

struct rpc_service {
    const ProtobufCServiceDescriptor *descriptor; /* the one that protoc-c generates */
    const struct rpc_method *methods;             /* all of the descriptor's methods, any order */
    size_t n_methods;
    void *user; /* borrowed, handed to each handler; must outlive the server */
};

struct rpc_server_options {
    size_t n_call_threads;        /* 0: one a core */
    size_t max_receive_bytes;     /* a longer request gets RESOURCE_EXHAUSTED; 0: 4 MiB */
    int64_t keepalive_ms;         /* pings a silent client this often; 0: 20 s */
    int64_t keepalive_timeout_ms; /* and gives it up after this; 0: 10 s */
    int64_t min_client_ping_ms;   /* clients may ping this often without data; 0: 10 s */
    uint32_t max_streams; /* open calls of a connection (SETTINGS_MAX_CONCURRENT_STREAMS): further
                             ones wait at the client; 0: no limit */
    const char *error_domain; /* google.rpc.ErrorInfo.domain, a literal */
    const void
        *descriptor_set; /* serialised FileDescriptorSet for reflection, borrowed; NULL: none */
    size_t descriptor_set_size;
};

/* A server that does nothing yet. Never fails but for INTERNAL where the descriptor set is broken.
 */
bool rpc_server_new(const struct rpc_server_options *options, struct rpc_server **ret_server,
                    struct status *st);

/* Adds the methods; the service's tables are borrowed until rpc_server_free. A method of the
 * descriptor without an entry, an entry without a method or a kind that differs from the
 * descriptor set is a bug and asserts. Before rpc_server_start. */
void rpc_server_add(struct rpc_server *server, const struct rpc_service *service);

/* Adds grpc.health.v1 (Check, List, Watch). "" and every added service start as NOT_SERVING.
 * rpc_server_set_serving may be called from any thread, also before start. */
void rpc_server_add_health(struct rpc_server *server);
void rpc_server_set_serving(struct rpc_server *server, bool serving);

/* Adds grpc.reflection v1 and v1alpha, answered from options.descriptor_set. */
void rpc_server_add_reflection(struct rpc_server *server);

/* Binds "HOST:PORT", "[v6]:PORT", "unix:PATH" or "unix:PATH?mode=0660"; port 0 takes a free one.
 * ret_port (may be NULL) is the port bound, 0 for a unix socket. A unix path is locked by PATH.lock
 * for the server's life, so that a second server cannot steal it. UNAVAILABLE where the address is
 * in use or cannot be bound, INVALID_ARGUMENT where it is none. Before rpc_server_start, as often
 * as wanted. */
bool rpc_server_listen(struct rpc_server *server, const char *address, int *ret_port,
                       struct status *st);

/* Starts the threads. After it every call is answered, unknown methods with UNIMPLEMENTED. */
void rpc_server_start(struct rpc_server *server);

/* How long after the grace rpc_server_stop waits at most for clients that do not read. */
#define RPC_SERVER_PARTING_MS 500

/* Shuts down; every call ends with a status. New calls are refused (UNAVAILABLE, reason
 * SHUTTING_DOWN). Streams end: each stream's next() is called once more and should return
 * RPC_NEXT_END while rpc_server_stopping. Running unary calls have grace_ms, then get the same
 * status as new ones. Then all connections are cut. Returns when no call exists and all threads
 * have ended; after that only rpc_server_free may be called. */
void rpc_server_stop(struct rpc_server *server, int64_t grace_ms);
bool rpc_server_stopping(const struct rpc_server *server);

/* A server that was started must have been stopped. NULL is ignored. */
void rpc_server_free(struct rpc_server *server);

/* What became of the calls of one method since the start. */
struct rpc_stats {
    const char *service; /* "confreg.v1.RegistryService"; "" and "unknown" for calls of methods */
    const char *method;  /* that there are not */
    enum rpc_kind kind;
    uint64_t started;
    uint64_t
        ended[STATUS_CODES];   /* by what the client was told; CANCELLED where it was gone before */
    struct histogram duration; /* from the call's arrival until it was over, in nanoseconds */
};
typedef void rpc_stats_visitor(void *user, const struct rpc_stats *stats);
/* Visits all methods. Any thread. */
void rpc_server_stats(const struct rpc_server *server, rpc_stats_visitor *visit, void *user);

/* How many connections were cut because their clients cancelled too many calls (inflow.h). Any
 * thread. */
uint64_t rpc_server_cuts(const struct rpc_server *server);

/* ---- A call ---- */

/* Ends the call with OK and one message. */
void rpc_reply(struct rpc_call *call, const ProtobufCMessage *message);
/* The same with a message that is already encoded, in pieces that are sent one behind the other.
 * The references are moved; the array stays the caller's. */
void rpc_reply_bufs(struct rpc_call *call, struct buf *const *pieces, size_t n);
/* Ends the call with a status: code, message, and in grpc-status-details-bin a google.rpc.Status
 * with ErrorInfo (where st->reason is set; metadata from st->info) and BadRequest (where st->field
 * is set). st->code must not be OK. */
void rpc_fail(struct rpc_call *call, const struct status *st);

/* That google.rpc.Status, encoded, for an answer that tells of several outcomes. Owned. */
struct buf *rpc_encode_status(const struct rpc_call *call, const struct status *st);

/* Makes rpc_call_is_over work for a unary call. The handler calls it once, on its thread, before
 * anything can answer the call. cancelled, unless NULL, is called at most once, on the call's
 * thread, after rpc_call_is_over has become true for a call that its client has given up or whose
 * deadline has passed. The call may have been answered by then, so cancelled gets nothing but user,
 * which must outlive the server's end. It must not block. */
void rpc_call_follow(struct rpc_call *call, void (*cancelled)(void *user), void *user);
/* For a followed call: whether nobody waits for its answer any more, because the client is gone or
 * has cancelled it, its deadline has passed, or the server's grace is over. Once true, it stays
 * true. Any thread that holds a reference. */
bool rpc_call_is_over(const struct rpc_call *call);
/* When the call ends by itself, on clock_monotonic_ns(); RPC_NO_DEADLINE. */
int64_t rpc_call_deadline(const struct rpc_call *call);
/* "ipv4:127.0.0.1:52311", "ipv6:[::1]:52311", "unix:". Valid as long as the reference. */
const char *rpc_call_peer(struct rpc_call *call);
/* The first value of a request header (lower-case key), or NULL. ret_size gets its length. */
const char *rpc_call_header(const struct rpc_call *call, const char *key, size_t *ret_size);
/* Runs task->fn on the call thread of this call, soon. Lets a thread that must not be held up
 * (a committer) hand its replies over. Order of posts to one thread is kept. */
void rpc_call_post(struct rpc_call *call, struct rpc_task *task);

/* ---- A stream of answers ---- */

enum rpc_next {
    RPC_NEXT_MESSAGE, /* *pieces hold the next message */
    RPC_NEXT_IDLE,    /* nothing now; next is asked again after a kick */
    RPC_NEXT_END,     /* the stream ends with *st (code OK: regularly) */
};

#define RPC_STREAM_PIECES 256

struct rpc_pieces {
    struct buf *items[RPC_STREAM_PIECES]; /* references, moved to rpc */
    size_t n;
};

struct rpc_stream_ops {
    /* The next message, pulled when the one before has left: at most one message a stream is in
     * flight. Stream thread; never concurrently for one stream. */
    enum rpc_next (*next)(void *state, struct rpc_pieces *pieces, struct status *st);
    /* The stream is over (client gone, deadline, END was returned, server stopped): forget it, kick
     * no more. Once, on the stream thread; next is not called any more. */
    void (*closed)(void *state);
    /* The last reference is gone: free the state. Once, any thread, after closed. */
    void (*released)(void *state);
};

/* Turns a server-streaming call into a stream: sends the headers at once, so that the client sees
 * it established, then asks next(). *ret_stream (may be NULL) is set before next() is first asked;
 * it is a borrowed handle that is valid until `released` returns. Use rpc_stream_ref to keep it
 * over threads. */
void rpc_stream_open(struct rpc_call *call, const struct rpc_stream_ops *ops, void *state,
                     struct rpc_stream **ret_stream);
/* There may be something for next(): asks it on the stream thread. Any thread, cheap, never lost.
 */
void rpc_stream_kick(struct rpc_stream *stream);
struct rpc_stream *rpc_stream_ref(struct rpc_stream *stream);
void rpc_stream_unref(struct rpc_stream *stream);

/* Runs task->fn on the stream thread, soon; also when no stream is open. Any thread, from
 * rpc_server_start to the end of rpc_server_stop. */
void rpc_server_post(struct rpc_server *server, struct rpc_task *task);

/* Runs timer->fn on the stream thread when clock_monotonic_ns() has come to at_ns, within a
 * millisecond or as soon as the thread gets to it. A timer that is set already is moved. Both on
 * the stream thread only. */
void rpc_server_set_timer(struct rpc_server *server, struct rpc_timer *timer, int64_t at_ns);
/* A timer that is not set is left alone. */
void rpc_server_clear_timer(struct rpc_server *server, struct rpc_timer *timer);

#endif
