#include "waits.h"

#include <string.h>

#include "clock.h"
#include "leak_check.h"
#include "request.h"

TestSuite(waits, .fini = leak_check);

#define LATER INT64_MAX
#define MOST 8

static struct gateway gateway;
static struct request requests[MOST];
static char order[64]; /* "a" the wait of request 0 is over, "A" it was answered */

static size_t index_of(const struct request *r)
{
    return (size_t)(r - requests);
}

static void note(char c)
{
    order[strlen(order)] = c;
}

static void over(struct request *r)
{
    note((char)('a' + index_of(r)));
}

static void again(struct request *r)
{
    over(r);
    wait_for_change(r, "svc", LATER, over);
}

static void answered(void *user, struct request *r)
{
    cr_assert_eq(user, &gateway);
    note((char)('A' + index_of(r)));
}

static void start(void)
{
    gateway.waits = waits_new();
    for (size_t i = 0; i < MOST; i++) {
        requests[i].gateway = &gateway;
    }
}

static const char *run(void)
{
    memset(order, 0, sizeof order);
    waits_run(gateway.waits, answered, &gateway);
    return order;
}

Test(waits, revisions)
{
    start();
    wait_for_revision(&requests[0], 5, LATER, over);
    wait_for_revision(&requests[1], 7, LATER, over);
    wait_for_revision(&requests[2], 6, LATER, over);
    cr_expect_str_eq(run(), "");
    waits_moved(gateway.waits, 6);
    cr_expect_eq(waits_next_ns(gateway.waits), 0);
    cr_expect_str_eq(run(), "aAcC");
    cr_expect_not(requests[0].wait.open);
    cr_expect(requests[1].wait.open);
    waits_moved(gateway.waits, 100);
    cr_expect_str_eq(run(), "bB");
    cr_expect_eq(waits_next_ns(gateway.waits), -1);
    waits_free(gateway.waits);
}

Test(waits, changes)
{
    start();
    wait_for_change(&requests[0], "svc", LATER, over);
    wait_for_change(&requests[1], "other", LATER, over);
    wait_for_change(&requests[2], "svc", LATER, again);
    waits_moved(gateway.waits, 100);
    waits_changed(gateway.waits, "unknown");
    cr_expect_str_eq(run(), "");
    waits_changed(gateway.waits, "svc");
    waits_changed(gateway.waits, "svc");
    cr_expect_str_eq(run(), "aAc");
    cr_expect(requests[2].wait.open);
    waits_changed(gateway.waits, "svc");
    cr_expect_str_eq(run(), "cC");
    waits_all_changed(gateway.waits);
    cr_expect_str_eq(run(), "bB");
    waits_free(gateway.waits);
}

Test(waits, time)
{
    start();
    int64_t now = clock_monotonic_ns();
    wait_for_change(&requests[0], "svc", LATER, over);
    wait_for_change(&requests[1], "svc", now - 1, over);
    wait_for_change(&requests[2], "svc", LATER - 2, over);
    wait_for_change(&requests[3], "svc", now - 2, over);
    wait_for_revision(&requests[4], 1, LATER - 1, over);
    wait_for_revision(&requests[5], 1, now - 3, over);
    cr_expect_eq(waits_next_ns(gateway.waits), now - 3);
    cr_expect_str_eq(run(), "fFdDbB");
    cr_expect_eq(waits_next_ns(gateway.waits), LATER - 2);
    waits_changed(gateway.waits, "svc");
    cr_expect_str_eq(run(), "aAcC");
    cr_expect_eq(waits_next_ns(gateway.waits), LATER - 1);
    waits_all_changed(gateway.waits);
    cr_expect_str_eq(run(), "eE");
    waits_free(gateway.waits);
}
