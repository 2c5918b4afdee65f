/* Calls of the registry server for requests. A call starts on the HTTP thread, ends on the client's
 * thread, and its continuation runs on the HTTP thread again: a queue and an eventfd hand it over.
 * Independent writes that are started in one turn of the loop share one WriteConfigs call
 * (together.h). */
#ifndef GATEWAY_CALLS_H
#define GATEWAY_CALLS_H

#include "peer_address.h"
#include "registry_client.h"
#include "request.h"

struct calls;

/* On the HTTP thread. One of response (of the method's type) and st is NULL; both are borrowed.
 * Answers the request or starts its next call. */
typedef void call_next(struct request *r, const ProtobufCMessage *response,
                       const struct status *st);

/* The message of a write that may share a call with others. */
union write_message {
    ProtobufCMessage base;
    Confreg__V1__CreateConfigRequest create;
    Confreg__V1__UpdateConfigRequest update;
    Confreg__V1__DeleteConfigRequest delete;
};

/* The call of a request; at most one at a time. */
struct upstream_call {
    enum registry_method method;
    int64_t timeout_ms;
    bool has_caller;               /* false: it is the gateway's own */
    struct registry_caller caller; /* borrowed from the request's identity */
    char peer[PEER_ADDRESS_SIZE];  /* the client's host: of `caller` */
    const char *trace;             /* borrowed from the request; "": none */
    union write_message write;     /* what it points to is borrowed; not of other calls */
    struct calls *calls;
    struct upstream_call *next_done; /* in the queue */
    call_next *next;
    ProtobufCMessage *response;   /* owned; NULL where it failed */
    struct status *st;            /* owned; why it failed, … */
    struct violations violations; /* … and what it borrows */
};

struct calls *calls_new(void);
/* All calls must have been run. NULL is ignored. */
void calls_free(struct calls *calls);
/* Readable while ended calls are queued. */
int calls_fd(const struct calls *calls);

/* Starts a call for a request, on behalf of its identity if it has one. The request is suspended
 * until the call has ended; it must begin with struct upstream_request. The message is encoded at
 * once, except that what a write points to is borrowed until the write is answered. Once
 * upstream->client is gone the call fails with UNAVAILABLE, reason SHUTTING_DOWN. HTTP thread. */
void call_start(struct request *r, enum registry_method method, const ProtobufCMessage *message,
                int64_t timeout_ms, call_next *next);

/* NULL: it is the gateway's own. */
const struct registry_caller *call_caller(const struct upstream_call *call);
/* How it is sent, by itself or, with another method, for others, too. Borrowed from both. */
struct registry_call call_to_send(const struct upstream_call *call, enum registry_method method,
                                  const ProtobufCMessage *message);

/* Sends the writes that were started in this turn of the loop. Must be called at its end. HTTP
 * thread. */
void calls_flush(struct calls *calls);

/* Calls that have ended, to be handed over together. Any thread. */
struct calls_done {
    struct upstream_call *newest, *oldest; /* linked from the newest on */
};
/* One of response, which is moved, and st is NULL. */
void calls_done_add(struct calls_done *done, struct upstream_call *call, ProtobufCMessage *response,
                    const struct status *st);
/* Queues them, at least one, for calls_run. */
void calls_hand_over(struct calls_done *done);

/* Runs the continuations of all queued calls, and resumes requests that are not suspended
 * again. HTTP thread. */
void calls_run(struct calls *calls, request_resume *resume, void *user);

#endif
