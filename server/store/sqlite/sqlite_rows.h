/* Binding of parameters and reading of columns of the rows of a SQLite store. */
#ifndef STORE_SQLITE_ROWS_H
#define STORE_SQLITE_ROWS_H

#include <assert.h>
#include <string.h>

#include "row_room.h"
#include "sqlite_db.h"

/* A change's place in the log as one number, which orders changes as the log does: the revision,
 * and in the low bits the index of the change. */
#define SQLITE_INDEX_BITS 7
#define SQLITE_INDEX_MASK ((UINT64_C(1) << SQLITE_INDEX_BITS) - 1)
static_assert(COMMIT_MAX_CHANGES == SQLITE_INDEX_MASK + 1, "each index of a commit has a number");

static inline int64_t sqlite_change_id(uint64_t revision, size_t index)
{
    assert(index <= SQLITE_INDEX_MASK && "a commit has no more changes");
    return (int64_t)(revision << SQLITE_INDEX_BITS | index);
}

/* Of the last change that a commit can have; the largest number for revisions that no log has. */
static inline int64_t sqlite_last_change_id(uint64_t revision)
{
    return revision > (uint64_t)INT64_MAX >> SQLITE_INDEX_BITS
               ? INT64_MAX
               : sqlite_change_id(revision, SQLITE_INDEX_MASK);
}

static inline uint64_t sqlite_change_revision(uint64_t id)
{
    return id >> SQLITE_INDEX_BITS;
}

static inline uint32_t sqlite_change_index(uint64_t id)
{
    return (uint32_t)(id & SQLITE_INDEX_MASK);
}

static inline void sqlite_bind_text(sqlite3_stmt *q, int at, const char *text)
{
    sqlite3_bind_text(q, at, text, -1, SQLITE_STATIC);
}

static inline void sqlite_bind_number(sqlite3_stmt *q, int at, uint64_t value)
{
    sqlite3_bind_int64(q, at, value > INT64_MAX ? INT64_MAX : (int64_t)value);
}

static inline uint64_t sqlite_number(sqlite3_stmt *q, int at)
{
    return (uint64_t)sqlite3_column_int64(q, at);
}

static inline struct buf *sqlite_buf(sqlite3_stmt *q, int at)
{
    return sqlite3_column_type(q, at) == SQLITE_NULL
               ? NULL
               : buf_copy(sqlite3_column_blob(q, at), (size_t)sqlite3_column_bytes(q, at));
}

static inline struct hash sqlite_hash(sqlite3_stmt *q, int at)
{
    struct hash hash = {{0}};
    if (sqlite3_column_bytes(q, at) == HASH_SIZE) {
        memcpy(hash.bytes, sqlite3_column_blob(q, at), HASH_SIZE);
    }
    return hash;
}

/* Runs a statement that gives no rows. */
bool sqlite_step(struct connection *c, sqlite3_stmt *q, const char *doing, struct status *st);
bool sqlite_run(struct connection *c, enum statement which, const char *doing, struct status *st);

/* The one number that a statement gives, or 0 if it gives no row. Resets it. */
bool sqlite_find_number(struct connection *c, sqlite3_stmt *q, uint64_t *ret, struct status *st);

/* Adds the payload of a change that brought a version: a salt and what stands in its column behind
 * it. A payload is never just missing. */
bool sqlite_payload(struct row_room *room, sqlite3_stmt *q, uint32_t index, int salt_column,
                    struct status *st);
/* DATA_LOSS. Returns false. */
bool sqlite_damaged(struct status *st, const char *what);

#endif
