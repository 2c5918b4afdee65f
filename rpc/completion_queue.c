#include "completion_queue.h"

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

#define RUN_TAGS 64
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

static void init(struct completion_queue *cq, grpc_cq_polling_type polling, size_t n_lanes)
{
    grpc_completion_queue_attributes attributes = {
        .version = GRPC_CQ_CURRENT_VERSION,
        .cq_completion_type = GRPC_CQ_NEXT,
        .cq_polling_type = polling,
    };
    *cq = (struct completion_queue){.rung.fn = run_tasks, .n_lanes = n_lanes};
    for (size_t i = 0; i < n_lanes; i++) {
        cq->lanes[i].core = grpc_completion_queue_create(
            grpc_completion_queue_factory_lookup(&attributes), &attributes, NULL);
    }
    cq->bell = create_bell(cq->lanes[0].core);
    pthread_mutex_init(&cq->lock, NULL);
    pthread_mutex_init(&cq->bell_lock, NULL);
}

void cq_init(struct completion_queue *cq, grpc_cq_polling_type polling)
{
    init(cq, polling, 1);
}

void cq_init_lanes(struct completion_queue *cq)
{
    init(cq, GRPC_CQ_NON_POLLING, CQ_LANES);
}

/* Runs the timers that are due. Returns the time of the next one; INT64_MAX: there is none. */
static int64_t run_timers(struct completion_queue *cq)
{
    struct heap_node *first = heap_first(&cq->timers);
    uint64_t now = first == NULL ? 0 : (uint64_t)clock_monotonic_ns();
    for (; first != NULL && first->key <= now; first = heap_first(&cq->timers)) {
        struct rpc_timer *timer = CONTAINER_OF(first, struct rpc_timer, node);
        heap_remove(&cq->timers, first);
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

/* Waits for a completion, at most until `until`, and runs its tag. False: there was none. */
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

/* Runs completed tags, up to a bound, and sends the answers of each connection together. True: the
 * bound was reached. */
static bool run_some(struct lane *lane)
{
    const int64_t end_ns = clock_monotonic_ns() + CQ_RUN_NS;
    size_t n = 0;
    bool in_bounds = true;
    cork_begin();
    while (in_bounds && !lane->ended && run_next(lane, gpr_inf_past(GPR_CLOCK_MONOTONIC))) {
        in_bounds = ++n < RUN_TAGS && clock_monotonic_ns() < end_ns;
    }
    cork_end();
    return !in_bounds;
}

/* Waits for a completion, at most until until_ns, and runs all that have completed. */
static void run_first_lane(struct completion_queue *cq, int64_t until_ns)
{
    cork_begin();
    if (run_next(&cq->lanes[0], core_time(until_ns))) {
        run_some(&cq->lanes[0]);
    }
    cork_end();
}

/* Runs completed tags of the other lanes, up to a bound. Returns when the lanes must be polled
 * again at the latest; 0: at once. */
static int64_t run_lanes(struct completion_queue *cq)
{
    if (cq->n_lanes == 1) {
        return INT64_MAX;
    }
    int64_t now = clock_monotonic_ns();
    bool all = now >= cq->sweep_ns;
    bool more = false;
    for (struct lane *lane = &cq->lanes[1]; lane < &cq->lanes[cq->n_lanes]; lane++) {
        bool look = lane->begun || all;
        lane->begun = false;
        bool busy = look && run_some(lane);
        lane->begun = lane->begun || busy;
        more = more || lane->begun;
    }
    if (all) {
        cq->sweep_ns = now + (cq->n_expected > 0 ? SWEEP_BUSY_NS : SWEEP_IDLE_NS);
    }
    return more ? 0 : cq->sweep_ns;
}

static void *serve(void *argument)
{
    struct completion_queue *cq = argument;
    while (!cq->lanes[0].ended) {
        int64_t timer_ns = run_timers(cq);
        int64_t lanes_ns = run_lanes(cq);
        run_first_lane(cq, lanes_ns < timer_ns ? lanes_ns : timer_ns);
    }
    for (struct lane *lane = &cq->lanes[1]; lane < &cq->lanes[cq->n_lanes]; lane++) {
        while (!lane->ended) {
            run_next(lane, gpr_inf_future(GPR_CLOCK_MONOTONIC));
        }
    }
    /* Tasks that were posted before the close, but whose bell rang after it. */
    run_tasks(&cq->rung, true);
    return NULL;
}

void cq_expect(struct completion_queue *cq, struct lane *lane)
{
    lane->begun = true;
    if (cq->n_expected++ == 0) {
        int64_t soon = clock_monotonic_ns() + SWEEP_BUSY_NS;
        cq->sweep_ns = soon < cq->sweep_ns ? soon : cq->sweep_ns;
    }
}

void cq_expected_came(struct completion_queue *cq)
{
    assert(cq->n_expected > 0 && "what came was expected");
    cq->n_expected--;
}

void cq_set_timer(struct completion_queue *cq, struct rpc_timer *timer, int64_t at_ns)
{
    heap_put(&cq->timers, &timer->node, (uint64_t)at_ns);
}

void cq_clear_timer(struct completion_queue *cq, struct rpc_timer *timer)
{
    heap_remove(&cq->timers, &timer->node);
}

void cq_start(struct completion_queue *cq)
{
    int error = pthread_create(&cq->thread, NULL, serve, cq);
    assert(error == 0 && "a server can have its threads");
}

void cq_close(struct completion_queue *cq)
{
    pthread_mutex_lock(&cq->lock);
    cq->closed = true;
    pthread_mutex_unlock(&cq->lock);
    pthread_mutex_lock(&cq->bell_lock);
    cq->muted = true;
    for (size_t i = 0; i < cq->n_lanes; i++) {
        grpc_completion_queue_shutdown(cq->lanes[i].core);
    }
    pthread_mutex_unlock(&cq->bell_lock);
}

void cq_join(struct completion_queue *cq)
{
    pthread_join(cq->thread, NULL);
}

void cq_fini(struct completion_queue *cq)
{
    grpc_call_unref(cq->bell);
    for (size_t i = 0; i < cq->n_lanes; i++) {
        grpc_completion_queue_destroy(cq->lanes[i].core);
    }
    heap_fini(&cq->timers);
    pthread_mutex_destroy(&cq->lock);
    pthread_mutex_destroy(&cq->bell_lock);
}

static void run_tasks(struct tag *tag, bool ok)
{
    (void)ok;
    struct completion_queue *cq = CONTAINER_OF(tag, struct completion_queue, rung);
    pthread_mutex_lock(&cq->lock);
    struct rpc_task *task = cq->first;
    cq->first = NULL;
    pthread_mutex_unlock(&cq->lock);
    cork_begin();
    while (task != NULL) {
        struct rpc_task *next = task->next; /* once the task runs, it belongs to its owner again */
        task->fn(task);
        task = next;
    }
    cork_end();
}

static void ring(struct completion_queue *cq)
{
    pthread_mutex_lock(&cq->bell_lock);
    if (!cq->muted) {
        cq_start_batch(cq->bell, NULL, 0, &cq->rung);
    }
    pthread_mutex_unlock(&cq->bell_lock);
}

/* Adds a task. Returns whether the bell must be rung: if other tasks wait, it has been or is about
 * to be. */
static bool put(struct completion_queue *cq, struct rpc_task *task)
{
    bool is_first = cq->first == NULL;
    task->next = NULL;
    *(is_first ? &cq->first : &cq->last->next) = task;
    cq->last = task;
    return is_first;
}

void cq_post(struct completion_queue *cq, struct rpc_task *task)
{
    pthread_mutex_lock(&cq->lock);
    bool wanted = !cq->closed && put(cq, task);
    pthread_mutex_unlock(&cq->lock);
    if (wanted) {
        ring(cq);
    }
}

void cq_start_batch(grpc_call *call, const grpc_op *ops, size_t n, struct tag *tag)
{
    HAND_OVER(tag);
    grpc_call_error error = grpc_call_start_batch(call, ops, n, tag, NULL);
    assert(error == GRPC_CALL_OK && "a batch is made of valid operations");
}

struct lane *cq_choose_lane(struct completion_queue *cq)
{
    unsigned n = atomic_fetch_add_explicit(&cq->next_lane, 1, memory_order_relaxed);
    return &cq->lanes[n % cq->n_lanes];
}

static grpc_call_error request_registered(grpc_server *server, void *registered,
                                          struct arrival *arrival, const struct lane *lane,
                                          struct completion_queue *listener, struct tag *tag)
{
    grpc_byte_buffer **message = arrival->without_message ? NULL : &arrival->message;
    return grpc_server_request_registered_call(server, registered, &arrival->call,
                                               &arrival->deadline, &arrival->headers, message,
                                               lane->core, listener->lanes[0].core, tag);
}

void cq_request_call(grpc_server *server, void *registered, struct arrival *arrival,
                     const struct lane *lane, struct completion_queue *listener, struct tag *tag)
{
    HAND_OVER(tag);
    grpc_call_error error =
        registered != NULL
            ? request_registered(server, registered, arrival, lane, listener, tag)
            : grpc_server_request_call(server, &arrival->call, &arrival->details, &arrival->headers,
                                       lane->core, listener->lanes[0].core, tag);
    assert(error == GRPC_CALL_OK && "calls are requested while the queues are open");
}

void cq_shut_server_down(grpc_server *server, struct completion_queue *cq, struct tag *tag)
{
    HAND_OVER(tag);
    grpc_server_shutdown_and_notify(server, cq->lanes[0].core, tag);
}
