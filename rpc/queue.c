#include "queue.h"

#include <assert.h>

#include "clock.h"
#include "cork.h"
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

#define LANE_TAGS 64 /* run of a lane before others have their turn */
#define SWEEP_BUSY_NS INT64_C(2000000)
#define SWEEP_IDLE_NS INT64_C(20000000)

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

static void init(struct queue *queue, grpc_cq_polling_type polling, size_t n_lanes)
{
    grpc_completion_queue_attributes attributes = {
        .version = GRPC_CQ_CURRENT_VERSION,
        .cq_completion_type = GRPC_CQ_NEXT,
        .cq_polling_type = polling,
    };
    *queue = (struct queue){.rung.fn = run_tasks, .n_lanes = n_lanes};
    for (size_t i = 0; i < n_lanes; i++) {
        queue->lanes[i].core = grpc_completion_queue_create(
            grpc_completion_queue_factory_lookup(&attributes), &attributes, NULL);
    }
    queue->bell = create_bell(queue->lanes[0].core);
    pthread_mutex_init(&queue->lock, NULL);
    pthread_mutex_init(&queue->bell_lock, NULL);
}

void queue_init(struct queue *queue, grpc_cq_polling_type polling)
{
    init(queue, polling, 1);
}

void queue_init_lanes(struct queue *queue)
{
    init(queue, GRPC_CQ_NON_POLLING, QUEUE_LANES);
}

/* Runs the timers whose time has come; returns when the next one is due, INT64_MAX: none is. */
static int64_t run_timers(struct queue *queue)
{
    struct heap_node *first = heap_first(&queue->timers);
    uint64_t now = first == NULL ? 0 : (uint64_t)clock_monotonic_ns();
    for (; first != NULL && first->key <= now; first = heap_first(&queue->timers)) {
        struct rpc_timer *timer = CONTAINER_OF(first, struct rpc_timer, node);
        heap_remove(&queue->timers, first);
        timer->fn(timer);
    }
    return first == NULL ? INT64_MAX : (int64_t)first->key;
}

static gpr_timespec core_time(int64_t at_ns)
{
    if (at_ns == INT64_MAX) {
        return gpr_inf_future(GPR_CLOCK_MONOTONIC);
    }
    gpr_timespec left = gpr_time_from_nanos(at_ns - clock_monotonic_ns(), GPR_TIMESPAN);
    return gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC), left);
}

/* Waits for a completion until then and runs its tag; false: there was none. */
static bool run_next(struct lane *lane, gpr_timespec until)
{
    grpc_event event = grpc_completion_queue_next(lane->core, until, NULL);
    if (event.type == GRPC_OP_COMPLETE) {
        struct tag *tag = event.tag;
        TAKE_OVER(tag);
        tag->fn(tag, event.success != 0);
        return true;
    }
    lane->ended = event.type == GRPC_QUEUE_SHUTDOWN;
    return false;
}

/* Runs what has completed, up to a bound; true where that was reached. */
static bool run_some(struct lane *lane)
{
    size_t n = 0;
    cork_begin();
    while (n < LANE_TAGS && !lane->ended && run_next(lane, gpr_inf_past(GPR_CLOCK_MONOTONIC))) {
        n++;
    }
    cork_end();
    return n == LANE_TAGS;
}

/* Runs what has completed beside the first lane, a part of it where there is much. Returns when to
 * look again at the latest: 0 for at once. */
static int64_t run_lanes(struct queue *queue)
{
    if (queue->n_lanes == 1) {
        return INT64_MAX;
    }
    int64_t now = clock_monotonic_ns();
    bool all = now >= queue->sweep_ns;
    bool more = false;
    for (struct lane *lane = &queue->lanes[1]; lane < &queue->lanes[queue->n_lanes]; lane++) {
        bool look = lane->begun || all;
        lane->begun = false;
        bool busy = look && run_some(lane);
        lane->begun = lane->begun || busy;
        more = more || lane->begun;
    }
    if (all) {
        queue->sweep_ns = now + (queue->n_expected > 0 ? SWEEP_BUSY_NS : SWEEP_IDLE_NS);
    }
    return more ? 0 : queue->sweep_ns;
}

static void *serve(void *argument)
{
    struct queue *queue = argument;
    while (!queue->lanes[0].ended) {
        int64_t timer_ns = run_timers(queue);
        int64_t lanes_ns = run_lanes(queue);
        bool came =
            run_next(&queue->lanes[0], core_time(lanes_ns < timer_ns ? lanes_ns : timer_ns));
        if (came && queue->n_lanes > 1) {
            run_some(&queue->lanes[0]); /* it has calls as the others have */
        }
    }
    for (struct lane *lane = &queue->lanes[1]; lane < &queue->lanes[queue->n_lanes]; lane++) {
        while (!lane->ended) {
            run_next(lane, gpr_inf_future(GPR_CLOCK_MONOTONIC));
        }
    }
    run_tasks(&queue->rung, true); /* posted in time, by who came too late to ring */
    return NULL;
}

