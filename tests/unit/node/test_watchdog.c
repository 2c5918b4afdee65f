/* The watchdog of a shutdown. Each test ends its process; its exit code is checked. */
#include <criterion/criterion.h>
#include <unistd.h>

#include "log.h"
#include "watchdog.h"

#define INTERRUPTED 42

static void exit_at(void *user, enum watchdog_phase phase)
{
    const enum watchdog_phase *expected = user;
    _exit(phase == *expected ? INTERRUPTED : EXIT_FAILURE);
}

static void do_nothing(void *user, enum watchdog_phase phase)
{
    (void)user;
    (void)phase;
}

static void hang_in(enum watchdog_phase phase, watchdog_interrupt *interrupt, int64_t grace_ms)
{
    struct watchdog *watchdog = watchdog_new(grace_ms, interrupt, &phase);
    log_set_level(LOG_ERROR);
    cr_assert_leq(watchdog_left_ms(watchdog), grace_ms + WATCHDOG_FINISH_MS);
    watchdog_enter(watchdog, phase);
    for (;;) {
        pause();
    }
}

Test(watchdog, interrupts_calls, .exit_code = INTERRUPTED, .timeout = 240)
{
    hang_in(WATCHDOG_CALLS, exit_at, 0);
}

Test(watchdog, interrupts_writes_after_the_grace, .exit_code = INTERRUPTED, .timeout = 240)
{
    hang_in(WATCHDOG_WRITES, exit_at, 50);
}

Test(watchdog, ends_what_cannot_be_interrupted, .exit_code = WATCHDOG_EXIT_CODE, .timeout = 240)
{
    hang_in(WATCHDOG_EVENTS, do_nothing, 0);
}

/* Without a signal another node was to start, so the end is an error. */
Test(watchdog, does_not_interrupt_a_store_that_closes, .exit_code = WATCHDOG_EXIT_CODE,
     .timeout = 240)
{
    hang_in(WATCHDOG_STORE, exit_at, 0);
}

Test(watchdog, leaves_an_end_in_time_alone, .timeout = 240)
{
    enum watchdog_phase phase = WATCHDOG_CALLS;
    struct watchdog *watchdog = watchdog_new(600000, exit_at, &phase);
    cr_assert_gt(watchdog_left_ms(watchdog), 0);
    watchdog_enter(watchdog, WATCHDOG_STORE);
    watchdog_free(watchdog);
}
