#include "appender.h"

#include "clock.h"
#include "failpoint.h"

struct appender {
    struct store *store;
    const struct catch_up *catch_up;
    struct looker *looker;
    struct commit_stats *stats;
};

struct appender *appender_new(struct store *store, const struct catch_up *catch_up,
                              struct looker *looker, struct commit_stats *stats)
{
    struct appender *appender = mem_alloc(sizeof *appender);
    *appender =
        (struct appender){.store = store, .catch_up = catch_up, .looker = looker, .stats = stats};
    return appender;
}

void appender_free(struct appender *appender)
{
    free(appender);
}

static enum append_result result_of(bool ok, const struct status *st)
{
    if (ok) {
        return APPEND_DONE;
    }
    if (st->outcome == OUTCOME_REVISION_TAKEN) {
        return APPEND_LOST;
    }
    return st->outcome == OUTCOME_UNKNOWN ? APPEND_UNKNOWN : APPEND_FAILED;
}

enum append_result appender_append(struct appender *appender, struct commit *const *commits,
                                   size_t n, struct status *st)
{
    struct commit_stats *stats = appender->stats;
    if (catch_up_is_damaged(appender->catch_up, st)) {
        return APPEND_FAILED;
    }
    int64_t begun_ns = clock_monotonic_ns();
    FAILPOINT(append_before);
    bool ok = store_append(appender->store, commits, n, st);
    FAILPOINT(append_after);
    histogram_observe(&stats->append, (uint64_t)(clock_monotonic_ns() - begun_ns));
    histogram_observe(&stats->batch, n);
    enum append_result result = result_of(ok, st);
    metric_add(&stats->lost_appends, result == APPEND_LOST);
    metric_add(&stats->failed_appends, result == APPEND_UNKNOWN || result == APPEND_FAILED);
    if (result == APPEND_DONE && appender->looker != NULL) {
        looker_note_seen(appender->looker, commits[n - 1]->revision);
    }
    return result;
}
