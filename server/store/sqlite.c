#include "sqlite.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "failpoint.h"
#include "row_room.h"
#include "sqlite_checkpoint.h"
#include "sqlite_db.h"
#include "sqlite_doubt.h"
#include "sqlite_open.h"

#define SEAL_SIZE 16
#define MARK_HEAD_COUNT (-1)
#define FREE_PAGES "PRAGMA incremental_vacuum(512)"

static int64_t change_id(uint64_t revision, size_t index)
{
    return (int64_t)(revision << 7 | index);
}

static void bind_text(sqlite3_stmt *q, int at, const char *text)
{
    sqlite3_bind_text(q, at, text, -1, SQLITE_STATIC);
}

static void bind_number(sqlite3_stmt *q, int at, uint64_t value)
{
    sqlite3_bind_int64(q, at, value > INT64_MAX ? INT64_MAX : (int64_t)value);
}

static uint64_t column_number(sqlite3_stmt *q, int at)
{
    return (uint64_t)sqlite3_column_int64(q, at);
}

static struct buf *column_buf(sqlite3_stmt *q, int at)
{
    return sqlite3_column_type(q, at) == SQLITE_NULL
               ? NULL
               : buf_copy(sqlite3_column_blob(q, at), (size_t)sqlite3_column_bytes(q, at));
}

static struct hash column_hash(sqlite3_stmt *q, int at)
{
    struct hash hash = {{0}};
    if (sqlite3_column_bytes(q, at) == HASH_SIZE) {
        memcpy(hash.bytes, sqlite3_column_blob(q, at), HASH_SIZE);
    }
    return hash;
}

/* ---- Writing ---- */

/* Runs a statement that gives no rows. */
static bool step_done(struct connection *c, sqlite3_stmt *q, const char *doing, struct status *st)
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

static bool run(struct connection *c, enum statement which, const char *doing, struct status *st)
{
    sqlite3_stmt *q = connection_statement(c, which, st);
    return q != NULL && step_done(c, q, doing, st);
}

/* Nothing is written where the files that are open are not those at their paths. */
static bool check_files(struct sqlite_store *s, struct status *st)
{
    uint64_t log_bytes = 0;
    bool ok = sqlite_file_check(&s->file, &log_bytes, st);
    if (ok) {
        atomic_store(&s->store.wal_bytes, log_bytes);
        atomic_store(&s->misplaced, false);
    }
    return ok;
}

/* False, and nothing is open, where it cannot begin. */
static bool begin(struct sqlite_store *s, struct status *st)
{
    pthread_mutex_lock(&s->writing);
    bool ok = check_files(s, st) && run(&s->writer, SQL_BEGIN, "beginning", st);
    if (!ok) {
        pthread_mutex_unlock(&s->writing);
    }
    return ok;
}

static bool commit_or_doubt(struct sqlite_store *s, struct status *st)
{
    struct status ignored;
    if (run(&s->writer, SQL_COMMIT, "committing", st)) {
        return true;
    }
    if (!check_files(s, &ignored) || sqlite_may_have_happened(s)) {
        st->code = STATUS_UNAVAILABLE;
        snprintf(st->reason, sizeof st->reason, "OUTCOME_UNKNOWN");
    }
    return false;
}

/* Ends the transaction. A COMMIT that fails leaves it open, or has rolled it back itself: either
 * way nothing of it stays for this process. */
static bool finish(struct sqlite_store *s, bool ok, struct status *st)
{
    FAILPOINT(commit_before);
    ok = ok && commit_or_doubt(s, st);
    if (!ok && sqlite3_get_autocommit(s->writer.db) == 0) {
        struct status ignored;
        run(&s->writer, SQL_ROLLBACK, "rolling back", &ignored);
    }
    pthread_mutex_unlock(&s->writing);
    FAILPOINT(commit_after);
    return ok;
}

