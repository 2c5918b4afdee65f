#include "sqlite_heads.h"

#include <inttypes.h>
#include <stdio.h>

#include "seal.h"
#include "sqlite_rows.h"
#include "sqlite_write.h"

/* ---- Marks ---- */

static bool mark_damaged(enum store_mark mark, const char *what, struct status *st)
{
    return status_set(st, STATUS_DATA_LOSS, "STORE_DAMAGED", "the store: mark %d %s", (int)mark,
                      what);
}

/* A blob of no bytes stands for the digest of no heads. */
static bool take_mark(const struct store_identity *identity, enum store_mark mark, sqlite3_stmt *q,
                      struct mark_row *ret_row, struct status *st)
{
    struct hash stored = sqlite_hash(q, 2);
    size_t n = (size_t)sqlite3_column_bytes(q, 1);
    *ret_row = (struct mark_row){.value = sqlite_number(q, 0)};
    if (n == HEADS_DIGEST_BYTES) {
        heads_digest_decode(sqlite3_column_blob(q, 1), &ret_row->digest);
    }
    struct hash seal = seal_of_mark(identity, mark, ret_row);
    return ((n == 0 || n == HEADS_DIGEST_BYTES) && hash_equal(&seal, &stored)) ||
           mark_damaged(mark, "does not match its seal", st);
}

static bool read_mark(struct sqlite_store *s, struct connection *c, enum store_mark mark,
                      struct mark_row *ret_row, struct status *st)
{
    sqlite3_stmt *q = connection_statement(c, SQL_GET_MARK, st);
    if (q == NULL) {
        return false;
    }
    sqlite3_bind_int(q, 1, (int)mark);
    int code = sqlite3_step(q);
    bool ok = code == SQLITE_ROW    ? take_mark(&s->store.identity, mark, q, ret_row, st)
              : code == SQLITE_DONE ? mark_damaged(mark, "is missing", st)
                                    : sqlite_fault(c, "reading a mark", st);
    sqlite3_reset(q);
    return ok;
}

static bool write_mark(struct sqlite_store *s, enum store_mark mark, const struct mark_row *row,
                       struct status *st)
{
    struct connection *c = &s->keeper;
    sqlite3_stmt *q = connection_statement(c, SQL_PUT_MARK, st);
    if (q == NULL) {
        return false;
    }
    uint8_t digest[HEADS_DIGEST_BYTES];
    struct hash seal = seal_of_mark(&s->store.identity, mark, row);
    heads_digest_encode(&row->digest, digest);
    sqlite3_bind_int(q, 1, (int)mark);
    sqlite_bind_number(q, 2, row->value);
    sqlite3_bind_blob(q, 3, digest, mark == STORE_MARK_HEADS ? sizeof digest : 0, SQLITE_STATIC);
    sqlite3_bind_blob(q, 4, seal.bytes, HASH_SIZE, SQLITE_STATIC);
    return sqlite_step(c, q, "writing a mark", st);
}

void sqlite_add_marks(const struct store_identity *identity, uint64_t relayed, struct str *sql)
{
    for (int i = 1; i < STORE_MARKS; i++) {
        struct mark_row row = {.value = i == STORE_MARK_RELAYED ? relayed : 0};
        struct hash seal = seal_of_mark(identity, (enum store_mark)i, &row);
        char text[2 * HASH_SIZE + 1];
        hex_encode(seal.bytes, HASH_SIZE, text);
        str_addf(sql, "INSERT INTO marks VALUES(%d, %" PRIu64 ", x'', x'%s');", i, row.value, text);
    }
}

bool sqlite_get_mark(struct store *store, enum store_mark mark, uint64_t *ret_value,
                     struct status *st)
{
    struct sqlite_store *s = sqlite_of(store);
    struct connection *c = sqlite_take_reader(s, st);
    struct mark_row row;
    bool ok = c != NULL && read_mark(s, c, mark, &row, st);
    if (ok) {
        *ret_value = row.value;
    }
    if (c != NULL) {
        sqlite_give_reader(s, c);
    }
    return ok;
}

/* Clamps to the largest integer of SQLite. */
static uint64_t storable(uint64_t value)
{
    return value > INT64_MAX ? INT64_MAX : value;
}

static bool raise_mark(struct sqlite_store *s, enum store_mark mark, uint64_t value,
                       struct status *st)
{
    struct mark_row row;
    if (!read_mark(s, &s->keeper, mark, &row, st)) {
        return false;
    }
    if (row.value >= value) {
        return true;
    }
    row.value = storable(value);
    return write_mark(s, mark, &row, st);
}

bool sqlite_set_mark(struct store *store, enum store_mark mark, uint64_t value, struct status *st)
{
    struct sqlite_store *s = sqlite_of(store);
    struct sqlite_piece piece;
    return sqlite_begin_piece(s, &piece, st) &&
           sqlite_finish_piece(&piece, raise_mark(s, mark, value, st), st);
}

