/* The client side of gRPC, made small: asynchronous unary and server-streaming calls.
 *
 * Threads. A client runs one thread; all callbacks come from it and must not block. Calls may be
 * started and cancelled from any thread, also from a callback.
 *
 * Ownership. Requests are encoded before a start function returns. What a callback is given is
 * borrowed until it returns. Each started call gets its done callback exactly once. */
#ifndef RPC_CLIENT_H
#define RPC_CLIENT_H

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>

#include "buf.h"
#include "rpc_types.h"
#include "status.h"

struct rpc_client;
struct rpc_client_call;

struct rpc_client_options {
    size_t max_receive_bytes;     /* 0: 64 MiB */
    int64_t keepalive_ms;         /* 0: 20 s */
    int64_t keepalive_timeout_ms; /* 0: 10 s */
    bool minimal_stack;           /* cheaper; for programs that talk to a known server */
};

/* Connects lazily to "HOST:PORT", "dns:///…", "unix:PATH". INVALID_ARGUMENT where address is none.
 */
bool rpc_client_new(const char *address, const struct rpc_client_options *options,
                    struct rpc_client **ret_client, struct status *st);
/* Cancels what is open, waits for the callbacks, ends the thread. NULL is ignored. Not from a
 * callback. */
void rpc_client_free(struct rpc_client *client);

struct rpc_header {
    const char *key; /* lower case */
    const char *value;
};

struct rpc_request {
    const char *path;                /* "/confreg.v1.RegistryService/GetConfig" */
    const ProtobufCMessage *message; /* encoded at once */
    int64_t timeout_ms;              /* 0: none */
    bool wait_for_ready;             /* queue while the server is away, instead of UNAVAILABLE */
    const struct rpc_header *headers;
    size_t n_headers;
};

/* st: NULL where the call succeeded, else what the server or the transport said, with reason, field
 * and info from grpc-status-details-bin where it sent them. bytes/size: the encoded answer. */
typedef void rpc_unary_done(void *user, const struct status *st, const uint8_t *bytes, size_t size);

/* What a google.rpc.Status in an answer tells, as the status of a call does. Any thread. */
struct Google__Rpc__Status;
void rpc_status_of(const struct Google__Rpc__Status *message, struct status *st);

/* Starts a call; done comes exactly once. */
void rpc_client_unary(struct rpc_client *client, const struct rpc_request *request,
                      rpc_unary_done *done, void *user);

struct rpc_client_stream_ops {
    /* A message came. Returns false to cancel the stream. */
    bool (*message)(void *user, const uint8_t *bytes, size_t size);
    /* The stream has ended; st NULL where regularly. Once. */
    void (*done)(void *user, const struct status *st);
};

/* Starts a server-streaming call. The returned handle is valid until done returns. */
struct rpc_client_call *rpc_client_stream(struct rpc_client *client,
                                          const struct rpc_request *request,
                                          const struct rpc_client_stream_ops *ops, void *user);
/* Any thread; the call's done comes soon, with CANCELLED. Only while the handle is valid. */
void rpc_client_cancel(struct rpc_client_call *call);

/* Runs timer->fn on the client's thread at at_ns of clock_monotonic_ns(). Setting a timer that is
 * set moves it; clearing one that is not set does nothing. The client's thread only. Freeing the
 * client drops timers that are set. */
void rpc_client_set_timer(struct rpc_client *client, struct rpc_timer *timer, int64_t at_ns);
void rpc_client_clear_timer(struct rpc_client *client, struct rpc_timer *timer);

#endif
