/* Several nodes over one log, one step after the other. */
#include <assert.h>
#include <criterion/criterion.h>
#include <semaphore.h>
#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "commit_node.h"
#include "leak_check.h"
#include "memory.h"
#include "store_open.h"

/* ---- Single writes ---- */

Test(nodes, a_loser_reads_what_it_missed_and_tries_again)
{
    struct node nodes[NODES];
    struct waited w;
    nodes_open(nodes, "memory:loser");
    struct request create = {.kind = MUTATE_CREATE, .service = "a", .id = ""};
    struct staged *first = write_one(&nodes[0], &create, &w);
    cr_assert_not_null(first);
    cr_assert_null(write_one(&nodes[1], &create, &w), "the other one has made it");
    cr_assert_str_eq(w.write.st.reason, "CONFIG_EXISTS");
    struct request update = {
        .kind = MUTATE_UPDATE, .service = "a", .id = "", .expected_version = 1};
    struct staged *second = write_one(&nodes[1], &update, &w);
    cr_assert_not_null(second);
    cr_assert_null(write_one(&nodes[2], &update, &w), "the version has moved on");
    cr_assert_str_eq(w.write.st.reason, "VERSION_MISMATCH");
    cr_assert_eq(second->commit->revision, 2);
    cr_assert_eq(second->after[0]->version, 2);
    staged_free(first);
    staged_free(second);
    nodes_close(nodes);
    leak_check();
}

/* A refusal is as of the log's end, not as of what this node knew when it was called. */
Test(nodes, no_refusal_is_out_of_date)
{
    struct node nodes[NODES];
    struct waited w;
    nodes_open(nodes, "memory:stale");
    struct request create = {.kind = MUTATE_CREATE, .service = "a", .id = ""};
    struct request update = {.kind = MUTATE_UPDATE, .service = "a", .id = ""};
    struct request delete = {.kind = MUTATE_DELETE, .service = "a", .id = ""};
    for (size_t i = 0; i < 30; i++) {
        struct node *first = &nodes[i % NODES];
        struct node *second = &nodes[(i + 1) % NODES];
        struct node *third = &nodes[(i + 2) % NODES];
        staged_free(write_one(first, &create, &w));
        cr_assert(w.write.ok);
        staged_free(write_one(second, &update, &w));
        cr_assert(w.write.ok, "%s", w.write.st.reason);
        staged_free(write_one(third, &delete, &w));
        cr_assert(w.write.ok, "%s", w.write.st.reason);
        staged_free(write_one(second, &delete, &w));
        cr_assert_str_eq(w.write.st.reason, "CONFIG_NOT_FOUND");
    }
    nodes_close(nodes);
    leak_check();
}

Test(nodes, a_repeat_at_another_node_gets_the_first_answer)
{
    struct node nodes[NODES];
    struct waited w;
    nodes_open(nodes, "memory:repeat");
    struct request create = {.kind = MUTATE_CREATE, .service = "a", .id = "once"};
    struct staged *first = write_one(&nodes[0], &create, &w);
    struct staged *again = write_one(&nodes[1], &create, &w);
    cr_assert_not_null(first);
    cr_assert_not_null(again);
    cr_assert_eq(again->commit->revision, first->commit->revision);
    cr_assert_eq(again->after[0]->version, 1);
    cr_assert_eq(w.write.position.revision, 1, "the answer names what it shows");
    staged_free(first);
    staged_free(again);
    nodes_close(nodes);
    leak_check();
}

struct late_write {
    struct node *node;
    struct waited w;
};

static void *write_late(void *argument)
{
    struct late_write *late = argument;
    struct request update = {.kind = MUTATE_UPDATE, .service = "a", .id = ""};
    write_one(late->node, &update, &late->w);
    return NULL;
}

static bool is_done(struct waited *w)
{
    pthread_mutex_lock(&w->lock);
    bool done = w->done;
    pthread_mutex_unlock(&w->lock);
    return done;
}