static bool move_mark(struct sqlite_store *s, enum store_mark mark, uint64_t from, uint64_t to,
                      bool *ret_moved, struct status *st)
{
    struct mark_row row;
    if (!read_mark(s, &s->keeper, mark, &row, st)) {
        return false;
    }
    bool stands = row.value == from;
    row.value = storable(to);
    if (stands && !write_mark(s, mark, &row, st)) {
        return false;
    }
    *ret_moved = stands;
    return true;
}

bool sqlite_move_mark(struct store *store, enum store_mark mark, uint64_t from, uint64_t to,
                      bool *ret_moved, struct status *st)
{
    struct sqlite_store *s = sqlite_of(store);
    struct sqlite_piece piece;
    return sqlite_begin_piece(s, &piece, st) &&
           sqlite_finish_piece(&piece, move_mark(s, mark, from, to, ret_moved, st), st);
}

/* ---- Saving heads ---- */

/* The needed columns of a stored head. */
struct stored_head {
    bool found;
    uint64_t row_revision;
    struct hash seal;
};

static bool find_stored(struct sqlite_store *s, const struct head *head, struct stored_head *ret,
                        struct status *st)
{
    sqlite3_stmt *q = connection_statement(&s->keeper, SQL_FIND_HEAD, st);
    if (q == NULL) {
        return false;
    }
    sqlite_bind_text(q, 1, head_environment(head));
    sqlite_bind_text(q, 2, head_service(head));
    int code = sqlite3_step(q);
    ret->found = code == SQLITE_ROW;
    if (ret->found) {
        ret->row_revision = sqlite_number(q, 0);
        ret->seal = sqlite_hash(q, 1);
    }
    bool ok = ret->found || code == SQLITE_DONE || sqlite_fault(&s->keeper, "finding a head", st);
    sqlite3_reset(q);
    return ok;
}

static bool put_head(struct sqlite_store *s, const struct store_head_row *row,
                     const struct hash *seal, struct status *st)
{
    sqlite3_stmt *q = connection_statement(&s->keeper, SQL_PUT_HEAD, st);
    if (q == NULL) {
        return false;
    }
    sqlite_bind_text(q, 1, row->environment);
    sqlite_bind_text(q, 2, row->service);
    sqlite_bind_number(q, 3, row->version);
    sqlite_bind_number(q, 4, row->last_version);
    sqlite_bind_number(q, 5, row->first_live_version);
    sqlite_bind_number(q, 6, row->first_kept_version);
    sqlite_bind_number(q, 7, row->mod_revision);
    sqlite_bind_number(q, 8, row->row_revision);
    sqlite3_bind_int64(q, 9, sqlite_change_id(row->revision, row->index));
    sqlite3_bind_blob(q, 10, row->n_holes == 0 ? (const void *)"" : row->holes,
                      (int)(row->n_holes * sizeof row->holes[0]), SQLITE_STATIC);
    sqlite3_bind_blob(q, 11, seal->bytes, HASH_SIZE, SQLITE_STATIC);
    return sqlite_step(&s->keeper, q, "saving heads", st);
}

static bool save_head(struct sqlite_store *s, const struct head *head, struct heads_digest *digest,
                      struct status *st)
{
    struct stored_head stored;
    if (!find_stored(s, head, &stored, st)) {
        return false;
    }
    if (stored.found && stored.row_revision >= head->row_revision) {
        return true;
    }
    struct store_head_row row = store_head_row_of(head);
    struct hash seal = seal_of_head(&row);
    if (stored.found) {
        heads_digest_remove(digest, &stored.seal);
    }
    heads_digest_add(digest, &seal);
    return put_head(s, &row, &seal, st);
}

/* The progress of saving heads. */
struct saving {
    struct head *const *heads; /* borrowed */
    size_t n, at;
    uint64_t through; /* the mark, once all heads are saved */
};

/* The digest changes with the heads, the value of the mark with the last of them. Heads that are
 * newer than the mark do no harm: the commits that brought them are passed over when the log behind
 * the mark is read. */
static bool save_some(struct sqlite_store *s, const struct sqlite_piece *piece,
                      struct saving *saving, struct status *st)
{
    struct mark_row mark;
    if (!read_mark(s, &s->keeper, STORE_MARK_HEADS, &mark, st)) {
        return false;
    }
    do {
        if (saving->at < saving->n &&
            !save_head(s, saving->heads[saving->at++], &mark.digest, st)) {
            return false;
        }
    } while (saving->at < saving->n && sqlite_piece_goes_on(piece));
    if (saving->at == saving->n && mark.value < saving->through) {
        mark.value = storable(saving->through);
    }
    return write_mark(s, STORE_MARK_HEADS, &mark, st);
}

bool sqlite_save_heads(struct store *store, struct head *const *heads, size_t n, uint64_t through,
                       struct status *st)
{
    struct sqlite_store *s = sqlite_of(store);
    struct saving saving = {.heads = heads, .n = n, .through = through};
    do {
        struct sqlite_piece piece;
        if (!sqlite_begin_piece(s, &piece, st) ||
            !sqlite_finish_piece(&piece, save_some(s, &piece, &saving, st), st)) {
            return false;
        }
    } while (saving.at < n);
    return true;
}

