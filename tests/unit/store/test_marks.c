/* Marks: named numbers that only grow. */
#include <criterion/criterion.h>
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

#include "leak_check.h"
#include "store.h"
#include "store_open.h"

struct home {
    char folder[64];
    char address[128];
    struct store *store;
};

static void open_again(struct home *home)
{
    struct status st;
    store_close(MOVE(home->store));
    cr_assert(store_open(home->address, &home->store, &st), "%s", st.message);
}

static void home_init(struct home *home, const char *scheme)
{
    bool on_disk = scheme[0] == 's';
    *home = (struct home){.folder = "/tmp/confreg-test-XXXXXX"};
    cr_assert_not_null(mkdtemp(home->folder));
    snprintf(home->address, sizeof home->address, on_disk ? "%s:%s/log.db" : "%s:", scheme,
             home->folder);
    open_again(home);
}

static void home_fini(struct home *home)
{
    static const char *const suffixes[] = {"", "-wal", "-shm"};
    store_close(MOVE(home->store));
    for (size_t i = 0; i < COUNT_OF(suffixes); i++) {
        char path[160];
        snprintf(path, sizeof path, "%s/log.db%s", home->folder, suffixes[i]);
        unlink(path);
    }
    rmdir(home->folder);
}

static void expect_mark(struct home *home, enum store_mark mark, uint64_t value)
{
    struct status st;
    uint64_t found = 0;
    cr_assert(store_get_mark(home->store, mark, &found, &st), "%s", st.message);
    cr_assert_eq(found, value, "mark %d is %zu", (int)mark, (size_t)found);
}

static void expect_moved(struct home *home, uint64_t from, uint64_t to)
{
    struct status st;
    cr_assert(store_move_mark(home->store, STORE_MARK_RELAYED, from, to, &st), "%s", st.message);
    expect_mark(home, STORE_MARK_RELAYED, to);
}

static void expect_refused(struct home *home, uint64_t from, uint64_t to)
{
    struct status st;
    cr_assert_not(store_move_mark(home->store, STORE_MARK_RELAYED, from, to, &st));
    cr_assert_eq(st.code, STATUS_ABORTED);
    cr_assert_str_eq(st.reason, "MARK_MOVED");
}

static const char *const schemes[] = {"sqlite", "memory"};

static void move_where_they_are_expected(const char *scheme)
{
    struct home home;
    home_init(&home, scheme);
    expect_mark(&home, STORE_MARK_RELAYED, 0);
    expect_refused(&home, 1, 2);
    expect_moved(&home, 0, 5);
    expect_refused(&home, 0, 6);
    expect_moved(&home, 5, 5);
    expect_moved(&home, 5, UINT64_C(1) << 40);
    expect_refused(&home, 5, UINT64_C(1) << 41);
    expect_mark(&home, STORE_MARK_SCRUBBED, 0);
    home_fini(&home);
}

Test(marks, move_where_they_are_expected)
{
    for (size_t i = 0; i < COUNT_OF(schemes); i++) {
        move_where_they_are_expected(schemes[i]);
    }
    leak_check();
}

static void set_never_moves_back(const char *scheme)
{
    struct home home;
    struct status st;
    home_init(&home, scheme);
    cr_assert(store_set_mark(home.store, STORE_MARK_SCRUBBED, 7, &st), "%s", st.message);
    cr_assert(store_set_mark(home.store, STORE_MARK_SCRUBBED, 3, &st), "%s", st.message);
    expect_mark(&home, STORE_MARK_SCRUBBED, 7);
    expect_mark(&home, STORE_MARK_RELAYED, 0);
    home_fini(&home);
}

Test(marks, set_never_moves_back)
{
    for (size_t i = 0; i < COUNT_OF(schemes); i++) {
        set_never_moves_back(schemes[i]);
    }
    leak_check();
}

Test(marks, outlive_the_process)
{
    struct home home;
    home_init(&home, "sqlite");
    expect_moved(&home, 0, 5);
    open_again(&home);
    expect_mark(&home, STORE_MARK_RELAYED, 5);
    expect_moved(&home, 5, 6);
    home_fini(&home);
    leak_check();
}

/* Each number is reached by exactly one of those who try. */
#define RACERS 4
#define STEPS 500

struct racer {
    pthread_t thread;
    struct store *store;
    uint64_t won;
    bool failed;
};

static void *race(void *argument)
{
    struct racer *racer = argument;
    for (uint64_t at = 0; at < STEPS && !racer->failed;) {
        struct status st;
        if (store_move_mark(racer->store, STORE_MARK_RELAYED, at, at + 1, &st)) {
            racer->won++;
        } else {
            racer->failed = st.code != STATUS_ABORTED;
        }
        racer->failed =
            racer->failed || !store_get_mark(racer->store, STORE_MARK_RELAYED, &at, &st);
    }
    return NULL;
}

static void are_moved_by_one(const char *scheme)
{
    struct home home;
    struct racer racers[RACERS];
    uint64_t won = 0;
    home_init(&home, scheme);
    for (size_t i = 0; i < RACERS; i++) {
        racers[i] = (struct racer){.store = home.store};
        cr_assert_eq(pthread_create(&racers[i].thread, NULL, race, &racers[i]), 0);
    }
    for (size_t i = 0; i < RACERS; i++) {
        pthread_join(racers[i].thread, NULL);
        cr_assert_not(racers[i].failed);
        won += racers[i].won;
    }
    cr_assert_eq(won, STEPS);
    expect_mark(&home, STORE_MARK_RELAYED, STEPS);
    home_fini(&home);
}

Test(marks, are_moved_by_one, .timeout = 240)
{
    for (size_t i = 0; i < COUNT_OF(schemes); i++) {
        are_moved_by_one(schemes[i]);
    }
    leak_check();
}
