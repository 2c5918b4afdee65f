#include "failover.h"

#include <criterion/criterion.h>

#define MS INT64_C(1000000)

Test(failover, failures_lead_through_all_addresses)
{
    struct failover failover;
    failover_init(&failover, 3);
    struct failover_choice first = failover_choose(&failover);
    cr_expect_eq(failover_choose(&failover).address, first.address);
    size_t sum = first.address;
    for (int i = 0; i < 2; i++) {
        failover_failed(&failover, failover_choose(&failover), MS);
        sum += failover_choose(&failover).address;
    }
    cr_expect_eq(sum, 0 + 1 + 2);
    failover_failed(&failover, failover_choose(&failover), MS);
    cr_expect_eq(failover_choose(&failover).address, first.address);
    failover_fini(&failover);
}

Test(failover, the_first_address_is_a_random_one)
{
    bool seen[2] = {false, false};
    for (int i = 0; i < 100; i++) {
        struct failover failover;
        failover_init(&failover, 2);
        seen[failover_choose(&failover).address] = true;
        failover_fini(&failover);
    }
    cr_expect(seen[0] && seen[1]);
}

Test(failover, pauses_are_random_and_grow_until_a_call_works)
{
    int64_t longest = 0;
    for (int round = 0; round < 20; round++) {
        struct failover failover;
        failover_init(&failover, 2);
        cr_expect_eq(failover_pause_ms(&failover, 0), 0);
        for (int64_t most = BACKOFF_FIRST_MS; most < BACKOFF_LONGEST_MS; most *= 2) {
            failover_failed(&failover, failover_choose(&failover), 0);
            int64_t pause = failover_pause_ms(&failover, 0);
            cr_expect(pause >= 0 && pause <= most, "%ld of at most %ld ms", pause, most);
            cr_expect_eq(failover_pause_ms(&failover, pause * MS), 0, "it has passed");
            longest = pause > longest ? pause : longest;
        }
        failover_worked(&failover, failover_choose(&failover));
        cr_expect_eq(failover_pause_ms(&failover, 0), 0);
        failover_failed(&failover, failover_choose(&failover), 0);
        cr_expect_leq(failover_pause_ms(&failover, 0), BACKOFF_FIRST_MS, "begins anew");
        failover_fini(&failover);
    }
    cr_expect_gt(longest, BACKOFF_FIRST_MS);
}

Test(failover, calls_that_fail_together_count_once)
{
    struct failover failover;
    failover_init(&failover, 2);
    struct failover_choice choice = failover_choose(&failover);
    for (int i = 0; i < 100; i++) {
        failover_failed(&failover, choice, MS);
    }
    cr_expect_neq(failover_choose(&failover).address, choice.address);
    cr_expect_eq(failover.backoff.tries, 1);
    failover_worked(&failover, choice);
    cr_expect_eq(failover.backoff.tries, 1, "an answer older than the failure says nothing");
    failover_fini(&failover);
}
