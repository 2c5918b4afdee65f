/* The relay over a bus and a store that fail on purpose. */
#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "clock.h"
#include "fake_bus.h"
#include "leak_check.h"
#include "log.h"
#include "mem.h"
#include "relay.h"
#include "store_open.h"
#include "trace.h"

#define PATIENCE_MS 1000 /* to publish the last events */

/* A log, a bus, and a relay between them. */
struct world {
    struct store *store; /* a trace over memory */
    struct fake_bus bus;
    struct relay *relay;
    char epoch[EPOCH_TEXT_SIZE];
    struct store_tail tail;
};

static void world_init(struct world *w, bool outside)
{
    struct status st;
    struct store *inner = NULL;
    log_set_level(LOG_ERROR);
    *w = (struct world){.store = NULL};
    cr_assert(store_open("memory:", &inner, &st), "%s", st.message);
    w->store = trace_new(inner, NULL, NULL);
    hex_encode(w->store->identity.epoch, EPOCH_SIZE, w->epoch);
    fake_bus_init(&w->bus, outside);
}

static void world_fini(struct world *w)
{
    relay_free(MOVE(w->relay), PATIENCE_MS);
    store_close(w->store);
    fake_bus_fini(&w->bus);
    leak_check();
}

static void start(struct world *w, bool whole_log)
{
    struct status st;
    struct relay_options options = {.bus = &w->bus.bus,
                                    .store = w->store,
                                    .epoch = w->epoch,
                                    .revision = w->tail.revision,
                                    .whole_log = whole_log};
    cr_assert(relay_new(&options, &w->relay, &st), "%s", st.message);
}

/* A commit of n changes, in the log and told to the relay where there is one. */
static void commit(struct world *w, size_t n)
{
    struct status st;
    AUTO(commit_unref) struct commit *c = commit_new(n);
    c->revision = w->tail.revision + 1;
    c->time_us = (int64_t)c->revision;
    c->previous_hash = w->tail.hash;
    for (size_t i = 0; i < n; i++) {
        char service[32];
        snprintf(service, sizeof service, "s%" PRIu64 "-%zu", c->revision, i);
        c->changes[i] = (struct change){.kind = CHANGE_CREATE,
                                        .environment = mem_string("prod"),
                                        .service = mem_string(service),
                                        .version = 1,
                                        .head_version = 1,
                                        .payload = buf_copy("{}", 2)};
    }
    commit_seal(c, w->store->identity.epoch);
    cr_assert(store_append(w->store, &c, 1, &st), "%s", st.message);
    w->tail = (struct store_tail){.revision = c->revision, .hash = c->hash};
    if (w->relay != NULL) {
        relay_commit(w->relay, c);
        relay_wake(w->relay);
    }
}

static void short_while(void)
{
    nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
}

/* Waits until the relay has said so; the limit is for a relay that hangs. */
static struct relay_report wait_until_behind(struct world *w, uint64_t behind)
{
    struct relay_report report;
    int64_t give_up = clock_monotonic_ns() + INT64_C(60000000000);
    relay_report(w->relay, &report);
    while (report.behind != behind) {
        cr_assert_lt(clock_monotonic_ns(), give_up, "%" PRIu64 " behind: %s", report.behind,
                     report.reason);
        short_while();
        relay_report(w->relay, &report);
    }
    return report;
}

static struct relay_report wait_for_role(struct world *w, enum relay_role role)
{
    struct relay_report report;
    int64_t give_up = clock_monotonic_ns() + INT64_C(60000000000);
    do {
        cr_assert_lt(clock_monotonic_ns(), give_up);
        short_while();
        relay_report(w->relay, &report);
    } while (report.role != role);
    return report;
}

static uint64_t stored_position(struct world *w)
{
    struct status st;
    uint64_t position = 0;
    cr_assert(store_get_mark(w->store, STORE_MARK_RELAYED, &position, &st));
    return position;
}

/* Every change from revision `first` on was heard; each one behind the one before, but where the
 * relay went back to what it had told already. */
