/* The write-ahead log of a SQLite store: after anything that blocks checkpoints it becomes small
 * again, and writes continue while they are blocked. */
#include <sched.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "book.h"
#include "place.h"

#define PAYLOAD 1000000
/* Bytes; the log stays smaller unless checkpoints are blocked. */
#define LARGE (UINT64_C(64) << 20)

static uint64_t log_size(const struct place *place)
{
    struct stat about;
    AUTO_STR path = {0};
    str_addf(&path, "%s-wal", strchr(place->address, ':') + 1);
    cr_assert_eq(stat(path.data, &about), 0);
    return (uint64_t)about.st_size;
}

/* Writes until the log is larger than with working checkpoints. */
static void write_much(struct book *book, struct place *place)
{
    AUTO(free) char *json = mem_zalloc(PAYLOAD + 1);
    memset(json, ' ', PAYLOAD);
    json[0] = '{';
    json[PAYLOAD - 1] = '}';
    for (uint64_t version = 1; log_size(place) <= LARGE; version++) {
        struct line line = {version == 1 ? CHANGE_CREATE : CHANGE_UPDATE, "much", version, json};
        book_write(book, &line, 1);
        book_append(book, place->store, book->n);
        cr_assert_lt(version, 2 * LARGE / PAYLOAD, "the log is copied all the same");
    }
}

static void wait_until_small(const struct place *place)
{
    while (log_size(place) > LARGE) {
        sched_yield();
    }
}

static int refuse_to_open(sqlite3 *db, const char **ret_message, const sqlite3_api_routines *api)
{
    (void)db;
    (void)api;
    *ret_message = sqlite3_mprintf("refused");
    return SQLITE_CANTOPEN;
}

static void no_connection_for_a_while(struct place *place)
{
    struct book book;
    book_init(&book, place->store);
    sqlite3_auto_extension((void (*)(void))refuse_to_open);
    write_much(&book, place);
    while (metric_value(&place->store->failed_checkpoints) < 2) {
        sched_yield();
    }
    sqlite3_reset_auto_extension();
    wait_until_small(place);
    book_check(&book, place->store, book.n);
    book_fini(&book);
}

Test(write_ahead_log, becomes_small_after_a_failure, .timeout = 240)
{
    contract_run(no_connection_for_a_while, false);
}

static sqlite3 *begin_to_read(const struct place *place)
{
    sqlite3 *db = NULL;
    cr_assert_eq(sqlite3_open(strchr(place->address, ':') + 1, &db), SQLITE_OK);
    cr_assert_eq(sqlite3_exec(db, "BEGIN; SELECT count(*) FROM commits", NULL, NULL, NULL),
                 SQLITE_OK);
    return db;
}

static void a_reader_that_stays(struct place *place)
{
    struct book book;
    book_init(&book, place->store);
    book_fill(&book, place->store, 1);
    sqlite3 *reader = begin_to_read(place);
    write_much(&book, place);
    cr_assert_eq(metric_value(&place->store->failed_checkpoints), 0, "nothing failed");
    sqlite3_close(reader);
    wait_until_small(place);
    book_check(&book, place->store, book.n);
    book_fini(&book);
}

Test(write_ahead_log, becomes_small_after_a_long_reader, .timeout = 240)
{
    contract_run(a_reader_that_stays, false);
}

/* ---- System calls ---- */

static sqlite3_vfs *system_vfs;
static sqlite3_vfs counting_vfs;
static const sqlite3_io_methods *log_methods; /* the system's */
static sqlite3_io_methods counting_methods;
static atomic_size_t log_writes;

static int count_write(sqlite3_file *file, const void *bytes, int n, sqlite3_int64 at)
{
    atomic_fetch_add(&log_writes, 1);
    return log_methods->xWrite(file, bytes, n, at);
}

static int open_counted(sqlite3_vfs *self, const char *path, sqlite3_file *file, int flags,
                        int *ret_flags)
{
    (void)self;
    int code = system_vfs->xOpen(system_vfs, path, file, flags, ret_flags);
    if (code == SQLITE_OK && (flags & SQLITE_OPEN_WAL) != 0) {
        log_methods = file->pMethods;
        counting_methods = *log_methods;
        counting_methods.xWrite = count_write;
        file->pMethods = &counting_methods;
    }
    return code;
}

#define BATCH 40
#define SMALL_PAYLOAD 500
#define LARGEST_WRITE (64 << 10)

/* SQLite writes each page of the log by two calls. */
static void few_writes(struct place *place)
{
    struct book book;
    system_vfs = sqlite3_vfs_find(NULL);
    counting_vfs = *system_vfs;
    counting_vfs.zName = "counting";
    counting_vfs.xOpen = open_counted;
    sqlite3_vfs_register(&counting_vfs, 1);
    place_reopen(place);
    sqlite3_vfs_register(system_vfs, 1);
    book_init(&book, place->store);
    book_fill(&book, place->store, 1);
    AUTO(free) char *json = mem_zalloc(SMALL_PAYLOAD + 1);
    memset(json, ' ', SMALL_PAYLOAD);
    memcpy(json, "{}", 2);
    for (size_t i = 0; i < BATCH; i++) {
        struct line line = {CHANGE_UPDATE, "filled", book.n + 1, json};
        book_write(&book, &line, 1);
    }
    uint64_t size = log_size(place);
    atomic_store(&log_writes, 0);
    book_append(&book, place->store, 2);
    size_t most = (log_size(place) - size) / LARGEST_WRITE + 2;
    cr_assert_leq(atomic_load(&log_writes), most, "%zu writes", atomic_load(&log_writes));
    book_check(&book, place->store, book.n);
    book_fini(&book);
}

Test(write_ahead_log, is_written_by_few_calls)
{
    contract_run(few_writes, false);
}
