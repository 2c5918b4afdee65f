#include "sqlite_checkpoint.h"

#include <assert.h>
#include <sys/stat.h>

#include "clock.h"
#include "condition.h"
#include "sqlite_vfs.h"
#include "sqlite_write.h"

/* A log that is short when it starts over is soon written in place again after it was truncated. */
#define CHECKPOINT_PAGES 2500
#define LAST_PAGES 64 /* most that are copied while writes wait: about a millisecond */
#define COPIES 8
/* Bytes; the log stays smaller unless a reader or an error blocks checkpoints. */
#define LARGE_LOG (UINT64_C(64) << 20)
#define FAILED (-1)
#define SHORT_READ_MS 5
#define AGAIN_NS INT64_C(1000000000) /* until a checkpoint that is not complete is continued */
#define SOON_NS INT64_C(5000000)     /* … if somebody waits for the log to be emptied */

void sqlite_want_checkpoint(struct sqlite_store *s)
{
    pthread_mutex_lock(&s->lock);
    s->wants_checkpoint = true;
    pthread_cond_signal(&s->checkpoint_due);
    pthread_mutex_unlock(&s->lock);
}

void sqlite_checkpoint_if_due(struct sqlite_store *s)
{
    if (atomic_load_explicit(&s->log_pages, memory_order_relaxed) >= CHECKPOINT_PAGES) {
        sqlite_want_checkpoint(s);
    }
}

/* SQLite's hook, called after each commit on the committing thread, inside the gate. */
static int on_commit(void *user, sqlite3 *db, const char *name, int pages)
{
    (void)db;
    (void)name;
    struct sqlite_store *s = user;
    atomic_store_explicit(&s->log_pages, pages, memory_order_relaxed);
    return SQLITE_OK;
}

/* ---- Emptying the log ---- */

/* Waits for the checkpoint thread. False if it failed or did not come to an end in time. */
static bool wait_for_empty(struct sqlite_store *s, uint64_t ticket)
{
    int64_t until_ns = clock_monotonic_ns() + BUSY_MS * INT64_C(1000000);
    until_ns = store_deadline() < until_ns ? store_deadline() : until_ns;
    bool in_time = true;
    while (in_time && s->empty_done < ticket && s->empty_failed < ticket &&
           !atomic_load(&s->interrupted)) {
        in_time = condition_wait_until(&s->log_emptied, &s->lock, until_ns);
    }
    return s->empty_done >= ticket;
}

bool sqlite_empty_log(struct sqlite_store *s, struct status *st)
{
    pthread_mutex_lock(&s->lock);
    uint64_t ticket = ++s->empty_wanted;
    pthread_cond_signal(&s->checkpoint_due);
    bool ok = wait_for_empty(s, ticket);
    if (!ok) {
        s->empty_failed = ticket; /* nobody waits for it any more */
    }
    pthread_mutex_unlock(&s->lock);
    return ok || status_set(st, STATUS_UNAVAILABLE, "STORE_UNAVAILABLE",
                            "the store, emptying the write-ahead log: it is being read, or cannot "
                            "be written to");
}

/* The newest request to empty the log that was not answered; 0: there is none. */
static uint64_t empty_request(struct sqlite_store *s)
{
    pthread_mutex_lock(&s->lock);
    uint64_t answered = s->empty_done > s->empty_failed ? s->empty_done : s->empty_failed;
    uint64_t request = s->empty_wanted > answered ? s->empty_wanted : 0;
    pthread_mutex_unlock(&s->lock);
    return request;
}

static void answer_empty_requests(struct sqlite_store *s, uint64_t through, bool done)
{
    pthread_mutex_lock(&s->lock);
    uint64_t *answer = done ? &s->empty_done : &s->empty_failed;
    *answer = through > *answer ? through : *answer;
    pthread_cond_broadcast(&s->log_emptied);
    pthread_mutex_unlock(&s->lock);
}

/* SQLite does not fsync the truncation of its log, so a power cut could bring its contents back. */
static bool sync_log(struct connection *c)
{
    sqlite3_file *log = NULL;
    return sqlite3_file_control(c->db, NULL, SQLITE_FCNTL_JOURNAL_POINTER, &log) == SQLITE_OK &&
           (log == NULL || log->pMethods == NULL ||
            log->pMethods->xSync(log, SQLITE_SYNC_NORMAL) == SQLITE_OK);
}

/* Under the lock: a request to empty the log that came after `seen`. */
static bool has_news(const struct sqlite_store *s, uint64_t seen)
{
    return s->wants_checkpoint || s->empty_wanted > seen;
}

