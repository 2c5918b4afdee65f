/* The files of a SQLite store: only one process has it open, by whatever name; an incomplete store
 * is refused and left unchanged; a file that is removed while it is open is noticed. */
#include <fcntl.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "book.h"
#include "leak_check.h"
#include "place.h"
#include "store_open.h"

static const char *file_of(const struct place *place)
{
    return strchr(place->address, ':') + 1;
}

/* A path in the place; owned. */
static char *path_in(const struct place *place, const char *name)
{
    AUTO_STR path = {0};
    str_addf(&path, "%s/%s", place->folder, name);
    return mem_string(path.data);
}

static char *beside(const struct place *place, const char *suffix)
{
    AUTO_STR path = {0};
    str_addf(&path, "%s%s", file_of(place), suffix);
    return mem_string(path.data);
}

static void expect_refused(const char *path, enum status_code code, const char *reason)
{
    struct store *store = NULL;
    struct status st;
    AUTO_STR address = {0};
    str_addf(&address, "sqlite:%s", path);
    cr_assert_not(store_open(address.data, &store, &st), "%s opened", path);
    cr_assert_eq(st.code, code, "%s: %s", path, st.message);
    cr_assert_str_eq(st.reason, reason, "%s: %s", path, st.message);
}

static bool exists(const char *path)
{
    struct stat about;
    return lstat(path, &about) == 0;
}

static void write_bytes(const char *path, const void *bytes, size_t n)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    cr_assert_geq(fd, 0);
    cr_assert_eq(write(fd, bytes, n), (ssize_t)n);
    close(fd);
}

/* ---- One process, by whatever name ---- */

/* Another process that holds the store open until it is killed. */
static pid_t hold(const struct place *place)
{
    int said[2];
    char byte = 0;
    cr_assert_eq(pipe(said), 0);
    pid_t child = fork();
    if (child == 0) {
        struct store *store = NULL;
        struct status st;
        prctl(PR_SET_PDEATHSIG, SIGKILL); /* also where the test fails */
        bool opened = store_open(place->address, &store, &st);
        _exit(opened && write(said[1], "y", 1) == 1 && pause() == -1 ? 0 : 1);
    }
    cr_assert_eq(read(said[0], &byte, 1), 1);
    close(said[0]);
    close(said[1]);
    return child;
}

static void end(pid_t child)
{
    cr_assert_eq(kill(child, SIGKILL), 0);
    cr_assert_eq(waitpid(child, NULL, 0), child);
}

CONTRACT(files, are_locked_by_every_name)
{
    struct book book;
    AUTO(free) char *symbolic = path_in(place, "symbolic");
    AUTO(free) char *hard = path_in(place, "hard");
    AUTO(free) char *folder = path_in(place, "folder");
    AUTO(free) char *through = path_in(place, "folder/log.db");
    AUTO(free) char *twisted = path_in(place, "folder/./folder/log.db");
    book_init(&book, place->store);
    place_close(place);
    pid_t child = hold(place);
    cr_assert_eq(symlink("log.db", symbolic), 0);
    cr_assert_eq(symlink(".", folder), 0);
    cr_assert_eq(link(file_of(place), hard), 0);
    const char *const names[] = {file_of(place), symbolic, hard, through, twisted};
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        expect_refused(names[i], STATUS_FAILED_PRECONDITION, "STORE_LOCKED");
    }
    /* Moved while it is open, it is the same file. */
    cr_assert_eq(unlink(hard), 0);
    cr_assert_eq(rename(file_of(place), hard), 0);
    expect_refused(hard, STATUS_FAILED_PRECONDITION, "STORE_LOCKED");
    cr_assert_eq(rename(hard, file_of(place)), 0);
    end(child);
    cr_assert_eq(unlink(symbolic) + unlink(folder), 0);
    place_open(place);
    book_fini(&book);
}

/* By its other name SQLite would not find its write-ahead log. */
CONTRACT(files, have_one_name)
{
    AUTO(free) char *hard = path_in(place, "hard");
    place_close(place);
    cr_assert_eq(link(file_of(place), hard), 0);
    expect_refused(file_of(place), STATUS_FAILED_PRECONDITION, "STORE_LINKED");
    expect_refused(hard, STATUS_FAILED_PRECONDITION, "STORE_LINKED");
    cr_assert_eq(unlink(hard), 0);
    place_open(place);
}

