#include <criterion/criterion.h>
#include <stdlib.h>

#include "expiries.h"

#define S INT64_C(1000000)
#define NOW (1000000007 * S)

static struct expiries *expiries;

static void setup(void)
{
    expiries = calloc(1, sizeof *expiries);
    cr_assert_not(expiries_pass(expiries, NOW));
}

static void teardown(void)
{
    free(expiries);
}

TestSuite(expiries, .init = setup, .fini = teardown);

Test(expiries, a_time_is_told_once_when_it_has_passed)
{
    expiries_add(expiries, NOW + 3 * S, NOW);
    expiries_add(expiries, NOW + 3 * S, NOW);
    cr_expect_not(expiries_pass(expiries, NOW + 3 * S - 1));
    cr_expect(expiries_pass(expiries, NOW + 3 * S));
    cr_expect_not(expiries_pass(expiries, NOW + 4 * S));
}

Test(expiries, a_fraction_of_a_second_counts_as_the_next_one)
{
    expiries_add(expiries, NOW + 1, NOW);
    cr_expect_not(expiries_pass(expiries, NOW + S / 2));
    cr_expect(expiries_pass(expiries, NOW + S));
}

Test(expiries, a_late_look_finds_all_at_once)
{
    expiries_add(expiries, NOW + 1 * S, NOW);
    expiries_add(expiries, NOW + 40000 * S, NOW);
    cr_expect(expiries_pass(expiries, NOW + 10 * EXPIRIES_SECONDS * S));
    cr_expect_not(expiries_pass(expiries, NOW + 20 * EXPIRIES_SECONDS * S));
}

Test(expiries, a_far_time_is_told_early)
{
    expiries_add(expiries, INT64_MAX - S, NOW);
    cr_expect_not(expiries_pass(expiries, NOW + (EXPIRIES_AHEAD_S - 1) * S));
    cr_expect(expiries_pass(expiries, NOW + EXPIRIES_AHEAD_S * S));
}

Test(expiries, a_clock_that_is_set_back_loses_nothing)
{
    expiries_add(expiries, NOW + 5 * S, NOW);
    int64_t before = NOW - 3 * EXPIRIES_SECONDS * S;
    cr_expect(expiries_pass(expiries, before), "early rather than never");
    expiries_add(expiries, before + 5 * S, before);
    cr_expect(expiries_pass(expiries, before + 5 * S));
}
