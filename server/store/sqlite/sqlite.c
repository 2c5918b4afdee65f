#include "sqlite.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "sqlite_checkpoint.h"
#include "sqlite_heads.h"
#include "sqlite_identity.h"
#include "sqlite_open.h"
#include "sqlite_rows.h"
#include "sqlite_write.h"

#define FREE_PAGES "PRAGMA incremental_vacuum(512)"

/* ---- Writing ---- */

static bool insert_commit(struct sqlite_store *s, const struct commit *commit, struct status *st)
{
    struct connection *c = &s->writer;
    sqlite3_stmt *q = connection_statement(c, SQL_INSERT_COMMIT, st);
    if (q == NULL) {
        return false;
    }
    struct hash key;
    sqlite_bind_number(q, 1, commit->revision);
    sqlite3_bind_blob(q, 2, commit->record->data, (int)commit->record->len, SQLITE_STATIC);
    sqlite3_bind_blob(q, 3, commit->hash.bytes, HASH_SIZE, SQLITE_STATIC);
    sqlite3_bind_null(q, 4);
    if (commit->request_id[0] != '\0') {
        key = commit_request_key(commit->actor, commit->request_id);
        sqlite3_bind_blob(q, 4, key.bytes, HASH_SIZE, SQLITE_TRANSIENT);
    }
    int code = sqlite3_step(q);
    if (code != SQLITE_DONE && (code & 0xFF) == SQLITE_CONSTRAINT) {
        sqlite3_reset(q);
        return status_set_outcome(st, OUTCOME_REVISION_TAKEN,
                                  "revision %" PRIu64 " is in the log already", commit->revision);
    }
    bool ok = code == SQLITE_DONE || sqlite_fault(c, "appending", st);
    sqlite3_reset(q);
    return ok;
}

static bool insert_change(struct sqlite_store *s, const struct commit *commit, size_t index,
                          struct status *st)
{
    const struct change *change = &commit->changes[index];
    bool brings = change_brings_version(change->kind);
    sqlite3_stmt *q = connection_statement(&s->writer, SQL_INSERT_CHANGE, st);
    if (q == NULL) {
        return false;
    }
    sqlite3_bind_int64(q, 1, sqlite_change_id(commit->revision, index));
    sqlite_bind_text(q, 2, change->environment);
    sqlite_bind_text(q, 3, change->service);
    sqlite_bind_number(q, 4, change->version);
    sqlite3_bind_int(q, 5, brings);
    sqlite3_bind_null(q, 6);
    sqlite3_bind_null(q, 7);
    if (brings) {
        sqlite3_bind_blob(q, 6, change->salt, SALT_SIZE, SQLITE_STATIC);
        sqlite3_bind_blob(q, 7, change->payload->data, (int)change->payload->len, SQLITE_STATIC);
    }
    return sqlite_step(&s->writer, q, "appending", st);
}

static bool insert_all(struct sqlite_store *s, struct commit *const *commits, size_t n,
                       struct status *st)
{
    for (size_t i = 0; i < n; i++) {
        if (!insert_commit(s, commits[i], st)) {
            return false;
        }
        for (size_t k = 0; k < commits[i]->n_changes; k++) {
            if (!insert_change(s, commits[i], k, st)) {
                return false;
            }
        }
    }
    return true;
}

/* The files may have been removed between the two checks of an append. Then the commit is in the
 * open files: it is kept if they are put back, and lost if not. Until that is known the log is not
 * read either, because what is read counts as durable. */
static bool kept_or_doubt(struct sqlite_store *s, struct status *st)
{
    if (sqlite_check_files(s, st)) {
        return true;
    }
    atomic_store(&s->misplaced, true);
    status_become(st, OUTCOME_UNKNOWN);
    return false;
}

static bool log_is_known(struct sqlite_store *s, struct status *st)
{
    uint64_t ignored = 0;
    return !atomic_load(&s->misplaced) || sqlite_file_check(&s->file, &ignored, st);
}

static bool sqlite_append(struct store *store, struct commit *const *commits, size_t n,
                          struct status *st)
{
    struct sqlite_store *s = sqlite_of(store);
    if (!sqlite_begin(s, st)) {
        return false;
    }
    bool ok = insert_all(s, commits, n, st);
    int64_t begun = clock_monotonic_ns();
    ok = sqlite_finish(s, ok, st);
    histogram_observe(&store->sync, (uint64_t)(clock_monotonic_ns() - begun));
    return ok && kept_or_doubt(s, st);
}

