#include "sqlite_checkpoint.h"

#include <assert.h>
#include <sys/stat.h>

#include "clock.h"
#include "condition.h"

#define CHECKPOINT_PAGES 10000
#define LAST_PAGES 256 /* most that are copied while writes wait: a few milliseconds */
#define COPIES 4
/* Bytes; the log stays smaller unless a reader or an error blocks checkpoints. */
#define LARGE_LOG (UINT64_C(64) << 20)
#define FAILED (-1)
#define AGAIN_NS INT64_C(1000000000) /* until a checkpoint that is not complete is continued */

/* SQLite does not fsync the truncation of its log, so a power cut could bring its contents back. */
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

/* SQLite's hook, called after each commit on the committing thread. */
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

/* Waits until a checkpoint is wanted, or for AGAIN_NS if the last one is to be continued. False if
 * the store is being closed. */
static bool wait_for_checkpoint(struct sqlite_store *s, bool go_on_soon)
{
    int64_t until_ns = go_on_soon ? clock_monotonic_ns() + AGAIN_NS : INT64_MAX;
    bool in_time = true;
    pthread_mutex_lock(&s->lock);
    while (!s->stopping && !s->wants_checkpoint && in_time) {
        in_time = condition_wait_until(&s->checkpoint_due, &s->lock, until_ns);
    }
    s->wants_checkpoint = false;
    bool go_on = !s->stopping;
    pthread_mutex_unlock(&s->lock);
    return go_on;
}

/* Whether the file is longer than the database. Pages at its end were freed, but it was not
 * truncated because a write came during the checkpoint. */
static bool is_too_large(struct connection *c, const char *path)
{
    struct stat file;
    struct status ignored;
    int64_t pages = 0;
    int64_t size = 0;
    return stat(path, &file) == 0 && connection_number(c, "PRAGMA page_count", &pages, &ignored) &&
           connection_number(c, "PRAGMA page_size", &size, &ignored) && file.st_size > pages * size;
}

/* Copies the pages that are in the log now. Returns how many are left or were added meanwhile, or
 * FAILED. If another connection runs a checkpoint, all pages count as left. */
static int copy_pages(struct sqlite_store *s, struct connection *c)
{
    int in_log = 0;
    int copied = 0;
    int code =
        sqlite3_wal_checkpoint_v2(c->db, NULL, SQLITE_CHECKPOINT_PASSIVE, &in_log, &copied) & 0xFF;
    int now = atomic_load_explicit(&s->log_pages, memory_order_relaxed);
    in_log = now > in_log ? now : in_log;
    return code == SQLITE_OK     ? in_log - copied
           : code == SQLITE_BUSY ? in_log + LAST_PAGES + 1
                                 : FAILED;
}

/* SQLite only fsyncs the database after a copy that leaves no page, while writers wait. Doing most
 * of that work here, before writers are stopped, makes it short. */
static bool sync_database(struct connection *c)
{
    sqlite3_file *file = NULL;
    return sqlite3_file_control(c->db, NULL, SQLITE_FCNTL_FILE_POINTER, &file) == SQLITE_OK &&
           file->pMethods->xSync(file, SQLITE_SYNC_NORMAL) == SQLITE_OK;
}

/* SQLite reuses the log from its beginning only after all of it was copied. Under constant writes
 * each copy leaves some new pages, so the last copy, of few pages, runs while writers wait. Returns
 * how many pages are left, or FAILED. */
static int copy_log(struct sqlite_store *s, struct connection *c)
{
    int left = copy_pages(s, c);
    for (int n = 1; n < COPIES && left > LAST_PAGES; n++) {
        left = copy_pages(s, c);
    }
    if (left <= 0 || left > LAST_PAGES) {
        return left;
    }
    if (!sync_database(c)) {
        return FAILED;
    }
    pthread_mutex_lock(&s->writing);
    left = copy_pages(s, c);
    pthread_mutex_unlock(&s->writing);
    return left;
}

/* Truncates a log file that grew large while a reader or an error blocked checkpoints. All of it
 * has been copied. Does not wait for readers: the next attempt comes soon. Returns whether it is
 * small. */
static bool cut_log(struct sqlite_store *s, struct connection *c)
{
    uint64_t size = 0;
    struct status ignored;
    if (!sqlite_file_check(&s->file, &size, &ignored) || size <= LARGE_LOG) {
        return true;
    }
    pthread_mutex_lock(&s->writing);
    sqlite3_busy_timeout(c->db, 0);
    bool cut =
        sqlite3_wal_checkpoint_v2(c->db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL) == SQLITE_OK;
    sqlite3_busy_timeout(c->db, BUSY_MS);
    if (cut) {
        atomic_store_explicit(&s->log_pages, 0, memory_order_relaxed);
    }
    pthread_mutex_unlock(&s->writing);
    return cut;
}

static void note_size(struct sqlite_store *s)
{
    uint64_t size = 0;
    struct status ignored;
    if (sqlite_file_check(&s->file, &size, &ignored)) {
        atomic_store(&s->store.wal_bytes, size);
    }
}

/* Returns whether to try again soon. After a failure that uses a new connection. */
static bool copy_and_cut(struct sqlite_store *s, struct connection *c)
{
    struct status ignored;
    int left =
        c->db != NULL || connection_open(c, s->file.path, &ignored) ? copy_log(s, c) : FAILED;
    bool again = left != 0 || !cut_log(s, c) || is_too_large(c, s->file.path);
    if (left == FAILED) {
        metric_add(&s->store.failed_checkpoints, 1);
        connection_close(c);
    }
    note_size(s);
    return again;
}

/* The checkpoint thread. */
static void *checkpoint(void *argument)
{
    struct sqlite_store *s = argument;
    struct connection c = {.db = NULL};
    for (bool again = false; wait_for_checkpoint(s, again);) {
        again = copy_and_cut(s, &c);
    }
    connection_close(&c);
    return NULL;
}

void sqlite_checkpoint_start(struct sqlite_store *s)
{
    sqlite3_wal_hook(s->writer.db, on_commit, s);
    sqlite3_wal_hook(s->marker.db, on_commit, s);
    s->checkpointing = pthread_create(&s->checkpointer, NULL, checkpoint, s) == 0;
    assert(s->checkpointing && "a thread can be had at start");
}

void sqlite_checkpoint_stop(struct sqlite_store *s)
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
