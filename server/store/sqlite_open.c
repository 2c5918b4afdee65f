#include "sqlite_open.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "sqlite.h"

#define APPLICATION_ID 0x636f6e66 /* "conf" */
#define CHECKPOINT_PAGES 10000
#define LAST_PAGES 256 /* copied while writes wait: a few milliseconds */
#define COPIES 4

static const char tables[] =
    "CREATE TABLE meta(name TEXT PRIMARY KEY, value) WITHOUT ROWID;"
    "CREATE TABLE marks(mark INTEGER PRIMARY KEY, value INTEGER NOT NULL);"
    "CREATE TABLE commits(revision INTEGER PRIMARY KEY, record BLOB NOT NULL, hash BLOB NOT NULL,"
    " request_key BLOB);"
    "CREATE INDEX commits_by_request ON commits(request_key) WHERE request_key IS NOT NULL;"
    /* id: the revision shifted by 7 bits, and the change's place in the commit; payload: a blob,
     * the text 'erased', or NULL where brings is 0 */
    "CREATE TABLE changes(id INTEGER PRIMARY KEY, environment TEXT NOT NULL, service TEXT NOT NULL,"
    " version INTEGER NOT NULL, brings INTEGER NOT NULL, salt BLOB, payload BLOB);"
    "CREATE INDEX changes_by_version ON changes(environment, service, version) WHERE brings = 1;"
    "CREATE INDEX removals ON changes(environment, service, id) WHERE brings = 0;"
    "CREATE TABLE heads(environment TEXT NOT NULL, service TEXT NOT NULL, version INTEGER NOT NULL,"
    " last_version INTEGER NOT NULL, first_live_version INTEGER NOT NULL,"
    " mod_revision INTEGER NOT NULL, row_revision INTEGER NOT NULL, change_id INTEGER NOT NULL,"
    " holes BLOB NOT NULL, seal BLOB NOT NULL, PRIMARY KEY(environment, service)) WITHOUT ROWID;"
    /* mark -1: how many heads there are */
    "CREATE TRIGGER heads_counted AFTER INSERT ON heads BEGIN"
    " INSERT INTO marks VALUES(-1, 1) ON CONFLICT(mark) DO UPDATE SET value = value + 1; END;";

static bool system_fault(struct status *st, const char *doing, const char *path)
{
    return status_set(st, STATUS_UNAVAILABLE, "STORE_UNAVAILABLE", "%s %s: %s", doing, path,
                      strerror(errno));
}

/* ---- Folder and lock ---- */

