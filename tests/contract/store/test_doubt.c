/* Appends in doubt, as on a replica set: a caller that sends the same commits again succeeds, or
 * learns for certain that another writer has taken the revisions. */
#include <string.h>

#include "book.h"
#include "leak_check.h"
#include "place.h"
#include "trace.h"

struct scene {
    struct place place;
    struct book book;
    struct store *store;
};

/* Two commits are in the log, three more wait for their append. */
static void scene_init(struct scene *scene)
{
    static const struct line line = {CHANGE_CREATE, "a", 1, "{}"};
    place_init(&scene->place, true);
    scene->store = scene->place.store;
    book_init(&scene->book, scene->store);
    book_fill(&scene->book, scene->store, 2);
    for (size_t i = 0; i < 3; i++) {
        book_write(&scene->book, &line, 1);
    }
}

static void scene_fini(struct scene *scene)
{
    book_fini(&scene->book);
    place_fini(&scene->place);
    leak_check();
}

static bool append(struct scene *scene, struct status *st)
{
    return store_append(scene->store, &scene->book.commits[2], 3, st);
}

static void expect_unknown(struct scene *scene)
{
    struct status st = {0};
    cr_assert_not(append(scene, &st));
    cr_assert_eq(st.code, STATUS_UNAVAILABLE);
    cr_assert_str_eq(st.reason, "OUTCOME_UNKNOWN", "%s", st.message);
}

static void expect_success(struct scene *scene)
{
    struct status st = {0};
    cr_assert(append(scene, &st), "%s: %s", st.reason, st.message);
    book_check(&scene->book, scene->store, 5);
}

static void expect_taken(struct scene *scene)
{
    struct status st = {0};
    cr_assert_not(append(scene, &st));
    cr_assert_eq(st.code, STATUS_ABORTED);
    cr_assert_str_eq(st.reason, "REVISION_TAKEN", "%s", st.message);
}

/* Another writer gets revision 3, and the book says so. */
static struct commit *let_rival_in(struct scene *scene)
{
    struct commit *rival = book_rival(&scene->book, 3);
    struct status st = {0};
    cr_assert(store_append(scene->store, &rival, 1, &st), "%s: %s", st.reason, st.message);
    return rival;
}

static void expect_rival(struct scene *scene, struct commit *rival)
{
    struct commit *ours = scene->book.commits[2];
    scene->book.commits[2] = rival;
    book_check(&scene->book, scene->store, 3);
    scene->book.commits[2] = ours;
}

static void doubt_next(struct scene *scene, size_t landed, uint64_t calls, bool holds_place)
{
    struct trace_doubt doubt = {.landed = landed, .calls = calls, .holds_place = holds_place};
    trace_doubt_next(scene->store, &doubt);
}

/* However much of it stayed, sending it again makes it whole. */
Test(doubt, an_answer_is_lost)
{
    for (size_t landed = 0; landed <= 3; landed++) {
        struct scene scene;
        scene_init(&scene);
        doubt_next(&scene, landed, 0, false);
        expect_unknown(&scene);
        book_check(&scene.book, scene.store, 2 + landed);
        expect_success(&scene);
        scene_fini(&scene);
    }
}

/* While the majority does not have it, nobody can tell whose the revision is. */
Test(doubt, a_majority_takes_its_time)
{
    for (size_t landed = 0; landed <= 3; landed++) {
        struct scene scene;
        scene_init(&scene);
        doubt_next(&scene, landed, 6, true);
        expect_unknown(&scene);
        expect_unknown(&scene); /* an append and a look at the log */
        expect_unknown(&scene);
        book_check(&scene.book, scene.store, 2);
        expect_success(&scene);
        scene_fini(&scene);
    }
}

/* After a rollback another writer takes the revisions. */
Test(doubt, another_comes_behind_a_rollback)
{
    struct scene scene;
    scene_init(&scene);
    doubt_next(&scene, 0, 1, true);
    expect_unknown(&scene);
    book_check(&scene.book, scene.store, 2);
    AUTO(commit_unref) struct commit *rival = let_rival_in(&scene);
    expect_taken(&scene);
    expect_rival(&scene, rival);
    scene_fini(&scene);
}