static bool scrub(struct sqlite_store *s, const char *environment, const char *service,
                  uint64_t from, uint64_t through, struct status *st)
{
    sqlite3_stmt *q = connection_statement(&s->writer, SQL_SCRUB, st);
    if (q == NULL) {
        return false;
    }
    sqlite_bind_text(q, 1, environment);
    sqlite_bind_text(q, 2, service);
    sqlite_bind_number(q, 3, from);
    sqlite_bind_number(q, 4, through);
    return sqlite_step(&s->writer, q, "erasing", st) && sqlite_empty_log(s, st);
}

static bool sqlite_scrub(struct store *store, const char *environment, const char *service,
                         uint64_t from, uint64_t through, struct status *st)
{
    struct sqlite_store *s = sqlite_of(store);
    pthread_mutex_lock(&s->writing);
    bool ok = sqlite_check_files(s, st) && scrub(s, environment, service, from, through, st);
    pthread_mutex_unlock(&s->writing);
    return ok;
}

static bool drop_range(struct sqlite_store *s, const struct version_range *range, struct status *st)
{
    sqlite3_stmt *q = connection_statement(&s->writer, SQL_DROP, st);
    if (q == NULL) {
        return false;
    }
    sqlite_bind_text(q, 1, range->environment);
    sqlite_bind_text(q, 2, range->service);
    sqlite_bind_number(q, 3, range->from);
    sqlite_bind_number(q, 4, range->through);
    return sqlite_step(&s->writer, q, "compacting", st);
}

static bool drop_ranges(struct sqlite_store *s, const struct version_range *ranges, size_t n,
                        struct status *st)
{
    bool ok = n == 0 || sqlite_begin(s, st);
    if (!ok || n == 0) {
        return ok;
    }
    for (size_t i = 0; i < n && ok; i++) {
        ok = drop_range(s, &ranges[i], st);
    }
    return sqlite_finish(s, ok, st);
}

/* Gives pages that hold nothing any more back to the file system, some at a time. Where that fails,
 * as in a file of before it could be done, they are used again all the same. The file itself
 * becomes smaller with the checkpoint behind the last of them. Returns whether it could go on. */
static bool free_pages(struct sqlite_store *s)
{
    int64_t before = 0;
    int64_t after = 0;
    struct status ignored;
    pthread_mutex_lock(&s->writing);
    bool more = connection_number(&s->writer, "PRAGMA freelist_count", &before, &ignored) &&
                before > 0 && connection_run(&s->writer, FREE_PAGES, &ignored) &&
                connection_number(&s->writer, "PRAGMA freelist_count", &after, &ignored) &&
                after > 0 && after < before;
    pthread_mutex_unlock(&s->writing);
    if (before > 0 && !more) {
        sqlite_want_checkpoint(s);
    }
    return more;
}

static bool sqlite_drop(struct store *store, const struct version_range *ranges, size_t n,
                        bool *ret_more, struct status *st)
{
    struct sqlite_store *s = sqlite_of(store);
    if (!drop_ranges(s, ranges, n, st)) {
        return false;
    }
    *ret_more = free_pages(s);
    return true;
}

/* ---- Reading ---- */

static bool read_payloads(struct connection *c, uint64_t revision, struct row_room *room,
                          struct status *st)
{
    sqlite3_stmt *q = connection_statement(c, SQL_READ_PAYLOADS, st);
    if (q == NULL) {
        return false;
    }
    int code;
    bool ok = true;
    room->row.tells_erased = true;
    sqlite3_bind_int64(q, 1, sqlite_change_id(revision, 0));
    sqlite3_bind_int64(q, 2, sqlite_change_id(revision, COMMIT_MAX_CHANGES - 1));
    while (ok && (code = sqlite3_step(q)) != SQLITE_DONE) {
        ok = code == SQLITE_ROW
                 ? sqlite_payload(room, q, (uint32_t)(sqlite3_column_int64(q, 0) & 127), 1, st)
                 : sqlite_fault(c, "reading payloads", st);
    }
    sqlite3_reset(q);
    return ok;
}

