#include "sqlite_db.h"

#include <assert.h>
#include <string.h>

#include "clock.h"
#include "sqlite_vfs.h"

#define LOOK_EVERY_STEPS 1000 /* of SQLite's virtual machine, which runs millions a second */
#define LOCK_PAUSE_MS 25

static const char *const texts[SQL_COUNT] = {
    [SQL_BEGIN] = "BEGIN IMMEDIATE",
    [SQL_COMMIT] = "COMMIT",
    [SQL_ROLLBACK] = "ROLLBACK",
    [SQL_INSERT_COMMIT] = "INSERT INTO commits(revision, record, hash, request_key) "
                          "VALUES(?1, ?2, ?3, ?4)",
    [SQL_INSERT_CHANGE] = "INSERT INTO changes(id, environment, service, version, brings, salt, "
                          "payload) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    [SQL_FIND_HEAD] = "SELECT row_revision, seal FROM heads WHERE environment = ?1 AND "
                      "service = ?2",
    [SQL_PUT_HEAD] = "INSERT OR REPLACE INTO heads(environment, service, version, last_version, "
                     "first_live_version, first_kept_version, mod_revision, row_revision, "
                     "change_id, holes, seal) "
                     "VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
    [SQL_FORGET_HEADS] = "DELETE FROM heads",
    [SQL_PUT_MARK] = "INSERT OR REPLACE INTO marks(mark, value, digest, seal) "
                     "VALUES(?1, ?2, ?3, ?4)",
    [SQL_NEXT_PAYLOAD] = "SELECT version FROM changes WHERE environment = ?1 AND service = ?2 AND "
                         "version BETWEEN ?3 AND ?4 AND brings = 1 ORDER BY version LIMIT 1",
    [SQL_SCRUB] = "UPDATE changes SET salt = NULL, payload = 'erased' WHERE environment = ?1 AND "
                  "service = ?2 AND version = ?3 AND brings = 1 AND payload <> 'erased'",
    [SQL_DROP] = "UPDATE changes SET salt = NULL, payload = 'compacted' WHERE environment = ?1 AND "
                 "service = ?2 AND version = ?3 AND brings = 1 AND typeof(payload) = 'blob'",
    [SQL_FREE_PAGES] = "PRAGMA incremental_vacuum(4)",
    [SQL_TAIL] = "SELECT revision, record, hash FROM commits ORDER BY revision DESC LIMIT 1",
    [SQL_READ_COMMITS] = "SELECT revision, record, hash FROM commits WHERE revision BETWEEN ?1 "
                         "AND ?2 ORDER BY revision",
    [SQL_READ_PAYLOADS] = "SELECT id, salt, payload FROM changes WHERE id BETWEEN ?1 AND ?2 AND "
                          "brings = 1 ORDER BY id",
    [SQL_READ_VERSIONS] = "SELECT c.record, c.hash, v.id, v.salt, v.payload FROM changes v JOIN "
                          "commits c ON c.revision = v.id >> 7 WHERE v.environment = ?1 AND "
                          "v.service = ?2 AND v.version BETWEEN ?3 AND ?4 AND v.brings = 1 "
                          "ORDER BY v.version DESC",
    [SQL_FIND_VERSION_BEFORE] = "SELECT id FROM changes WHERE environment = ?1 AND service = ?2 "
                                "AND brings = 1 AND id <= ?3 ORDER BY version DESC LIMIT 1",
    [SQL_FIND_REMOVAL_BEFORE] = "SELECT id FROM changes WHERE environment = ?1 AND service = ?2 "
                                "AND brings = 0 AND id <= ?3 ORDER BY id DESC LIMIT 1",
    [SQL_FIND_REQUEST] = "SELECT revision FROM commits WHERE request_key = ?1 ORDER BY revision "
                         "LIMIT 1",
    [SQL_VERSION_AT] = "SELECT version, id FROM changes WHERE environment = ?1 AND service = ?2 "
                       "AND version >= ?3 AND brings = 1 ORDER BY version LIMIT 1",
    [SQL_VERSIONS_DOWN] = "SELECT id FROM changes WHERE environment = ?1 AND service = ?2 AND "
                          "version <= ?3 AND brings = 1 ORDER BY version DESC",
    [SQL_VERSIONS_UP] = "SELECT id FROM changes WHERE environment = ?1 AND service = ?2 AND "
                        "version >= ?3 AND brings = 1 ORDER BY version",
    [SQL_REMOVALS_DOWN] = "SELECT id FROM changes WHERE environment = ?1 AND service = ?2 AND "
                          "id <= ?3 AND brings = 0 ORDER BY id DESC",
    [SQL_REMOVALS_UP] = "SELECT id FROM changes WHERE environment = ?1 AND service = ?2 AND "
                        "id >= ?3 AND brings = 0 ORDER BY id",
    [SQL_LOAD_HEADS] =
        "SELECT h.environment, h.service, h.version, h.last_version, h.first_live_version, "
        "h.first_kept_version, h.mod_revision, h.row_revision, h.change_id, h.holes, c.record, "
        "c.hash, v.salt, v.payload, h.seal "
        "FROM heads h LEFT JOIN changes v ON v.id = h.change_id LEFT JOIN commits c ON "
        "c.revision = h.change_id >> 7",
    [SQL_GET_MARK] = "SELECT value, digest, seal FROM marks WHERE mark = ?1",
};

