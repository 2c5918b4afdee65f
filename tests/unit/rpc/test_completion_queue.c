#include <criterion/criterion.h>
#include <semaphore.h>

#include "completion_queue.h"
#include "core.h"
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

Test(cq, all_lanes_have_their_turns_while_none_is_ever_idle, .timeout = 60)
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

static void count_run(struct rpc_task *task)
{
    (void)task;
    world.n_run++;
}

/* What was posted in time runs; what comes later is not touched again, as it may be gone. */
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