/* Writes through a symbolic link are found by the real name and vice versa, even if the process was
 * killed and its write-ahead log is left. */
CONTRACT(files, are_found_through_symbolic_links)
{
    struct book book;
    struct status st;
    struct store *store = NULL;
    AUTO(free) char *symbolic = path_in(place, "symbolic");
    AUTO_STR address = {0};
    book_init(&book, place->store);
    book_fill(&book, place->store, 1);
    place_close(place);
    cr_assert_eq(symlink("log.db", symbolic), 0);
    str_addf(&address, "sqlite:%s", symbolic);
    cr_assert(store_open(address.data, &store, &st), "%s", st.message);
    book_fill(&book, store, 1);
    AUTO(free) char *log = beside(place, "-wal");
    cr_assert(exists(log), "the log is beside the file, not beside its link");
    store_close(store);
    place_open(place);
    book_check(&book, place->store, book.n);
    cr_assert_eq(unlink(symbolic), 0);
    book_fini(&book);
}

/* ---- Who may read them ---- */

static mode_t mode_of(const char *path)
{
    struct stat about;
    cr_assert_eq(stat(path, &about), 0, "%s", path);
    return about.st_mode & 0777;
}

CONTRACT(files, are_for_their_user_only)
{
    static const mode_t masks[] = {0, 0077, 0777};
    for (size_t i = 0; i < COUNT_OF(masks); i++) {
        struct store *store = NULL;
        struct status st;
        AUTO_STR address = {0};
        str_addf(&address, "sqlite:%s/deep/er/log.db", place->folder);
        mode_t before = umask(masks[i]);
        cr_assert(store_open(address.data, &store, &st), "%s", st.message);
        umask(before);
        static const char *const files[] = {"deep/er/log.db-wal", "deep/er/log.db-shm",
                                            "deep/er/log.db"};
        for (size_t k = 0; k < COUNT_OF(files); k++) {
            AUTO(free) char *path = path_in(place, files[k]);
            cr_assert_eq(mode_of(path), 0600, "%s: %o", path, mode_of(path));
        }
        store_close(store);
        AUTO(free) char *file = path_in(place, "deep/er/log.db");
        AUTO(free) char *inner = path_in(place, "deep/er");
        AUTO(free) char *outer = path_in(place, "deep");
        cr_assert(mode_of(inner) == 0700 && mode_of(outer) == 0700);
        cr_assert_eq(remove(file) + remove(inner) + remove(outer), 0, "nothing else is there");
    }
}

CONTRACT(files, of_before_become_private)
{
    AUTO(free) char *log = beside(place, "-wal");
    AUTO(free) char *index = beside(place, "-shm");
    place_close(place);
    end(hold(place)); /* leaves the log and its index */
    const char *const files[] = {file_of(place), log, index};
    for (size_t i = 0; i < COUNT_OF(files); i++) {
        cr_assert_eq(chmod(files[i], 0664), 0, "%s", files[i]);
    }
    place_open(place);
    for (size_t i = 0; i < COUNT_OF(files); i++) {
        cr_assert_eq(mode_of(files[i]), 0600, "%s", files[i]);
    }
}

/* ---- What is no whole store ---- */

/* Zero bytes is what a full disk or a copy that was broken off leaves. */
CONTRACT(files, that_are_cut_off_are_refused)
{
    static const size_t sizes[] = {0, 1, 15, 16, 50, 99};
    char kept[4096];
    place_close(place);
    int fd = open(file_of(place), O_RDONLY);
    cr_assert_eq(read(fd, kept, sizeof kept), (ssize_t)sizeof kept);
    close(fd);
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        write_bytes(file_of(place), kept, sizes[i]);
        expect_refused(file_of(place), STATUS_FAILED_PRECONDITION, "STORE_NOT_WHOLE");
        struct stat about;
        cr_assert_eq(stat(file_of(place), &about), 0);
        cr_assert_eq(about.st_size, (off_t)sizes[i], "it is left as it was");
    }
    static const char zeros[4096];
    write_bytes(file_of(place), zeros, sizeof zeros);
    expect_refused(file_of(place), STATUS_FAILED_PRECONDITION, "STORE_NOT_WHOLE");
    write_bytes(file_of(place), "x", 1);
    expect_refused(file_of(place), STATUS_FAILED_PRECONDITION, "STORE_FOREIGN");
    write_bytes(file_of(place), kept, sizeof kept);
    expect_refused(file_of(place), STATUS_DATA_LOSS, "STORE_DAMAGED");
}