static void check_heard(struct world *w, uint64_t first, size_t changes)
{
    uint64_t expected = first * changes; /* changes, numbered through */
    uint64_t highest = expected;
    pthread_mutex_lock(&w->bus.lock);
    for (size_t i = 0; i < w->bus.n_messages; i++) {
        const struct heard *heard = &w->bus.messages[i];
        uint64_t number = heard->revision * changes + heard->index;
        cr_assert(number <= expected, "%" PRIu64 " was left out", expected);
        cr_assert(number >= first * changes, "invented");
        cr_assert(number == expected || heard->index == 0, "back to the middle of a commit");
        expected = number + 1;
        highest = expected > highest ? expected : highest;
    }
    pthread_mutex_unlock(&w->bus.lock);
    cr_assert_eq(highest, (w->tail.revision + 1) * changes, "not all was heard");
}

Test(relay, publishes_in_order)
{
    struct world w;
    world_init(&w, true);
    start(&w, false);
    for (size_t i = 0; i < 50; i++) {
        commit(&w, 3);
    }
    struct relay_report report = wait_until_behind(&w, 0);
    cr_assert_eq(report.role, RELAY_PUBLISHING);
    cr_assert_eq(report.published, 150);
    cr_assert_eq(w.bus.n_messages, 150, "each once");
    check_heard(&w, 1, 3);
    relay_free(MOVE(w.relay), PATIENCE_MS);
    cr_assert_eq(stored_position(&w), 51);
    world_fini(&w);
}

/* Fault at message n, for every n of the scenario; side by side, as a relay pauses after a fault.
 */
static void with_fault(enum fake_fault fault)
{
    struct world worlds[12];
    for (size_t n = 0; n < COUNT_OF(worlds); n++) {
        struct world *w = &worlds[n];
        world_init(w, true);
        w->bus.fault_at = n + 1;
        w->bus.fault = fault;
        start(w, false);
        for (size_t i = 0; i < 4; i++) {
            commit(w, 3);
        }
    }
    for (size_t n = 0; n < COUNT_OF(worlds); n++) {
        struct world *w = &worlds[n];
        wait_until_behind(w, 0);
        cr_assert_eq(w->bus.leases, 2, "message %zu", n + 1);
        check_heard(w, 1, 3);
        relay_free(MOVE(w->relay), PATIENCE_MS);
        cr_assert_eq(stored_position(w), 5);
    }
    for (size_t n = 0; n < COUNT_OF(worlds); n++) {
        world_fini(&worlds[n]);
    }
}

Test(relay, goes_back_when_the_channel_closes)
{
    with_fault(FAKE_CLOSED);
}

Test(relay, goes_back_when_a_confirm_is_lost)
{
    with_fault(FAKE_SILENT);
}

/* Messages that were published after a refused one do not count as published. */
Test(relay, goes_back_when_a_message_is_refused)
{
    struct world w;
    world_init(&w, true);
    w.bus.fault_at = 5;
    w.bus.fault = FAKE_REFUSED;
    for (size_t i = 0; i < 4; i++) {
        commit(&w, 1);
    }
    start(&w, true);
    commit(&w, 1);
    commit(&w, 1);
    wait_until_behind(&w, 0);
    cr_assert_eq(w.bus.leases, 2);
    cr_assert_eq(w.bus.messages[w.bus.n_messages - 2].revision, 5);
    cr_assert_eq(w.bus.messages[w.bus.n_messages - 1].revision, 6);
    world_fini(&w);
}

Test(relay, goes_on_when_the_bus_is_reached)
{
    struct world w;
    world_init(&w, true);
    w.bus.unreachable = 3;
    start(&w, false);
    struct relay_report report;
    commit(&w, 1);
    relay_report(w.relay, &report);
    cr_assert_eq(report.role, RELAY_CONNECTING);
    wait_until_behind(&w, 0);
    check_heard(&w, 1, 1);
    relay_report(w.relay, &report);
    cr_assert_str_empty(report.reason);
    world_fini(&w);
}

