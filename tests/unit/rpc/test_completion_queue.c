#include <criterion/criterion.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <semaphore.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clock.h"
#include "completion_queue.h"
#include "core.h"
#include "cork.h"
#include "leak_check.h"
#include "mem.h"

#define TURNS 10000

/* A call on each lane whose batches complete at once, so that all lanes are busy all the time. */
struct busy {
    struct tag tag;
    struct completion_queue *cq;
    struct lane *lane;
    grpc_call *call;
    size_t turns;
};

static struct {
    struct completion_queue cq;
    struct rpc_task start;
    struct busy busy[CQ_LANES];
    size_t least; /* turns of any, when the first had all of its */
    bool stop;
    size_t n_run; /* tasks */
    sem_t stopped;
} world;

static grpc_call *new_call(grpc_completion_queue *core)
{
    grpc_channel *nowhere =
        grpc_lame_client_channel_create(NULL, GRPC_STATUS_UNAVAILABLE, "it takes no calls");
    grpc_call *call =
        grpc_channel_create_call(nowhere, NULL, 0, core, grpc_slice_from_static_string("/busy"),
                                 NULL, gpr_inf_future(GPR_CLOCK_MONOTONIC), NULL);
    grpc_channel_destroy(nowhere);
    return call;
}

static void go_on(struct busy *busy)
{
    cq_start_batch(busy->call, NULL, 0, &busy->tag);
    cq_expect(busy->cq, busy->lane);
}

static void have_turn(struct tag *tag, bool ok)
{
    struct busy *busy = CONTAINER_OF(tag, struct busy, tag);
    (void)ok;
    cq_expected_came(busy->cq);
    if (++busy->turns == TURNS && !world.stop) {
        world.stop = true;
        world.least = TURNS;
        for (size_t i = 0; i < CQ_LANES; i++) {
            size_t turns = world.busy[i].turns;
            world.least = turns < world.least ? turns : world.least;
        }
    }
    if (world.stop) {
        sem_post(&world.stopped);
    } else {
        go_on(busy);
    }
}

static void start(struct rpc_task *task)
{
    (void)task;
    for (size_t i = 0; i < CQ_LANES; i++) {
        go_on(&world.busy[i]);
    }
}

Test(cq, all_lanes_have_their_turns_while_none_is_ever_idle, .timeout = 240)
{
    core_init();
    cq_init_lanes(&world.cq);
    sem_init(&world.stopped, 0, 0);
    world.start.fn = start;
    for (size_t i = 0; i < CQ_LANES; i++) {
        struct lane *lane = &world.cq.lanes[i];
        world.busy[i] = (struct busy){
            .tag.fn = have_turn, .cq = &world.cq, .lane = lane, .call = new_call(lane->core)};
    }
    cq_start(&world.cq);
    cq_post(&world.cq, &world.start);
    for (size_t i = 0; i < CQ_LANES; i++) {
        sem_wait(&world.stopped);
    }
    cr_assert_geq(world.least, TURNS / 2, "%zu of %d turns", world.least, TURNS);
    for (size_t i = 0; i < CQ_LANES; i++) {
        grpc_call_unref(world.busy[i].call);
    }
    cq_close(&world.cq);
    cq_join(&world.cq);
    cq_fini(&world.cq);
    sem_destroy(&world.stopped);
    core_shutdown();
    leak_check();
}

/* ---- Runs of sends ---- */

/* Two batches of one call, which complete together. */
static struct {
    struct completion_queue cq;
    struct rpc_task start;
    struct tag first, second;
    grpc_call *call;
    int fd;
    bool slow;          /* the first takes longer than a run may */
    bool in_run;        /* the first was in one */
    bool held_at_first; /* after its two sends */
    bool held_at_second;
    sem_t done;
} pair;

static bool is_held(int fd)
{
    int held = 0;
    socklen_t size = sizeof held;
    cr_assert_eq(getsockopt(fd, IPPROTO_TCP, TCP_CORK, &held, &size), 0);
    return held != 0;
}

static void run_first(struct tag *tag, bool ok)
{
    (void)tag;
    (void)ok;
    pair.in_run = cork_is_on();
    cork_before_send(pair.fd);
    cork_before_send(pair.fd);
    pair.held_at_first = is_held(pair.fd);
    int64_t until_ns = clock_monotonic_ns() + (pair.slow ? 2 * CQ_RUN_NS : 0);
    while (clock_monotonic_ns() < until_ns) {
    }
}

static void run_second(struct tag *tag, bool ok)
{
    (void)tag;
    (void)ok;
    pair.held_at_second = is_held(pair.fd);
    sem_post(&pair.done);
}

static void start_pair(struct rpc_task *task)
{
    (void)task;
    cq_start_batch(pair.call, NULL, 0, &pair.first);
    cq_start_batch(pair.call, NULL, 0, &pair.second);
}

/* The task and what it starts are in one run, unless that takes too long. */
static void run_pair(bool slow)
{
    core_init();
    cq_init(&pair.cq, GRPC_CQ_NON_POLLING);
    sem_init(&pair.done, 0, 0);
    pair.start.fn = start_pair;
    pair.first.fn = run_first;
    pair.second.fn = run_second;
    pair.slow = slow;
    pair.fd = socket(AF_INET, SOCK_STREAM, 0);
    pair.call = new_call(pair.cq.lanes[0].core);
    cq_start(&pair.cq);
    cq_post(&pair.cq, &pair.start);
    sem_wait(&pair.done);
    grpc_call_unref(pair.call);
    cq_close(&pair.cq);
    cq_join(&pair.cq);
    cq_fini(&pair.cq);
    cr_expect(!is_held(pair.fd), "nothing is held behind a run");
    close(pair.fd);
    sem_destroy(&pair.done);
    core_shutdown();
}

Test(cq, what_completes_together_is_one_run_of_sends, .timeout = 240)
{
    run_pair(false);
    cr_expect(pair.in_run);
    cr_expect(pair.held_at_first);
}

Test(cq, a_run_that_takes_long_ends_before_the_next_completion, .timeout = 240)
{
    run_pair(true);
    cr_expect(pair.held_at_first);
    cr_expect(!pair.held_at_second);
}

static void count_run(struct rpc_task *task)
{
    (void)task;
    world.n_run++;
}

/* Tasks that were posted before the close run. Later ones are not touched: they may have been
 * freed. */
Test(cq, what_is_posted_to_a_closed_queue_is_dropped)
{
    struct rpc_task in_time[2] = {{.fn = count_run}, {.fn = count_run}};
    struct rpc_task late[2] = {{.fn = count_run}, {.fn = count_run}};
    core_init();
    cq_init(&world.cq, GRPC_CQ_NON_POLLING);
    cq_post(&world.cq, &in_time[0]);
    cq_post(&world.cq, &in_time[1]);
    cq_close(&world.cq);
    cq_post(&world.cq, &late[0]);
    cq_post(&world.cq, &late[1]);
    cq_start(&world.cq);
    cq_join(&world.cq);
    cr_assert_eq(world.n_run, 2);
    cq_post(&world.cq, &late[0]);
    cq_post(&world.cq, &late[1]);
    cr_assert_null(late[0].next);
    cq_fini(&world.cq);
    core_shutdown();
    leak_check();
}
