/* Nodes that write to one log at the same time, and nodes whose log is replaced. */
#include <assert.h>
#include <criterion/criterion.h>

#include "clock.h"
#include "commit_node.h"
#include "histogram_count.h"
#include "leak_check.h"
#include "memory.h"
#include "store_open.h"

#define WRITERS 4 /* a node */
#define WRITES 60 /* a writer */

static void update_one(struct node *node)
{
    struct waited w;
    struct request update = {
        .kind = MUTATE_UPDATE, .service = "a", .id = "", .allow_missing = true};
    staged_free(write_one(node, &update, &w));
    assert(w.write.ok && "nothing is in its way");
}

/* As long as a server takes for it, so that others try meanwhile. */
static bool slow_append(struct store *store, struct commit *const *commits, size_t n,
                        struct status *st)
{
    int64_t until_ns = clock_monotonic_ns() + INT64_C(2000000);
    while (clock_monotonic_ns() < until_ns) {
        sched_yield();
    }
    return store_memory.append(store, commits, n, st);
}

static void *write_in_turns(void *argument)
{
    for (size_t i = 0; i < WRITES; i++) {
        update_one(argument);
    }
    return NULL;
}

/* Nodes that all write at the same time lose few of their appends to each other. */
Test(turns, writers_take_turns, .timeout = 240)
{
    struct store_ops ops = store_memory;
    struct store *shared = NULL;
    struct status st;
    struct node nodes[NODES];
    pthread_t threads[NODES * WRITERS];
    cr_assert(store_open("memory:turns", &shared, &st));
    ops.append = slow_append;
    shared->ops = &ops;
    nodes_open(nodes, "memory:turns");
    for (size_t i = 0; i < COUNT_OF(threads); i++) {
        pthread_create(&threads[i], NULL, write_in_turns, &nodes[i % NODES]);
    }
    for (size_t i = 0; i < COUNT_OF(threads); i++) {
        pthread_join(threads[i], NULL);
    }
    uint64_t lost = 0;
    uint64_t appends = 0;
    for (size_t i = 0; i < NODES; i++) {
        const struct commit_stats *stats = committer_stats(nodes[i].committer);
        lost += metric_value(&stats->lost_appends);
        appends += histogram_count(&stats->append);
    }
    cr_assert_lt(3 * lost, appends, "%zu of %zu", (size_t)lost, (size_t)appends);
    nodes_close(nodes);
    shared->ops = &store_memory;
    store_close(shared);
    leak_check();
}

static atomic_uint turn_marks; /* set */

static bool count_turn_marks(struct store *store, enum store_mark mark, uint64_t value,
                             struct status *st)
{
    turn_marks += mark == STORE_MARK_TURN || mark == STORE_MARK_GIVEN;
    return store_memory.set_mark(store, mark, value, st);
}

/* Nobody waits for a turn of a node that has not written for longer than one takes. */
Test(turns, who_writes_now_and_then_waits_for_nobody, .timeout = 240)
{
    struct store_ops ops = store_memory;
    struct store *shared = NULL;
    struct node nodes[2] = {0};
    struct status st;
    cr_assert(store_open("memory:seldom", &shared, &st));
    ops.set_mark = count_turn_marks;
    shared->ops = &ops;
    for (size_t i = 0; i < COUNT_OF(nodes); i++) {
        node_open(&nodes[i], "memory:seldom");
    }
    for (size_t round = 0; round < 6; round++) {
        update_one(&nodes[round % 2]);
        int64_t until_ns = clock_monotonic_ns() + INT64_C(60000000);
        while (clock_monotonic_ns() < until_ns) {
            cr_assert(wait_sync(nodes[(round + 1) % 2].committer, &st), "%s", st.message);
        }
    }
    cr_assert_eq(turn_marks, 0, "nobody asked for a turn, or gave one");
    for (size_t i = 0; i < COUNT_OF(nodes); i++) {
        node_close(&nodes[i]);
    }
    shared->ops = &store_memory;
    store_close(shared);
    leak_check();
}

/* ---- A log that was replaced under a running node ---- */

static struct store *replacement; /* what the node's store shows from now on; NULL: itself */

static bool tail_of_either(struct store *store, uint64_t *ret_revision, struct buf **ret_record,
                           struct hash *ret_hash, struct status *st)
{
    return store_memory.tail(replacement != NULL ? replacement : store, ret_revision, ret_record,
                             ret_hash, st);
}

static bool commits_of_either(struct store *store, uint64_t from, uint64_t through,
                              bool with_payloads, store_row_visitor *visit, void *user,
                              struct status *st)
{
    return store_memory.read_commits(replacement != NULL ? replacement : store, from, through,
                                     with_payloads, visit, user, st);
}

