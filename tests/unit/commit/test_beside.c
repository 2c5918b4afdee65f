/* Writes beside what upkeep does to the store: each of its calls is held, and writes go on. */
#include <criterion/criterion.h>

#include "leak_check.h"
#include "memory.h"
#include "node.h"
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

Test(beside, a_write_does_not_wait_for_heads_to_be_saved, .timeout = 60)
{
    write_beside("save_heads", &update);
}

Test(beside, a_write_does_not_wait_for_a_compaction, .timeout = 60)
{
    write_beside("drop", &compact);
}

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
Test(beside, only_who_erased_waits_for_the_scrub, .timeout = 60)
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

Test(beside, what_could_not_be_scrubbed_is_scrubbed_later, .timeout = 60)
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
