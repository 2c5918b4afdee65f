#include "sqlite_write.h"

#include <assert.h>

#include "clock.h"
#include "failpoint.h"
#include "sqlite_checkpoint.h"
#include "sqlite_doubt.h"
#include "sqlite_rows.h"
#include "sqlite_vfs.h"

#define PIECE_NS 1000000

/* ---- The gate ---- */

void sqlite_gate_init(struct sqlite_gate *gate)
{
    pthread_mutex_init(&gate->inside, NULL);
    pthread_cond_init(&gate->left, NULL);
}

void sqlite_gate_fini(struct sqlite_gate *gate)
{
    assert(atomic_load(&gate->appends) == 0 && "a store is closed after its last call");
    pthread_cond_destroy(&gate->left);
    pthread_mutex_destroy(&gate->inside);
}

/* For an append. */
static void enter_first(struct sqlite_gate *gate)
{
    atomic_fetch_add(&gate->appends, 1);
    pthread_mutex_lock(&gate->inside);
    atomic_fetch_sub(&gate->appends, 1);
}

/* An append that is counted comes in as soon as this thread waits, and signals when it leaves. */
void sqlite_gate_enter(struct sqlite_gate *gate)
{
    pthread_mutex_lock(&gate->inside);
    while (atomic_load(&gate->appends) > 0) {
        pthread_cond_wait(&gate->left, &gate->inside);
    }
}

void sqlite_gate_leave(struct sqlite_gate *gate)
{
    pthread_cond_broadcast(&gate->left);
    pthread_mutex_unlock(&gate->inside);
}

/* ---- Transactions ---- */

bool sqlite_check_files(struct sqlite_store *s, struct status *st)
{
    uint64_t log_bytes = 0;
    bool ok = sqlite_file_check(&s->file, &log_bytes, st);
    if (ok) {
        atomic_store(&s->store.wal_bytes, log_bytes);
    }
    return ok;
}

/* Inside the gate; leaves it where this fails. */
static bool begin(struct sqlite_store *s, struct connection *c, struct status *st)
{
    bool ok = sqlite_check_files(s, st) && sqlite_run(c, SQL_BEGIN, "beginning", st);
    if (!ok) {
        sqlite_gate_leave(&s->gate);
    }
    return ok;
}

/* After a failed COMMIT the transaction is open, or SQLite has rolled it back. Either way nothing
 * of it remains for this process. */
static void roll_back(struct connection *c)
{
    struct status ignored;
    if (sqlite3_get_autocommit(c->db) == 0) {
        sqlite_run(c, SQL_ROLLBACK, "rolling back", &ignored);
    }
}

bool sqlite_begin_append(struct sqlite_store *s, struct status *st)
{
    enter_first(&s->gate);
    bool ok = begin(s, &s->appender, st);
    if (ok) {
        atomic_store(&s->misplaced, false);
    }
    return ok;
}

static bool commit_or_doubt(struct sqlite_store *s, struct status *st)
{
    struct status ignored;
    if (sqlite_run(&s->appender, SQL_COMMIT, "committing", st)) {
        return true;
    }
    if (!sqlite_check_files(s, &ignored) || sqlite_may_have_happened(s)) {
        status_become(st, OUTCOME_UNKNOWN);
    }
    return false;
}

bool sqlite_finish_append(struct sqlite_store *s, bool ok, struct status *st)
{
    FAILPOINT(commit_before);
    ok = ok && commit_or_doubt(s, st);
    if (!ok) {
        roll_back(&s->appender);
        sqlite_vfs_forget(s->appender.db);
    }
    sqlite_gate_leave(&s->gate);
    sqlite_checkpoint_if_due(s);
    FAILPOINT(commit_after);
    return ok;
}

/* ---- Pieces ---- */

bool sqlite_begin_piece(struct sqlite_store *s, struct sqlite_piece *ret_piece, struct status *st)
{
    sqlite_gate_enter(&s->gate);
    *ret_piece = (struct sqlite_piece){.s = s, .until_ns = clock_monotonic_ns() + PIECE_NS};
    return begin(s, &s->keeper, st);
}

bool sqlite_piece_goes_on(const struct sqlite_piece *piece)
{
    return atomic_load(&piece->s->gate.appends) == 0 && clock_monotonic_ns() < piece->until_ns;
}

bool sqlite_finish_piece(struct sqlite_piece *piece, bool ok, struct status *st)
{
    struct connection *keeper = &piece->s->keeper;
    ok = ok && sqlite_run(keeper, SQL_COMMIT, "committing", st);
    if (!ok) {
        roll_back(keeper);
    }
    sqlite_gate_leave(&piece->s->gate);
    sqlite_checkpoint_if_due(piece->s);
    return ok;
}
