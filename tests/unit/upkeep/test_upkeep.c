/* Upkeep over a store that counts what it is asked for, or refuses it. What runs on upkeep's thread
 * uses assert: Criterion's assertions keep memory for each thread, which would look like a leak. */
#include <assert.h>
#include <criterion/criterion.h>
#include <semaphore.h>
#include <stdio.h>

#include "clock.h"
#include "leak_check.h"
#include "ledger.h"
#include "memory.h"
#include "policy.h"
#include "store_open.h"
#include "trace.h"
#include "upkeep.h"

#define CONFIGS (2 * STORE_SAVE_MAX + 10)

/* The heads that the store was asked to save, in order. */
static struct {
    size_t calls;
    size_t heads[16];
    uint64_t through[16];
    size_t refuse;  /* this call, from 1 on; 0: none */
    sem_t finished; /* posted when a round's last portion was saved */
} saves;

static bool note_save(struct store *store, struct head *const *heads, size_t n, uint64_t through,
                      struct status *st)
{
    (void)store;
    (void)heads;
    assert(n <= STORE_SAVE_MAX && saves.calls < COUNT_OF(saves.heads));
    saves.heads[saves.calls] = n;
    saves.through[saves.calls++] = through;
    if (saves.calls == saves.refuse) {
        return status_set(st, STATUS_UNAVAILABLE, "STORE_UNAVAILABLE", "made to fail");
    }
    if (through > 0) {
        sem_post(&saves.finished);
    }
    return true;
}

static sem_t compacted; /* posted when a compaction is marked as finished */

static bool note_mark(struct store *store, enum store_mark mark, uint64_t value, struct status *st)
{
    bool ok = store_memory.set_mark(store, mark, value, st);
    if (mark == STORE_MARK_COMPACTED) {
        sem_post(&compacted);
    }
    return ok;
}

struct fixture {
    struct store_ops ops;
    struct ledger ledger;
    struct upkeep *upkeep;
    sem_t compactions; /* that the policy asked for */
    uint64_t floor, keep_versions;
};

static void note_compaction(void *user, uint64_t floor, uint64_t keep_versions)
{
    struct fixture *f = user;
    f->floor = floor;
    f->keep_versions = keep_versions;
    sem_post(&f->compactions);
}

static void start(struct fixture *f, const struct compaction_policy *policy)
{
    struct upkeep_options options = {.store = f->ledger.store,
                                     .registry = f->ledger.registry,
                                     .policy = *policy,
                                     .compact = note_compaction,
                                     .user = f};
    f->upkeep = upkeep_new(&options);
}

static const struct compaction_policy never;

static void init(struct fixture *f, const char *address)
{
    struct store *inner = NULL;
    struct status st;
    *f = (struct fixture){.ops = store_memory};
    sem_init(&f->compactions, 0, 0);
    sem_init(&saves.finished, 0, 0);
    sem_init(&compacted, 0, 0);
    cr_assert(store_open(address, &inner, &st));
    f->ops.save_heads = note_save;
    f->ops.set_mark = note_mark;
    inner->ops = &f->ops;
    ledger_init(&f->ledger, trace_new(inner, NULL, NULL));
}

static void fini(struct fixture *f)
{
    upkeep_free(MOVE(f->upkeep));
    ledger_fini(&f->ledger);
    leak_check();
}

static void update(struct fixture *f, const char *service)
{
    AUTO(staged_free) struct staged *staged = ledger_update(&f->ledger, service);
    if (f->upkeep != NULL) {
        upkeep_note(f->upkeep, staged, true);
    }
}

static void update_many(struct fixture *f, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        char service[16];
        snprintf(service, sizeof service, "c%zu", i);
        update(f, service);
    }
}

/* ---- Heads ---- */