static void run_sql(const char *path, const char *sql)
{
    sqlite3 *db = NULL;
    char *said = NULL;
    cr_assert_eq(sqlite3_open(path, &db), SQLITE_OK);
    cr_assert_eq(sqlite3_exec(db, sql, NULL, NULL, &said), SQLITE_OK, "%s: %s", sql, said);
    sqlite3_close(db);
}

CONTRACT(files, that_were_not_finished_are_refused)
{
    static const char *const unfinished[] = {
        "VACUUM",                    /* a database without anything */
        "PRAGMA journal_mode = WAL", /* the same, as the start of a store */
        "CREATE TABLE meta(name, value); CREATE TABLE marks(mark, value)",
    };
    place_close(place);
    for (size_t i = 0; i < COUNT_OF(unfinished); i++) {
        cr_assert_eq(unlink(file_of(place)), 0);
        run_sql(file_of(place), unfinished[i]);
        expect_refused(file_of(place), STATUS_FAILED_PRECONDITION, "STORE_NOT_WHOLE");
    }
}

/* ---- Where nothing is ---- */

CONTRACT(files, are_made_where_nothing_is)
{
    struct status st;
    struct store *store = NULL;
    AUTO(free) char *left = beside(place, ".new");
    cr_assert(place->store->is_new);
    place_reopen(place);
    cr_assert_not(place->store->is_new);
    place_close(place);
    cr_assert(store_open_existing(place->address, &store, &st), "%s", st.message);
    store_close(store);
    cr_assert_eq(unlink(file_of(place)), 0);
    cr_assert_not(store_open_existing(place->address, &store, &st));
    cr_assert_eq(st.code, STATUS_FAILED_PRECONDITION);
    cr_assert_str_eq(st.reason, "STORE_MISSING");
    cr_assert_not(exists(file_of(place)));
    write_bytes(left, "of one that was killed meanwhile", 20);
    place_open(place);
    cr_assert(place->store->is_new);
    cr_assert_not(exists(left));
}

/* As if a volume were not mounted. */
CONTRACT(files, are_not_made_behind_a_link_that_leads_nowhere)
{
    AUTO(free) char *symbolic = path_in(place, "symbolic");
    AUTO(free) char *target = path_in(place, "volume");
    cr_assert_eq(symlink("volume", symbolic), 0);
    expect_refused(symbolic, STATUS_UNAVAILABLE, "STORE_UNAVAILABLE");
    cr_assert_not(exists(target));
    cr_assert_eq(unlink(symbolic), 0);
}

/* SQLite would apply a stray log to a new store, and damage it. */
CONTRACT(files, without_their_database_are_refused)
{
    AUTO(free) char *log = beside(place, "-wal");
    AUTO(free) char *kept = path_in(place, "kept");
    place_close(place);
    end(hold(place));
    cr_assert_eq(rename(file_of(place), kept), 0);
    expect_refused(file_of(place), STATUS_FAILED_PRECONDITION, "STORE_STRAY_LOG");
    cr_assert_not(exists(file_of(place)));
    cr_assert(exists(log));
    cr_assert_eq(rename(kept, file_of(place)), 0);
    place_open(place);
}

