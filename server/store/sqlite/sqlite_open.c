#include "sqlite_open.h"

#include <inttypes.h>
#include <string.h>

#include "sqlite.h"
#include "sqlite_checkpoint.h"
#include "sqlite_create.h"
#include "sqlite_identity.h"
#include "sqlite_vfs.h"
#include "sqlite_write.h"

/* ---- What the file is ---- */

static bool foreign(const struct sqlite_store *s, struct status *st)
{
    return status_set(st, STATUS_FAILED_PRECONDITION, "STORE_FOREIGN",
                      "%s is not a store of confreg", s->file.path);
}

/* sqlite_file_take has refused a file that ends inside its header. */
static bool open_appender(struct sqlite_store *s, struct status *st)
{
    if (connection_open(&s->appender, s->file.path, SQLITE_VFS_APPENDER, st)) {
        return true;
    }
    bool no_database = (sqlite3_errcode(s->appender.db) & 0xFF) == SQLITE_NOTADB;
    return no_database ? foreign(s, st) : false;
}

static bool not_whole(const struct sqlite_store *s, struct status *st)
{
    return status_set(st, STATUS_FAILED_PRECONDITION, "STORE_NOT_WHOLE",
                      "%s is a store, or a copy of one, that was not finished: restore a backup",
                      s->file.path);
}

/* The application_id is written last: a file with tables but without it is an unfinished copy. */
static bool check_kind(struct sqlite_store *s, struct status *st)
{
    int64_t application = 0;
    int64_t objects = 0;
    int64_t ours = 0;
    if (!connection_number(&s->appender, "PRAGMA application_id", &application, st) ||
        !connection_number(&s->appender, "SELECT count(*) FROM sqlite_schema", &objects, st) ||
        !connection_number(&s->appender,
                           "SELECT count(*) FROM sqlite_schema WHERE name IN ('meta', 'marks')",
                           &ours, st)) {
        return false;
    }
    if (objects == 0 || (application == 0 && ours == 2)) {
        return not_whole(s, st);
    }
    return application == SQLITE_APPLICATION_ID || foreign(s, st);
}

static bool check_format(struct sqlite_store *s, struct status *st)
{
    int64_t format = 0;
    if (!sqlite_read_format(s, &format, st)) {
        return false;
    }
    if (format > STORE_FORMAT) {
        return status_set(st, STATUS_FAILED_PRECONDITION, "STORE_FORMAT_NEWER",
                          "%s has data format %" PRId64 ", this release knows formats up to %d",
                          s->file.path, format, STORE_FORMAT);
    }
    return format >= 1 || not_whole(s, st);
}

/* ---- A copy ---- */

static bool pass_over(void *user, struct commit *commit)
{
    (void)user;
    (void)commit;
    return true;
}

/* "ok", or the first thing that is wrong. */
static bool check_pages(struct sqlite_store *s, struct status *st)
{
    sqlite3_stmt *q = NULL;
    if (sqlite3_prepare_v2(s->appender.db, "PRAGMA integrity_check(1)", -1, &q, NULL) !=
        SQLITE_OK) {
        return sqlite_fault(&s->appender, "checking a copy", st);
    }
    bool ok = sqlite3_step(q) == SQLITE_ROW;
    const char *found = ok ? (const char *)sqlite3_column_text(q, 0) : "it cannot be read";
    ok = ok && strcmp(found, "ok") == 0;
    ok = ok || status_set(st, STATUS_DATA_LOSS, "STORE_DAMAGED",
                          "%s is a copy that is not whole: %s", s->file.path, found);
    sqlite3_finalize(q);
    return ok;
}

static bool check_end(struct sqlite_store *s, struct status *st)
{
    int64_t last = 0;
    int64_t changed = 0;
    return connection_number(&s->appender, "SELECT max(revision) FROM commits", &last, st) &&
           connection_number(&s->appender, "SELECT max(id) >> 7 FROM changes", &changed, st) &&
           (changed <= last ||
            status_set(st, STATUS_DATA_LOSS, "LOG_DAMAGED",
                       "%s is a copy that is not whole: its log ends at revision %" PRId64
                       ", there are changes of revision %" PRId64,
                       s->file.path, last, changed));
}

