/* The watchdog of a shutdown. Each test ends its process; its exit code is checked. */
#include <criterion/criterion.h>
#include <unistd.h>

#include "log.h"
#include "overdue.h"

#define INTERRUPTED 42

static void exit_at(void *user, enum overdue_stage stage)
{
    const enum overdue_stage *expected = user;
    _exit(stage == *expected ? INTERRUPTED : EXIT_FAILURE);
}

static void do_nothing(void *user, enum overdue_stage stage)
{
    (void)user;
    (void)stage;
}

static void hang_in(enum overdue_stage stage, overdue_interrupt *interrupt, int64_t grace_ms)
{
    struct overdue *overdue = overdue_new(grace_ms, interrupt, &stage);
    log_set_level(LOG_ERROR);
    cr_assert_leq(overdue_left_ms(overdue), grace_ms + OVERDUE_FINISH_MS);
    overdue_enter(overdue, stage);
    for (;;) {
        pause();
    }
}

Test(overdue, interrupts_calls, .exit_code = INTERRUPTED, .timeout = 60)
{
    hang_in(OVERDUE_CALLS, exit_at, 0);
}

Test(overdue, interrupts_writes_after_the_grace, .exit_code = INTERRUPTED, .timeout = 60)
{
    hang_in(OVERDUE_WRITES, exit_at, 50);
}

Test(overdue, ends_what_cannot_be_interrupted, .exit_code = OVERDUE_EXIT_CODE, .timeout = 60)
{
    hang_in(OVERDUE_EVENTS, do_nothing, 0);
}

/* Without a signal another node was to start, so the end is an error. */
Test(overdue, does_not_interrupt_a_store_that_closes, .exit_code = OVERDUE_EXIT_CODE, .timeout = 60)
{
    hang_in(OVERDUE_STORE, exit_at, 0);
}

Test(overdue, leaves_an_end_in_time_alone, .timeout = 60)
{
    enum overdue_stage stage = OVERDUE_CALLS;
    struct overdue *overdue = overdue_new(600000, exit_at, &stage);
    cr_assert_gt(overdue_left_ms(overdue), 0);
    overdue_enter(overdue, OVERDUE_STORE);
    overdue_free(overdue);
}
