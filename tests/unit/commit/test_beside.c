/* Writes beside what other threads do to the store, upkeep and the looks at the log's end: each of
 * their calls is held, and writes go on. */
#include <criterion/criterion.h>

#include "commit_node.h"
#include "leak_check.h"
#include "memory.h"
#include "store_open.h"

static void write_ok(struct node *node, const struct request *r)
{
    struct waited w;
    staged_free(write_one(node, r, &w));
    cr_assert(w.write.ok, "%s", w.write.st.message);
}

static const struct request update = {
    .kind = MUTATE_UPDATE, .service = "a", .id = "", .allow_missing = true};
static const struct request compact = {
    .kind = MUTATE_COMPACT, .service = "", .id = "", .keep_versions = 1};

/* Holds the call, does what leads to it, and writes while it is held. */
static void write_beside(const char *call, const struct request *cause)
{
    struct node node = {0};
    node_open(&node, "memory:");
    write_ok(&node, &update);
    write_ok(&node, &update);
    trace_hold(node.store, call);
    write_ok(&node, cause);
    trace_wait_held(node.store);
    write_ok(&node, &update);
    write_ok(&node, &update);
    trace_hold(node.store, NULL);
    node_close(&node);
    leak_check();
}

Test(beside, a_write_does_not_wait_for_heads_to_be_saved, .timeout = 240)
{
    write_beside("save_heads", &update);
}

Test(beside, a_write_does_not_wait_for_a_compaction, .timeout = 240)
{
    write_beside("drop", &compact);
}

/* ---- Who waits, and for what ---- */

static void submit(struct node *node, struct waited *w, const struct mutation *m)
{
    waited_init(w, m, "");
    committer_submit(node->committer, &w->write);
}

static bool is_done(struct waited *w)
{
    pthread_mutex_lock(&w->lock);
    bool done = w->done;
    pthread_mutex_unlock(&w->lock);
    return done;
}

/* Also one that finds nothing to erase any more: what it speaks of is not gone yet. */
Test(beside, only_who_erased_waits_for_the_scrub, .timeout = 240)
{
    struct node node = {0};
    struct waited first;
    struct waited second;
    struct mutation erase = {.kind = MUTATE_DELETE,
                             .environment = "prod",
                             .service = "a",
                             .erase = true,
                             .allow_missing = true,
                             .expected_epoch = ""};
    struct mutation missing = erase;
    missing.service = "b";
    node_open(&node, "memory:");
    write_ok(&node, &update);
    trace_hold(node.store, "scrub");
    submit(&node, &first, &erase);
    trace_wait_held(node.store);
    submit(&node, &second, &missing);
    write_ok(&node, &update);
    cr_assert_not(is_done(&first));
    cr_assert_not(is_done(&second));
    trace_hold(node.store, NULL);
    waited_wait(&first);
    waited_wait(&second);
    cr_assert(first.write.ok && second.write.ok);
    staged_free(first.write.staged);
    staged_free(second.write.staged);
    node_close(&node);
    leak_check();
}

/* The store refuses to scrub: the write is answered, and the payload goes later. */
static atomic_uint refusals;

static bool refuse_scrub(struct store *store, const char *environment, const char *service,
                         uint64_t from, uint64_t through, struct status *st)
{
    if (refusals < 2) {
        refusals++;
        return status_set(st, STATUS_UNAVAILABLE, "STORE_UNAVAILABLE", "the disk is full");
    }
    return store_memory.scrub(store, environment, service, from, through, st);
}

static bool is_erased(struct node *node)
{
    struct version_ref found = {0};
    struct status st;
    cr_assert(store_read_version(node->store, "prod", "a", 1, &found, &st), "%s", st.message);
    bool erased = version_change(&found)->payload == NULL;
    commit_unref(found.commit);
    return erased;
}