static bool insert_commit(struct sqlite_store *s, const struct commit *commit, struct status *st)
{
    struct connection *c = &s->writer;
    sqlite3_stmt *q = connection_statement(c, SQL_INSERT_COMMIT, st);
    if (q == NULL) {
        return false;
    }
    struct hash key;
    bind_number(q, 1, commit->revision);
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
        return status_set(st, STATUS_ABORTED, "REVISION_TAKEN",
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
    sqlite3_bind_int64(q, 1, change_id(commit->revision, index));
    bind_text(q, 2, change->environment);
    bind_text(q, 3, change->service);
    bind_number(q, 4, change->version);
    sqlite3_bind_int(q, 5, brings);
    sqlite3_bind_null(q, 6);
    sqlite3_bind_null(q, 7);
    if (brings) {
        sqlite3_bind_blob(q, 6, change->salt, SALT_SIZE, SQLITE_STATIC);
        sqlite3_bind_blob(q, 7, change->payload->data, (int)change->payload->len, SQLITE_STATIC);
    }
    return step_done(&s->writer, q, "appending", st);
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

/* Files may have gone between the two looks at them. Then the commit is in what was open, and comes
 * back with it where that is put back; where not, it is lost. Until it is known, the log is not
 * read either: what is read there would count as kept. */
static bool kept_or_doubt(struct sqlite_store *s, struct status *st)
{
    if (check_files(s, st)) {
        return true;
    }
    atomic_store(&s->misplaced, true);
    snprintf(st->reason, sizeof st->reason, "OUTCOME_UNKNOWN");
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
    if (!begin(s, st)) {
        return false;
    }
    bool ok = insert_all(s, commits, n, st);
    int64_t begun = clock_monotonic_ns();
    ok = finish(s, ok, st);
    histogram_observe(&store->sync, (uint64_t)(clock_monotonic_ns() - begun));
    return ok && kept_or_doubt(s, st);
}

/* What a row of heads is checked with, since no hash of the log covers it. */
static struct hash seal_of(const struct store_head_row *row)
{
    AUTO_STR text = {0};
    const uint64_t numbers[] = {row->version,      row->last_version, row->first_live_version,
                                row->mod_revision, row->row_revision, row->revision,
                                row->index};
    str_add(&text, row->environment, strlen(row->environment) + 1);
    str_add(&text, row->service, strlen(row->service) + 1);
    str_add(&text, numbers, sizeof numbers);
    str_add(&text, row->holes, row->n_holes * sizeof row->holes[0]);
    return hash_bytes(text.data, text.len);
}

static struct store_head_row row_of(const struct head *head)
{
    return (struct store_head_row){
        .environment = head_environment(head),
        .service = head_service(head),
        .version = head->version,
        .last_version = head->last_version,
        .first_live_version = head->first_live_version,
        .mod_revision = head->mod_revision,
        .row_revision = head->row_revision,
        .revision = head->revision,
        .index = head->index,
        .holes = head->holes.versions,
        .n_holes = head->holes.n,
    };
}

static bool save_head(struct sqlite_store *s, const struct head *head, struct status *st)
{
    sqlite3_stmt *q = connection_statement(&s->writer, SQL_SAVE_HEAD, st);
    if (q == NULL) {
        return false;
    }
    struct store_head_row row = row_of(head);
    struct hash seal = seal_of(&row);
    bind_text(q, 1, row.environment);
    bind_text(q, 2, row.service);
    bind_number(q, 3, row.version);
    bind_number(q, 4, row.last_version);
    bind_number(q, 5, row.first_live_version);
    bind_number(q, 6, row.mod_revision);
    bind_number(q, 7, row.row_revision);
    sqlite3_bind_int64(q, 8, change_id(row.revision, row.index));
    sqlite3_bind_blob(q, 9, row.n_holes == 0 ? (const void *)"" : row.holes,
                      (int)(row.n_holes * sizeof row.holes[0]), SQLITE_STATIC);
    sqlite3_bind_blob(q, 10, seal.bytes, SEAL_SIZE, SQLITE_STATIC);
    return step_done(&s->writer, q, "saving heads", st);
}

static bool set_mark(struct sqlite_store *s, enum store_mark mark, uint64_t value,
                     struct status *st)
{
    sqlite3_stmt *q = connection_statement(&s->writer, SQL_SET_MARK, st);
    if (q == NULL) {
        return false;
    }
    sqlite3_bind_int(q, 1, (int)mark);
    bind_number(q, 2, value);
    return step_done(&s->writer, q, "setting a mark", st);
}

static bool sqlite_save_heads(struct store *store, struct head *const *heads, size_t n,
                              uint64_t through, struct status *st)
{
    struct sqlite_store *s = sqlite_of(store);
    if (!begin(s, st)) {
        return false;
    }
    bool ok = true;
    for (size_t i = 0; i < n && ok; i++) {
        ok = save_head(s, heads[i], st);
    }
    return finish(s, ok && set_mark(s, STORE_MARK_HEADS, through, st), st);
}

static bool sqlite_set_mark(struct store *store, enum store_mark mark, uint64_t value,
                            struct status *st)
{
    struct sqlite_store *s = sqlite_of(store);
    pthread_mutex_lock(&s->writing);
    bool ok = set_mark(s, mark, value, st);
    pthread_mutex_unlock(&s->writing);
    return ok;
}

static bool move_mark(struct connection *c, enum store_mark mark, uint64_t from, uint64_t to,
                      bool *ret_moved, struct status *st)
{
    sqlite3_stmt *q = connection_statement(c, SQL_MOVE_MARK, st);
    if (q == NULL) {
        return false;
    }
    sqlite3_bind_int(q, 1, (int)mark);
    bind_number(q, 2, from);
    bind_number(q, 3, to);
    bool ok = step_done(c, q, "moving a mark", st);
    *ret_moved = ok && sqlite3_changes(c->db) > 0;
    return ok;
}

static bool sqlite_move_mark(struct store *store, enum store_mark mark, uint64_t from, uint64_t to,
                             bool *ret_moved, struct status *st)
{
    struct sqlite_store *s = sqlite_of(store);
    pthread_mutex_lock(&s->writing);
    bool ok = move_mark(&s->marker, mark, from, to, ret_moved, st);
    pthread_mutex_unlock(&s->writing);
    return ok;
}

static bool scrub(struct sqlite_store *s, const char *environment, const char *service,
                  uint64_t from, uint64_t through, struct status *st)
{
    sqlite3_stmt *q = connection_statement(&s->writer, SQL_SCRUB, st);
    if (q == NULL) {
        return false;
    }
    bind_text(q, 1, environment);
    bind_text(q, 2, service);
    bind_number(q, 3, from);
    bind_number(q, 4, through);
    return step_done(&s->writer, q, "erasing", st) && sqlite_empty_log(s, st);
}

static bool sqlite_scrub(struct store *store, const char *environment, const char *service,
                         uint64_t from, uint64_t through, struct status *st)
{
    struct sqlite_store *s = sqlite_of(store);
    pthread_mutex_lock(&s->writing);
    bool ok = check_files(s, st) && scrub(s, environment, service, from, through, st);
    pthread_mutex_unlock(&s->writing);
    return ok;
}

static bool drop_range(struct sqlite_store *s, const struct version_range *range, struct status *st)
{
    sqlite3_stmt *q = connection_statement(&s->writer, SQL_DROP, st);
    if (q == NULL) {
        return false;
    }
    bind_text(q, 1, range->environment);
    bind_text(q, 2, range->service);
    bind_number(q, 3, range->from);
    bind_number(q, 4, range->through);
    return step_done(&s->writer, q, "compacting", st);
}

static bool drop_ranges(struct sqlite_store *s, const struct version_range *ranges, size_t n,
                        struct status *st)
{
    bool ok = n == 0 || begin(s, st);
    if (!ok || n == 0) {
        return ok;
    }
    for (size_t i = 0; i < n && ok; i++) {
        ok = drop_range(s, &ranges[i], st);
    }
    return finish(s, ok, st);
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

/* What stands in the place of a payload that is gone: "erased", "compacted". */
static bool is_word(sqlite3_stmt *q, int at, const char *word)
{
    return sqlite3_column_type(q, at) == SQLITE_TEXT &&
           strcmp((const char *)sqlite3_column_text(q, at), word) == 0;
}

static bool store_damaged(struct status *st, const char *what)
{
    return status_set(st, STATUS_DATA_LOSS, "STORE_DAMAGED", "the store: %s", what);
}

/* Of a change that brought a version. A payload is never just missing. */
static bool add_payload(struct row_room *room, sqlite3_stmt *q, uint32_t index, int salt_column,
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
        return store_damaged(st, "a payload is missing");
    }
    row_room_add(room, index, sqlite3_column_blob(q, salt_column),
                 (size_t)sqlite3_column_bytes(q, salt_column), column_buf(q, salt_column + 1));
    return true;
}

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
    sqlite3_bind_int64(q, 1, change_id(revision, 0));
    sqlite3_bind_int64(q, 2, change_id(revision, COMMIT_MAX_CHANGES - 1));
    while (ok && (code = sqlite3_step(q)) != SQLITE_DONE) {
        ok = code == SQLITE_ROW
                 ? add_payload(room, q, (uint32_t)(sqlite3_column_int64(q, 0) & 127), 1, st)
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
        *ret_revision = code == SQLITE_ROW ? column_number(q, 0) : 0;
        *ret_record = code == SQLITE_ROW ? column_buf(q, 1) : NULL;
        *ret_hash = code == SQLITE_ROW ? column_hash(q, 2) : (struct hash){{0}};
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
            room->row.record = column_buf(q, 1);
            room->row.hash = column_hash(q, 2);
            ok = !with_payloads || read_payloads(c, column_number(q, 0), room, st);
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
        bind_number(q, 1, from);
        bind_number(q, 2, through);
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
            room->row.record = column_buf(q, 0);
            room->row.hash = column_hash(q, 1);
            room->row.index = (uint32_t)(sqlite3_column_int64(q, 2) & 127);
            ok = !with_payloads || add_payload(room, q, room->row.index, 3, st);
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
        bind_text(q, 1, environment);
        bind_text(q, 2, service);
        bind_number(q, 3, low);
        if (which == SQL_READ_VERSIONS) {
            bind_number(q, 4, high);
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
    *ret = code == SQLITE_ROW ? column_number(q, 0) : 0;
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
    bind_text(q, 1, environment);
    bind_text(q, 2, service);
    bind_number(q, 3, last);
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

static bool sqlite_get_mark(struct store *store, enum store_mark mark, uint64_t *ret_value,
                            struct status *st)
{
    struct sqlite_store *s = sqlite_of(store);
    struct connection *c = sqlite_take_reader(s, st);
    sqlite3_stmt *q = c == NULL ? NULL : connection_statement(c, SQL_GET_MARK, st);
    bool ok = q != NULL;
    if (ok) {
        sqlite3_bind_int(q, 1, (int)mark);
        ok = find_number(c, q, ret_value, st);
    }
    if (c != NULL) {
        sqlite_give_reader(s, c);
    }
    return ok;
}

/* A walk through the stored heads: they come in order, and all of them. */
struct head_rows {
    struct connection *c;
    sqlite3_stmt *q;
    struct row_room *room; /* owned */
    struct str before;     /* the names of the last one */
    uint64_t n;
    store_head_row_visitor *visit;
    void *user;
    struct status *st;
};

/* Borrows all from the statement but the holes. False where the names are none. */
static bool take_head_row(sqlite3_stmt *q, struct store_head_row *row)
{
    *row = (struct store_head_row){
        .environment = (const char *)sqlite3_column_text(q, 0),
        .service = (const char *)sqlite3_column_text(q, 1),
        .version = column_number(q, 2),
        .last_version = column_number(q, 3),
        .first_live_version = column_number(q, 4),
        .mod_revision = column_number(q, 5),
        .row_revision = column_number(q, 6),
        .revision = column_number(q, 7) >> 7,
        .index = (uint32_t)(column_number(q, 7) & 127),
        .n_holes = (size_t)sqlite3_column_bytes(q, 8) / sizeof(uint64_t),
    };
    return row->environment != NULL && row->service != NULL;
}

static bool check_seal(sqlite3_stmt *q, const struct store_head_row *row)
{
    struct hash seal = seal_of(row);
    return sqlite3_column_bytes(q, 13) == SEAL_SIZE &&
           memcmp(sqlite3_column_blob(q, 13), seal.bytes, SEAL_SIZE) == 0;
}

/* The names with the NUL of each, which is how they sort. */
static bool check_head_order(struct head_rows *rows, const struct store_head_row *row)
{
    AUTO_STR names = {0};
    str_add(&names, row->environment, strlen(row->environment) + 1);
    str_add(&names, row->service, strlen(row->service) + 1);
    size_t shorter = names.len < rows->before.len ? names.len : rows->before.len;
    bool behind = shorter == 0 || memcmp(rows->before.data, names.data, shorter) < 0;
    str_clear(&rows->before);
    str_add(&rows->before, names.data, names.len);
    rows->n++;
    return behind;
}

static bool take_newest(struct head_rows *rows, struct store_head_row *row)
{
    if (row->version == 0 || sqlite3_column_type(rows->q, 9) == SQLITE_NULL) {
        return true;
    }
    rows->room->row.record = column_buf(rows->q, 9);
    rows->room->row.hash = column_hash(rows->q, 10);
    rows->room->row.index = row->index;
    row->newest = &rows->room->row;
    return add_payload(rows->room, rows->q, row->index, 11, rows->st);
}

/* ret_more: the visitor wants the next one. */
static bool visit_head(struct head_rows *rows, bool *ret_more)
{
    struct store_head_row row;
    if (!take_head_row(rows->q, &row)) {
        return store_damaged(rows->st, "a head without a name");
    }
    AUTO(free) uint64_t *holes = mem_array(row.n_holes, sizeof *holes);
    if (row.n_holes > 0) {
        memcpy(holes, sqlite3_column_blob(rows->q, 8), row.n_holes * sizeof *holes);
    }
    row.holes = holes;
    if (!check_seal(rows->q, &row) || !check_head_order(rows, &row)) {
        return store_damaged(rows->st, "a head does not match its seal");
    }
    bool ok = take_newest(rows, &row);
    *ret_more = ok && rows->visit(rows->user, &row);
    row_room_clear(rows->room);
    return ok;
}

static bool check_head_count(struct connection *c, uint64_t found, struct status *st)
{
    sqlite3_stmt *q = connection_statement(c, SQL_GET_MARK, st);
    uint64_t wanted = 0;
    if (q == NULL) {
        return false;
    }
    sqlite3_bind_int(q, 1, MARK_HEAD_COUNT);
    return find_number(c, q, &wanted, st) &&
           (found == wanted || store_damaged(st, "heads are missing"));
}

static bool walk_heads(struct head_rows *rows)
{
    for (bool more = true; more;) {
        int code = sqlite3_step(rows->q);
        if (code == SQLITE_DONE) {
            sqlite3_reset(rows->q);
            return check_head_count(rows->c, rows->n, rows->st);
        }
        if (code != SQLITE_ROW) {
            return sqlite_fault(rows->c, "loading heads", rows->st);
        }
        if (!visit_head(rows, &more)) {
            return false;
        }
    }
    return true;
}

static bool sqlite_load_heads(struct store *store, store_head_row_visitor *visit, void *user,
                              struct status *st)
{
    struct sqlite_store *s = sqlite_of(store);
    struct connection *c = sqlite_take_reader(s, st);
    if (c == NULL) {
        return false;
    }
    struct head_rows rows = {
        .c = c, .room = row_room_new(), .visit = visit, .user = user, .st = st};
    rows.q = connection_statement(c, SQL_LOAD_HEADS, st);
    bool ok = rows.q != NULL && walk_heads(&rows);
    sqlite3_reset(rows.q);
    str_fini(&rows.before);
    row_room_free(rows.room);
    sqlite_give_reader(s, c);
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
    .scrub = sqlite_scrub,
    .get_mark = sqlite_get_mark,
    .drop = sqlite_drop,
    .renew = sqlite_store_renew,
    .set_mark = sqlite_set_mark,
    .move_mark = sqlite_move_mark,
};
