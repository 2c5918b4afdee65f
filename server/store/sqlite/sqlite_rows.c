#include "sqlite_rows.h"

bool sqlite_step(struct connection *c, sqlite3_stmt *q, const char *doing, struct status *st)
{
    int code = sqlite3_step(q);
    if (code == SQLITE_DONE) {
        sqlite3_reset(q);
        return true;
    }
    sqlite_fault(c, doing, st);
    sqlite3_reset(q);
    return false;
}

bool sqlite_run(struct connection *c, enum statement which, const char *doing, struct status *st)
{
    sqlite3_stmt *q = connection_statement(c, which, st);
    return q != NULL && sqlite_step(c, q, doing, st);
}

bool sqlite_find_number(struct connection *c, sqlite3_stmt *q, uint64_t *ret, struct status *st)
{
    int code = sqlite3_step(q);
    bool ok = code == SQLITE_ROW || code == SQLITE_DONE || sqlite_fault(c, "looking up", st);
    *ret = code == SQLITE_ROW ? sqlite_number(q, 0) : 0;
    sqlite3_reset(q);
    return ok;
}

/* The text that replaces a removed payload: "erased", "compacted". */
static bool is_word(sqlite3_stmt *q, int at, const char *word)
{
    return sqlite3_column_type(q, at) == SQLITE_TEXT &&
           strcmp((const char *)sqlite3_column_text(q, at), word) == 0;
}

bool sqlite_damaged(struct status *st, const char *what)
{
    return status_set(st, STATUS_DATA_LOSS, "STORE_DAMAGED", "the store: %s", what);
}

bool sqlite_payload(struct row_room *room, sqlite3_stmt *q, uint32_t index, int salt_column,
                    struct status *st)
{
    if (is_word(q, salt_column + 1, "erased")) {
        room->row.n_erased++;
        return true;
    }
    if (is_word(q, salt_column + 1, "compacted")) {
        row_room_add(room, index, NULL, 0, NULL);
        return true;
    }
    if (sqlite3_column_type(q, salt_column + 1) != SQLITE_BLOB) {
        return sqlite_damaged(st, "a payload is missing");
    }
    row_room_add(room, index, sqlite3_column_blob(q, salt_column),
                 (size_t)sqlite3_column_bytes(q, salt_column), sqlite_buf(q, salt_column + 1));
    return true;
}