Test(beside, what_could_not_be_scrubbed_is_scrubbed_later, .timeout = 240)
{
    struct store_ops ops = store_memory;
    struct node node = {0};
    struct store *inner = NULL;
    struct status st;
    cr_assert(store_open("memory:", &inner, &st));
    ops.scrub = refuse_scrub;
    inner->ops = &ops;
    node.store = trace_new(inner, NULL, NULL);
    node_start(&node);
    write_ok(&node, &update);
    write_ok(&node, &update);
    struct request erase = {.kind = MUTATE_DELETE, .service = "a", .version = 1, .id = ""};
    write_ok(&node, &erase);
    trace_hold(node.store, "scrub");
    trace_wait_held(node.store);
    cr_assert_not(is_erased(&node));
    trace_hold(node.store, NULL);
    committer_stop(node.committer);
    cr_assert(is_erased(&node));
    cr_assert_geq(metric_value(&committer_upkeep_stats(node.committer)->failed_scrubs), 1);
    node_close(&node);
    leak_check();
}

/* ---- Looks at the log's end ---- */

struct counted_sync {
    struct sync sync;
    sem_t done;
};

static void count_sync(struct sync *sync)
{
    struct counted_sync *counted = CONTAINER_OF(sync, struct counted_sync, sync);
    sem_post(&counted->done);
}

Test(beside, a_write_does_not_wait_for_a_look, .timeout = 60)
{
    struct node node = {0};
    struct counted_sync counted = {.sync.done = count_sync};
    sem_init(&counted.done, 0, 0);
    node_open(&node, "memory:looks");
    trace_hold(node.store, "tail");
    committer_sync(node.committer, &counted.sync);
    trace_wait_held(node.store);
    write_ok(&node, &update);
    write_ok(&node, &update);
    cr_assert_neq(sem_trywait(&counted.done), 0, "nobody knows yet where the log ends");
    trace_hold(node.store, NULL);
    sem_wait(&counted.done);
    cr_assert(counted.sync.ok);
    node_close(&node);
    leak_check();
}

/* Submits a write that gets a batch of its own, and returns before its look can end. A refusal
 * needs no look if its batch is appended. A held "tail" does not tell that the batch is made: the
 * looker also looks by itself. */
static void submit_alone(struct node *node, struct waited *w, const struct mutation *m)
{
    trace_hold(node->store, "find_requests");
    waited_init(w, m, "asked for");
    committer_submit(node->committer, &w->write);
    trace_wait_held(node->store);
    trace_hold(node->store, "tail");
}

/* A refusal may be out of date before the log's end was seen; and what waits for that does not hold
 * up the others. */
Test(beside, only_a_refused_write_waits_for_a_look, .timeout = 60)
{
    struct node node = {0};
    struct waited w;
    AUTO(buf_unref) struct buf *payload = buf_copy("{}", 2);
    const struct mutation create = {.kind = MUTATE_CREATE,
                                    .environment = "prod",
                                    .service = "a",
                                    .payload = payload,
                                    .expected_epoch = ""};
    node_open(&node, "memory:refusal");
    write_ok(&node, &update);
    submit_alone(&node, &w, &create);
    write_ok(&node, &update);
    trace_wait_held(node.store); /* the look */
    write_ok(&node, &update);
    cr_assert_not(is_done(&w));
    trace_hold(node.store, NULL);
    waited_wait(&w);
    cr_assert_str_eq(w.write.st.reason, "CONFIG_EXISTS");
    node_close(&node);
    buf_unref(MOVE(payload));
    leak_check();
}

/* Writes that wait for a look are answered when the committer stops, too. */
Test(beside, a_refused_write_is_answered_while_the_committer_stops, .timeout = 60)
{
    struct node node = {0};
    struct waited w;
    AUTO(buf_unref) struct buf *payload = buf_copy("{}", 2);
    const struct mutation create = {.kind = MUTATE_CREATE,
                                    .environment = "prod",
                                    .service = "a",
                                    .payload = payload,
                                    .expected_epoch = ""};
    node_open(&node, "memory:stopping");
    write_ok(&node, &update);
    trace_hold(node.store, "tail");
    submit(&node, &w, &create);
    trace_wait_held(node.store);
    committer_refuse(node.committer);
    trace_hold(node.store, NULL);
    committer_stop(node.committer);
    cr_assert(is_done(&w));
    cr_assert_str_eq(w.write.st.reason, "CONFIG_EXISTS");
    node_close(&node);
    buf_unref(MOVE(payload));
    leak_check();
}