/* The answer to a write is lost. Before its node finds it in the log, another one erases what it
 * wrote, and the log's end comes to sight late: the write lacks its payload and nothing says why.
 */
Test(nodes, a_write_is_not_answered_for_before_it_can_be_applied, .timeout = 240)
{
    struct node nodes[NODES];
    struct waited w;
    struct status st;
    pthread_t thread;
    nodes_open(nodes, "memory:unseen");
    struct late_write late = {.node = &nodes[0]};
    struct request create = {.kind = MUTATE_CREATE, .service = "a", .id = ""};
    struct request erase = {.kind = MUTATE_DELETE, .service = "a", .version = 2, .id = ""};
    staged_free(write_one(&nodes[0], &create, &w));
    struct trace_doubt doubt = {.landed = SIZE_MAX};
    trace_doubt_next(nodes[0].store, &doubt);
    trace_lag(nodes[0].store, 1, UINT32_MAX);
    pthread_create(&thread, NULL, write_late, &late);
    do {
        cr_assert(wait_sync(nodes[1].committer, &st), "%s", st.message);
    } while (registry_position(nodes[1].registry).revision < 2);
    staged_free(write_one(&nodes[1], &erase, &w));
    cr_assert(w.write.ok, "%s", w.write.st.message);
    uint64_t calls = trace_calls(nodes[0].store);
    while (trace_calls(nodes[0].store) < calls + 10 && !is_done(&late.w)) {
        sched_yield();
    }
    trace_lag(nodes[0].store, 0, 0);
    pthread_join(thread, NULL);
    cr_assert(late.w.write.ok, "%s", late.w.write.st.message);
    cr_assert_eq(late.w.write.staged->commit->revision, 2);
    cr_assert_geq(late.w.write.position.revision, 2);
    staged_free(late.w.write.staged);
    nodes_close(nodes);
    leak_check();
}

/* Nobody wakes the node: it finds the commit when it looks at the log's end by itself. */
Test(nodes, a_node_follows_without_being_woken, .timeout = 240)
{
    struct node nodes[NODES];
    struct waited w;
    nodes_open(nodes, "memory:tail");
    struct request create = {.kind = MUTATE_CREATE, .service = "a", .id = ""};
    staged_free(write_one(&nodes[0], &create, &w));
    sem_wait(&nodes[1].moved);
    cr_assert_eq(committer_seen(nodes[1].committer).revision, 1);
    cr_assert_gt(committer_seen(nodes[1].committer).time_us, 0);
    nodes_close(nodes);
    leak_check();
}

Test(nodes, a_sync_brings_all_that_was_acknowledged_before)
{
    struct node nodes[NODES];
    struct waited w;
    struct status st;
    nodes_open(nodes, "memory:sync");
    for (uint64_t i = 1; i <= 20; i++) {
        struct request update = {
            .kind = MUTATE_UPDATE, .service = "a", .id = "", .allow_missing = true};
        staged_free(write_one(&nodes[i % NODES], &update, &w));
        cr_assert(wait_sync(nodes[(i + 1) % NODES].committer, &st), "%s", st.message);
        cr_assert_eq(registry_position(nodes[(i + 1) % NODES].registry).revision, i);
    }
    struct store *store = nodes[0].store;
    trace_fail(store, trace_calls(store), UINT32_MAX, TRACE_FAIL_BEFORE);
    cr_assert_not(wait_sync(nodes[0].committer, &st), "it cannot be known");
    cr_assert_eq(st.code, STATUS_UNAVAILABLE);
    char reason[256];
    cr_assert_not(committer_writable(nodes[0].committer, reason));
    cr_assert_str_not_empty(reason);
    trace_fail(store, 0, 0, TRACE_FAIL_BEFORE);
    cr_assert(wait_sync(nodes[0].committer, &st), "%s", st.message);
    cr_assert(committer_writable(nodes[0].committer, reason), "%s", reason);
    nodes_close(nodes);
    leak_check();
}

/* A node starts while the store does not show it the last commit, which erased what the one before
 * brought. */
