/* How long upkeep of a SQLite store keeps an append waiting. */
#include <assert.h>
#include <pthread.h>
#include <sched.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "book.h"
#include "place.h"
#include "sqlite_db.h"

static const struct line first = {CHANGE_CREATE, "a", 1, "{\"n\":1}"};
static const struct line second = {CHANGE_UPDATE, "a", 2, "{\"n\":2}"};

/* ---- An append goes between two pieces of upkeep ---- */

#define HEADS STORE_SAVE_MAX
#define HOLES 4096 /* of each head: so many heads are more than one piece */
#define COMMITS_SEEN 8

/* The first commits, in order. */
static struct {
    struct sqlite_store *store; /* NULL: nobody looks */
    bool by_appender[COMMITS_SEEN];
    atomic_size_t n;
} seen;

/* Ends the first piece only when an append waits. */
static int on_commit(void *user)
{
    sqlite3 *db = user;
    if (seen.store == NULL) {
        return 0;
    }
    size_t n = atomic_load(&seen.n);
    if (n < COMMITS_SEEN) {
        seen.by_appender[n] = db == seen.store->appender.db;
    }
    atomic_fetch_add(&seen.n, 1);
    while (n == 0 && atomic_load(&seen.store->gate.appends) == 0) {
        sched_yield();
    }
    return 0;
}

static int watch_commits(sqlite3 *db, const char **ret_message, const sqlite3_api_routines *api)
{
    (void)ret_message;
    (void)api;
    sqlite3_commit_hook(db, on_commit, db);
    return SQLITE_OK;
}

static void *save_many(void *argument)
{
    struct store *store = argument;
    struct head **heads = mem_array(HEADS, sizeof heads[0]);
    struct status st;
    for (size_t i = 0; i < HEADS; i++) {
        char name[16];
        snprintf(name, sizeof name, "gone-%zu", i);
        heads[i] = head_new("prod", name);
        heads[i]->row_revision = 1;
        heads[i]->holes = (struct holes){mem_array(HOLES, sizeof(uint64_t)), HOLES};
    }
    assert(store_save_heads(store, heads, HEADS, 1, &st));
    for (size_t i = 0; i < HEADS; i++) {
        head_unref(heads[i]);
    }
    free(heads);
    return NULL;
}

static void an_append_goes_between(struct place *place)
{
    struct book book;
    pthread_t saver;
    sqlite3_auto_extension((void (*)(void))watch_commits);
    place_reopen(place);
    sqlite3_reset_auto_extension();
    book_init(&book, place->store);
    book_write(&book, &first, 1);
    seen.store = sqlite_of(place->store);
    cr_assert_eq(pthread_create(&saver, NULL, save_many, place->store), 0);
    while (atomic_load(&seen.n) == 0) {
        sched_yield();
    }
    book_append(&book, place->store, 1);
    pthread_join(saver, NULL);
    seen.store = NULL;
    cr_assert_geq(atomic_load(&seen.n), 3, "these heads are more than one piece");
    cr_assert_not(seen.by_appender[0]);
    cr_assert(seen.by_appender[1], "the append came after the second piece");
    book_check(&book, place->store, 1);
    book_fini(&book);
}

Test(sqlite_upkeep, an_append_goes_between_two_pieces)
{
    contract_run(an_append_goes_between, false);
}

/* ---- Erasing waits for readers, appends do not wait for erasing ---- */

struct erasing {
    struct store *store;
    atomic_bool done;
};

static void *erase(void *argument)
{
    struct erasing *erasing = argument;
    struct status st;
    bool ok = store_scrub(erasing->store, "prod", "a", 1, 1, &st);
    atomic_store(&erasing->done, true);
    assert(ok);
    (void)ok;
    return NULL;
}

static bool is_erased(struct store *store)
{
    struct version_ref found = {0};
    struct status st;
    cr_assert(store_read_version(store, "prod", "a", 1, &found, &st), "%s", st.message);
    bool erased = version_change(&found)->payload == NULL;
    commit_unref(found.commit);
    return erased;
}

static sqlite3 *begin_to_read(const struct place *place)
{
    sqlite3 *db = NULL;
    cr_assert_eq(sqlite3_open(strchr(place->address, ':') + 1, &db), SQLITE_OK);
    cr_assert_eq(sqlite3_exec(db, "BEGIN; SELECT count(*) FROM marks", NULL, NULL, NULL),
                 SQLITE_OK);
    return db;
}

/* The log cannot be emptied while it is being read. */
static void appends_go_on(struct place *place)
{
    struct book book;
    pthread_t thread;
    struct erasing erasing = {.store = place->store};
    book_init(&book, place->store);
    book_write(&book, &first, 1);
    book_append(&book, place->store, 1);
    sqlite3 *reader = begin_to_read(place);
    cr_assert_eq(pthread_create(&thread, NULL, erase, &erasing), 0);
    while (!is_erased(place->store)) {
        sched_yield();
    }
    book_write(&book, &second, 1);
    book_append(&book, place->store, 2);
    cr_assert_not(atomic_load(&erasing.done), "the append waited until the erasing gave up");
    sqlite3_close(reader);
    pthread_join(thread, NULL);
    buf_unref(MOVE(book.commits[0]->changes[0].payload));
    memset(book.commits[0]->changes[0].salt, 0, SALT_SIZE);
    book_check(&book, place->store, 2);
    book_fini(&book);
}

Test(sqlite_upkeep, appends_go_on_while_erasing_waits_for_a_reader)
{
    contract_run(appends_go_on, false);
}
