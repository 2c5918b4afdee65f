#include <criterion/criterion.h>

#include "clock.h"
#include "fixture.h"
#include "leak_check.h"

#define MS INT64_C(1000000)

static void teardown(void)
{
    fixture_teardown();
    leak_check();
}

TestSuite(timer, .init = fixture_setup, .fini = teardown, .timeout = 240);

/* Some timers with what is to be seen of them; set on the stream thread by a task. */
struct bench {
    struct rpc_task task;
    struct rpc_timer timers[4];
    int64_t due_ns[4];
    int64_t ran_ns[4];
    size_t order[4];
    size_t n_ran;
    struct counter ran;
};

static struct bench bench;

static void run(struct rpc_timer *timer)
{
    size_t i = (size_t)(timer - bench.timers);
    bench.ran_ns[i] = clock_monotonic_ns();
    bench.order[bench.n_ran++] = i;
    counter_add(&bench.ran);
}

static void set_at(size_t i, int64_t ms)
{
    bench.timers[i].fn = run;
    bench.due_ns[i] = clock_monotonic_ns() + ms * MS;
    rpc_server_set_timer(fixture.server, &bench.timers[i], bench.due_ns[i]);
}

static void post(void (*fn)(struct rpc_task *task))
{
    counter_init(&bench.ran);
    bench.task.fn = fn;
    rpc_server_post(fixture.server, &bench.task);
}

static void set_three(struct rpc_task *task)
{
    (void)task;
    set_at(0, 60);
    set_at(1, 20);
    set_at(2, 40);
}

Test(timer, timers_run_in_the_order_of_their_times_and_not_before)
{
    post(set_three);
    counter_wait(&bench.ran, 3);
    const size_t expected[] = {1, 2, 0};
    cr_assert_arr_eq(bench.order, expected, sizeof expected);
    for (size_t i = 0; i < 3; i++) {
        cr_assert_geq(bench.ran_ns[i], bench.due_ns[i]);
    }
}

static void move_and_clear(struct rpc_task *task)
{
    (void)task;
    set_at(0, 10);
    set_at(1, 10);
    set_at(2, 60000);
    set_at(3, 30);
    rpc_server_clear_timer(fixture.server, &bench.timers[1]);
    rpc_server_clear_timer(fixture.server, &bench.timers[1]);
    set_at(2, 20);
    set_at(0, 25);
}

Test(timer, a_timer_can_be_moved_and_cleared)
{
    post(move_and_clear);
    counter_wait(&bench.ran, 3);
    const size_t expected[] = {2, 0, 3};
    cr_assert_arr_eq(bench.order, expected, sizeof expected);
}

static void again(struct rpc_timer *timer)
{
    counter_add(&bench.ran);
    rpc_server_set_timer(fixture.server, timer, clock_monotonic_ns() + MS);
}

static void set_repeating(struct rpc_task *task)
{
    (void)task;
    bench.timers[0].fn = again;
    rpc_server_set_timer(fixture.server, &bench.timers[0], clock_monotonic_ns());
}

Test(timer, timers_run_beside_streams_and_are_dropped_at_the_end)
{
    struct reader reader = {0};
    post(set_repeating);
    fixture_release(20000);
    fixture_end_streams();
    reader_start(&reader, fixture.client, 0);
    counter_wait(&reader.ended, 1);
    cr_expect(reader.ok && reader.in_order && reader.last == 20000);
    counter_wait(&bench.ran, 20);
}