Test(turns, a_node_stops_when_its_log_is_replaced)
{
    struct store_ops ops = store_memory;
    struct store *before = NULL;
    struct store *after = NULL;
    struct node node = {0};
    struct node writer = {0};
    struct waited w;
    struct status st;
    cr_assert(store_open("memory:before", &before, &st));
    cr_assert(store_open("memory:after", &after, &st));
    after->identity = before->identity; /* as a copy of the same log would have */
    ops.tail = tail_of_either;
    ops.read_commits = commits_of_either;
    before->ops = &ops;
    node_open(&node, "memory:before");
    node_open(&writer, "memory:after");
    struct request create = {.kind = MUTATE_CREATE, .service = "a", .id = ""};
    staged_free(write_one(&node, &create, &w));
    staged_free(write_one(&writer, &create, &w));
    cr_assert(wait_sync(node.committer, &st), "%s", st.message);
    replacement = after;
    cr_assert_not(wait_sync(node.committer, &st));
    cr_assert_str_eq(st.reason, "LOG_CHANGED");
    cr_assert_null(write_one(&node, &create, &w));
    cr_assert_str_eq(w.write.st.reason, "LOG_CHANGED");
    cr_assert_eq(w.write.st.code, STATUS_UNAVAILABLE);
    node_close(&node);
    cr_assert_eq(node.diverged, 1, "told once");
    node_close(&writer);
    before->ops = &store_memory;
    store_close(before);
    store_close(after);
    leak_check();
}

/* ---- …while it waits for its turn ---- */

static struct {
    struct node nodes[2]; /* one that loses its appends to the other */
    struct store *other;  /* the log that replaces theirs */
    struct sync sync;
    unsigned losses;
    bool rival_writes;
    unsigned appends_to_other;
} overtaken;

static bool append_too_late(struct store *store, struct commit *const *commits, size_t n,
                            struct status *st)
{
    if (overtaken.losses > 0 && !overtaken.rival_writes) {
        overtaken.losses--;
        overtaken.rival_writes = true;
        update_one(&overtaken.nodes[1]);
        overtaken.rival_writes = false;
    }
    overtaken.appends_to_other += replacement != NULL;
    return store_memory.append(store, commits, n, st);
}

static void ignore_sync(struct sync *sync)
{
    (void)sync;
}

/* A node that waits for its turn reads this mark. A read of the log's end shows that the log was
 * replaced. */
static bool get_mark_and_replace(struct store *store, enum store_mark mark, uint64_t *ret_value,
                                 struct status *st)
{
    if (mark == STORE_MARK_GIVEN && !overtaken.rival_writes && replacement == NULL) {
        replacement = overtaken.other;
        committer_sync(overtaken.nodes[0].committer, &overtaken.sync);
    }
    return store_memory.get_mark(store, mark, ret_value, st);
}

Test(turns, a_node_whose_log_is_replaced_while_it_waits_appends_nothing, .timeout = 240)
{
    struct store_ops ops = store_memory;
    struct store *before = NULL;
    struct node writer = {0};
    struct waited w;
    struct status st;
    cr_assert(store_open("memory:overtaken", &before, &st));
    cr_assert(store_open("memory:other", &overtaken.other, &st));
    overtaken.other->identity = before->identity;
    overtaken.sync.done = ignore_sync;
    ops.tail = tail_of_either;
    ops.read_commits = commits_of_either;
    ops.append = append_too_late;
    ops.get_mark = get_mark_and_replace;
    before->ops = &ops;
    node_open(&overtaken.nodes[0], "memory:overtaken");
    node_open(&overtaken.nodes[1], "memory:overtaken");
    node_open(&writer, "memory:other");
    update_one(&overtaken.nodes[0]);
    for (size_t i = 0; i < 3; i++) {
        update_one(&writer);
    }
    overtaken.losses = 2;
    struct request update = {.kind = MUTATE_UPDATE, .service = "a", .id = ""};
    cr_assert_null(write_one(&overtaken.nodes[0], &update, &w));
    cr_assert_str_eq(w.write.st.reason, "LOG_CHANGED");
    cr_assert_eq(overtaken.losses, 0);
    cr_assert_eq(overtaken.appends_to_other, 0, "it would not fit there");
    node_close(&overtaken.nodes[0]);
    node_close(&overtaken.nodes[1]);
    node_close(&writer);
    before->ops = &store_memory;
    store_close(before);
    store_close(overtaken.other);
    leak_check();
}