Test(nodes, what_was_erased_is_not_served_at_the_start, .timeout = 240)
{
    struct node writer = {0};
    struct store *inner = NULL;
    struct waited w;
    struct status st;
    node_open(&writer, "memory:erased");
    struct request requests[] = {{.kind = MUTATE_CREATE, .service = "a", .id = ""},
                                 {.kind = MUTATE_UPDATE, .service = "a", .id = ""},
                                 {.kind = MUTATE_DELETE, .service = "a", .id = "", .version = 2}};
    for (size_t i = 0; i < COUNT_OF(requests); i++) {
        staged_free(write_one(&writer, &requests[i], &w));
        cr_assert(w.write.ok, "%s", w.write.st.message);
    }
    trace_fail(writer.store, trace_calls(writer.store), UINT32_MAX, TRACE_FAIL_BEFORE);
    cr_assert(store_open("memory:erased", &inner, &st), "%s", st.message);
    struct node node = {.store = trace_new(inner, NULL, NULL)};
    trace_lag(node.store, 1, UINT32_MAX);
    node_start(&node);
    cr_assert_eq(registry_position(node.registry).revision, 1);
    trace_lag(node.store, 0, 0);
    cr_assert(wait_sync(node.committer, &st), "%s", st.message);
    cr_assert_eq(registry_position(node.registry).revision, 3);
    node_close(&node);
    node_close(&writer);
    leak_check();
}

/* ---- Looks that take long ---- */

#define LONG_LOOK_NS INT64_C(150000000)
#define FIRST_LOOK_NS INT64_C(600000000)
#define LOOKS 3
#define LOOK_SHARE 10 /* as sync.c has it */

/* The looks that the node made since it started, and how often it saved heads. */
static struct {
    atomic_bool begun;
    int64_t begun_ns[LOOKS], ended_ns[LOOKS];
    atomic_uint looks;
    sem_t looked; /* posted for each of them */
    sem_t saved;  /* and for each time that heads were saved */
} asked;

static bool slow_tail(struct store *store, uint64_t *ret_revision, struct buf **ret_record,
                      struct hash *ret_hash, struct status *st)
{
    unsigned n = asked.looks;
    if (!asked.begun || n == LOOKS) {
        return store_memory.tail(store, ret_revision, ret_record, ret_hash, st);
    }
    int64_t begun_ns = clock_monotonic_ns();
    while (clock_monotonic_ns() < begun_ns + (n == 0 ? FIRST_LOOK_NS : LONG_LOOK_NS)) {
        sched_yield();
    }
    bool ok = store_memory.tail(store, ret_revision, ret_record, ret_hash, st);
    asked.begun_ns[n] = begun_ns;
    asked.ended_ns[n] = clock_monotonic_ns();
    asked.looks = n + 1;
    sem_post(&asked.looked);
    return ok;
}

static bool note_saved_heads(struct store *store, struct head *const *heads, size_t n,
                             uint64_t through, struct status *st)
{
    sem_post(&asked.saved);
    return store_memory.save_heads(store, heads, n, through, st);
}

static void update(struct node *node)
{
    struct waited w;
    struct request update = {
        .kind = MUTATE_UPDATE, .service = "a", .id = "", .allow_missing = true};
    staged_free(write_one(node, &update, &w));
    cr_assert(w.write.ok, "%s", w.write.st.message);
}

/* One look that took long changes nothing; where they do, the node looks a part of the time. */
static void check_looks(void)
{
    int64_t first_ns = asked.begun_ns[1] - asked.ended_ns[0];
    int64_t second_ns = asked.begun_ns[2] - asked.ended_ns[1];
    cr_assert_lt(first_ns, LOOK_SHARE * FIRST_LOOK_NS);
    cr_assert_geq(second_ns, LOOK_SHARE * LONG_LOOK_NS);
}

