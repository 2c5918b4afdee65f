#include "sqlite_write.h"

#include <stdio.h>

#include "failpoint.h"
#include "sqlite_doubt.h"
#include "sqlite_rows.h"

bool sqlite_check_files(struct sqlite_store *s, struct status *st)
{
    uint64_t log_bytes = 0;
    bool ok = sqlite_file_check(&s->file, &log_bytes, st);
    if (ok) {
        atomic_store(&s->store.wal_bytes, log_bytes);
        atomic_store(&s->misplaced, false);
    }
    return ok;
}

bool sqlite_begin(struct sqlite_store *s, struct status *st)
{
    pthread_mutex_lock(&s->writing);
    bool ok = sqlite_check_files(s, st) && sqlite_run(&s->writer, SQL_BEGIN, "beginning", st);
    if (!ok) {
        pthread_mutex_unlock(&s->writing);
    }
    return ok;
}

static bool commit_or_doubt(struct sqlite_store *s, struct status *st)
{
    struct status ignored;
    if (sqlite_run(&s->writer, SQL_COMMIT, "committing", st)) {
        return true;
    }
    if (!sqlite_check_files(s, &ignored) || sqlite_may_have_happened(s)) {
        status_become(st, OUTCOME_UNKNOWN);
    }
    return false;
}

/* A COMMIT that fails leaves the transaction open, or has rolled it back itself: either way nothing
 * of it stays for this process. */
bool sqlite_finish(struct sqlite_store *s, bool ok, struct status *st)
{
    FAILPOINT(commit_before);
    ok = ok && commit_or_doubt(s, st);
    if (!ok && sqlite3_get_autocommit(s->writer.db) == 0) {
        struct status ignored;
        sqlite_run(&s->writer, SQL_ROLLBACK, "rolling back", &ignored);
    }
    pthread_mutex_unlock(&s->writing);
    FAILPOINT(commit_after);
    return ok;
}
