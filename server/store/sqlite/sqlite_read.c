#include "sqlite_read.h"

#include "sqlite_rows.h"

/* ---- A statement on a reader ---- */

/* The resources of a read, from its begin to its end. */
struct sqlite_reading {
    struct sqlite_store *s;
    struct connection *c; /* NULL: none was to be had */
    sqlite3_stmt *q;      /* NULL: it cannot be prepared */
};

static bool begin_reading(struct sqlite_reading *r, struct store *store, enum statement which,
                          struct status *st)
{
    *r = (struct sqlite_reading){.s = sqlite_of(store)};
    r->c = sqlite_take_reader(r->s, st);
    r->q = r->c == NULL ? NULL : connection_statement(r->c, which, st);
    return r->q != NULL;
}

static void end_reading(struct sqlite_reading *r)
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

static bool read_tail(struct sqlite_reading *r, uint64_t *ret_revision, struct buf **ret_record,
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
    struct sqlite_reading r;
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

static bool walk_commits(struct sqlite_reading *r, bool with_payloads, store_row_visitor *visit,
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
    struct sqlite_reading r;
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

static void bind_versions(struct sqlite_reading *r, const char *environment, const char *service,
                          uint64_t from, uint64_t down_to)
{
    sqlite_bind_text(r->q, 1, environment);
    sqlite_bind_text(r->q, 2, service);
    sqlite_bind_number(r->q, 3, down_to);
    sqlite_bind_number(r->q, 4, from);
}

/* Reads the next row of record, hash, change id, salt, payload into an empty room. False where
 * there is none; *ok is false then if the store has failed. */
static bool next_version(struct sqlite_reading *r, bool with_payload, struct row_room *room,
                         bool *ok, struct status *st)
{
    if (!next_row(r->c, r->q, ok, "reading versions", st)) {
        return false;
    }
    room->row.record = sqlite_buf(r->q, 0);
    room->row.hash = sqlite_hash(r->q, 1);
    room->row.index = sqlite_change_index(sqlite_number(r->q, 2));
    *ok = !with_payload || sqlite_payload(room, r->q, room->row.index, 3, st);
    return *ok;
}

static bool walk_versions(struct sqlite_reading *r, bool with_payloads, store_row_visitor *visit,
                          void *user, struct status *st)
{
    AUTO(row_room_free) struct row_room *room = row_room_new();
    bool ok = true;
    bool more = true;
    while (more && next_version(r, with_payloads, room, &ok, st)) {
        more = visit(user, &room->row);
        row_room_clear(room);
    }
    return ok;
}

bool sqlite_read_versions(struct store *store, const char *environment, const char *service,
                          uint64_t from, uint64_t down_to, bool with_payloads,
                          store_row_visitor *visit, void *user, struct status *st)
{
    struct sqlite_reading r;
    bool ok = begin_reading(&r, store, SQL_READ_VERSIONS, st);
    if (ok) {
        bind_versions(&r, environment, service, from, down_to);
        ok = walk_versions(&r, with_payloads, visit, user, st);
    }
    end_reading(&r);
    return ok;
}

bool sqlite_find_versions(struct store *store, const struct store_version *versions, size_t n,
                          store_found_visitor *visit, void *user, struct status *st)
{
    struct sqlite_reading r;
    AUTO(row_room_free) struct row_room *room = row_room_new();
    bool ok = begin_reading(&r, store, SQL_READ_VERSIONS, st);
    bool more = true;
    for (size_t i = 0; ok && more && i < n; i++) {
        bind_versions(&r, versions[i].environment, versions[i].service, versions[i].version,
                      versions[i].version);
        if (next_version(&r, true, room, &ok, st)) {
            more = visit(user, i, &room->row);
        }
        row_room_clear(room);
        sqlite3_reset(r.q);
    }
    end_reading(&r);
    return ok;
}

/* ---- Looking up ---- */

static bool find_before(struct connection *c, enum statement which,
                        const struct store_config *config, uint64_t revision, uint64_t *ret_id,
                        struct status *st)
{
    sqlite3_stmt *q = connection_statement(c, which, st);
    if (q == NULL) {
        return false;
    }
    sqlite_bind_text(q, 1, config->environment);
    sqlite_bind_text(q, 2, config->service);
    sqlite3_bind_int64(q, 3, sqlite_last_change_id(revision));
    return sqlite_find_number(c, q, ret_id, st);
}

/* The id of the config's newest change at or before a revision; 0: there is none. */
static bool find_change(struct connection *c, const struct store_config *config, uint64_t revision,
                        uint64_t *ret_id, struct status *st)
{
    uint64_t brought = 0;
    uint64_t removed = 0;
    if (!find_before(c, SQL_FIND_VERSION_BEFORE, config, revision, &brought, st) ||
        !find_before(c, SQL_FIND_REMOVAL_BEFORE, config, revision, &removed, st)) {
        return false;
    }
    *ret_id = brought > removed ? brought : removed;
    return true;
}

/* Reads the commit of a change into an empty room. */
static bool read_change(struct sqlite_reading *r, uint64_t id, struct row_room *room,
                        struct status *st)
{
    bool ok;
    sqlite_bind_number(r->q, 1, sqlite_change_revision(id));
    sqlite_bind_number(r->q, 2, sqlite_change_revision(id));
    if (next_row(r->c, r->q, &ok, "reading a change", st)) {
        room->row.record = sqlite_buf(r->q, 1);
        room->row.hash = sqlite_hash(r->q, 2);
        room->row.index = sqlite_change_index(id);
    } else {
        ok = ok && sqlite_damaged(st, "a change has no commit");
    }
    sqlite3_reset(r->q);
    return ok;
}

static bool walk_changes(struct sqlite_reading *r, const struct store_config *configs, size_t n,
                         uint64_t revision, store_found_visitor *visit, void *user,
                         struct status *st)
{
    AUTO(row_room_free) struct row_room *room = row_room_new();
    bool ok = true;
    bool more = true;
    for (size_t i = 0; ok && more && i < n; i++) {
        uint64_t id = 0;
        ok = find_change(r->c, &configs[i], revision, &id, st);
        if (ok && id != 0) {
            ok = read_change(r, id, room, st);
            more = ok && visit(user, i, &room->row);
            row_room_clear(room);
        }
    }
    return ok;
}

bool sqlite_find_changes(struct store *store, const struct store_config *configs, size_t n,
                         uint64_t revision, store_found_visitor *visit, void *user,
                         struct status *st)
{
    struct sqlite_reading r;
    if (!log_is_known(store, st)) {
        return false;
    }
    bool ok = begin_reading(&r, store, SQL_READ_COMMITS, st) &&
              walk_changes(&r, configs, n, revision, visit, user, st);
    end_reading(&r);
    return ok;
}

bool sqlite_find_requests(struct store *store, const struct hash *keys, size_t n,
                          uint64_t *revisions, struct status *st)
{
    struct sqlite_reading r;
    bool ok = begin_reading(&r, store, SQL_FIND_REQUEST, st);
    for (size_t i = 0; i < n && ok; i++) {
        sqlite3_bind_blob(r.q, 1, keys[i].bytes, HASH_SIZE, SQLITE_STATIC);
        ok = sqlite_find_number(r.c, r.q, &revisions[i], st);
    }
    end_reading(&r);
    return ok;
}