Test(upkeep, heads_are_saved_in_portions_and_the_last_moves_the_mark, .timeout = 240)
{
    struct fixture f;
    init(&f, "memory:");
    update_many(&f, CONFIGS);
    start(&f, &never);
    sem_wait(&saves.finished);
    upkeep_stop(f.upkeep);
    cr_assert_eq(saves.calls, 3);
    cr_assert_eq(saves.heads[0], STORE_SAVE_MAX);
    cr_assert_eq(saves.heads[1], STORE_SAVE_MAX);
    cr_assert_eq(saves.heads[2], 10);
    cr_assert_eq(saves.through[0], 0);
    cr_assert_eq(saves.through[1], 0);
    cr_assert_eq(saves.through[2], CONFIGS);
    fini(&f);
}

Test(upkeep, what_a_failed_portion_left_is_saved_by_the_next_round, .timeout = 240)
{
    struct fixture f;
    init(&f, "memory:");
    saves.refuse = 2;
    update_many(&f, CONFIGS);
    start(&f, &never);
    sem_wait(&saves.finished);
    upkeep_stop(f.upkeep);
    cr_assert_eq(metric_value(&upkeep_stats(f.upkeep)->failed_head_saves), 1);
    cr_assert_eq(saves.calls, 4);
    cr_assert_eq(saves.heads[2], STORE_SAVE_MAX, "the first portion was saved before");
    cr_assert_eq(saves.heads[3], 10);
    cr_assert_eq(saves.through[3], CONFIGS);
    fini(&f);
}

Test(upkeep, heads_that_came_are_saved_at_the_end, .timeout = 240)
{
    struct fixture f;
    init(&f, "memory:");
    start(&f, &never);
    update(&f, "a");
    update(&f, "a");
    upkeep_stop(f.upkeep);
    cr_assert_eq(saves.calls, 1);
    cr_assert_eq(saves.heads[0], 1);
    cr_assert_eq(saves.through[0], 2);
    fini(&f);
}

Test(upkeep, what_another_node_saved_is_not_saved_again, .timeout = 240)
{
    struct fixture f;
    struct status st;
    init(&f, "memory:others");
    start(&f, &never);
    update(&f, "a");
    cr_assert(store_set_mark(f.ledger.store, STORE_MARK_HEADS, 1, &st));
    upkeep_stop(f.upkeep);
    cr_assert_eq(saves.calls, 0);
    fini(&f);
}

Test(upkeep, nothing_is_saved_into_another_log, .timeout = 240)
{
    struct fixture f;
    init(&f, "memory:replaced");
    start(&f, &never);
    update(&f, "a");
    trace_lag(f.ledger.store, 1, UINT32_MAX);
    upkeep_stop(f.upkeep);
    cr_assert_eq(saves.calls, 0);
    cr_assert_eq(metric_value(&upkeep_stats(f.upkeep)->failed_head_saves), 1);
    fini(&f);
}

/* ---- Scrubbing ---- */

struct counted_wait {
    struct scrub_wait wait;
    sem_t done;
};

static void count_done(struct scrub_wait *wait)
{
    struct counted_wait *counted = CONTAINER_OF(wait, struct counted_wait, wait);
    sem_post(&counted->done);
}

static void erase(struct fixture *f)
{
    const struct mutation m = {.kind = MUTATE_DELETE, .service = "a", .version = 1};
    AUTO(staged_free) struct staged *staged = ledger_write(&f->ledger, &m);
    upkeep_note(f->upkeep, staged, true);
}

static bool is_erased(struct fixture *f)
{
    struct version_ref found = {0};
    struct status st;
    cr_assert(store_read_version(f->ledger.store, "prod", "a", 1, &found, &st), "%s", st.message);
    bool erased = version_change(&found)->payload == NULL;
    commit_unref(found.commit);
    return erased;
}

Test(upkeep, who_waits_is_told_when_it_is_gone, .timeout = 240)
{
    struct fixture f;
    struct counted_wait counted = {.wait.done = count_done};
    init(&f, "memory:");
    sem_init(&counted.done, 0, 0);
    start(&f, &never);
    update(&f, "a");
    update(&f, "a");
    erase(&f);
    upkeep_wait_scrubbed(f.upkeep, &counted.wait);
    sem_wait(&counted.done);
    cr_assert(is_erased(&f));
    upkeep_stop(f.upkeep);
    upkeep_wait_scrubbed(f.upkeep, &counted.wait);
    cr_assert_eq(sem_trywait(&counted.done), 0, "at once, after the end");
    fini(&f);
}