void queue_expect(struct queue *queue, struct lane *lane)
{
    lane->begun = true;
    if (queue->n_expected++ == 0) {
        int64_t soon = clock_monotonic_ns() + SWEEP_BUSY_NS;
        queue->sweep_ns = soon < queue->sweep_ns ? soon : queue->sweep_ns;
    }
}

void queue_expected_came(struct queue *queue)
{
    queue->n_expected--;
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
    pthread_mutex_unlock(&queue->lock);
    pthread_mutex_lock(&queue->bell_lock);
    queue->muted = true;
    for (size_t i = 0; i < queue->n_lanes; i++) {
        grpc_completion_queue_shutdown(queue->lanes[i].core);
    }
    pthread_mutex_unlock(&queue->bell_lock);
}

void queue_join(struct queue *queue)
{
    pthread_join(queue->thread, NULL);
}

void queue_fini(struct queue *queue)
{
    grpc_call_unref(queue->bell);
    for (size_t i = 0; i < queue->n_lanes; i++) {
        grpc_completion_queue_destroy(queue->lanes[i].core);
    }
    heap_fini(&queue->timers);
    pthread_mutex_destroy(&queue->lock);
    pthread_mutex_destroy(&queue->bell_lock);
}

static void run_tasks(struct tag *tag, bool ok)
{
    (void)ok;
    struct queue *queue = CONTAINER_OF(tag, struct queue, rung);
    pthread_mutex_lock(&queue->lock);
    struct rpc_task *task = queue->first;
    queue->first = NULL;
    pthread_mutex_unlock(&queue->lock);
    cork_begin();
    while (task != NULL) {
        struct rpc_task *next = task->next; /* the task is its owner's again once it runs */
        task->fn(task);
        task = next;
    }
    cork_end();
}

static void ring(struct queue *queue)
{
    pthread_mutex_lock(&queue->bell_lock);
    if (!queue->muted) {
        queue_start_batch(queue->bell, NULL, 0, &queue->rung);
    }
    pthread_mutex_unlock(&queue->bell_lock);
}

/* Returns whether the bell has to be rung. It has been, or is about to be, where others wait. */
static bool put(struct queue *queue, struct rpc_task *task)
{
    bool is_first = queue->first == NULL;
    task->next = NULL;
    *(is_first ? &queue->first : &queue->last->next) = task;
    queue->last = task;
    return is_first;
}

void queue_post(struct queue *queue, struct rpc_task *task)
{
    pthread_mutex_lock(&queue->lock);
    bool wanted = !queue->closed && put(queue, task);
    pthread_mutex_unlock(&queue->lock);
    if (wanted) {
        ring(queue);
    }
}

void queue_start_batch(grpc_call *call, const grpc_op *ops, size_t n, struct tag *tag)
{
    HAND_OVER(tag);
    grpc_call_error error = grpc_call_start_batch(call, ops, n, tag, NULL);
    assert(error == GRPC_CALL_OK && "a batch is made of valid operations");
}

struct lane *queue_choose_lane(struct queue *queue)
{
    unsigned n = atomic_fetch_add_explicit(&queue->next_lane, 1, memory_order_relaxed);
    return &queue->lanes[n % queue->n_lanes];
}

static grpc_call_error request_registered(grpc_server *server, void *registered,
                                          struct arrival *arrival, const struct lane *lane,
                                          struct queue *listener, struct tag *tag)
{
    grpc_byte_buffer **message = arrival->without_message ? NULL : &arrival->message;
    return grpc_server_request_registered_call(server, registered, &arrival->call,
                                               &arrival->deadline, &arrival->headers, message,
                                               lane->core, listener->lanes[0].core, tag);
}

void queue_request_call(grpc_server *server, void *registered, struct arrival *arrival,
                        const struct lane *lane, struct queue *listener, struct tag *tag)
{
    HAND_OVER(tag);
    grpc_call_error error =
        registered != NULL
            ? request_registered(server, registered, arrival, lane, listener, tag)
            : grpc_server_request_call(server, &arrival->call, &arrival->details, &arrival->headers,
                                       lane->core, listener->lanes[0].core, tag);
    assert(error == GRPC_CALL_OK && "calls are requested while the queues are open");
}

void queue_shut_server_down(grpc_server *server, struct queue *queue, struct tag *tag)
{
    HAND_OVER(tag);
    grpc_server_shutdown_and_notify(server, queue->lanes[0].core, tag);
}
