/* A completion queue of the gRPC C core, the thread that serves it, and tasks and timers for that
 * thread.
 *
 * Every grpc_call_start_batch and grpc_completion_queue_next of the program stands in
 * completion_queue.c, so that what a thread wrote before it started a batch is seen where the batch
 * completes, by ThreadSanitizer too, which cannot look into the core.
 *
 * The core has no public way to wake a queue's thread. The queue therefore holds a call on a
 * channel that leads nowhere: an empty batch on it completes at once.
 *
 * Whenever an operation completes, the core (as Debian builds it) looks through all that are under
 * way on the same completion queue, and every open stream has one for its whole life. A queue for
 * streams therefore spreads its calls over several completion queues, its lanes. One thread serves
 * them: it waits on the first, where the bell rings, looks at another when it has begun something
 * there, which most often has completed by then, and at all of them every few milliseconds. */
#ifndef RPC_COMPLETION_QUEUE_H
#define RPC_COMPLETION_QUEUE_H

#include <grpc/grpc.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "rpc_types.h"

/* What a completed operation does, embedded in the object that the operation is for. */
struct tag {
    void (*fn)(struct tag *tag, bool ok);
};

#define CQ_LANES 8

/* The thread runs what has completed in runs, within which the answers of a connection gather
 * (cork.h). A run ends after so long, or 64 tags: other lanes wait for it, and so do the answers.
 */
#define CQ_RUN_NS INT64_C(1000000)

/* The thread's, but for core. */
struct lane {
    grpc_completion_queue *core;
    bool begun; /* something may have completed that the thread began itself */
    bool ended;
};

struct completion_queue {
    struct lane lanes[CQ_LANES];
    size_t n_lanes;
    atomic_uint next_lane; /* for the next call */
    size_t n_expected;     /* the thread's: begun, to complete soon, and not come yet */
    int64_t sweep_ns;      /* the thread's: when all lanes are looked at next */
    grpc_call *bell;
    struct tag rung;
    pthread_t thread;
    struct heap timers; /* the thread's, by time in nanoseconds */

    pthread_mutex_t lock;
    struct rpc_task *first; /* posted and not run */
    struct rpc_task *last;
    bool closed; /* nothing is posted any more */
    /* Of its own: to ring may take a system call, and the thread that it wakes wants the tasks. */
    pthread_mutex_t bell_lock;
    bool muted; /* a batch would come too late */
};

void cq_init(struct completion_queue *cq, grpc_cq_polling_type polling);
/* A queue for streams: not polling, with lanes. */
void cq_init_lanes(struct completion_queue *cq);
/* Starts the thread, which runs tags and tasks until the queue is closed and empty. */
void cq_start(struct completion_queue *cq);
/* No batch may be started any more; what is posted from now on is dropped. */
void cq_close(struct completion_queue *cq);
/* Waits for the thread of a closed queue. */
void cq_join(struct completion_queue *cq);
void cq_fini(struct completion_queue *cq);

/* Runs the task on the queue's thread; any thread, first come first served. */
void cq_post(struct completion_queue *cq, struct rpc_task *task);

/* Runs the timer on the queue's thread when clock_monotonic_ns() has come to at_ns; one that is set
 * is moved. On that thread only. What is still set when the queue is closed is dropped. */
void cq_set_timer(struct completion_queue *cq, struct rpc_timer *timer, int64_t at_ns);
void cq_clear_timer(struct completion_queue *cq, struct rpc_timer *timer);

/* The tag runs on the thread of the queue that the call is bound to. */
void cq_start_batch(grpc_call *call, const grpc_op *ops, size_t n, struct tag *tag);
/* On that thread: a batch on this lane will complete soon, and: it has. A queue with lanes would
 * find it later, else. */
void cq_expect(struct completion_queue *cq, struct lane *lane);
void cq_expected_came(struct completion_queue *cq);

/* What a call that arrives is put into, by the core, before the tag runs. */
struct arrival {
    grpc_call *call;
    grpc_call_details details; /* only of methods that are not registered */
    grpc_metadata_array headers;
    gpr_timespec deadline; /* only of registered methods */
    grpc_byte_buffer *message;
    bool without_message; /* set before: the method was registered so */
};

/* A lane of the queue for the next call. Any thread. */
struct lane *cq_choose_lane(struct completion_queue *cq);
/* Takes the next call of a registered method, or where it is NULL of any other. The tag runs on the
 * listener's thread; the call is bound to the lane. */
void cq_request_call(grpc_server *server, void *registered, struct arrival *arrival,
                     const struct lane *lane, struct completion_queue *listener, struct tag *tag);
/* The tag runs when the server has shut down. */
void cq_shut_server_down(grpc_server *server, struct completion_queue *cq, struct tag *tag);

#endif