Test(upkeep, what_was_erased_before_a_crash_is_scrubbed_at_the_start, .timeout = 240)
{
    struct fixture f;
    const struct mutation m = {.kind = MUTATE_DELETE, .service = "a", .version = 1};
    init(&f, "memory:");
    update(&f, "a");
    update(&f, "a");
    staged_free(ledger_write(&f.ledger, &m));
    cr_assert_not(is_erased(&f));
    start(&f, &never);
    upkeep_stop(f.upkeep);
    cr_assert(is_erased(&f));
    fini(&f);
}

/* ---- The end of it ---- */

Test(upkeep, after_a_halt_nothing_is_written, .timeout = 240)
{
    struct fixture f;
    struct counted_wait counted = {.wait.done = count_done};
    init(&f, "memory:");
    sem_init(&counted.done, 0, 0);
    start(&f, &never);
    upkeep_halt(f.upkeep);
    update(&f, "a");
    update(&f, "a");
    erase(&f);
    upkeep_wait_scrubbed(f.upkeep, &counted.wait);
    sem_wait(&counted.done);
    upkeep_stop(f.upkeep);
    cr_assert_not(is_erased(&f));
    cr_assert_eq(saves.calls, 0);
    fini(&f);
}

/* ---- Compaction ---- */

Test(upkeep, the_policy_says_what_to_compact, .timeout = 240)
{
    struct fixture f;
    const struct compaction_policy policy = {.keep_versions = 2,
                                             .interval_us = INT64_C(3600000000)};
    init(&f, "memory:");
    update_many(&f, 3);
    start(&f, &policy);
    sem_wait(&f.compactions);
    cr_assert_eq(f.floor, 3);
    cr_assert_eq(f.keep_versions, 2);
    fini(&f);
}

/* Compacts, and marks the compaction as finished. */
static void compact_through(struct fixture *f, uint64_t floor)
{
    const struct mutation m = {.kind = MUTATE_COMPACT,
                               .environment = "",
                               .service = "",
                               .version = floor,
                               .keep_versions = 1};
    struct status st;
    staged_free(ledger_write(&f->ledger, &m));
    cr_assert(store_set_mark(f->ledger.store, STORE_MARK_COMPACTED,
                             registry_compaction(f->ledger.registry).revision, &st));
}

Test(upkeep, the_policy_waits_for_its_interval)
{
    /* The commits of a ledger are as of 1970. */
    const struct {
        int64_t interval_us;
        bool is_due;
    } cases[] = {{1, true}, {2 * clock_wall_us(), false}};
    struct fixture f;
    init(&f, "memory:");
    update_many(&f, 3);
    compact_through(&f, 2);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const struct upkeep_options options = {
            .store = f.ledger.store,
            .registry = f.ledger.registry,
            .policy = {.keep_versions = 2, .interval_us = cases[i].interval_us}};
        struct policy *policy = policy_new(&options);
        uint64_t floor = 0;
        uint64_t keep_versions = 0;
        cr_expect_eq(policy_check(policy, &floor, &keep_versions), cases[i].is_due);
        cr_expect_eq(floor, cases[i].is_due ? 4 : 0);
        policy_free(policy);
    }
    fini(&f);
}

Test(upkeep, a_compaction_that_was_cut_off_is_finished, .timeout = 240)
{
    struct fixture f;
    uint64_t done = 0;
    struct status st;
    init(&f, "memory:");
    update(&f, "a");
    update(&f, "a");
    staged_free(ledger_write(&f.ledger, &(struct mutation){.kind = MUTATE_COMPACT,
                                                           .environment = "",
                                                           .service = "",
                                                           .keep_versions = 1}));
    cr_assert_not(is_erased(&f));
    start(&f, &never);
    sem_wait(&compacted);
    cr_assert(is_erased(&f), "its payload is gone");
    upkeep_stop(f.upkeep);
    cr_assert(store_get_mark(f.ledger.store, STORE_MARK_COMPACTED, &done, &st));
    cr_assert_eq(done, 3);
    fini(&f);
}
