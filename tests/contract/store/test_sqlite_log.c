/* The write-ahead log of a SQLite store: after anything that blocks checkpoints it becomes small
 * again, and writes continue while they are blocked. */
#include <sched.h>
#include <sqlite3.h>
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