Test(relay, stands_by_while_another_publishes)
{
    struct world w;
    struct status st;
    world_init(&w, true);
    w.bus.held = UINT32_MAX;
    start(&w, false);
    for (size_t i = 0; i < 5; i++) {
        commit(&w, 1);
    }
    struct relay_report report = wait_for_role(&w, RELAY_STANDING_BY);
    cr_assert_str_empty(report.reason);
    cr_assert_eq(report.published, 0);
    /* The other one has come this far when it ends. */
    cr_assert(store_move_mark(w.store, STORE_MARK_RELAYED, 1, 4, &st), "%s", st.message);
    wait_until_behind(&w, 2);
    pthread_mutex_lock(&w.bus.lock);
    w.bus.held = 0;
    pthread_mutex_unlock(&w.bus.lock);
    wait_until_behind(&w, 0);
    cr_assert_eq(w.bus.n_messages, 2);
    check_heard(&w, 4, 1);
    world_fini(&w);
}

/* If another relay has moved the position, it has the lease, whatever this relay believes. */
Test(relay, begins_anew_when_the_position_was_moved)
{
    struct world w;
    struct status st;
    world_init(&w, true);
    start(&w, false);
    commit(&w, 1);
    wait_until_behind(&w, 0);
    while (stored_position(&w) != 2) {
        short_while();
    }
    cr_assert(store_move_mark(w.store, STORE_MARK_RELAYED, 2, 5, &st), "%s", st.message);
    for (size_t i = 0; i < 5; i++) {
        commit(&w, 1);
    }
    while (stored_position(&w) != 7) {
        short_while();
    }
    cr_assert_geq(w.bus.leases, 2);
    cr_assert_eq(w.bus.messages[w.bus.n_messages - 1].revision, 6);
    world_fini(&w);
}

Test(relay, reads_what_has_left_memory_from_the_store, .timeout = 240)
{
    struct world w;
    world_init(&w, true);
    w.bus.held = UINT32_MAX;
    start(&w, false);
    for (size_t i = 0; i < 10000; i++) {
        commit(&w, 1);
    }
    pthread_mutex_lock(&w.bus.lock);
    w.bus.held = 0;
    pthread_mutex_unlock(&w.bus.lock);
    wait_until_behind(&w, 0);
    cr_assert_eq(w.bus.n_messages, 10000);
    check_heard(&w, 1, 1);
    world_fini(&w);
}

Test(relay, keeps_no_more_under_way_than_the_bus_takes, .timeout = 240)
{
    struct world w;
    world_init(&w, true);
    w.bus.stalled = true;
    start(&w, false);
    for (size_t i = 0; i < 100; i++) {
        commit(&w, 100);
    }
    int64_t give_up = clock_monotonic_ns() + INT64_C(60000000000);
    size_t heard = 0;
    while (heard < BUS_IN_FLIGHT - COMMIT_MAX_CHANGES - 100) {
        cr_assert_lt(clock_monotonic_ns(), give_up);
        short_while();
        pthread_mutex_lock(&w.bus.lock);
        heard = w.bus.n_messages;
        pthread_mutex_unlock(&w.bus.lock);
    }
    struct relay_report report;
    relay_report(w.relay, &report);
    cr_assert_eq(report.behind, 100, "nothing is confirmed");
    world_fini(&w);
}

Test(relay, starts_at_the_end_of_a_log_that_was_never_published)
{
    struct world w;
    world_init(&w, true);
    for (size_t i = 0; i < 5; i++) {
        commit(&w, 1);
    }
    start(&w, false);
    cr_assert_eq(stored_position(&w), 6);
    commit(&w, 1);
    wait_until_behind(&w, 0);
    check_heard(&w, 6, 1);
    world_fini(&w);
}