bool sqlite_fault(struct connection *c, const char *doing, struct status *st)
{
    int code = sqlite3_errcode(c->db) & 0xFF;
    bool damaged = code == SQLITE_CORRUPT || code == SQLITE_NOTADB;
    return status_set(st, damaged ? STATUS_DATA_LOSS : STATUS_UNAVAILABLE,
                      damaged ? "STORE_DAMAGED" : "STORE_UNAVAILABLE", "the store, %s: %s", doing,
                      sqlite3_errmsg(c->db));
}

bool connection_run(struct connection *c, const char *sql, struct status *st)
{
    return sqlite3_exec(c->db, sql, NULL, NULL, NULL) == SQLITE_OK ||
           sqlite_fault(c, "setting up", st);
}

bool connection_number(struct connection *c, const char *sql, int64_t *ret, struct status *st)
{
    sqlite3_stmt *q = NULL;
    if (sqlite3_prepare_v2(c->db, sql, -1, &q, NULL) != SQLITE_OK) {
        return sqlite_fault(c, "asking", st);
    }
    int code = sqlite3_step(q);
    *ret = code == SQLITE_ROW ? sqlite3_column_int64(q, 0) : 0;
    bool ok = code == SQLITE_ROW || code == SQLITE_DONE || sqlite_fault(c, "asking", st);
    sqlite3_finalize(q);
    return ok;
}

/* SQLite counts the memory it has under a lock, which each allocation takes. That cannot be turned
 * off any more where the program has used SQLite before: then it goes on counting. */
static void set_up(void)
{
    sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
    sqlite_vfs_register();
}

bool connection_open(struct connection *c, const char *path, const char *vfs, struct status *st)
{
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX;
    *c = (struct connection){.db = NULL};
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, set_up);
    if (sqlite3_open_v2(path, &c->db, flags, vfs) != SQLITE_OK) {
        return sqlite_fault(c, "opening", st);
    }
    sqlite3_extended_result_codes(c->db, 1);
    sqlite3_busy_timeout(c->db, BUSY_MS);
    return connection_run(c, "PRAGMA temp_store = MEMORY; PRAGMA cache_size = -16384", st);
}

static bool is_over(const struct connection *c)
{
    return atomic_load_explicit(c->interrupted, memory_order_relaxed) ||
           clock_monotonic_ns() >= store_deadline();
}

/* SQLite's progress handler, called between steps; non-zero interrupts the statement. */
static int look_at_time(void *user)
{
    return is_over(user);
}

/* SQLite's busy handler; 0 gives up waiting for the lock. */
static int wait_for_lock(void *user, int times)
{
    struct connection *c = user;
    int64_t now_ns = clock_monotonic_ns();
    c->lock_wait_ns = times == 0 ? now_ns : c->lock_wait_ns;
    if (is_over(c) || now_ns - c->lock_wait_ns >= BUSY_MS * INT64_C(1000000)) {
        return 0;
    }
    sqlite3_sleep(times < LOCK_PAUSE_MS ? times + 1 : LOCK_PAUSE_MS);
    return 1;
}

void connection_bound(struct connection *c, const atomic_bool *interrupted)
{
    c->interrupted = interrupted;
    sqlite3_busy_handler(c->db, wait_for_lock, c);
    sqlite3_progress_handler(c->db, LOOK_EVERY_STEPS, look_at_time, c);
}

void connection_close(struct connection *c)
{
    for (size_t i = 0; i < SQL_COUNT; i++) {
        sqlite3_finalize(c->statements[i]);
    }
    sqlite3_close(c->db);
    *c = (struct connection){.db = NULL};
}

sqlite3_stmt *connection_statement(struct connection *c, enum statement which, struct status *st)
{
    sqlite3_stmt **statement = &c->statements[which];
    if (*statement == NULL && sqlite3_prepare_v3(c->db, texts[which], -1, SQLITE_PREPARE_PERSISTENT,
                                                 statement, NULL) != SQLITE_OK) {
        sqlite_fault(c, "preparing", st);
        return NULL;
    }
    sqlite3_reset(*statement);
    return *statement;
}

/* ---- Readers ---- */

static struct connection *make_reader(struct sqlite_store *s, struct status *st)
{
    struct connection *c = mem_zalloc(sizeof *c);
    if (!connection_open(c, s->file.path, NULL, st)) {
        connection_close(c);
        free(c);
        return NULL;
    }
    connection_bound(c, &s->interrupted);
    return c;
}

struct connection *sqlite_take_reader(struct sqlite_store *s, struct status *st)
{
    pthread_mutex_lock(&s->lock);
    while (s->n_free == 0 && s->n_readers == READERS) {
        pthread_cond_wait(&s->reader_free, &s->lock);
    }
    struct connection *c = s->n_free > 0 ? s->readers[--s->n_free] : NULL;
    s->n_readers += c == NULL;
    pthread_mutex_unlock(&s->lock);
    if (c != NULL || (c = make_reader(s, st)) != NULL) {
        return c;
    }
    pthread_mutex_lock(&s->lock);
    s->n_readers--;
    pthread_cond_signal(&s->reader_free);
    pthread_mutex_unlock(&s->lock);
    return NULL;
}

void sqlite_give_reader(struct sqlite_store *s, struct connection *c)
{
    pthread_mutex_lock(&s->lock);
    assert(s->n_free < s->n_readers && "a reader is given back once");
    s->readers[s->n_free++] = c;
    pthread_cond_signal(&s->reader_free);
    pthread_mutex_unlock(&s->lock);
}
