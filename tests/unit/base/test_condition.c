#include "condition.h"

#include <criterion/criterion.h>

#include "clock.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static bool done;

static void *finish(void *argument)
{
    (void)argument;
    pthread_mutex_lock(&lock);
    done = true;
    pthread_cond_signal(&changed);
    pthread_mutex_unlock(&lock);
    return NULL;
}

Test(condition, a_time_that_has_passed_ends_the_wait, .timeout = 240)
{
    int64_t until_ns = clock_monotonic_ns() + 1000000;
    pthread_mutex_lock(&lock);
    while (condition_wait_until(&changed, &lock, until_ns)) {
        continue;
    }
    pthread_mutex_unlock(&lock);
    cr_expect_geq(clock_monotonic_ns(), until_ns);
}

static void expect_signal(int64_t until_ns)
{
    pthread_t thread;
    bool in_time = true;
    pthread_mutex_lock(&lock);
    cr_assert_eq(pthread_create(&thread, NULL, finish, NULL), 0);
    while (!done && in_time) {
        in_time = condition_wait_until(&changed, &lock, until_ns);
    }
    cr_expect(done);
    pthread_mutex_unlock(&lock);
    pthread_join(thread, NULL);
}

Test(condition, a_signal_ends_the_wait, .timeout = 240)
{
    expect_signal(clock_monotonic_ns() + INT64_C(60000000000));
}

Test(condition, a_wait_may_have_no_time_out, .timeout = 240)
{
    expect_signal(INT64_MAX);
}