static void with_slow_looks(const char *address, void (*act)(struct node *node))
{
    struct store_ops ops = store_memory;
    struct store *inner = NULL;
    struct status st;
    cr_assert(store_open(address, &inner, &st));
    ops.tail = slow_tail;
    ops.save_heads = note_saved_heads;
    inner->ops = &ops;
    struct node node = {.store = trace_new(inner, NULL, NULL)};
    sem_init(&asked.looked, 0, 0);
    sem_init(&asked.saved, 0, 0);
    node_start(&node);
    asked.begun = true;
    act(&node);
    check_looks();
    node_close(&node);
    sem_destroy(&asked.looked);
    sem_destroy(&asked.saved);
    leak_check();
}

static void write_until_looked(struct node *node)
{
    while (asked.looks < LOOKS) {
        update(node);
    }
}

static void write_once_and_wait(struct node *node)
{
    update(node);
    sem_wait(&asked.saved);
    for (size_t i = 0; i < LOOKS; i++) {
        sem_wait(&asked.looked);
    }
}

Test(nodes, a_node_that_writes_seldom_looks_where_it_takes_long, .timeout = 240)
{
    with_slow_looks("memory:writing", write_until_looked);
}

/* Nor does it look for the sake of the heads that it has to save. */
Test(nodes, an_idle_node_seldom_looks_where_it_takes_long, .timeout = 240)
{
    with_slow_looks("memory:idle", write_once_and_wait);
}

/* As in a copy of a database whose heads were copied after its log. */
Test(nodes, heads_of_a_longer_log_are_refused)
{
    struct node node = {0};
    struct waited w;
    struct status st;
    AUTO(store_close) struct store *copy = NULL;
    cr_assert(store_open("memory:longer", &copy, &st));
    node_open(&node, "memory:longer");
    struct request create = {.kind = MUTATE_CREATE, .service = "a", .id = ""};
    staged_free(write_one(&node, &create, &w));
    node_close(&node);
    cr_assert(store_set_mark(copy, STORE_MARK_HEADS, 2, &st));
    AUTO(registry_free) struct registry *registry = registry_new(copy->identity.epoch);
    cr_assert_not(committer_recover(copy, registry, &st));
    cr_assert_eq(st.code, STATUS_DATA_LOSS);
    cr_assert_str_eq(st.reason, "LOG_DAMAGED");
}

/* ---- A log with a hole ---- */

static atomic_uint_fast64_t hole;
static atomic_bool filled;

static bool append_into_hole(struct store *store, struct commit *const *commits, size_t n,
                             struct status *st)
{
    atomic_store(&filled, commits[0]->revision == atomic_load(&hole));
    return atomic_load(&filled) || store_memory.append(store, commits, n, st);
}

static bool read_around_hole(struct store *store, uint64_t from, uint64_t through,
                             bool with_payloads, store_row_visitor *visit, void *user,
                             struct status *st)
{
    uint64_t missing = atomic_load(&hole);
    bool meets = missing >= from && missing <= through;
    return (!meets || from == missing ||
            store_memory.read_commits(store, from, missing - 1, with_payloads, visit, user, st)) &&
           store_memory.read_commits(store, meets ? missing + 1 : from, through, with_payloads,
                                     visit, user, st);
}

static void write_elsewhere(const char *address, const char *service)
{
    struct node other = {0};
    struct waited w;
    struct request create = {.kind = MUTATE_CREATE, .service = service, .id = ""};
    node_open(&other, address);
    staged_free(write_one(&other, &create, &w));
    cr_assert(w.write.ok, "%s", w.write.st.message);
    node_close(&other);
}

static void expect_damage(struct node *node)
{
    struct waited w;
    struct request create = {.kind = MUTATE_CREATE, .service = "late", .id = ""};
    cr_assert_null(write_one(node, &create, &w));
    cr_assert_eq(w.write.st.code, STATUS_DATA_LOSS, "%s", w.write.st.message);
    cr_assert_str_eq(w.write.st.reason, "LOG_DAMAGED");
    cr_assert_not(atomic_load(&filled));
}

