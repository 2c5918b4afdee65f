#include "sqlite_append.h"

#include <inttypes.h>

#include "clock.h"
#include "sqlite_rows.h"
#include "sqlite_write.h"

static bool insert_commit(struct sqlite_store *s, const struct commit *commit, struct status *st)
{
    struct connection *c = &s->appender;
    sqlite3_stmt *q = connection_statement(c, SQL_INSERT_COMMIT, st);
    if (q == NULL) {
        return false;
    }
    struct hash key;
    sqlite_bind_number(q, 1, commit->revision);
    sqlite3_bind_blob(q, 2, commit->record->data, (int)commit->record->len, SQLITE_STATIC);
    sqlite3_bind_blob(q, 3, commit->hash.bytes, HASH_SIZE, SQLITE_STATIC);
    sqlite3_bind_null(q, 4);
    if (commit->request_id[0] != '\0') {
        key = commit_request_key(commit->actor, commit->request_id);
        sqlite3_bind_blob(q, 4, key.bytes, HASH_SIZE, SQLITE_TRANSIENT);
    }
    int code = sqlite3_step(q);
    if (code != SQLITE_DONE && (code & 0xFF) == SQLITE_CONSTRAINT) {
        sqlite3_reset(q);
        return status_set_outcome(st, OUTCOME_REVISION_TAKEN,
                                  "revision %" PRIu64 " is in the log already", commit->revision);
    }
    bool ok = code == SQLITE_DONE || sqlite_fault(c, "appending", st);
    sqlite3_reset(q);
    return ok;
}

static bool insert_change(struct sqlite_store *s, const struct commit *commit, size_t index,
                          struct status *st)
{
    const struct change *change = &commit->changes[index];
    bool brings = change_brings_version(change->kind);
    sqlite3_stmt *q = connection_statement(&s->appender, SQL_INSERT_CHANGE, st);
    if (q == NULL) {
        return false;
    }
    sqlite3_bind_int64(q, 1, sqlite_change_id(commit->revision, index));
    sqlite_bind_text(q, 2, change->environment);
    sqlite_bind_text(q, 3, change->service);
    sqlite_bind_number(q, 4, change->version);
    sqlite3_bind_int(q, 5, brings);
    sqlite3_bind_null(q, 6);
    sqlite3_bind_null(q, 7);
    if (brings) {
        sqlite3_bind_blob(q, 6, change->salt, SALT_SIZE, SQLITE_STATIC);
        sqlite3_bind_blob(q, 7, change->payload->data, (int)change->payload->len, SQLITE_STATIC);
    }
    return sqlite_step(&s->appender, q, "appending", st);
}

static bool insert_all(struct sqlite_store *s, struct commit *const *commits, size_t n,
                       struct status *st)
{
    for (size_t i = 0; i < n; i++) {
        if (!insert_commit(s, commits[i], st)) {
            return false;
        }
        for (size_t k = 0; k < commits[i]->n_changes; k++) {
            if (!insert_change(s, commits[i], k, st)) {
                return false;
            }
        }
    }
    return true;
}

/* The files may have been removed between the two checks of an append. Then the commit is in the
 * open files: it is kept if they are put back, and lost if not. Until that is known the log is not
 * read either, because what is read counts as durable. */
static bool kept_or_doubt(struct sqlite_store *s, struct status *st)
{
    if (sqlite_check_files(s, st)) {
        return true;
    }
    atomic_store(&s->misplaced, true);
    status_become(st, OUTCOME_UNKNOWN);
    return false;
}

bool sqlite_append(struct store *store, struct commit *const *commits, size_t n, struct status *st)
{
    struct sqlite_store *s = sqlite_of(store);
    if (!sqlite_begin_append(s, st)) {
        return false;
    }
    bool ok = insert_all(s, commits, n, st);
    int64_t begun = clock_monotonic_ns();
    ok = sqlite_finish_append(s, ok, st);
    histogram_observe(&store->sync, (uint64_t)(clock_monotonic_ns() - begun));
    return ok && kept_or_doubt(s, st);
}
