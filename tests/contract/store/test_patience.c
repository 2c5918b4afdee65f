/* Calls end at the thread's deadline, and when the store is interrupted. */
#include <string.h>

#include "book.h"
#include "clock.h"
#include "place.h"

#define COMMITS 40
#define FAR_NS INT64_C(200000000000)

static bool count_one(void *user, struct commit *commit)
{
    (void)commit;
    ++*(size_t *)user;
    return true;
}

static bool read_all(struct place *place, size_t *ret_n, struct status *st)
{
    *ret_n = 0;
    return store_read_commits(place->store, 1, UINT64_MAX, true, count_one, ret_n, st);
}

/* All, or the reason of a store that cannot answer now. */
static void expect_all_or_refusal(struct place *place)
{
    struct status st;
    size_t n = 0;
    if (read_all(place, &n, &st)) {
        cr_assert_eq(n, COMMITS);
    } else {
        cr_assert_eq(st.code, STATUS_UNAVAILABLE, "%s", st.message);
        cr_assert_str_eq(st.reason, "STORE_UNAVAILABLE");
    }
}

CONTRACT(patience, a_deadline_that_is_over_ends_a_read_and_no_other)
{
    struct book book;
    size_t n = 0;
    struct status st;
    book_init(&book, place->store);
    book_fill(&book, place->store, COMMITS);
    int64_t before = store_set_deadline(clock_monotonic_ns() - 1);
    cr_assert_eq(before, INT64_MAX);
    expect_all_or_refusal(place);
    cr_assert_lt(store_set_deadline(before), clock_monotonic_ns());
    cr_assert(read_all(place, &n, &st), "%s", st.message);
    cr_assert_eq(n, COMMITS);
    book_fini(&book);
}

CONTRACT(patience, a_deadline_to_come_changes_nothing)
{
    struct book book;
    struct store_tail tail;
    struct status st;
    size_t n = 0;
    book_init(&book, place->store);
    book_fill(&book, place->store, COMMITS);
    store_set_deadline(clock_monotonic_ns() + FAR_NS);
    cr_assert(read_all(place, &n, &st), "%s", st.message);
    cr_assert_eq(n, COMMITS);
    cr_assert(store_tail(place->store, &tail, &st), "%s", st.message);
    cr_assert_eq(tail.revision, COMMITS);
    book_check(&book, place->store, COMMITS);
    store_set_deadline(INT64_MAX);
    book_fini(&book);
}

CONTRACT(patience, a_store_that_was_interrupted_closes_and_has_all)
{
    struct book book;
    book_init(&book, place->store);
    book_fill(&book, place->store, COMMITS);
    store_interrupt(place->store);
    store_interrupt(place->store);
    expect_all_or_refusal(place);
    if (place_lasts(place)) {
        place_reopen(place);
        book_check(&book, place->store, COMMITS);
    }
    book_fini(&book);
}

/* A visitor that reads during a walk needs no second connection: maxPoolSize=1 cannot deadlock. */
static bool ask_more(void *user, struct commit *commit)
{
    struct place *place = user;
    struct store_tail tail;
    struct status st;
    cr_assert(store_tail(place->store, &tail, &st), "%s", st.message);
    return tail.revision > commit->revision;
}

CONTRACT(patience, a_walk_may_ask_the_store)
{
    struct book book;
    struct status st;
    book_init(&book, place->store);
    book_fill(&book, place->store, COMMITS);
    cr_assert(store_read_commits(place->store, 1, UINT64_MAX, true, ask_more, place, &st), "%s",
              st.message);
    book_fini(&book);
}
