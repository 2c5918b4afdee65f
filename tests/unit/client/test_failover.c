#include <criterion/criterion.h>

#include "failover.h"

#define MS INT64_C(1000000)
#define LATER_NS ((int64_t)BACKOFF_LONGEST_MS * MS) /* after every pause that began at 0 */

Test(failover, a_failure_leads_to_another_address)
{
    struct failover failover;
    failover_init(&failover, 3);
    struct failover_choice first = failover_choose(&failover);
    cr_expect_eq(failover_choose(&failover).address, first.address);
    failover_failed(&failover, first, MS);
    struct failover_choice second = failover_choose(&failover);
    cr_expect_neq(second.address, first.address);
    cr_expect_eq(failover_pause_ms(&failover, MS), 0, "the other one need not wait");
    failover_failed(&failover, second, MS);
    struct failover_choice third = failover_choose(&failover);
    cr_expect_eq(first.address + second.address + third.address, 0 + 1 + 2);
    failover_fini(&failover);
}

Test(failover, the_only_address_waits_and_longer_each_time)
{
    int64_t longest = 0;
    for (int round = 0; round < 20; round++) {
        struct failover failover;
        failover_init(&failover, 1);
        for (int64_t most = BACKOFF_FIRST_MS; most < BACKOFF_LONGEST_MS; most *= 2) {
            failover_failed(&failover, failover_choose(&failover), 0);
            int64_t pause = failover_pause_ms(&failover, 0);
            cr_expect(pause >= 0 && pause <= most, "%ld of at most %ld ms", pause, most);
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
    cr_expect_eq(failover.addresses[choice.address].backoff.tries, 1);
    failover_worked(&failover, choice);
    cr_expect_eq(failover.addresses[choice.address].backoff.tries, 1,
                 "an answer that is older than the failure says nothing");
    failover_fini(&failover);
}

Test(failover, all_have_failed_the_first_to_be_ready_is_next)
{
    struct failover failover;
    failover_init(&failover, 4);
    for (int i = 0; i < 4; i++) {
        failover_failed(&failover, failover_choose(&failover), i == 2 ? -LATER_NS : LATER_NS);
    }
    size_t next = failover_choose(&failover).address;
    for (size_t i = 0; i < 4; i++) {
        cr_expect_leq(failover.addresses[next].not_before_ns, failover.addresses[i].not_before_ns);
    }
    cr_expect_eq(failover_pause_ms(&failover, 2 * LATER_NS), 0);
    failover_fini(&failover);
}