Test(relay, publishes_the_whole_log_where_that_is_wanted)
{
    struct world w;
    world_init(&w, true);
    for (size_t i = 0; i < 5; i++) {
        commit(&w, 1);
    }
    start(&w, true);
    wait_until_behind(&w, 0);
    check_heard(&w, 1, 1);
    /* Only the first time. */
    relay_free(MOVE(w.relay), PATIENCE_MS);
    size_t before = w.bus.n_messages;
    w.bus.interrupted = false;
    start(&w, true);
    wait_for_role(&w, RELAY_PUBLISHING);
    commit(&w, 1);
    wait_until_behind(&w, 0);
    cr_assert_eq(w.bus.n_messages, before + 1);
    world_fini(&w);
}

/* Commits of a life that ended before they were published. */
Test(relay, resumes_where_the_last_one_ended)
{
    struct world w;
    world_init(&w, true);
    w.bus.unreachable = UINT32_MAX;
    start(&w, false);
    commit(&w, 2);
    commit(&w, 2);
    relay_free(MOVE(w.relay), PATIENCE_MS);
    cr_assert_eq(stored_position(&w), 1);
    commit(&w, 2);
    w.bus.interrupted = false;
    w.bus.unreachable = 0;
    start(&w, false);
    wait_until_behind(&w, 0);
    check_heard(&w, 1, 2);
    world_fini(&w);
}

Test(relay, only_counts_on_a_bus_that_nobody_outside_hears)
{
    struct world w;
    world_init(&w, false);
    commit(&w, 1);
    start(&w, false);
    commit(&w, 1);
    struct relay_report report;
    relay_report(w.relay, &report);
    cr_assert_eq(report.role, RELAY_PUBLISHING);
    cr_assert_eq(report.published, 1, "since its start");
    cr_assert_eq(report.next, 3);
    cr_assert_eq(report.behind, 0);
    cr_assert_eq(stored_position(&w), 0);
    world_fini(&w);
}

#define FAILING_CALLS 24 /* more than the scenario has */

/* Starts a relay over three commits whose call n of the store fails, counted from here. Returns
 * that call's number. */
static uint64_t start_over_failing_store(struct world *w, uint64_t n)
{
    struct status st;
    world_init(w, true);
    w->bus.held = 1;
    for (size_t i = 0; i < 3; i++) {
        commit(w, 1);
    }
    uint64_t fail_at = trace_calls(w->store) + n;
    trace_fail(w->store, fail_at, 1, TRACE_FAIL_BEFORE);
    struct relay_options options = {.bus = &w->bus.bus,
                                    .store = w->store,
                                    .epoch = w->epoch,
                                    .revision = w->tail.revision,
                                    .whole_log = true};
    while (!relay_new(&options, &w->relay, &st)) {
        cr_assert_eq(st.code, STATUS_UNAVAILABLE);
    }
    return fail_at;
}

/* Each call of the scenario fails once; side by side, as a relay pauses after a failure. */
Test(relay, survives_a_store_that_fails)
{
    struct world worlds[FAILING_CALLS];
    uint64_t fail_at[FAILING_CALLS];
    bool met = true;
    for (size_t n = 0; n < FAILING_CALLS; n++) {
        fail_at[n] = start_over_failing_store(&worlds[n], n);
    }
    for (size_t n = 0; n < FAILING_CALLS; n++) {
        wait_until_behind(&worlds[n], 0);
        check_heard(&worlds[n], 1, 1);
        relay_free(MOVE(worlds[n].relay), PATIENCE_MS);
        met = trace_calls(worlds[n].store) > fail_at[n];
    }
    cr_assert_not(met, "the scenario has more calls than were made to fail");
    for (size_t n = 0; n < FAILING_CALLS; n++) {
        world_fini(&worlds[n]);
    }
}

Test(relay, ends_at_once_while_the_bus_is_silent)
{
    struct world w;
    world_init(&w, true);
    w.bus.unreachable = UINT32_MAX;
    start(&w, false);
    commit(&w, 1);
    wait_for_role(&w, RELAY_CONNECTING);
    relay_free(MOVE(w.relay), PATIENCE_MS);
    world_fini(&w);
}
