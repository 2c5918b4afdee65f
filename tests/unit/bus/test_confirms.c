/* The frontier of what is confirmed, against a model. */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "confirms.h"
#include "leak_check.h"

static struct confirms confirms;

static void publish(uint64_t n)
{
    for (uint64_t i = 0; i < n; i++) {
        confirms_add(&confirms);
    }
}

Test(confirms, move_without_gaps)
{
    confirms_reset(&confirms);
    cr_assert_eq(confirms_add(&confirms), 1);
    publish(9);
    cr_assert(confirms_take(&confirms, 2, false));
    cr_assert_eq(confirms.frontier, 0);
    cr_assert(confirms_take(&confirms, 1, false));
    cr_assert_eq(confirms.frontier, 2);
    cr_assert(confirms_take(&confirms, 5, true));
    cr_assert_eq(confirms.frontier, 5);
    cr_assert(confirms_take(&confirms, 3, false), "once more");
    cr_assert(confirms_take(&confirms, 4, true));
    cr_assert_eq(confirms.frontier, 5);
    cr_assert(confirms_take(&confirms, 7, false));
    cr_assert(confirms_take(&confirms, 6, true));
    cr_assert_eq(confirms.frontier, 7, "what was confirmed ahead counts when it is reached");
    cr_assert(confirms_take(&confirms, 10, true));
    cr_assert_eq(confirms.frontier, 10);
}

Test(confirms, of_what_was_not_published_are_refused)
{
    confirms_reset(&confirms);
    cr_assert_not(confirms_take(&confirms, 0, true));
    cr_assert_not(confirms_take(&confirms, 1, false));
    publish(3);
    cr_assert_not(confirms_take(&confirms, 4, true));
    cr_assert_not(confirms_take(&confirms, UINT64_MAX, false));
    cr_assert_eq(confirms.frontier, 0);
}

Test(confirms, are_forgotten_with_the_connection)
{
    confirms_reset(&confirms);
    publish(3);
    cr_assert(confirms_take(&confirms, 2, false));
    confirms_reset(&confirms);
    publish(3);
    cr_assert(confirms_take(&confirms, 1, false));
    cr_assert_eq(confirms.frontier, 1);
}

/* Numbers in a random order, the ring filled many times over. */
Test(confirms, in_any_order)
{
    static bool done[20 * BUS_IN_FLIGHT + 1];
    uint64_t frontier = 0;
    srand(1);
    confirms_reset(&confirms);
    while (frontier < 19 * BUS_IN_FLIGHT) {
        while (confirms.published - frontier < BUS_IN_FLIGHT) {
            confirms_add(&confirms);
        }
        uint64_t number = frontier + 1 + (uint64_t)rand() % (confirms.published - frontier);
        bool all = rand() % 50 == 0;
        cr_assert(confirms_take(&confirms, number, all));
        for (uint64_t i = all ? frontier + 1 : number; i <= number; i++) {
            done[i] = true;
        }
        while (frontier < confirms.published && done[frontier + 1]) {
            frontier++;
        }
        cr_assert_eq(confirms.frontier, frontier);
    }
}
