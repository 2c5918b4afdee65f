#include "sqlite_read.h"

#include "sqlite_rows.h"

/* ---- A statement on a reader ---- */

/* The resources of a read, from its begin to its end. */
struct reading {
    struct sqlite_store *s;
    struct connection *c; /* NULL: none was to be had */
    sqlite3_stmt *q;      /* NULL: it cannot be prepared */
};

static bool begin_reading(struct reading *r, struct store *store, enum statement which,
                          struct status *st)
{
    *r = (struct reading){.s = sqlite_of(store)};
    r->c = sqlite_take_reader(r->s, st);
    r->q = r->c == NULL ? NULL : connection_statement(r->c, which, st);
    return r->q != NULL;
}

static void end_reading(struct reading *r)
{
    sqlite3_reset(r->q);
    if (r->c != NULL) {
        sqlite_give_reader(r->s, r->c);
    }
}

/* The next row. False where there is none; *ok is false then if the store has failed. */
static bool next_row(struct connection *c, sqlite3_stmt *q, bool *ok, const char *doing,
                     struct status *st)
{
    int code = sqlite3_step(q);
    *ok = code == SQLITE_ROW || code == SQLITE_DONE || sqlite_fault(c, doing, st);
    return code == SQLITE_ROW;
}

/* False while the files of an append are missing: the log must not be read, see sqlite_append. */
static bool log_is_known(struct store *store, struct status *st)
{
    struct sqlite_store *s = sqlite_of(store);
    uint64_t ignored = 0;
    return !atomic_load(&s->misplaced) || sqlite_file_check(&s->file, &ignored, st);
}

/* ---- Commits ---- */

static bool read_tail(struct reading *r, uint64_t *ret_revision, struct buf **ret_record,
                      struct hash *ret_hash, struct status *st)
{
    bool ok;
    *ret_revision = 0;
    *ret_record = NULL;
    *ret_hash = (struct hash){{0}};
    if (next_row(r->c, r->q, &ok, "reading the tail", st)) {
        *ret_revision = sqlite_number(r->q, 0);
        *ret_record = sqlite_buf(r->q, 1);
        *ret_hash = sqlite_hash(r->q, 2);
    }
    return ok;
}

bool sqlite_tail(struct store *store, uint64_t *ret_revision, struct buf **ret_record,
                 struct hash *ret_hash, struct status *st)
{
    struct reading r;
    if (!log_is_known(store, st)) {
        return false;
    }
    bool ok = begin_reading(&r, store, SQL_TAIL, st) &&
              read_tail(&r, ret_revision, ret_record, ret_hash, st);
    end_reading(&r);
    return ok;
}

static bool read_payloads(struct connection *c, uint64_t revision, struct row_room *room,
                          struct status *st)
{
    sqlite3_stmt *q = connection_statement(c, SQL_READ_PAYLOADS, st);
    if (q == NULL) {
        return false;
    }
    bool ok = true;
    room->row.tells_erased = true;
    sqlite3_bind_int64(q, 1, sqlite_change_id(revision, 0));
    sqlite3_bind_int64(q, 2, sqlite_change_id(revision, COMMIT_MAX_CHANGES - 1));
    while (ok && next_row(c, q, &ok, "reading payloads", st)) {
        ok = sqlite_payload(room, q, sqlite_change_index(sqlite_number(q, 0)), 1, st);
    }
    sqlite3_reset(q);
    return ok;
}

static bool walk_commits(struct reading *r, bool with_payloads, store_row_visitor *visit,
                         void *user, struct status *st)
{
    AUTO(row_room_free) struct row_room *room = row_room_new();
    bool ok = true;
    bool more = true;
    while (ok && more && next_row(r->c, r->q, &ok, "reading the log", st)) {
        room->row.record = sqlite_buf(r->q, 1);
        room->row.hash = sqlite_hash(r->q, 2);
        ok = !with_payloads || read_payloads(r->c, sqlite_number(r->q, 0), room, st);
        more = ok && visit(user, &room->row);
        row_room_clear(room);
    }
    return ok;
}

