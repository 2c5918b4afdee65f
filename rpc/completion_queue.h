/* Private to rpc: a completion queue of the gRPC C core, the thread that serves it, and tasks and
 * timers for that thread.
 *
 * All calls of grpc_call_start_batch and grpc_completion_queue_next are in completion_queue.c. They
 * are annotated there for ThreadSanitizer, which cannot see the synchronisation inside the core: a
 * write before a batch is started is visible where the batch completes.
 *
 * The core has no public function that wakes a queue's thread. Therefore each queue has a "bell": a
 * call on a channel without a server. An empty batch on it completes at once.
 *
 * When an operation completes, the core (as Debian builds it) visits all pending operations of the
 * same completion queue, and every open stream has one all the time. A queue for streams therefore
 * spreads its calls over several completion queues, its lanes. One thread serves them. It waits on
 * the first lane, which has the bell. It polls another lane after it has started an operation
 * there, which has mostly completed by then, and all lanes every few milliseconds. */
#ifndef RPC_COMPLETION_QUEUE_H
#define RPC_COMPLETION_QUEUE_H

#include <grpc/grpc.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "rpc_types.h"

/* The callback of an operation, embedded in the object that the operation belongs to. */
struct tag {
    void (*fn)(struct tag *tag, bool ok);
};

#define CQ_LANES 8

/* The thread runs what has completed in runs, within which the answers of a connection gather
 * (cork.h). A run ends after so long, or 64 tags: other lanes wait for it, and so do the answers.
 */
#define CQ_RUN_NS INT64_C(1000000)

/* Only the thread, except for core. */
struct lane {
    grpc_completion_queue *core;
    bool begun; /* an operation that the thread has started may have completed */
    bool ended; /* the core's queue is shut down and empty */
};

struct completion_queue {
    struct lane lanes[CQ_LANES];
    size_t n_lanes;
    atomic_uint next_lane; /* for the next call */
    size_t n_expected;     /* only the thread: operations that will complete soon */
    int64_t sweep_ns;      /* only the thread: when all lanes are polled next */
    grpc_call *bell;
    struct tag rung;
    pthread_t thread;
    struct heap timers; /* only the thread; by time in nanoseconds */

    pthread_mutex_t lock;
    struct rpc_task *first; /* posted and not run yet */
    struct rpc_task *last;
    bool closed; /* tasks are dropped from now on */
    /* A separate lock, because ringing may take a system call, and the woken thread needs `lock`.
     */
    pthread_mutex_t bell_lock;
    bool muted; /* the core's queue is shut down: no batch may be started on the bell */
};

void cq_init(struct completion_queue *cq, grpc_cq_polling_type polling);
/* A queue for streams: not polling, with lanes. */
void cq_init_lanes(struct completion_queue *cq);
/* Starts the thread, which runs tags and tasks until the queue is closed and empty. */
void cq_start(struct completion_queue *cq);
/* No batch may be started any more; tasks that are posted from now on are dropped. */
void cq_close(struct completion_queue *cq);
/* Waits for the thread of a closed queue. */
void cq_join(struct completion_queue *cq);
void cq_fini(struct completion_queue *cq);

/* Runs the task on the queue's thread, in the order of posting. Any thread. */
void cq_post(struct completion_queue *cq, struct rpc_task *task);

/* Runs the timer on the queue's thread at time at_ns of clock_monotonic_ns(). A timer that is set
 * is moved. Only on that thread. Timers that are set when the queue is closed are dropped. */
void cq_set_timer(struct completion_queue *cq, struct rpc_timer *timer, int64_t at_ns);
void cq_clear_timer(struct completion_queue *cq, struct rpc_timer *timer);

/* The tag runs on the thread of the queue that the call is bound to. */
void cq_start_batch(grpc_call *call, const grpc_op *ops, size_t n, struct tag *tag);
/* Only on that thread: a batch on this lane will complete soon; and it has completed. Without these
 * a queue with lanes would notice the completion later. */
void cq_expect(struct completion_queue *cq, struct lane *lane);
void cq_expected_came(struct completion_queue *cq);

/* Filled by the core with an arriving call, before the tag runs. */
struct arrival {
    grpc_call *call;
    grpc_call_details details; /* only of methods that are not registered */
    grpc_metadata_array headers;
    gpr_timespec deadline; /* only of registered methods */
    grpc_byte_buffer *message;
    bool without_message; /* set by the caller: the method was registered without a message */
};

/* A lane of the queue for the next call. Any thread. */
struct lane *cq_choose_lane(struct completion_queue *cq);
/* Requests the next call of a registered method; registered NULL: of any other method. The tag runs
 * on the listener's thread; the call is bound to the lane. */
void cq_request_call(grpc_server *server, void *registered, struct arrival *arrival,
                     const struct lane *lane, struct completion_queue *listener, struct tag *tag);
/* The tag runs when the server has shut down. */
void cq_shut_server_down(grpc_server *server, struct completion_queue *cq, struct tag *tag);

#endif