static bool sqlite_tail(struct store *store, uint64_t *ret_revision, struct buf **ret_record,
                        struct hash *ret_hash, struct status *st)
{
    struct sqlite_store *s = sqlite_of(store);
    struct connection *c = log_is_known(s, st) ? sqlite_take_reader(s, st) : NULL;
    sqlite3_stmt *q = c == NULL ? NULL : connection_statement(c, SQL_TAIL, st);
    bool ok = q != NULL;
    if (ok) {
        int code = sqlite3_step(q);
        ok = code == SQLITE_ROW || code == SQLITE_DONE || sqlite_fault(c, "reading the tail", st);
        *ret_revision = code == SQLITE_ROW ? sqlite_number(q, 0) : 0;
        *ret_record = code == SQLITE_ROW ? sqlite_buf(q, 1) : NULL;
        *ret_hash = code == SQLITE_ROW ? sqlite_hash(q, 2) : (struct hash){{0}};
        sqlite3_reset(q);
    }
    if (c != NULL) {
        sqlite_give_reader(s, c);
    }
    return ok;
}

static bool walk_commits(struct connection *c, sqlite3_stmt *q, bool with_payloads,
                         store_row_visitor *visit, void *user, struct status *st)
{
    AUTO(row_room_free) struct row_room *room = row_room_new();
    bool ok = true;
    bool more = true;
    while (ok && more) {
        int code = sqlite3_step(q);
        more = code == SQLITE_ROW;
        ok = more || code == SQLITE_DONE || sqlite_fault(c, "reading the log", st);
        if (more) {
            room->row.record = sqlite_buf(q, 1);
            room->row.hash = sqlite_hash(q, 2);
            ok = !with_payloads || read_payloads(c, sqlite_number(q, 0), room, st);
            more = ok && visit(user, &room->row);
            row_room_clear(room);
        }
    }
    return ok;
}

static bool sqlite_read_commits(struct store *store, uint64_t from, uint64_t through,
                                bool with_payloads, store_row_visitor *visit, void *user,
                                struct status *st)
{
    struct sqlite_store *s = sqlite_of(store);
    struct connection *c = log_is_known(s, st) ? sqlite_take_reader(s, st) : NULL;
    sqlite3_stmt *q = c == NULL ? NULL : connection_statement(c, SQL_READ_COMMITS, st);
    bool ok = q != NULL;
    if (ok) {
        sqlite_bind_number(q, 1, from);
        sqlite_bind_number(q, 2, through);
        ok = walk_commits(c, q, with_payloads, visit, user, st);
        sqlite3_reset(q);
    }
    if (c != NULL) {
        sqlite_give_reader(s, c);
    }
    return ok;
}

/* Rows of record, hash, change id, salt, payload. */
static bool walk_versions(struct connection *c, sqlite3_stmt *q, bool with_payloads,
                          store_row_visitor *visit, void *user, struct status *st)
{
    AUTO(row_room_free) struct row_room *room = row_room_new();
    bool ok = true;
    bool more = true;
    while (ok && more) {
        int code = sqlite3_step(q);
        more = code == SQLITE_ROW;
        ok = more || code == SQLITE_DONE || sqlite_fault(c, "reading versions", st);
        if (more) {
            room->row.record = sqlite_buf(q, 0);
            room->row.hash = sqlite_hash(q, 1);
            room->row.index = (uint32_t)(sqlite3_column_int64(q, 2) & 127);
            ok = !with_payloads || sqlite_payload(room, q, room->row.index, 3, st);
            more = ok && visit(user, &room->row);
            row_room_clear(room);
        }
    }
    return ok;
}

static bool read_versions(struct store *store, enum statement which, const char *environment,
                          const char *service, uint64_t low, uint64_t high, bool with_payloads,
                          store_row_visitor *visit, void *user, struct status *st)
{
    struct sqlite_store *s = sqlite_of(store);
    struct connection *c = sqlite_take_reader(s, st);
    sqlite3_stmt *q = c == NULL ? NULL : connection_statement(c, which, st);
    bool ok = q != NULL;
    if (ok) {
        sqlite_bind_text(q, 1, environment);
        sqlite_bind_text(q, 2, service);
        sqlite_bind_number(q, 3, low);
        if (which == SQL_READ_VERSIONS) {
            sqlite_bind_number(q, 4, high);
        }
        ok = walk_versions(c, q, with_payloads, visit, user, st);
        sqlite3_reset(q);
    }
    if (c != NULL) {
        sqlite_give_reader(s, c);
    }
    return ok;
}

