/* A gRPC client on the C core: asynchronous unary and server-streaming calls.
 *
 * Threads: a client has one thread. All callbacks run on it and must not block. Calls may be
 * started and cancelled on any thread, including in a callback.
 *
 * Ownership: requests are encoded before a start function returns. Arguments of callbacks are
 * borrowed until the callback returns. The done callback of each call is called exactly once. */
#ifndef RPC_CLIENT_H
#define RPC_CLIENT_H

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>

#include "buf.h"
#include "log.h"
#include "pem_files.h"
#include "rpc_types.h"
#include "status.h"
#include "violations.h"

struct rpc_client;
struct rpc_client_call;

struct rpc_client_options {
    size_t max_receive_bytes;     /* 0: 64 MiB */
    int64_t keepalive_ms;         /* 0: 20 s */
    int64_t keepalive_timeout_ms; /* 0: 10 s */
    bool minimal_stack;           /* costs less; for programs that talk to a known server */
    const struct tls_client_settings *tls; /* copied; NULL: no TLS */
    const struct log_sink *log; /* what is logged; outlives the client; NULL: the program's log */
};

/* Connects to each address on the first call to it. addresses: "HOST:PORT", "dns:///…" or
 * "unix:PATH"; n of them, at least one; copied. INVALID_ARGUMENT: one is not valid. Fails as
 * pem_files_read does where there is TLS.
 *
 * With TLS the server has to prove the address's host (or tls->server_name). When the files change,
 * calls that start afterwards use a new connection with them, and calls that are open keep theirs.
 * Files that cannot be used change nothing; a line is logged. */
bool rpc_client_open(const char *const *addresses, size_t n,
                     const struct rpc_client_options *options, struct rpc_client **ret_client,
                     struct status *st);
/* Reads the files of TLS again soon. Any thread. */
void rpc_client_reload(struct rpc_client *client);
/* Cancels open calls, waits for their callbacks and ends the thread. NULL is ignored. Must not be
 * called from a callback. */
void rpc_client_free(struct rpc_client *client);

struct rpc_header {
    const char *key; /* lower case */
    const char *value;
};

struct rpc_request {
    size_t address;                  /* which of the client's addresses, from 0 on */
    const char *path;                /* "/confreg.v1.RegistryService/GetConfig" */
    const ProtobufCMessage *message; /* encoded before the start function returns */
    int64_t timeout_ms;              /* 0: no time-out */
    bool wait_for_ready;             /* wait while the server is away, instead of UNAVAILABLE */
    const struct rpc_header *headers;
    size_t n_headers;
};

/* st: NULL: the call succeeded; else the status of the server or the transport, with reason, field
 * and info if the server sent grpc-status-details-bin; borrowed with its violations. bytes, size:
 * the encoded response. */
typedef void rpc_unary_done(void *user, const struct status *st, const uint8_t *bytes, size_t size);

/* Converts a google.rpc.Status inside a response to a status. The violations are put into
 * `room`, which is empty before and owned by the caller; st borrows them. Any thread. */
struct Google__Rpc__Status;
void rpc_status_of(const struct Google__Rpc__Status *message, struct status *st,
                   struct violations *room);

/* Starts a unary call. */
void rpc_client_unary(struct rpc_client *client, const struct rpc_request *request,
                      rpc_unary_done *done, void *user);

struct rpc_client_stream_ops {
    /* Receives a message. Returns false to cancel the stream. */
    bool (*message)(void *user, const uint8_t *bytes, size_t size);
    /* The stream has ended; st NULL: with OK. Once. */
    void (*done)(void *user, const struct status *st);
};

/* Starts a server-streaming call. The returned handle is valid until done returns. */
struct rpc_client_call *rpc_client_stream(struct rpc_client *client,
                                          const struct rpc_request *request,
                                          const struct rpc_client_stream_ops *ops, void *user);
/* Cancels the call: done is called with CANCELLED. Any thread, while the handle is valid. */
void rpc_client_cancel(struct rpc_client_call *call);

/* Runs the task on the client's thread, after those that were posted before. Any thread. Freeing
 * the client drops tasks that have not run. */
void rpc_client_post(struct rpc_client *client, struct rpc_task *task);

/* Run timer->fn on the client's thread at time at_ns of clock_monotonic_ns(). Setting a timer that
 * is set moves it; clearing one that is not set does nothing. Only on the client's thread. Freeing
 * the client drops timers that are set. */
void rpc_client_set_timer(struct rpc_client *client, struct rpc_timer *timer, int64_t at_ns);
void rpc_client_clear_timer(struct rpc_client *client, struct rpc_timer *timer);

#endif
