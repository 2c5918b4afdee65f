/* The way of gRPC answers from the client's thread to the HTTP thread: a queue and an eventfd. */
#ifndef GATEWAY_CALLS_H
#define GATEWAY_CALLS_H

#include "client.h"

struct request;
struct calls;

/* On the HTTP thread. One of response (of the method's type) and st is NULL; both are borrowed.
 * Answers the request or starts its next call. */
typedef void call_next(struct request *r, const ProtobufCMessage *response,
                       const struct status *st);

/* The call of a request; at most one at a time. */
struct call {
    bool open; /* started, and its continuation has not run */
    struct calls *calls;
    struct call *next_done; /* in the queue */
    call_next *next;
    ProtobufCMessage *response; /* owned; NULL where it failed */
    struct status *st;          /* owned; why it failed */
};

struct calls *calls_new(void);
/* All calls must have been run. NULL is ignored. */
void calls_free(struct calls *calls);
/* Readable while calls are done and not run yet. */
int calls_fd(const struct calls *calls);

/* Starts a call for a request that has none open. The message is encoded at once. Once the
 * gateway's client is gone the call fails with UNAVAILABLE, reason SHUTTING_DOWN. HTTP thread. */
void call_start(struct request *r, enum client_method method, const ProtobufCMessage *message,
                int64_t timeout_ms, call_next *next);

/* Runs the continuations of all calls that are done. Where that leaves a request without an open
 * call, answered(user, request) is called, after which the request is not touched. HTTP thread. */
void calls_run(struct calls *calls, void (*answered)(void *user, struct request *r), void *user);

#endif