static bool make_folders(const char *path, struct status *st)
{
    AUTO(free) char *folder = mem_string(path);
    for (char *slash = strchr(folder + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        if (mkdir(folder, 0777) != 0 && errno != EEXIST) {
            return system_fault(st, "making the folder", folder);
        }
        *slash = '/';
    }
    return true;
}

static void write_holder(int file)
{
    char text[24];
    int n = snprintf(text, sizeof text, "%ld\n", (long)getpid());
    /* The number is a help for people; a disk that is full must not keep us from reading. */
    if (ftruncate(file, 0) != 0 || write(file, text, (size_t)n) != n) {
        return;
    }
}

static bool refuse_locked(struct sqlite_store *s, struct status *st)
{
    char holder[24] = "";
    ssize_t n = pread(s->lock_file, holder, sizeof holder - 1, 0);
    holder[n > 0 ? strcspn(holder, "\n") : 0] = '\0';
    return status_set(st, STATUS_FAILED_PRECONDITION, "STORE_LOCKED",
                      "%s is in use by another process%s%s", s->path, n > 0 ? ", number " : "",
                      holder);
}

static bool take_lock(struct sqlite_store *s, struct status *st)
{
    AUTO_STR path = {0};
    str_addf(&path, "%s.lock", s->path);
    s->lock_file = open(path.data, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (s->lock_file < 0) {
        return system_fault(st, "opening", path.data);
    }
    if (flock(s->lock_file, LOCK_EX | LOCK_NB) != 0) {
        return refuse_locked(s, st);
    }
    write_holder(s->lock_file);
    return true;
}

/* ---- What the file is ---- */

static bool foreign(const struct sqlite_store *s, struct status *st)
{
    return status_set(st, STATUS_FAILED_PRECONDITION, "STORE_FOREIGN",
                      "%s is not a store of confreg", s->path);
}

static bool open_writer(struct sqlite_store *s, struct status *st)
{
    if (connection_open(&s->writer, s->path, true, st)) {
        return true;
    }
    bool no_database = (sqlite3_errcode(s->writer.db) & 0xFF) == SQLITE_NOTADB;
    return no_database ? foreign(s, st) : false;
}

/* ret_new: there is nothing in it yet. */
static bool check_kind(struct sqlite_store *s, bool *ret_new, struct status *st)
{
    int64_t application = 0;
    int64_t objects = 0;
    if (!connection_number(&s->writer, "PRAGMA application_id", &application, st) ||
        !connection_number(&s->writer, "SELECT count(*) FROM sqlite_schema", &objects, st)) {
        return false;
    }
    *ret_new = objects == 0;
    return *ret_new || application == APPLICATION_ID || foreign(s, st);
}

static bool check_format(struct sqlite_store *s, struct status *st)
{
    int64_t format = 0;
    if (!connection_number(&s->writer, "SELECT value FROM meta WHERE name = 'format'", &format,
                           st)) {
        return false;
    }
    if (format > STORE_FORMAT) {
        return status_set(st, STATUS_FAILED_PRECONDITION, "STORE_FORMAT_NEWER",
                          "%s has data format %" PRId64 ", this release knows formats up to %d",
                          s->path, format, STORE_FORMAT);
    }
    return format >= 1 || foreign(s, st);
}

static bool create(struct sqlite_store *s, struct status *st)
{
    uint8_t epoch[EPOCH_SIZE];
    uint8_t secret[STORE_SECRET_SIZE];
    char epoch_text[2 * EPOCH_SIZE + 1];
    char secret_text[2 * STORE_SECRET_SIZE + 1];
    random_bytes(epoch, sizeof epoch);
    random_bytes(secret, sizeof secret);
    hex_encode(epoch, sizeof epoch, epoch_text);
    hex_encode(secret, sizeof secret, secret_text);
    AUTO_STR sql = {0};
    str_addf(&sql, "BEGIN IMMEDIATE; PRAGMA application_id = %d; %s", APPLICATION_ID, tables);
    str_addf(&sql,
             "INSERT INTO meta VALUES('format', %d), ('epoch', x'%s'), ('secret', x'%s'); COMMIT",
             STORE_FORMAT, epoch_text, secret_text);
    return connection_run(&s->writer, sql.data, st);
}

static bool read_bytes(struct sqlite_store *s, const char *sql, uint8_t *out, size_t n,
                       struct status *st)
{
    sqlite3_stmt *q = NULL;
    if (sqlite3_prepare_v2(s->writer.db, sql, -1, &q, NULL) != SQLITE_OK) {
        return sqlite_fault(&s->writer, "looking at the file", st);
    }
    bool ok = sqlite3_step(q) == SQLITE_ROW && (size_t)sqlite3_column_bytes(q, 0) == n;
    if (ok) {
        memcpy(out, sqlite3_column_blob(q, 0), n);
    }
    sqlite3_finalize(q);
    return ok || foreign(s, st);
}

/* A log that never got another epoch has no such row. */
static bool read_epochs(struct sqlite_store *s, struct status *st)
{
    sqlite3_stmt *q = NULL;
    if (sqlite3_prepare_v2(s->writer.db, "SELECT value FROM meta WHERE name = 'epochs'", -1, &q,
                           NULL) != SQLITE_OK) {
        return sqlite_fault(&s->writer, "looking at the file", st);
    }
    bool ok = sqlite3_step(q) != SQLITE_ROW ||
              store_epochs_decode(sqlite3_column_blob(q, 0), (size_t)sqlite3_column_bytes(q, 0),
                                  &s->store.identity);
    sqlite3_finalize(q);
    return ok || foreign(s, st);
}

bool sqlite_store_renew(struct store *store, const struct store_identity *identity,
                        struct status *st)
{
    struct sqlite_store *s = sqlite_of(store);
    uint8_t epochs[STORE_EPOCHS_BYTES];
    size_t n = store_epochs_encode(identity, epochs);
    char epoch_text[2 * EPOCH_SIZE + 1];
    char epochs_text[2 * STORE_EPOCHS_BYTES + 1];
    hex_encode(identity->epoch, EPOCH_SIZE, epoch_text);
    hex_encode(epochs, n, epochs_text);
    AUTO_STR sql = {0};
    str_addf(&sql, "INSERT OR REPLACE INTO meta VALUES('epoch', x'%s'), ('epochs', x'%s')",
             epoch_text, epochs_text);
    return connection_run(&s->writer, sql.data, st);
}

static bool read_identity(struct sqlite_store *s, struct status *st)
{
    struct store_identity *identity = &s->store.identity;
    return read_epochs(s, st) &&
           read_bytes(s, "SELECT value FROM meta WHERE name = 'epoch'", identity->epoch, EPOCH_SIZE,
                      st) &&
           read_bytes(s, "SELECT value FROM meta WHERE name = 'secret'", identity->secret,
                      STORE_SECRET_SIZE, st);
}

/* ---- Checkpoints ---- */

/* SQLite leaves the truncation of its log to the next sync: a power cut could bring back what was
 * in it. */
static int sync_log(struct sqlite_store *s)
{
    sqlite3_file *log = NULL;
    int code = sqlite3_file_control(s->writer.db, NULL, SQLITE_FCNTL_JOURNAL_POINTER, &log);
    return code != SQLITE_OK || log == NULL || log->pMethods == NULL
               ? code
               : log->pMethods->xSync(log, SQLITE_SYNC_NORMAL);
}

bool sqlite_empty_log(struct sqlite_store *s, struct status *st)
{
    if (sqlite3_wal_checkpoint_v2(s->writer.db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL) !=
        SQLITE_OK) {
        return sqlite_fault(&s->writer, "emptying the write-ahead log", st);
    }
    atomic_store_explicit(&s->log_pages, 0, memory_order_relaxed);
    return sync_log(s) == SQLITE_OK ||
           status_set(st, STATUS_UNAVAILABLE, "STORE_UNAVAILABLE",
                      "the store, syncing the emptied write-ahead log, failed");
}

void sqlite_want_checkpoint(struct sqlite_store *s)
{
    pthread_mutex_lock(&s->lock);
    s->wants_checkpoint = true;
    pthread_cond_signal(&s->checkpoint_due);
    pthread_mutex_unlock(&s->lock);
}

/* After each commit, on its thread. One that comes while the log is being copied has to ask again.
 */
static int on_commit(void *user, sqlite3 *db, const char *name, int pages)
{
    (void)db;
    (void)name;
    struct sqlite_store *s = user;
    atomic_store_explicit(&s->log_pages, pages, memory_order_relaxed);
    if (pages >= CHECKPOINT_PAGES) {
        sqlite_want_checkpoint(s);
    }
    return SQLITE_OK;
}

/* Until one is wanted; where the last one is to be gone on with, for a moment only. */
static bool wait_for_checkpoint(struct sqlite_store *s, bool go_on_soon)
{
    struct timespec until;
    int waited = 0;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec++;
    pthread_mutex_lock(&s->lock);
    while (!s->stopping && !s->wants_checkpoint && waited == 0) {
        waited = go_on_soon ? pthread_cond_timedwait(&s->checkpoint_due, &s->lock, &until)
                            : pthread_cond_wait(&s->checkpoint_due, &s->lock);
    }
    s->wants_checkpoint = false;
    bool go_on = !s->stopping;
    pthread_mutex_unlock(&s->lock);
    return go_on;
}

/* Whether the file has more pages than the database: those at its end were freed, and something was
 * written while the log was copied that told so. */
static bool is_too_large(struct connection *c, const char *path)
{
    struct stat file;
    struct status ignored;
    int64_t pages = 0;
    int64_t size = 0;
    return stat(path, &file) == 0 && connection_number(c, "PRAGMA page_count", &pages, &ignored) &&
           connection_number(c, "PRAGMA page_size", &size, &ignored) && file.st_size > pages * size;
}

/* Copies what was in the log when it began; returns how many pages are left or came meanwhile, -1:
 * it failed. */
static int copy_pages(struct sqlite_store *s, struct connection *c)
{
    int in_log = 0;
    int copied = 0;
    bool ok = sqlite3_wal_checkpoint_v2(c->db, NULL, SQLITE_CHECKPOINT_PASSIVE, &in_log, &copied) ==
              SQLITE_OK;
    int now = atomic_load_explicit(&s->log_pages, memory_order_relaxed);
    in_log = now > in_log ? now : in_log;
    return ok ? in_log - copied : -1;
}

/* SQLite syncs the database after the copy that leaves nothing, all that was copied before it, too.
 */
static bool sync_database(struct connection *c)
{
    sqlite3_file *file = NULL;
    return sqlite3_file_control(c->db, NULL, SQLITE_FCNTL_FILE_POINTER, &file) == SQLITE_OK &&
           file->pMethods->xSync(file, SQLITE_SYNC_NORMAL) == SQLITE_OK;
}

/* The log is written from its beginning again once all of it has been copied. While writes go on,
 * some come during each copy, so they wait for the last one. Returns whether it is to be done again
 * soon. */
static bool copy_log(struct sqlite_store *s, struct connection *c)
{
    int left = copy_pages(s, c);
    for (int n = 1; n < COPIES && left > LAST_PAGES; n++) {
        left = copy_pages(s, c);
    }
    if (left > 0 && left <= LAST_PAGES && sync_database(c)) {
        pthread_mutex_lock(&s->writing);
        left = copy_pages(s, c);
        pthread_mutex_unlock(&s->writing);
    }
    return left != 0 || is_too_large(c, s->path);
}

/* Beside the committer. */
static void *checkpoint(void *argument)
{
    struct sqlite_store *s = argument;
    struct connection c;
    struct status st;
    if (connection_open(&c, s->path, false, &st)) {
        for (bool again = false; wait_for_checkpoint(s, again);) {
            again = copy_log(s, &c);
        }
    }
    connection_close(&c);
    return NULL;
}

/* ---- Open and close ---- */

static bool open_file(struct sqlite_store *s, struct status *st)
{
    bool is_new = false;
    return make_folders(s->path, st) && take_lock(s, st) && open_writer(s, st) &&
           check_kind(s, &is_new, st) &&
           /* EXTRA is FULL, and syncs the folder when the journal of a new file is removed: if that
            * came back after a power cut, it would undo all that was done since. */
           connection_run(&s->writer,
                          /* of a new file only: what compaction frees can be given back in steps */
                          "PRAGMA auto_vacuum = INCREMENTAL;"
                          "PRAGMA synchronous = EXTRA; PRAGMA journal_mode = WAL;"
                          "PRAGMA secure_delete = ON; PRAGMA wal_autocheckpoint = 0",
                          st) &&
           connection_open(&s->marker, s->path, false, st) &&
           connection_run(&s->marker, "PRAGMA synchronous = NORMAL", st) &&
           (!is_new || create(s, st)) && check_format(s, st) && read_identity(s, st);
}

bool sqlite_store_open(const char *location, struct store **ret_store, struct status *st)
{
    if (location[0] == '\0') {
        return status_set(st, STATUS_INVALID_ARGUMENT, "STORE_ADDRESS",
                          "\"sqlite:\" needs a file behind it");
    }
    struct sqlite_store *s = mem_zalloc(sizeof *s);
    s->store.ops = &store_sqlite;
    histogram_init(&s->store.sync, &scale_latency);
    s->path = mem_string(location);
    s->lock_file = -1;
    pthread_mutex_init(&s->writing, NULL);
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->reader_free, NULL);
    pthread_cond_init(&s->checkpoint_due, NULL);
    if (!open_file(s, st)) {
        sqlite_store_close(&s->store);
        return false;
    }
    sqlite3_wal_hook(s->writer.db, on_commit, s);
    sqlite3_wal_hook(s->marker.db, on_commit, s);
    s->checkpointing = pthread_create(&s->checkpointer, NULL, checkpoint, s) == 0;
    assert(s->checkpointing && "a thread can be had at start");
    *ret_store = &s->store;
    return true;
}

static void stop_checkpointer(struct sqlite_store *s)
{
    if (!s->checkpointing) {
        return;
    }
    pthread_mutex_lock(&s->lock);
    s->stopping = true;
    pthread_cond_signal(&s->checkpoint_due);
    pthread_mutex_unlock(&s->lock);
    pthread_join(s->checkpointer, NULL);
}

void sqlite_store_close(struct store *store)
{
    struct sqlite_store *s = sqlite_of(store);
    stop_checkpointer(s);
    for (size_t i = 0; i < s->n_free; i++) {
        connection_close(s->readers[i]);
        free(s->readers[i]);
    }
    connection_close(&s->marker);
    connection_close(&s->writer); /* the last connection checkpoints and removes the log */
    if (s->lock_file >= 0) {
        close(s->lock_file);
    }
    pthread_cond_destroy(&s->checkpoint_due);
    pthread_cond_destroy(&s->reader_free);
    pthread_mutex_destroy(&s->lock);
    pthread_mutex_destroy(&s->writing);
    free(s->path);
    free(s);
}
