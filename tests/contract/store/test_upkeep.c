/* Upkeep beside appends: saving heads, erasing, dropping and marks, from another thread. On every
 * store. */
#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "book.h"
#include "place.h"

#define BEFORE 64 /* versions that are there at first */
#define ROUNDS 16
#define HEADS 16
#define LEAST_APPENDS 16

struct upkeep {
    struct store *store;
    atomic_bool done;
};

static struct head *tombstone(size_t number, uint64_t row_revision)
{
    char name[16];
    snprintf(name, sizeof name, "gone-%zu", number);
    struct head *head = head_new("prod", name);
    head->last_version = 1;
    head->first_live_version = 2;
    head->mod_revision = row_revision;
    head->row_revision = row_revision;
    return head;
}

static bool save(struct store *store, uint64_t through, struct status *st)
{
    struct head *heads[HEADS];
    for (size_t i = 0; i < HEADS; i++) {
        heads[i] = tombstone(i, through);
    }
    bool ok = store_save_heads(store, heads, HEADS, through, st);
    for (size_t i = 0; i < HEADS; i++) {
        head_unref(heads[i]);
    }
    return ok;
}

/* Runs beside the test's thread, so it uses assert. Erases the versions 1 to ROUNDS and drops the
 * ROUNDS behind them. */
static void *keep_up(void *argument)
{
    struct upkeep *upkeep = argument;
    struct store *store = upkeep->store;
    for (uint64_t round = 1; round <= ROUNDS; round++) {
        const struct version_range range = {"prod", "filled", ROUNDS + round, ROUNDS + round};
        struct status st;
        bool more = false;
        assert(save(store, round, &st));
        assert(store_scrub(store, "prod", "filled", round, round, &st));
        assert(store_drop(store, &range, 1, &more, &st));
        assert(store_set_mark(store, STORE_MARK_COMPACTED, round, &st));
        assert(store_move_mark(store, STORE_MARK_RELAYED, round - 1, round, &st));
    }
    atomic_store(&upkeep->done, true);
    return NULL;
}

static void expect_mark(struct store *store, enum store_mark mark, uint64_t wanted)
{
    struct status st;
    uint64_t found = 0;
    cr_assert(store_get_mark(store, mark, &found, &st), "%s", st.message);
    cr_assert_eq(found, wanted);
}

static bool count_head(void *user, struct head *head)
{
    *(size_t *)user += head->row_revision == ROUNDS;
    head_unref(head);
    return true;
}

static void expect_heads(struct place *place)
{
    struct status st;
    size_t n = 0;
    cr_assert(store_load_heads(place->store, count_head, &n, &st), "%s", st.message);
    cr_assert_eq(n, place_lasts(place) ? HEADS : 0, "%zu", n);
}

static void forget(struct change *change)
{
    buf_unref(MOVE(change->payload));
    memset(change->salt, 0, SALT_SIZE);
}

CONTRACT(upkeep, goes_on_beside_appends)
{
    struct book book;
    pthread_t thread;
    struct upkeep upkeep = {.store = place->store};
    book_init(&book, place->store);
    book_fill(&book, place->store, BEFORE);
    cr_assert_eq(pthread_create(&thread, NULL, keep_up, &upkeep), 0);
    for (size_t n = 0; n < LEAST_APPENDS || (!atomic_load(&upkeep.done) && book.n < BOOK_ROOM);
         n++) {
        book_fill(&book, place->store, 1);
    }
    pthread_join(thread, NULL);
    for (size_t i = 0; i < (size_t)2 * ROUNDS; i++) {
        forget(&book.commits[i]->changes[0]);
    }
    book_check(&book, place->store, book.n);
    expect_mark(place->store, STORE_MARK_COMPACTED, ROUNDS);
    expect_mark(place->store, STORE_MARK_RELAYED, ROUNDS);
    expect_heads(place);
    book_fini(&book);
}