/* A command that is still under way cannot push aside what came meanwhile, and does no harm where
 * it was sent again meanwhile. */
Test(doubt, a_late_landing_meets_another)
{
    struct scene scene;
    scene_init(&scene);
    doubt_next(&scene, SIZE_MAX, 2, false);
    expect_unknown(&scene);
    AUTO(commit_unref) struct commit *rival = let_rival_in(&scene);
    expect_rival(&scene, rival);
    expect_taken(&scene);
    expect_rival(&scene, rival);
    scene_fini(&scene);
}

Test(doubt, a_late_landing_meets_itself)
{
    for (uint64_t calls = 0; calls < 5; calls++) {
        struct scene scene;
        scene_init(&scene);
        doubt_next(&scene, SIZE_MAX, calls, false);
        expect_unknown(&scene);
        expect_success(&scene);
        book_check(&scene.book, scene.store, 5);
        scene_fini(&scene);
    }
}

/* A read that lags proves nothing: the revision is taken, but whose is not to be seen. */
Test(doubt, a_stale_read_decides_nothing)
{
    struct scene scene;
    scene_init(&scene);
    AUTO(commit_unref) struct commit *rival = let_rival_in(&scene);
    trace_lag(scene.store, 1, 2);
    expect_unknown(&scene);
    expect_unknown(&scene);
    expect_taken(&scene);
    expect_rival(&scene, rival);
    scene_fini(&scene);
}

Test(doubt, reads_lag_as_told)
{
    struct scene scene;
    struct status st;
    struct store_tail tail;
    struct version_ref change;
    scene_init(&scene);
    trace_lag(scene.store, 1, 2);
    cr_assert(store_tail(scene.store, &tail, &st), "%s", st.message);
    cr_assert_eq(tail.revision, 1);
    cr_assert(store_find_change(scene.store, "prod", "filled", 2, &change, &st), "%s", st.message);
    cr_assert_eq(change.commit->revision, 1);
    commit_unref(change.commit);
    book_check(&scene.book, scene.store, 2);
    trace_lag(scene.store, 7, 1);
    cr_assert(store_tail(scene.store, &tail, &st), "%s", st.message);
    cr_assert_eq(tail.revision, 0);
    scene_fini(&scene);
}

static bool count_commit(void *user, struct commit *commit)
{
    (void)commit;
    ++*(size_t *)user;
    return true;
}

/* Checks the result of reading the second of two commits, and the version that it added. */
static void expect_newest(struct scene *scene, uint64_t stale_calls, enum status_code code)
{
    struct status st = {0};
    struct version_ref version = {0};
    size_t n = 0;
    trace_lag(scene->store, 1, stale_calls);
    bool ok = store_read_live_version(scene->store, "prod", "filled", 2, &version, &st);
    cr_assert_eq(ok ? STATUS_OK : st.code, code, "%s", st.message);
    commit_unref(version.commit);
    trace_lag(scene->store, 1, stale_calls);
    ok = store_read_known_commits(scene->store, 2, 2, true, count_commit, &n, &st);
    cr_assert_eq(ok ? STATUS_OK : st.code, code, "%s", st.message);
    cr_assert_eq(n, ok ? 1 : 0);
}

/* Others may write to the log: what cannot be seen now may be seen again. */
Test(doubt, what_lags_is_not_lost)
{
    struct scene scene;
    struct status st = {0};
    struct version_ref version = {0};
    size_t n = 0;
    scene_init(&scene);
    scene.store->shared = true;
    expect_newest(&scene, 0, STATUS_OK);
    expect_newest(&scene, 1, STATUS_OK);
    expect_newest(&scene, 2, STATUS_UNAVAILABLE);
    trace_lag(scene.store, 0, 0);
    cr_assert_not(store_read_live_version(scene.store, "prod", "filled", 3, &version, &st));
    cr_assert_eq(st.code, STATUS_DATA_LOSS);
    cr_assert_not(store_read_known_commits(scene.store, 3, 3, true, count_commit, &n, &st));
    cr_assert_eq(st.code, STATUS_DATA_LOSS);
    scene_fini(&scene);
}
