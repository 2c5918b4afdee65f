/* The log: append, tail, read_commits. On every store. */
#include <assert.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "book.h"
#include "place.h"

static const struct line first = {CHANGE_CREATE, "a", 1, "{\"n\":1}"};
static const struct line second = {CHANGE_UPDATE, "a", 2, "{\"n\":2}"};

CONTRACT(log, is_empty_at_first)
{
    struct book book;
    book_init(&book, place->store);
    book_check(&book, place->store, 0);
    book_fini(&book);
}

CONTRACT(log, gives_back_what_was_appended)
{
    struct book book;
    struct line lines[COMMIT_MAX_CHANGES];
    char names[COMMIT_MAX_CHANGES][16];
    book_init(&book, place->store);
    book_write(&book, &first, 1);
    book_append(&book, place->store, 1);
    book_check(&book, place->store, 1);
    for (size_t i = 0; i < COMMIT_MAX_CHANGES; i++) {
        snprintf(names[i], sizeof names[i], "many-%zu", i);
        lines[i] = i % 3 == 2 ? (struct line){CHANGE_DELETE, names[i], 0, NULL}
                              : (struct line){CHANGE_CREATE, names[i], 1, "{\"b\":[true]}"};
    }
    book_write(&book, &second, 1);
    book_write(&book, lines, COMMIT_MAX_CHANGES);
    book_write_for(&book, "ada", "once", &second);
    book_append(&book, place->store, 2);
    book_check(&book, place->store, 4);
    book_fini(&book);
}

CONTRACT(log, keeps_every_byte_of_a_payload)
{
    static const char json[] = "{\"\xe2\x82\xac\":\"\\u0000\",\"1e400\":12345678901234567890.10}";
    struct line line = {CHANGE_CREATE, "\xc3\xa9t\xc3\xa9 $.'\"/x", 1, json};
    struct book book;
    book_init(&book, place->store);
    book_write(&book, &line, 1);
    book_append(&book, place->store, 1);
    book_check(&book, place->store, 1);
    book_fini(&book);
}

static char *large_json(size_t size, char fill)
{
    char *json = mem_alloc(size + 1);
    memset(json, fill, size);
    memcpy(json, "{\"k\":\"", 6);
    memcpy(json + size - 2, "\"}", 3);
    return json;
}

/* The largest commits there can be, several at once. */
CONTRACT(log, takes_the_largest_commits)
{
    struct book book;
    struct line lines[8];
    AUTO(free) char *json = large_json(COMMIT_MAX_BYTES / 8, 'x');
    book_init(&book, place->store);
    for (size_t i = 0; i < COUNT_OF(lines); i++) {
        static const char *const names[] = {"a", "b", "c", "d", "e", "f", "g", "h"};
        lines[i] = (struct line){CHANGE_CREATE, names[i], 1, json};
    }
    for (size_t i = 0; i < 5; i++) {
        book_write(&book, lines, COUNT_OF(lines));
    }
    book_append(&book, place->store, 1);
    book_check(&book, place->store, 5);
    book_fini(&book);
}

CONTRACT(log, takes_the_largest_payload)
{
    struct book book;
    AUTO(free) char *json = large_json(COMMIT_MAX_BYTES, 'y');
    struct line line = {CHANGE_CREATE, "a", 1, json};
    book_init(&book, place->store);
    book_write(&book, &line, 1);
    book_append(&book, place->store, 1);
    book_check(&book, place->store, 1);
    book_fini(&book);
}

/* ---- Whose revision it is ---- */

CONTRACT(log, refuses_a_revision_that_is_taken)
{
    struct book book;
    struct status st;
    book_init(&book, place->store);
    book_fill(&book, place->store, 3);
    for (uint64_t revision = 1; revision <= 3; revision++) {
        AUTO(commit_unref) struct commit *rival = book_rival(&book, revision);
        cr_assert_not(store_append(place->store, &rival, 1, &st));
        cr_assert_eq(st.code, STATUS_ABORTED);
        cr_assert_str_eq(st.reason, "REVISION_TAKEN");
        book_check(&book, place->store, 3);
    }
    book_fini(&book);
}

/* A batch whose first revision is taken leaves nothing behind, and the log goes on. */
CONTRACT(log, appends_all_or_nothing)
{
    struct book book;
    struct book other;
    struct status st;
    book_init(&book, place->store);
    book_init(&other, place->store);
    book_fill(&book, place->store, 2);
    for (size_t i = 0; i < 3; i++) {
        book_write(&other, &first, 1);
    }
    cr_assert_not(store_append(place->store, &other.commits[1], 2, &st));
    cr_assert_str_eq(st.reason, "REVISION_TAKEN");
    book_check(&book, place->store, 2);
    book_fill(&book, place->store, 2);
    book_check(&book, place->store, 4);
    book_fini(&other);
    book_fini(&book);
}

/* How a doubt is settled: the same commits again. */
CONTRACT(log, takes_the_same_commits_again)
{
    struct book book;
    struct status st;
    book_init(&book, place->store);
    book_fill(&book, place->store, 1);
    for (size_t i = 0; i < 3; i++) {
        book_write(&book, &second, 1);
    }
    book_append(&book, place->store, 2);
    book_append(&book, place->store, 2);
    book_check(&book, place->store, 4);
    cr_assert(store_append(place->store, &book.commits[1], 2, &st), "%s", st.message);
    cr_assert(store_append(place->store, &book.commits[3], 1, &st), "%s", st.message);
    book_check(&book, place->store, 4);
    book_fini(&book);
}

