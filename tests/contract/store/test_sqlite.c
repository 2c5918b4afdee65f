/* Properties of a store in a file: its lock, refused files, and that an erased payload is in none
 * of the files. */
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "book.h"
#include "clock.h"
#include "leak_check.h"
#include "place.h"
#include "store_open.h"

static const char *file_of(const struct place *place)
{
    return strchr(place->address, ':') + 1;
}

static void expect_refusal(struct place *place, const char *reason)
{
    struct status st;
    place_open_fails(place, &st);
    cr_assert_eq(st.code, STATUS_FAILED_PRECONDITION, "%s", st.message);
    cr_assert_str_eq(st.reason, reason);
    cr_assert_not_null(strstr(st.message, file_of(place)), "%s", st.message);
}

/* ---- The lock ---- */

static void *open_again(struct place *place, struct status *st)
{
    struct store *second = NULL;
    cr_assert_not(store_open(place->address, &second, st));
    return second;
}

CONTRACT(sqlite, is_open_once)
{
    struct status st;
    char number[32];
    open_again(place, &st);
    cr_assert_eq(st.code, STATUS_FAILED_PRECONDITION);
    cr_assert_str_eq(st.reason, "STORE_LOCKED");
    snprintf(number, sizeof number, "number %ld", (long)getpid());
    cr_assert_not_null(strstr(st.message, number), "it names who has it: %s", st.message);
    place_reopen(place);
}

/* The lock of a process that was killed holds nobody up. */
CONTRACT(sqlite, is_free_when_its_process_is_dead)
{
    int said[2];
    char byte = 0;
    struct book book;
    book_init(&book, place->store);
    place_close(place);
    cr_assert_eq(pipe(said), 0);
    pid_t child = fork();
    if (child == 0) {
        struct store *store = NULL;
        struct status st;
        bool opened = store_open(place->address, &store, &st);
        _exit(opened && write(said[1], "y", 1) == 1 && pause() == -1 ? 0 : 1);
    }
    cr_assert_eq(read(said[0], &byte, 1), 1);
    expect_refusal(place, "STORE_LOCKED");
    cr_assert_eq(kill(child, SIGKILL), 0);
    cr_assert_eq(waitpid(child, NULL, 0), child);
    close(said[0]);
    close(said[1]);
    place_open(place);
    book_check(&book, place->store, 0);
    book_fini(&book);
}

/* ---- What a file is ---- */

static void write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    cr_assert_not_null(file);
    cr_assert_geq(fputs(text, file), 0);
    cr_assert_eq(fclose(file), 0);
}

CONTRACT(sqlite, is_no_text_file)
{
    static const char text[] = "This is somebody's text and nothing else, but it is long enough to "
                               "have the size of a header that says SQLite format 3, and more.";
    char kept[sizeof text] = "";
    place_close(place);
    write_file(file_of(place), text);
    expect_refusal(place, "STORE_FOREIGN");
    FILE *file = fopen(file_of(place), "r");
    cr_assert_not_null(fgets(kept, sizeof kept, file));
    fclose(file);
    cr_assert_str_eq(kept, text, "the file is left as it was");
}