static bool sqlite_read_version(struct store *store, const char *environment, const char *service,
                                uint64_t version, store_row_visitor *visit, void *user,
                                struct status *st)
{
    return read_versions(store, SQL_READ_VERSION, environment, service, version, version, true,
                         visit, user, st);
}

static bool sqlite_read_versions(struct store *store, const char *environment, const char *service,
                                 uint64_t from, uint64_t down_to, bool with_payloads,
                                 store_row_visitor *visit, void *user, struct status *st)
{
    return read_versions(store, SQL_READ_VERSIONS, environment, service, down_to, from,
                         with_payloads, visit, user, st);
}

/* One number, or 0 where there is no row. */
static bool find_number(struct connection *c, sqlite3_stmt *q, uint64_t *ret, struct status *st)
{
    int code = sqlite3_step(q);
    bool ok = code == SQLITE_ROW || code == SQLITE_DONE || sqlite_fault(c, "looking up", st);
    *ret = code == SQLITE_ROW ? sqlite_number(q, 0) : 0;
    sqlite3_reset(q);
    return ok;
}

static bool find_before(struct connection *c, enum statement which, const char *environment,
                        const char *service, uint64_t revision, uint64_t *ret_id, struct status *st)
{
    sqlite3_stmt *q = connection_statement(c, which, st);
    if (q == NULL) {
        return false;
    }
    uint64_t last = revision >= (UINT64_MAX >> 8) ? (uint64_t)INT64_MAX : revision << 7 | 127;
    sqlite_bind_text(q, 1, environment);
    sqlite_bind_text(q, 2, service);
    sqlite_bind_number(q, 3, last);
    return find_number(c, q, ret_id, st);
}

static bool sqlite_find_change(struct store *store, const char *environment, const char *service,
                               uint64_t revision, uint64_t *ret_revision, uint32_t *ret_index,
                               struct status *st)
{
    struct sqlite_store *s = sqlite_of(store);
    struct connection *c = sqlite_take_reader(s, st);
    uint64_t brought = 0;
    uint64_t removed = 0;
    bool ok =
        c != NULL &&
        find_before(c, SQL_FIND_VERSION_BEFORE, environment, service, revision, &brought, st) &&
        find_before(c, SQL_FIND_REMOVAL_BEFORE, environment, service, revision, &removed, st);
    if (c != NULL) {
        sqlite_give_reader(s, c);
    }
    uint64_t id = brought > removed ? brought : removed;
    *ret_revision = id >> 7;
    *ret_index = (uint32_t)(id & 127);
    return ok;
}

static bool sqlite_find_requests(struct store *store, const struct hash *keys, size_t n,
                                 uint64_t *revisions, struct status *st)
{
    struct sqlite_store *s = sqlite_of(store);
    struct connection *c = sqlite_take_reader(s, st);
    sqlite3_stmt *q = c == NULL ? NULL : connection_statement(c, SQL_FIND_REQUEST, st);
    bool ok = q != NULL;
    for (size_t i = 0; i < n && ok; i++) {
        sqlite3_bind_blob(q, 1, keys[i].bytes, HASH_SIZE, SQLITE_STATIC);
        ok = find_number(c, q, &revisions[i], st);
    }
    if (c != NULL) {
        sqlite_give_reader(s, c);
    }
    return ok;
}

const struct store_ops store_sqlite = {
    .scheme = "sqlite",
    .open = sqlite_store_open,
    .close = sqlite_store_close,
    .interrupt = sqlite_store_interrupt,
    .tail = sqlite_tail,
    .append = sqlite_append,
    .read_commits = sqlite_read_commits,
    .read_version = sqlite_read_version,
    .read_versions = sqlite_read_versions,
    .find_change = sqlite_find_change,
    .find_requests = sqlite_find_requests,
    .load_heads = sqlite_load_heads,
    .save_heads = sqlite_save_heads,
    .forget_heads = sqlite_forget_heads,
    .scrub = sqlite_scrub,
    .get_mark = sqlite_get_mark,
    .drop = sqlite_drop,
    .renew = sqlite_store_renew,
    .set_mark = sqlite_set_mark,
    .move_mark = sqlite_move_mark,
};