/* Reads everything in a copy that was never opened as a store: a truncated copy must not be taken
 * for the store. */
static bool check_copy(struct sqlite_store *s, struct status *st)
{
    return !s->file.is_copy ||
           (check_pages(s, st) &&
            store_read_commits(&s->store, 1, UINT64_MAX, true, pass_over, NULL, st) &&
            check_end(s, st));
}

/* ---- Open and close ---- */

static bool no_store(const char *location, struct status *st)
{
    return status_set(st, STATUS_FAILED_PRECONDITION, "STORE_MISSING",
                      "%s is not there, and none is to be made", location);
}

static bool find_or_create(struct sqlite_store *s, const char *location, bool may_create,
                           struct status *st)
{
    bool found = false;
    if (!sqlite_file_find(&s->file, location, &found, st) || found) {
        return found;
    }
    if (!may_create) {
        return no_store(location, st);
    }
    return sqlite_create(location, &s->store.is_new, st) &&
           sqlite_file_find(&s->file, location, &found, st) && (found || no_store(location, st));
}

/* EXTRA is FULL, and syncs the folder when the journal of a file is removed: if that came back
 * after a power cut, it would undo all that was done since. */
static bool open_file(struct sqlite_store *s, struct status *st)
{
    return sqlite_file_take(&s->file, st) && open_appender(s, st) && check_kind(s, st) &&
           check_format(s, st) && sqlite_read_identity(s, st) && check_copy(s, st) &&
           connection_run(&s->appender,
                          "PRAGMA synchronous = EXTRA; PRAGMA journal_mode = WAL;"
                          "PRAGMA secure_delete = ON; PRAGMA wal_autocheckpoint = 0;"
                          "SELECT count(*) FROM meta", /* which opens the write-ahead log */
                          st) &&
           sqlite_upgrade(s, st) && connection_open(&s->keeper, s->file.path, NULL, st) &&
           connection_run(&s->keeper,
                          "PRAGMA synchronous = NORMAL; PRAGMA secure_delete = ON;"
                          "PRAGMA wal_autocheckpoint = 0",
                          st) &&
           sqlite_file_note(&s->file, st);
}

bool sqlite_store_open(const char *location, bool may_create, struct store **ret_store,
                       struct status *st)
{
    if (location[0] == '\0') {
        return status_set(st, STATUS_INVALID_ARGUMENT, "STORE_ADDRESS",
                          "\"sqlite:\" needs a file behind it");
    }
    struct sqlite_store *s = mem_zalloc(sizeof *s);
    s->store.ops = &store_sqlite;
    s->store.has_wal = true;
    histogram_init(&s->store.sync, &scale_latency);
    sqlite_file_init(&s->file);
    sqlite_gate_init(&s->gate);
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->reader_free, NULL);
    pthread_cond_init(&s->checkpoint_due, NULL);
    pthread_cond_init(&s->log_emptied, NULL);
    if (!find_or_create(s, location, may_create, st) || !open_file(s, st)) {
        sqlite_store_close(&s->store);
        return false;
    }
    connection_bound(&s->appender, &s->interrupted);
    connection_bound(&s->keeper, &s->interrupted);
    sqlite_checkpoint_start(s);
    *ret_store = &s->store;
    return true;
}

void sqlite_store_interrupt(struct store *store)
{
    struct sqlite_store *s = sqlite_of(store);
    pthread_mutex_lock(&s->lock);
    atomic_store(&s->interrupted, true);
    pthread_cond_broadcast(&s->log_emptied);
    pthread_mutex_unlock(&s->lock);
}

void sqlite_store_close(struct store *store)
{
    struct sqlite_store *s = sqlite_of(store);
    sqlite_checkpoint_stop(s);
    for (size_t i = 0; i < s->n_free; i++) {
        connection_close(s->readers[i]);
        free(s->readers[i]);
    }
    connection_close(&s->keeper);
    connection_close(&s->appender); /* the last connection checkpoints and removes the log */
    sqlite_file_fini(&s->file);
    pthread_cond_destroy(&s->log_emptied);
    pthread_cond_destroy(&s->checkpoint_due);
    pthread_cond_destroy(&s->reader_free);
    pthread_mutex_destroy(&s->lock);
    sqlite_gate_fini(&s->gate);
    free(s);
}
