#include "doubt.h"

#include <inttypes.h>

void doubt_init(struct doubt_state *doubt, struct store *inner)
{
    *doubt = (struct doubt_state){.inner = inner};
    pthread_mutex_init(&doubt->lock, NULL);
    pthread_cond_init(&doubt->left, NULL);
}

static void enter(struct doubt_state *doubt)
{
    pthread_mutex_lock(&doubt->lock);
    while (doubt->entered) {
        pthread_cond_wait(&doubt->left, &doubt->lock);
    }
    doubt->entered = true;
    pthread_mutex_unlock(&doubt->lock);
}

static void leave(struct doubt_state *doubt)
{
    pthread_mutex_lock(&doubt->lock);
    doubt->entered = false;
    pthread_cond_signal(&doubt->left);
    pthread_mutex_unlock(&doubt->lock);
}

static void drop_pending(struct doubt_state *doubt)
{
    for (size_t i = 0; i < doubt->n_pending; i++) {
        commit_unref(doubt->pending[i]);
    }
    free(MOVE(doubt->pending));
    doubt->n_pending = 0;
}

void doubt_fini(struct doubt_state *doubt)
{
    drop_pending(doubt);
    pthread_cond_destroy(&doubt->left);
    pthread_mutex_destroy(&doubt->lock);
}

void doubt_arm(struct doubt_state *doubt, const struct trace_doubt *next)
{
    enter(doubt);
    doubt->next = *next;
    doubt->armed = true;
    leave(doubt);
}

void doubt_lag(struct doubt_state *doubt, uint64_t lag, uint64_t calls)
{
    enter(doubt);
    doubt->lag = lag;
    doubt->stale_calls = calls;
    leave(doubt);
}

/* Appends the commits that are to stay. If another append has taken their revisions, this one
 * fails, which is ignored: the writer has had its answer. */
static void land(struct doubt_state *doubt)
{
    size_t n = doubt->fate.landed < doubt->n_pending ? doubt->fate.landed : doubt->n_pending;
    struct status ignored;
    if (n > 0) {
        doubt->inner->ops->append(doubt->inner, doubt->pending, n, &ignored);
    }
    drop_pending(doubt);
}

void doubt_pass_time(struct doubt_state *doubt)
{
    enter(doubt);
    if (doubt->n_pending > 0 && doubt->fate.calls-- == 0) {
        land(doubt);
    }
    leave(doubt);
}

/* Keeps copies, because the caller may release the payloads of its commits before they land. */
static void keep(struct doubt_state *doubt, struct commit *const *commits, size_t n)
{
    drop_pending(doubt);
    doubt->armed = false;
    doubt->fate = doubt->next;
    doubt->pending = mem_array(n, sizeof doubt->pending[0]);
    doubt->n_pending = n;
    for (size_t i = 0; i < n; i++) {
        doubt->pending[i] = commit_copy(commits[i]);
    }
}

/* Called between enter and leave. */
static bool append(struct doubt_state *doubt, struct commit *const *commits, size_t n,
                   struct status *st)
{
    if (doubt->n_pending > 0 && doubt->fate.holds_place) {
        return status_set_outcome(st, OUTCOME_REVISION_TAKEN,
                                  "revision %" PRIu64 " is there, but not with the majority",
                                  commits[0]->revision);
    }
    if (!doubt->armed) {
        return doubt->inner->ops->append(doubt->inner, commits, n, st);
    }
    keep(doubt, commits, n);
    if (doubt->fate.calls == 0) {
        land(doubt);
    }
    return status_set_outcome(st, OUTCOME_UNKNOWN,
                              "the answer to an append of %zu commits was lost", n);
}

bool doubt_append(struct doubt_state *doubt, struct commit *const *commits, size_t n,
                  struct status *st)
{
    enter(doubt);
    bool ok = append(doubt, commits, n, st);
    leave(doubt);
    return ok;
}

/* By how many commits this read lags. */
static uint64_t take_lag(struct doubt_state *doubt)
{
    enter(doubt);
    uint64_t lag = doubt->stale_calls > 0 ? doubt->lag : 0;
    doubt->stale_calls -= doubt->stale_calls > 0;
    leave(doubt);
    return lag;
}

bool doubt_horizon(struct doubt_state *doubt, uint64_t *ret_last, struct status *st)
{
    struct store_tail tail;
    uint64_t lag = take_lag(doubt);
    *ret_last = UINT64_MAX;
    if (lag == 0) {
        return true;
    }
    if (!store_tail(doubt->inner, &tail, st)) {
        return false;
    }
    *ret_last = tail.revision > lag ? tail.revision - lag : 0;
    return true;
}

struct seen_tail {
    struct buf *record; /* owned */
    struct hash hash;
};

static bool see(void *user, const struct store_row *row)
{
    struct seen_tail *seen = user;
    *seen = (struct seen_tail){.record = buf_ref(row->record), .hash = row->hash};
    return false;
}

bool doubt_tail(struct doubt_state *doubt, uint64_t *ret_revision, struct buf **ret_record,
                struct hash *ret_hash, struct status *st)
{
    struct store *inner = doubt->inner;
    struct seen_tail seen = {0};
    uint64_t last = 0;
    if (!doubt_horizon(doubt, &last, st)) {
        return false;
    }
    if (last == UINT64_MAX) {
        return inner->ops->tail(inner, ret_revision, ret_record, ret_hash, st);
    }
    if (last > 0 && !inner->ops->read_commits(inner, last, last, false, see, &seen, st)) {
        return false;
    }
    *ret_revision = last;
    *ret_record = seen.record;
    *ret_hash = seen.hash;
    return true;
}

/* Whether reads that see the log up to `last` do not see the row. */
static bool is_hidden(const struct store_row *row, uint64_t last)
{
    AUTO(commit_unref) struct commit *commit = NULL;
    struct status ignored;
    return last != UINT64_MAX && commit_decode(row->record, &commit, &ignored) &&
           commit->revision > last;
}

bool doubt_visit(void *user, const struct store_row *row)
{
    struct doubt_rows *rows = user;
    return is_hidden(row, rows->last) || rows->visit(rows->user, row);
}

bool doubt_visit_found(void *user, size_t which, const struct store_row *row)
{
    struct doubt_found *found = user;
    return is_hidden(row, found->last) || found->visit(found->user, which, row);
}