static void fail_and_recover(struct node *node)
{
    struct waited w;
    struct request create = {.kind = MUTATE_CREATE, .service = "b", .id = ""};
    trace_fail(node->store, trace_calls(node->store), 1000000, TRACE_FAIL_BEFORE);
    cr_assert_null(write_one(node, &create, &w));
    cr_assert_eq(w.write.st.code, STATUS_UNAVAILABLE, "%s", w.write.st.message);
    trace_fail(node->store, 0, 0, TRACE_FAIL_BEFORE);
}

/* A look at the log's end that is held, so that the node does not see what others write. */
struct held_look {
    struct sync sync;
    sem_t done;
};

static void looked(struct sync *sync)
{
    struct held_look *look = CONTAINER_OF(sync, struct held_look, sync);
    sem_post(&look->done);
}

static void hold_look(struct node *node, struct held_look *look)
{
    *look = (struct held_look){.sync.done = looked};
    sem_init(&look->done, 0, 0);
    trace_hold(node->store, "tail");
    committer_sync(node->committer, &look->sync);
    trace_wait_held(node->store);
}

static void release_look(struct node *node, struct held_look *look)
{
    trace_hold(node->store, NULL);
    sem_wait(&look->done);
}

/* The next place behind what a node has applied is free there: a write would be acknowledged into
 * it. It takes none, also where writes were refused for another reason before. */
static void meet_hole(const char *address, bool failed_before)
{
    struct store_ops ops = store_memory;
    struct store *store = NULL;
    struct node node = {0};
    struct waited w;
    struct status st;
    cr_assert(store_open(address, &store, &st));
    ops.append = append_into_hole;
    ops.read_commits = read_around_hole;
    store->ops = &ops;
    struct held_look look;
    node_open(&node, address);
    hold_look(&node, &look);
    write_elsewhere(address, "c");
    write_elsewhere(address, "d");
    if (failed_before) {
        fail_and_recover(&node);
    }
    atomic_store(&hole, 1);
    release_look(&node, &look);
    cr_assert_eq(look.sync.st.code, STATUS_DATA_LOSS, "%s", look.sync.st.message);
    expect_damage(&node);
    expect_damage(&node);
    AUTO(registry_free) struct registry *registry = registry_new(store->identity.epoch);
    cr_assert_not(committer_recover(store, registry, &st));
    cr_assert_eq(st.code, STATUS_DATA_LOSS);
    atomic_store(&hole, 0);
    committer_wake(node.committer, 2);
    struct request create = {.kind = MUTATE_CREATE, .service = "late", .id = ""};
    staged_free(write_one(&node, &create, &w));
    cr_assert(w.write.ok, "%s", w.write.st.message);
    cr_assert_eq(registry_position(node.registry).revision, 3);
    node_close(&node);
    store->ops = &store_memory;
    store_close(store);
    leak_check();
}

Test(nodes, a_hole_is_not_written_into, .timeout = 240)
{
    meet_hole("memory:hole", false);
}

Test(nodes, a_hole_is_not_written_into_whatever_came_first, .timeout = 240)
{
    meet_hole("memory:hole2", true);
}

/* ---- A store that takes an append and does not show it ---- */

enum sight {
    SEES_ALL,
    ANSWERS_NOTHING,
    SEES_NOTHING, /* and says that what it is given is durable */
    IS_SLOW,      /* its append waits for the gate */
};
static _Atomic enum sight sight;
static sem_t at_gate;
static sem_t gate;

static bool append_unseen(struct store *store, struct commit *const *commits, size_t n,
                          struct status *st)
{
    switch (atomic_load(&sight)) {
    case ANSWERS_NOTHING:
        return status_set_outcome(st, OUTCOME_UNKNOWN, "no answer came");
    case SEES_NOTHING:
        return true;
    case IS_SLOW:
        sem_post(&at_gate);
        sem_wait(&gate);
        return store_memory.append(store, commits, n, st);
    default:
        return store_memory.append(store, commits, n, st);
    }
}