/* Waits until a checkpoint is wanted, or until the last one has to be continued. False if the store
 * is being closed. */
static bool wait_for_checkpoint(struct sqlite_store *s, uint64_t *seen, int64_t until_ns)
{
    bool in_time = true;
    pthread_mutex_lock(&s->lock);
    while (!s->stopping && !has_news(s, *seen) && in_time) {
        in_time = condition_wait_until(&s->checkpoint_due, &s->lock, until_ns);
    }
    s->wants_checkpoint = false;
    *seen = s->empty_wanted;
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
    sqlite_gate_enter(&s->gate);
    left = copy_pages(s, c);
    sqlite_gate_leave(&s->gate);
    return left;
}

/* Copies what is left of the log and truncates it, while no transaction writes. Waits for short
 * reads only. */
static int truncate_log(struct sqlite_store *s, struct connection *c)
{
    sqlite_gate_enter(&s->gate);
    sqlite3_busy_timeout(c->db, SHORT_READ_MS);
    int code =
        sqlite3_wal_checkpoint_v2(c->db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL) & 0xFF;
    sqlite3_busy_timeout(c->db, BUSY_MS);
    if (code == SQLITE_OK) {
        atomic_store_explicit(&s->log_pages, 0, memory_order_relaxed);
    }
    sqlite_gate_leave(&s->gate);
    return code;
}

/* Truncates a log file that grew large while a reader or an error blocked checkpoints. All of it
 * has been copied. Does not wait for readers: the next attempt comes soon. Returns whether it is
 * small. */
static bool cut_log(struct sqlite_store *s, struct connection *c)
{
    uint64_t size = 0;
    struct status ignored;
    return !sqlite_file_check(&s->file, &size, &ignored) || size <= LARGE_LOG ||
           truncate_log(s, c) == SQLITE_OK;
}

static void note_size(struct sqlite_store *s)
{
    uint64_t size = 0;
    struct status ignored;
    if (sqlite_file_check(&s->file, &size, &ignored)) {
        atomic_store(&s->store.wal_bytes, size);
    }
}

enum progress { COMPLETE, CONTINUE, CONTINUE_SOON, BROKEN };

/* Empties the log for those who wait for that; most of it was copied before. */
static enum progress empty_log(struct sqlite_store *s, struct connection *c, uint64_t request)
{
    int code = truncate_log(s, c);
    if (code == SQLITE_BUSY) {
        return CONTINUE_SOON;
    }
    if (code != SQLITE_OK || !sync_log(c)) {
        return BROKEN;
    }
    answer_empty_requests(s, request, true);
    return COMPLETE;
}

static enum progress copy_and_cut(struct sqlite_store *s, struct connection *c)
{
    uint64_t request = empty_request(s);
    int left = copy_log(s, c);
    if (left == FAILED) {
        return BROKEN;
    }
    if (request != 0) {
        return empty_log(s, c, request);
    }
    return left != 0 || !cut_log(s, c) || is_too_large(c, s->file.path) ? CONTINUE : COMPLETE;
}

/* After a failure the next attempt uses a new connection. */
static enum progress run_once(struct sqlite_store *s, struct connection *c)
{
    struct status ignored;
    bool open = c->db != NULL || connection_open(c, s->file.path, SQLITE_VFS_COPIER, &ignored);
    enum progress progress = open ? copy_and_cut(s, c) : BROKEN;
    if (progress == BROKEN) {
        metric_add(&s->store.failed_checkpoints, 1);
        connection_close(c);
        answer_empty_requests(s, empty_request(s), false);
    }
    note_size(s);
    return progress;
}

static int64_t continue_at(enum progress progress)
{
    int64_t now_ns = clock_monotonic_ns();
    return progress == COMPLETE        ? INT64_MAX
           : progress == CONTINUE_SOON ? now_ns + SOON_NS
                                       : now_ns + AGAIN_NS;
}

/* The checkpoint thread. */
static void *checkpoint(void *argument)
{
    struct sqlite_store *s = argument;
    struct connection c = {.db = NULL};
    enum progress progress = COMPLETE;
    uint64_t seen = 0;
    while (wait_for_checkpoint(s, &seen, continue_at(progress))) {
        progress = run_once(s, &c);
    }
    connection_close(&c);
    return NULL;
}

void sqlite_checkpoint_start(struct sqlite_store *s)
{
    sqlite3_wal_hook(s->appender.db, on_commit, s);
    sqlite3_wal_hook(s->keeper.db, on_commit, s);
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