/* RELAYED is kept, because it cannot be rebuilt from the log. */
static bool forget_all(struct sqlite_store *s, struct status *st)
{
    static const struct mark_row nothing;
    bool ok = sqlite_run(&s->keeper, SQL_FORGET_HEADS, "forgetting heads", st);
    for (int mark = 1; mark < STORE_MARKS && ok; mark++) {
        ok = mark == STORE_MARK_RELAYED || write_mark(s, (enum store_mark)mark, &nothing, st);
    }
    return ok;
}

bool sqlite_forget_heads(struct store *store, struct status *st)
{
    struct sqlite_store *s = sqlite_of(store);
    struct sqlite_piece piece;
    return sqlite_begin_piece(s, &piece, st) && sqlite_finish_piece(&piece, forget_all(s, st), st);
}

/* ---- Loading heads ---- */

struct head_rows {
    struct sqlite_store *s;
    struct connection *c;
    sqlite3_stmt *q;
    struct row_room *room; /* owned */
    struct heads_digest digest;
    store_head_row_visitor *visit;
    void *user;
    struct status *st;
};

/* Borrows everything from the statement except the holes. False if a name is missing. */
static bool take_head_row(sqlite3_stmt *q, struct store_head_row *row)
{
    *row = (struct store_head_row){
        .environment = (const char *)sqlite3_column_text(q, 0),
        .service = (const char *)sqlite3_column_text(q, 1),
        .version = sqlite_number(q, 2),
        .last_version = sqlite_number(q, 3),
        .first_live_version = sqlite_number(q, 4),
        .first_kept_version = sqlite_number(q, 5),
        .mod_revision = sqlite_number(q, 6),
        .row_revision = sqlite_number(q, 7),
        .revision = sqlite_change_revision(sqlite_number(q, 8)),
        .index = sqlite_change_index(sqlite_number(q, 8)),
        .n_holes = (size_t)sqlite3_column_bytes(q, 9) / sizeof(uint64_t),
    };
    return row->environment != NULL && row->service != NULL;
}

static bool check_seal(struct head_rows *rows, const struct store_head_row *row)
{
    struct hash seal = seal_of_head(row);
    struct hash stored = sqlite_hash(rows->q, 14);
    heads_digest_add(&rows->digest, &seal);
    return hash_equal(&seal, &stored) || sqlite_damaged(rows->st, "a head does not match its seal");
}

static bool take_newest(struct head_rows *rows, struct store_head_row *row)
{
    if (row->version == 0 || sqlite3_column_type(rows->q, 10) == SQLITE_NULL) {
        return true;
    }
    rows->room->row.record = sqlite_buf(rows->q, 10);
    rows->room->row.hash = sqlite_hash(rows->q, 11);
    rows->room->row.index = row->index;
    row->newest = &rows->room->row;
    return sqlite_payload(rows->room, rows->q, row->index, 12, rows->st);
}

/* *ret_more: the visitor wants the next head. */
static bool visit_head(struct head_rows *rows, bool *ret_more)
{
    struct store_head_row row;
    if (!take_head_row(rows->q, &row)) {
        return sqlite_damaged(rows->st, "a head without a name");
    }
    AUTO(free) uint64_t *holes = mem_array(row.n_holes, sizeof *holes);
    if (row.n_holes > 0) {
        memcpy(holes, sqlite3_column_blob(rows->q, 9), row.n_holes * sizeof *holes);
    }
    row.holes = holes;
    if (!check_seal(rows, &row)) {
        return false;
    }
    bool ok = take_newest(rows, &row);
    *ret_more = ok && rows->visit(rows->user, &row);
    row_room_clear(rows->room);
    return ok;
}

static bool check_digest(struct head_rows *rows)
{
    struct mark_row mark;
    return read_mark(rows->s, rows->c, STORE_MARK_HEADS, &mark, rows->st) &&
           (heads_digest_equal(&mark.digest, &rows->digest) ||
            sqlite_damaged(rows->st, "its heads are not all, or not all of one moment"));
}

static bool walk_heads(struct head_rows *rows)
{
    for (bool more = true; more;) {
        int code = sqlite3_step(rows->q);
        if (code == SQLITE_DONE) {
            return check_digest(rows);
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

/* Reads heads and mark in one transaction, so that the digest matches. */
static bool load_heads(struct head_rows *rows)
{
    if (!connection_run(rows->c, "BEGIN", rows->st)) {
        return false;
    }
    rows->q = connection_statement(rows->c, SQL_LOAD_HEADS, rows->st);
    bool ok = rows->q != NULL && walk_heads(rows);
    sqlite3_reset(rows->q);
    struct status ignored;
    connection_run(rows->c, "COMMIT", &ignored);
    return ok;
}

bool sqlite_load_heads(struct store *store, store_head_row_visitor *visit, void *user,
                       struct status *st)
{
    struct sqlite_store *s = sqlite_of(store);
    struct connection *c = sqlite_take_reader(s, st);
    if (c == NULL) {
        return false;
    }
    struct head_rows rows = {
        .s = s, .c = c, .room = row_room_new(), .visit = visit, .user = user, .st = st};
    bool ok = load_heads(&rows);
    row_room_free(rows.room);
    sqlite_give_reader(s, c);
    return ok;
}
