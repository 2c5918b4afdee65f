/* Walks over the commits of the log in either direction: all of them, or those that changed one of
 * some configs. Without payloads.
 *
 * These functions block on the store: call them on threads of the worker pool (work/pool.h) only.
 */
#ifndef HISTORY_COMMITS_H
#define HISTORY_COMMITS_H

#include "store.h"

struct commit_range {
    uint64_t from, through; /* revisions, both included; the log has all of them */
    bool newest_first;
    /* Only commits that changed one of these; borrowed. n_configs 0: all commits. */
    const struct store_config *configs;
    size_t n_configs; /* up to STORE_SEARCH_CONFIGS */
};

/* Visits the commits in order until the visitor returns false. wanted: how many the caller expects
 * to visit; a hint for how many are read at once. */
bool history_commits(struct store *store, const struct commit_range *range, size_t wanted,
                     store_commit_visitor *visit, void *user, struct status *st);

/* Finds the first commit at or after a time (microseconds since 1970), which commit times allow as
 * they never go back; through + 1: there is none up to `through`. Costs one read of a commit for
 * each doubling of the log, or one read of the log where any read costs that. */
bool history_revision_at(struct store *store, int64_t time_us, uint64_t through,
                         uint64_t *ret_revision, struct status *st);

#endif