static bool read_unseen(struct store *store, uint64_t from, uint64_t through, bool with_payloads,
                        store_row_visitor *visit, void *user, struct status *st)
{
    switch (atomic_load(&sight)) {
    case ANSWERS_NOTHING:
        return status_set(st, STATUS_UNAVAILABLE, "STORE_UNAVAILABLE", "no answer came");
    case SEES_NOTHING:
        return true;
    default:
        return store_memory.read_commits(store, from, through, with_payloads, visit, user, st);
    }
}

Test(nodes, what_is_durable_and_cannot_be_seen_stays_in_doubt, .timeout = 240)
{
    struct store_ops ops = store_memory;
    struct store *store = NULL;
    struct node node = {0};
    struct waited w;
    struct status st;
    cr_assert(store_open("memory:unseen", &store, &st));
    ops.append = append_unseen;
    ops.read_commits = read_unseen;
    store->ops = &ops;
    node_open(&node, "memory:unseen");
    struct request create = {.kind = MUTATE_CREATE, .service = "a", .id = ""};
    sight = ANSWERS_NOTHING;
    cr_assert_null(write_one(&node, &create, &w));
    cr_assert_str_eq(w.write.st.reason, "OUTCOME_UNKNOWN");
    sight = SEES_NOTHING;
    cr_assert_null(write_one(&node, &create, &w));
    cr_assert_eq(w.write.st.code, STATUS_UNAVAILABLE);
    cr_assert_str_eq(w.write.st.reason, "STORE_UNAVAILABLE");
    sight = SEES_ALL;
    cr_assert_null(write_one(&node, &create, &w));
    cr_assert_str_eq(w.write.st.reason, "CONFIG_EXISTS", "the first one has come about");
    cr_assert_eq(registry_position(node.registry).revision, 1);
    node_close(&node);
    store->ops = &store_memory;
    store_close(store);
    leak_check();
}

static void submit_create(struct node *node, const char *service, int64_t deadline_ns,
                          struct buf *payload, struct waited *w, struct mutation *m)
{
    *m = (struct mutation){.kind = MUTATE_CREATE,
                           .environment = "prod",
                           .service = service,
                           .payload = payload,
                           .expected_epoch = ""};
    waited_init(w, m, "");
    w->write.deadline_ns = deadline_ns;
    committer_submit(node->committer, &w->write);
}

/* Of two writes in one batch: who can wait is told what became of it. */
Test(nodes, a_deadline_ends_the_wait_for_an_outcome, .timeout = 240)
{
    struct store_ops ops = store_memory;
    struct store *store = NULL;
    struct node node = {0};
    struct waited first;
    struct waited hasty;
    struct waited patient;
    struct mutation m[3];
    struct status st;
    AUTO(buf_unref) struct buf *payload = buf_copy("{}", 2);
    cr_assert(store_open("memory:hasty", &store, &st));
    ops.append = append_unseen;
    ops.read_commits = read_unseen;
    store->ops = &ops;
    sem_init(&at_gate, 0, 0);
    sem_init(&gate, 0, 0);
    node_open(&node, "memory:hasty");
    sight = IS_SLOW;
    submit_create(&node, "a", INT64_MAX, payload, &first, &m[0]);
    sem_wait(&at_gate);
    sight = ANSWERS_NOTHING;
    int64_t soon = clock_monotonic_ns() + INT64_C(1000000000);
    submit_create(&node, "b", soon, payload, &hasty, &m[1]);
    submit_create(&node, "c", INT64_MAX, payload, &patient, &m[2]);
    sem_post(&gate);
    waited_wait(&first);
    waited_wait(&hasty);
    cr_assert_str_eq(hasty.write.st.reason, "OUTCOME_UNKNOWN");
    sight = SEES_ALL;
    waited_wait(&patient);
    cr_assert(patient.write.ok, "%s", patient.write.st.reason);
    cr_assert_eq(patient.write.position.revision, 3, "the hasty one has come about, too");
    staged_free(first.write.staged);
    staged_free(patient.write.staged);
    node_close(&node);
    store->ops = &store_memory;
    store_close(store);
    buf_unref(MOVE(payload));
    leak_check();
}
