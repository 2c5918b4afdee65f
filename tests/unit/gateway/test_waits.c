#include "waits.h"

#include <string.h>

#include "clock.h"
#include "leak_check.h"
#include "upstream_request.h"

TestSuite(waits, .fini = leak_check);

#define LATER INT64_MAX
#define MOST 8

static struct upstream upstream;
static struct gateway gateway = {.upstream = &upstream};
static struct upstream_request requests[MOST];
static char order[64]; /* "a" the wait of request 0 is over, "A" it was resumed */

static size_t index_of(const struct request *r)
{
    return (size_t)((const struct upstream_request *)(const void *)r - requests);
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

static void resumed(void *user, struct request *r)
{
    cr_assert_eq(user, &gateway);
    note((char)('A' + index_of(r)));
}

static void start(void)
{
    upstream.waits = waits_new();
    for (size_t i = 0; i < MOST; i++) {
        requests[i].base.gateway = &gateway;
    }
}

static const char *run(void)
{
    memset(order, 0, sizeof order);
    waits_run(upstream.waits, resumed, &gateway);
    return order;
}

Test(waits, revisions)
{
    start();
    wait_for_revision(&requests[0].base, 5, LATER, over);
    wait_for_revision(&requests[1].base, 7, LATER, over);
    wait_for_revision(&requests[2].base, 6, LATER, over);
    cr_expect_str_eq(run(), "");
    waits_moved(upstream.waits, 6);
    cr_expect_eq(waits_next_ns(upstream.waits), 0);
    cr_expect_str_eq(run(), "aAcC");
    cr_expect_null(requests[0].base.suspended);
    cr_expect_not_null(requests[1].base.suspended);
    waits_moved(upstream.waits, 100);
    cr_expect_str_eq(run(), "bB");
    cr_expect_eq(waits_next_ns(upstream.waits), -1);
    waits_free(upstream.waits);
}

Test(waits, changes)
{
    start();
    wait_for_change(&requests[0].base, "svc", LATER, over);
    wait_for_change(&requests[1].base, "other", LATER, over);
    wait_for_change(&requests[2].base, "svc", LATER, again);
    waits_moved(upstream.waits, 100);
    waits_changed(upstream.waits, "unknown");
    cr_expect_str_eq(run(), "");
    waits_changed(upstream.waits, "svc");
    waits_changed(upstream.waits, "svc");
    cr_expect_str_eq(run(), "aAc");
    cr_expect_not_null(requests[2].base.suspended);
    waits_changed(upstream.waits, "svc");
    cr_expect_str_eq(run(), "cC");
    waits_all_changed(upstream.waits);
    cr_expect_str_eq(run(), "bB");
    waits_free(upstream.waits);
}

Test(waits, time)
{
    start();
    int64_t now = clock_monotonic_ns();
    wait_for_change(&requests[0].base, "svc", LATER, over);
    wait_for_change(&requests[1].base, "svc", now - 1, over);
    wait_for_change(&requests[2].base, "svc", LATER - 2, over);
    wait_for_change(&requests[3].base, "svc", now - 2, over);
    wait_for_revision(&requests[4].base, 1, LATER - 1, over);
    wait_for_revision(&requests[5].base, 1, now - 3, over);
    cr_expect_eq(waits_next_ns(upstream.waits), now - 3);
    cr_expect_str_eq(run(), "fFdDbB");
    cr_expect_eq(waits_next_ns(upstream.waits), LATER - 2);
    waits_changed(upstream.waits, "svc");
    cr_expect_str_eq(run(), "aAcC");
    cr_expect_eq(waits_next_ns(upstream.waits), LATER - 1);
    waits_all_changed(upstream.waits);
    cr_expect_str_eq(run(), "eE");
    waits_free(upstream.waits);
}