/* A first part that is there already is left alone, the rest comes behind it. */
CONTRACT(log, completes_what_is_there_in_part)
{
    struct book book;
    struct status st;
    book_init(&book, place->store);
    for (size_t i = 0; i < 5; i++) {
        book_write(&book, &first, 1);
    }
    cr_assert(store_append(place->store, book.commits, 2, &st), "%s", st.message);
    cr_assert(store_append(place->store, book.commits, 5, &st), "%s", st.message);
    book_check(&book, place->store, 5);
    book_fini(&book);
}

/* Of a batch that another writer's commit cut, the first part stays and the rest never comes. */
CONTRACT(log, tells_a_batch_that_was_cut)
{
    struct book book;
    struct status st;
    book_init(&book, place->store);
    for (size_t i = 0; i < 3; i++) {
        book_write(&book, &first, 1);
    }
    AUTO(commit_unref) struct commit *last = book.commits[2];
    book.commits[2] = book_rival(&book, 3);
    book_append(&book, place->store, 1);
    struct commit *batch[] = {book.commits[1], last};
    cr_assert_not(store_append(place->store, batch, 2, &st));
    cr_assert_str_eq(st.reason, "REVISION_TAKEN");
    book_check(&book, place->store, 3);
    book_fini(&book);
}

/* ---- Reading ---- */

struct range {
    const struct book *book;
    uint64_t next;
    uint64_t stop_at; /* the visitor ends the walk here */
    bool with_payloads;
};

static bool check_in_range(void *user, struct commit *commit)
{
    struct range *range = user;
    cr_assert_eq(commit->revision, range->next);
    book_compare(commit, range->book->commits[range->next - 1], range->with_payloads);
    range->next++;
    return commit->revision != range->stop_at;
}

static uint64_t count_range(struct store *store, const struct book *book, uint64_t from,
                            uint64_t through, uint64_t stop_at, bool with_payloads)
{
    struct status st;
    struct range range = {book, from, stop_at, with_payloads};
    cr_assert(store_read_commits(store, from, through, with_payloads, check_in_range, &range, &st),
              "%s", st.message);
    return range.next - from;
}

CONTRACT(log, reads_ranges)
{
    static const struct {
        uint64_t from, through, stop_at, n;
    } cases[] = {
        {1, 10, 0, 10},         {1, 1, 0, 1},  {4, 7, 0, 4},           {10, 10, 0, 1},
        {10, UINT64_MAX, 0, 1}, {9, 50, 0, 2}, {11, UINT64_MAX, 0, 0}, {50, 60, 0, 0},
        {7, 6, 0, 0},           {1, 10, 1, 1}, {3, 10, 5, 3},
    };
    struct book book;
    book_init(&book, place->store);
    book_fill(&book, place->store, 10);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        for (int with = 0; with < 2; with++) {
            uint64_t n = count_range(place->store, &book, cases[i].from, cases[i].through,
                                     cases[i].stop_at, with == 1);
            cr_assert_eq(n, cases[i].n, "case %zu", i);
        }
    }
    book_fini(&book);
}

/* More than one answer of a server holds. */
CONTRACT(log, reads_a_long_log)
{
    struct book book;
    book_init(&book, place->store);
    for (size_t i = 0; i < BOOK_ROOM; i++) {
        book_write(&book, i == 0 ? &first : &second, 1);
    }
    for (uint64_t from = 0; from < BOOK_ROOM; from += 128) {
        struct status st;
        cr_assert(store_append(place->store, &book.commits[from], 128, &st), "%s", st.message);
    }
    book_check(&book, place->store, BOOK_ROOM);
    book_fini(&book);
}

/* ---- Readers beside the writer. What runs on other threads uses assert. ---- */

#define BESIDE 100

struct beside {
    struct store *store;
    atomic_bool stop;
    uint64_t seen;
};

static bool count_commit(void *user, struct commit *commit)
{
    *(uint64_t *)user = commit->revision;
    return true;
}

/* Each walk is in order and whole, and none shows less than the one before. */
static void *read_on(void *argument)
{
    struct beside *beside = argument;
    for (bool last = false; !last;) {
        last = atomic_load(&beside->stop);
        uint64_t end = 0;
        struct status st;
        struct store_tail tail;
        bool ok = store_tail(beside->store, &tail, &st) &&
                  store_read_commits(beside->store, 1, UINT64_MAX, true, count_commit, &end, &st);
        assert(ok && end >= tail.revision && end >= beside->seen);
        beside->seen = end;
    }
    return NULL;
}

CONTRACT(log, serves_readers_while_it_grows)
{
    struct book book;
    pthread_t readers[3];
    struct beside beside[COUNT_OF(readers)] = {0};
    book_init(&book, place->store);
    for (size_t i = 0; i < COUNT_OF(readers); i++) {
        beside[i].store = place->store;
        pthread_create(&readers[i], NULL, read_on, &beside[i]);
    }
    book_fill(&book, place->store, BESIDE);
    for (size_t i = 0; i < COUNT_OF(readers); i++) {
        atomic_store(&beside[i].stop, true);
        pthread_join(readers[i], NULL);
        cr_assert_eq(beside[i].seen, BESIDE);
    }
    book_fini(&book);
}