bool sqlite_read_commits(struct store *store, uint64_t from, uint64_t through, bool with_payloads,
                         store_row_visitor *visit, void *user, struct status *st)
{
    struct reading r;
    if (!log_is_known(store, st)) {
        return false;
    }
    bool ok = begin_reading(&r, store, SQL_READ_COMMITS, st);
    if (ok) {
        sqlite_bind_number(r.q, 1, from);
        sqlite_bind_number(r.q, 2, through);
        ok = walk_commits(&r, with_payloads, visit, user, st);
    }
    end_reading(&r);
    return ok;
}

/* ---- Versions ---- */

/* Rows of record, hash, change id, salt, payload. */
static bool walk_versions(struct reading *r, bool with_payloads, store_row_visitor *visit,
                          void *user, struct status *st)
{
    AUTO(row_room_free) struct row_room *room = row_room_new();
    bool ok = true;
    bool more = true;
    while (ok && more && next_row(r->c, r->q, &ok, "reading versions", st)) {
        room->row.record = sqlite_buf(r->q, 0);
        room->row.hash = sqlite_hash(r->q, 1);
        room->row.index = sqlite_change_index(sqlite_number(r->q, 2));
        ok = !with_payloads || sqlite_payload(room, r->q, room->row.index, 3, st);
        more = ok && visit(user, &room->row);
        row_room_clear(room);
    }
    return ok;
}

bool sqlite_read_versions(struct store *store, const char *environment, const char *service,
                          uint64_t from, uint64_t down_to, bool with_payloads,
                          store_row_visitor *visit, void *user, struct status *st)
{
    struct reading r;
    bool ok = begin_reading(&r, store, SQL_READ_VERSIONS, st);
    if (ok) {
        sqlite_bind_text(r.q, 1, environment);
        sqlite_bind_text(r.q, 2, service);
        sqlite_bind_number(r.q, 3, down_to);
        sqlite_bind_number(r.q, 4, from);
        ok = walk_versions(&r, with_payloads, visit, user, st);
    }
    end_reading(&r);
    return ok;
}

bool sqlite_read_version(struct store *store, const char *environment, const char *service,
                         uint64_t version, store_row_visitor *visit, void *user, struct status *st)
{
    return sqlite_read_versions(store, environment, service, version, version, true, visit, user,
                                st);
}

/* ---- Looking up ---- */

static bool find_before(struct store *store, enum statement which, const char *environment,
                        const char *service, uint64_t revision, uint64_t *ret_id, struct status *st)
{
    struct reading r;
    bool ok = begin_reading(&r, store, which, st);
    if (ok) {
        sqlite_bind_text(r.q, 1, environment);
        sqlite_bind_text(r.q, 2, service);
        sqlite3_bind_int64(r.q, 3, sqlite_last_change_id(revision));
        ok = sqlite_find_number(r.c, r.q, ret_id, st);
    }
    end_reading(&r);
    return ok;
}

bool sqlite_find_change(struct store *store, const char *environment, const char *service,
                        uint64_t revision, uint64_t *ret_revision, uint32_t *ret_index,
                        struct status *st)
{
    uint64_t brought = 0;
    uint64_t removed = 0;
    if (!find_before(store, SQL_FIND_VERSION_BEFORE, environment, service, revision, &brought,
                     st) ||
        !find_before(store, SQL_FIND_REMOVAL_BEFORE, environment, service, revision, &removed,
                     st)) {
        return false;
    }
    uint64_t id = brought > removed ? brought : removed;
    *ret_revision = sqlite_change_revision(id);
    *ret_index = sqlite_change_index(id);
    return true;
}

bool sqlite_find_requests(struct store *store, const struct hash *keys, size_t n,
                          uint64_t *revisions, struct status *st)
{
    struct reading r;
    bool ok = begin_reading(&r, store, SQL_FIND_REQUEST, st);
    for (size_t i = 0; i < n && ok; i++) {
        sqlite3_bind_blob(r.q, 1, keys[i].bytes, HASH_SIZE, SQLITE_STATIC);
        ok = sqlite_find_number(r.c, r.q, &revisions[i], st);
    }
    end_reading(&r);
    return ok;
}