CONTRACT(sqlite, is_no_other_database)
{
    sqlite3 *db = NULL;
    place_close(place);
    cr_assert_eq(unlink(file_of(place)), 0);
    cr_assert_eq(sqlite3_open(file_of(place), &db), SQLITE_OK);
    cr_assert_eq(sqlite3_exec(db, "CREATE TABLE meta(name, value)", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
    expect_refusal(place, "STORE_FOREIGN");
}

CONTRACT(sqlite, is_made_with_its_folders)
{
    struct store *store = NULL;
    struct status st;
    AUTO_STR address = {0};
    str_addf(&address, "sqlite:%s/deep/er/log.db", place->folder);
    cr_assert(store_open(address.data, &store, &st), "%s", st.message);
    store_close(store);
    static const char *const made[] = {"deep/er/log.db", "deep/er", "deep"};
    for (size_t i = 0; i < COUNT_OF(made); i++) {
        AUTO_STR path = {0};
        str_addf(&path, "%s/%s", place->folder, made[i]);
        cr_assert_eq(remove(path.data), 0, "%s", path.data);
    }
}

Test(addresses, that_are_none)
{
    static const char *const addresses[] = {"",           "sqlite", "sqlite:",   "memory",
                                            "memory:a/b", "file:x", "SQLITE:x",  "/tmp/x",
                                            "sqlitex:y",  ":",      "tcp://a:1", "memory://"};
    for (size_t i = 0; i < COUNT_OF(addresses); i++) {
        struct store *store = NULL;
        struct status st;
        cr_assert_not(store_open(addresses[i], &store, &st), "%s", addresses[i]);
        cr_assert_eq(st.code, STATUS_INVALID_ARGUMENT, "%s", addresses[i]);
        cr_assert_str_eq(st.reason, "STORE_ADDRESS");
        cr_assert_null(store);
    }
    leak_check();
}

/* ---- Erasing ---- */

static bool file_holds(const char *path, const void *bytes, size_t n)
{
    int file = open(path, O_RDONLY);
    struct stat about;
    if (file < 0 || fstat(file, &about) != 0) {
        return false;
    }
    uint8_t *all = mem_alloc((size_t)about.st_size + 1);
    ssize_t got = read(file, all, (size_t)about.st_size);
    cr_assert_eq(got, about.st_size);
    bool holds = memmem(all, (size_t)got, bytes, n) != NULL;
    free(all);
    close(file);
    return holds;
}

static bool place_holds(const struct place *place, const void *bytes, size_t n)
{
    AUTO_STR log = {0};
    str_addf(&log, "%s-wal", file_of(place));
    return file_holds(file_of(place), bytes, n) || file_holds(log.data, bytes, n);
}

/* Small, and larger than a page. */
CONTRACT(sqlite, forgets_erased_bytes)
{
    static const size_t sizes[] = {64, 100000};
    struct book book;
    book_init(&book, place->store);
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        struct status st;
        AUTO(free) char *json = mem_zalloc(sizes[i] + 1);
        memset(json, ' ', sizes[i]);
        memcpy(json, "{\"k\":\"top secret\"", 17);
        memcpy(json + sizes[i] - 16, ",\"l\":\"the end\"} ", 16);
        struct line line = {CHANGE_CREATE, i == 0 ? "small" : "large", 1, json};
        const struct commit *commit = book_write(&book, &line, 1);
        book_append(&book, place->store, i + 1);
        cr_assert(place_holds(place, "top secret", 10));
        cr_assert(place_holds(place, commit->changes[0].salt, SALT_SIZE));
        cr_assert(store_scrub(place->store, "prod", line.service, 1, 1, &st), "%s", st.message);
        cr_assert_not(place_holds(place, "top secret", 10));
        cr_assert_not(place_holds(place, "the end", 7));
        cr_assert_not(place_holds(place, commit->changes[0].salt, SALT_SIZE));
    }
    place_close(place);
    cr_assert_not(place_holds(place, "top secret", 10));
    book_fini(&book);
}

/* ---- How long calls take ---- */

#define MANY 1100
#define BUSY_NS INT64_C(10000000000) /* the wait for a lock without a deadline */

static bool pass_commit(void *user, struct commit *commit)
{
    (void)commit;
    return user == NULL;
}

static void expect_unavailable(bool ok, const struct status *st)
{
    cr_assert_not(ok);
    cr_assert_eq(st->code, STATUS_UNAVAILABLE);
    cr_assert_str_eq(st->reason, "STORE_UNAVAILABLE");
}

CONTRACT(sqlite, a_long_read_ends_with_its_deadline)
{
    struct book book;
    struct status st;
    book_init(&book, place->store);
    book_fill(&book, place->store, MANY);
    int64_t before = store_set_deadline(clock_monotonic_ns());
    bool ok = store_read_commits(place->store, 1, MANY, false, pass_commit, NULL, &st);
    store_set_deadline(before);
    expect_unavailable(ok, &st);
    book_check(&book, place->store, MANY);
    book_fini(&book);
}

/* Nothing of the append is in the log, so it is refused and not in doubt. */
CONTRACT(sqlite, a_lock_of_another_program_is_not_waited_for_once_interrupted)
{
    sqlite3 *other = NULL;
    struct book book;
    struct status st;
    struct line line = {CHANGE_CREATE, "a", 1, "{\"a\":1}"};
    book_init(&book, place->store);
    book_write(&book, &line, 1);
    cr_assert_eq(sqlite3_open(file_of(place), &other), SQLITE_OK);
    cr_assert_eq(sqlite3_exec(other, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    store_interrupt(place->store);
    int64_t begun_ns = clock_monotonic_ns();
    expect_unavailable(store_append(place->store, book.commits, 1, &st), &st);
    cr_expect_lt(clock_monotonic_ns() - begun_ns, BUSY_NS / 2, "it waited all the same");
    sqlite3_close(other);
    place_reopen(place);
    book_check(&book, place->store, 0);
    book_fini(&book);
}