/* A restored copy, and the write-ahead log of what was there before. */
CONTRACT(files, of_another_store_are_refused)
{
    AUTO(free) char *log = beside(place, "-wal");
    AUTO(free) char *copy = path_in(place, "copy");
    AUTO_STR sql = {0};
    struct book book;
    book_init(&book, place->store);
    book_fill(&book, place->store, 1);
    place_close(place);
    str_addf(&sql, "VACUUM INTO '%s'", copy);
    run_sql(file_of(place), sql.data);
    cr_assert_eq(rename(copy, file_of(place)), 0);
    write_bytes(log, "whatever is in it", 17);
    expect_refused(file_of(place), STATUS_FAILED_PRECONDITION, "STORE_STRAY_LOG");
    cr_assert_eq(unlink(log), 0);
    place_open(place);
    book_check(&book, place->store, book.n);
    book_fini(&book);
}

/* ---- What goes away while it is open ---- */

static void expect_not_written(struct place *place, struct commit *commit)
{
    struct status st;
    cr_assert_not(store_append(place->store, &commit, 1, &st), "it was acknowledged");
    cr_assert_eq(st.code, STATUS_UNAVAILABLE, "%s", st.message);
    cr_assert_str_eq(st.reason, "STORE_REPLACED");
}

CONTRACT(files, that_went_away_take_no_write)
{
    static const char *const suffixes[] = {"", "-wal", "-shm"};
    AUTO(free) char *kept = path_in(place, "kept");
    struct book book;
    struct status st;
    book_init(&book, place->store);
    book_fill(&book, place->store, 1);
    const struct line line = {CHANGE_CREATE, "second", 1, "{}"};
    struct commit *commit = book_write(&book, &line, 1);
    for (size_t i = 0; i < COUNT_OF(suffixes); i++) {
        AUTO(free) char *path = beside(place, suffixes[i]);
        cr_assert_eq(rename(path, kept), 0);
        expect_not_written(place, commit);
        write_bytes(path, "of somebody else", 16);
        expect_not_written(place, commit);
        cr_assert_eq(rename(kept, path), 0);
    }
    cr_assert(store_append(place->store, &commit, 1, &st), "they are back: %s", st.message);
    place_reopen(place);
    book_check(&book, place->store, book.n);
    book_fini(&book);
}

/* Where the log is moved to in the middle of the next commit. */
static struct {
    char *from, *to; /* from NULL: it stays */
} moving;

static int on_commit(void *user)
{
    (void)user;
    if (moving.from != NULL) {
        rename(moving.from, moving.to);
        moving.from = NULL;
    }
    return 0;
}

static int watch_commits(sqlite3 *db, const char **ret_message, const sqlite3_api_routines *api)
{
    (void)ret_message;
    (void)api;
    sqlite3_commit_hook(db, on_commit, NULL);
    return SQLITE_OK;
}

/* The commit is in the file that was open, but it is not known which file will be opened next.
 * Until then the log is not read either, because what is read counts as durable. */
CONTRACT(files, a_commit_into_a_file_that_went_away_is_in_doubt)
{
    AUTO(free) char *log = beside(place, "-wal");
    AUTO(free) char *kept = path_in(place, "kept");
    struct book book;
    struct status st;
    struct store_tail tail;
    sqlite3_auto_extension((void (*)(void))watch_commits);
    place_reopen(place);
    sqlite3_reset_auto_extension();
    book_init(&book, place->store);
    book_fill(&book, place->store, 1);
    const struct line line = {CHANGE_CREATE, "second", 1, "{}"};
    struct commit *commit = book_write(&book, &line, 1);
    moving.from = log;
    moving.to = kept;
    cr_assert_not(store_append(place->store, &commit, 1, &st), "it was acknowledged");
    cr_assert_eq(st.code, STATUS_UNAVAILABLE);
    cr_assert_str_eq(st.reason, "OUTCOME_UNKNOWN");
    cr_assert_not(store_tail(place->store, &tail, &st));
    cr_assert_str_eq(st.reason, "STORE_REPLACED");
    cr_assert_eq(rename(kept, log), 0);
    cr_assert(store_tail(place->store, &tail, &st), "%s", st.message);
    cr_assert_eq(tail.revision, 2);
    cr_assert(store_append(place->store, &commit, 1, &st), "it counts as done: %s", st.message);
    book_check(&book, place->store, book.n);
    book_fini(&book);
}
