#include <sqlite3.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "place_kind.h"

static bool takes(const char *wanted)
{
    return strcmp(wanted, "sqlite") == 0;
}

static void make(struct place *place)
{
    snprintf(place->folder, sizeof place->folder, "/tmp/confreg-test-XXXXXX");
    cr_assert_not_null(mkdtemp(place->folder));
    snprintf(place->address, sizeof place->address, "sqlite:%s/log.db", place->folder);
}

static void remove_place(struct place *place)
{
    static const char *const suffixes[] = {"", "-wal", "-shm"};
    for (size_t i = 0; i < COUNT_OF(suffixes); i++) {
        char path[160];
        snprintf(path, sizeof path, "%s/log.db%s", place->folder, suffixes[i]);
        unlink(path);
    }
    cr_assert_eq(rmdir(place->folder), 0, "%s holds something else", place->folder);
}

/* ---- Damage ---- */

static sqlite3 *open_file(const struct place *place)
{
    sqlite3 *db = NULL;
    cr_assert_eq(sqlite3_open(strchr(place->address, ':') + 1, &db), SQLITE_OK);
    sqlite3_busy_timeout(db, 10000);
    return db;
}

/* Runs a statement; how many rows it changed. */
__attribute__((format(printf, 2, 3))) static int change(sqlite3 *db, const char *format, ...)
{
    va_list arguments;
    char *said = NULL;
    va_start(arguments, format);
    char *sql = sqlite3_vmprintf(format, arguments);
    va_end(arguments);
    cr_assert_eq(sqlite3_exec(db, sql, NULL, NULL, &said), SQLITE_OK, "%s: %s", sql, said);
    sqlite3_free(sql);
    return sqlite3_changes(db);
}

static void flip_byte(sqlite3_context *context, int n, sqlite3_value **arguments)
{
    (void)n;
    int size = sqlite3_value_bytes(arguments[0]);
    uint8_t *copy = mem_alloc((size_t)size);
    memcpy(copy, sqlite3_value_blob(arguments[0]), (size_t)size);
    copy[sqlite3_value_int(arguments[1])] ^= 0x10;
    sqlite3_result_blob(context, copy, size, free);
}

static bool flip(const struct place *place, enum stored_field field, uint64_t revision,
                 uint32_t index, size_t position)
{
    static const char *const columns[] = {"record", "hash", "salt", "payload"};
    const char *column = columns[field];
    bool of_commit = field == STORED_RECORD || field == STORED_HASH;
    sqlite3 *db = open_file(place);
    sqlite3_create_function(db, "flip", 2, SQLITE_UTF8, NULL, flip_byte, NULL, NULL);
    int n =
        change(db, "UPDATE %s SET %s = flip(%s, %d) WHERE %s = %lld AND length(%s) > %d",
               of_commit ? "commits" : "changes", column, column, (int)position,
               of_commit ? "revision" : "id",
               (long long)(of_commit ? revision : revision << 7 | index), column, (int)position);
    sqlite3_close(db);
    return n == 1;
}

static void remove_commit(const struct place *place, uint64_t revision)
{
    sqlite3 *db = open_file(place);
    cr_assert_eq(change(db, "DELETE FROM commits WHERE revision = %lld", (long long)revision), 1);
    sqlite3_close(db);
}

static void lose_payload(const struct place *place, uint64_t revision, uint32_t index)
{
    sqlite3 *db = open_file(place);
    long long id = (long long)(revision << 7 | index);
    cr_assert_eq(change(db, "UPDATE changes SET payload = NULL WHERE id = %lld", id), 1);
    sqlite3_close(db);
}

static void copy_commit(const struct place *place, uint64_t from, uint64_t over)
{
    sqlite3 *db = open_file(place);
    int n = change(db,
                   "UPDATE commits SET (record, hash) = (SELECT record, hash FROM commits WHERE "
                   "revision = %lld) WHERE revision = %lld",
                   (long long)from, (long long)over);
    cr_assert_eq(n, 1);
    sqlite3_close(db);
}

static void set_format(const struct place *place, int format)
{
    sqlite3 *db = open_file(place);
    cr_assert_eq(change(db, "UPDATE meta SET value = %d WHERE name = 'format'", format), 1);
    sqlite3_close(db);
}

const struct place_kind place_sqlite = {
    .takes = takes,
    .make = make,
    .remove = remove_place,
    .stride = 1,
    .flip = flip,
    .remove_commit = remove_commit,
    .lose_payload = lose_payload,
    .copy_commit = copy_commit,
    .set_format = set_format,
};
