#include "queue.h"

#include <assert.h>

#include "clock.h"
#include "mem.h"

#if defined(__SANITIZE_THREAD__)
#define RPC_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define RPC_TSAN 1
#endif
#endif
#ifdef RPC_TSAN
#include <sanitizer/tsan_interface.h>
#define HAND_OVER(tag) __tsan_release(tag)
#define TAKE_OVER(tag) __tsan_acquire(tag)
#else
#define HAND_OVER(tag) (void)(tag)
#define TAKE_OVER(tag) (void)(tag)
#endif

static void run_tasks(struct tag *tag, bool ok);

static grpc_call *create_bell(grpc_completion_queue *cq)
{
    grpc_channel *nowhere =
        grpc_lame_client_channel_create(NULL, GRPC_STATUS_UNAVAILABLE, "a bell takes no calls");
    grpc_call *bell =
        grpc_channel_create_call(nowhere, NULL, 0, cq, grpc_slice_from_static_string("/bell"), NULL,
                                 gpr_inf_future(GPR_CLOCK_MONOTONIC), NULL);
    grpc_channel_destroy(nowhere);
    return bell;
}

void queue_init(struct queue *queue, grpc_cq_polling_type polling)
{
    grpc_completion_queue_attributes attributes = {
        .version = GRPC_CQ_CURRENT_VERSION,
        .cq_completion_type = GRPC_CQ_NEXT,
        .cq_polling_type = polling,
    };
    *queue = (struct queue){.rung.fn = run_tasks};
    queue->core = grpc_completion_queue_create(grpc_completion_queue_factory_lookup(&attributes),
                                               &attributes, NULL);
    queue->bell = create_bell(queue->core);
    pthread_mutex_init(&queue->lock, NULL);
}

/* Runs the timers whose time has come; returns when the next one is due. */
static gpr_timespec run_timers(struct queue *queue)
{
    struct heap_node *first = heap_first(&queue->timers);
    if (first == NULL) {
        return gpr_inf_future(GPR_CLOCK_MONOTONIC);
    }
    uint64_t now = (uint64_t)clock_monotonic_ns();
    for (; first != NULL && first->key <= now; first = heap_first(&queue->timers)) {
        struct rpc_timer *timer = CONTAINER_OF(first, struct rpc_timer, node);
        heap_remove(&queue->timers, first);
        timer->fn(timer);
    }
    if (first == NULL) {
        return gpr_inf_future(GPR_CLOCK_MONOTONIC);
    }
    gpr_timespec left = gpr_time_from_nanos((int64_t)(first->key - now), GPR_TIMESPAN);
    return gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC), left);
}

static void *serve(void *argument)
{
    struct queue *queue = argument;
    for (;;) {
        grpc_event event = grpc_completion_queue_next(queue->core, run_timers(queue), NULL);
        if (event.type == GRPC_QUEUE_SHUTDOWN) {
            return NULL;
        }
        if (event.type == GRPC_OP_COMPLETE) {
            struct tag *tag = event.tag;
            TAKE_OVER(tag);
            tag->fn(tag, event.success != 0);
        }
    }
}

void queue_set_timer(struct queue *queue, struct rpc_timer *timer, int64_t at_ns)
{
    heap_put(&queue->timers, &timer->node, (uint64_t)at_ns);
}

void queue_clear_timer(struct queue *queue, struct rpc_timer *timer)
{
    heap_remove(&queue->timers, &timer->node);
}

void queue_start(struct queue *queue)
{
    int error = pthread_create(&queue->thread, NULL, serve, queue);
    assert(error == 0 && "a server can have its threads");
}

void queue_close(struct queue *queue)
{
    pthread_mutex_lock(&queue->lock);
    queue->closed = true;
    grpc_completion_queue_shutdown(queue->core);
    pthread_mutex_unlock(&queue->lock);
}

void queue_join(struct queue *queue)
{
    pthread_join(queue->thread, NULL);
}

void queue_fini(struct queue *queue)
{
    grpc_call_unref(queue->bell);
    grpc_completion_queue_destroy(queue->core);
    heap_fini(&queue->timers);
    pthread_mutex_destroy(&queue->lock);
}

static void run_tasks(struct tag *tag, bool ok)
{
    (void)ok;
    struct queue *queue = CONTAINER_OF(tag, struct queue, rung);
    pthread_mutex_lock(&queue->lock);
    struct rpc_task *task = queue->first;
    queue->first = NULL;
    pthread_mutex_unlock(&queue->lock);
    while (task != NULL) {
        struct rpc_task *next = task->next; /* the task is its owner's again once it runs */
        task->fn(task);
        task = next;
    }
}

void queue_post(struct queue *queue, struct rpc_task *task)
{
    task->next = NULL;
    pthread_mutex_lock(&queue->lock);
    if (queue->closed) {
        pthread_mutex_unlock(&queue->lock);
        return;
    }
    /* The bell has been rung already where something waits. */
    if (queue->first == NULL) {
        queue->first = task;
        queue_start_batch(queue->bell, NULL, 0, &queue->rung);
    } else {
        queue->last->next = task;
    }
    queue->last = task;
    pthread_mutex_unlock(&queue->lock);
}

void queue_start_batch(grpc_call *call, const grpc_op *ops, size_t n, struct tag *tag)
{
    HAND_OVER(tag);
    grpc_call_error error = grpc_call_start_batch(call, ops, n, tag, NULL);
    assert(error == GRPC_CALL_OK && "a batch is made of valid operations");
}

static grpc_call_error request_registered(grpc_server *server, void *registered,
                                          struct arrival *arrival, struct queue *bound,
                                          struct queue *listener, struct tag *tag)
{
    grpc_byte_buffer **message = arrival->without_message ? NULL : &arrival->message;
    return grpc_server_request_registered_call(server, registered, &arrival->call,
                                               &arrival->deadline, &arrival->headers, message,
                                               bound->core, listener->core, tag);
}

void queue_request_call(grpc_server *server, void *registered, struct arrival *arrival,
                        struct queue *bound, struct queue *listener, struct tag *tag)
{
    HAND_OVER(tag);
    grpc_call_error error =
        registered != NULL
            ? request_registered(server, registered, arrival, bound, listener, tag)
            : grpc_server_request_call(server, &arrival->call, &arrival->details, &arrival->headers,
                                       bound->core, listener->core, tag);
    assert(error == GRPC_CALL_OK && "calls are requested while the queues are open");
}

void queue_shut_server_down(grpc_server *server, struct queue *queue, struct tag *tag)
{
    HAND_OVER(tag);
    grpc_server_shutdown_and_notify(server, queue->core, tag);
}
