#include "scrub.h"

/* The erasing commits, gathered first: while the log is being read, the store could not empty
 * itself of what is erased. */
struct erasing {
    struct commit **commits; /* owned references */
    size_t n;
};

/* A whole config's erase takes the versions of earlier lives along, but not those of a later one:
 * everything up to the last version that was given when the erase was committed. */
static bool scrub_change(struct store *store, const struct change *change, struct status *st)
{
    if (change->kind != CHANGE_ERASE) {
        return true;
    }
    uint64_t first = change->version != 0 ? change->version : 1;
    uint64_t last = change->version != 0 ? change->version : change->source_version;
    return store_scrub(store, change->environment, change->service, first, last, st);
}

static bool gather(void *user, struct commit *commit)
{
    struct erasing *erasing = user;
    if (commit_erases(commit)) {
        erasing->commits = mem_grow(erasing->commits, erasing->n + 1, sizeof erasing->commits[0]);
        erasing->commits[erasing->n++] = commit_ref(commit);
    }
    return true;
}

static bool scrub_all(struct store *store, const struct erasing *erasing, struct status *st)
{
    for (size_t i = 0; i < erasing->n; i++) {
        const struct commit *commit = erasing->commits[i];
        for (size_t k = 0; k < commit->n_changes; k++) {
            if (!scrub_change(store, &commit->changes[k], st)) {
                return false;
            }
        }
    }
    return true;
}

bool scrub_is_due(struct store *store, uint64_t through)
{
    uint64_t done = 0;
    struct status ignored;
    return !store_get_mark(store, STORE_MARK_SCRUBBED, &done, &ignored) || done < through;
}

bool scrub_finish(struct store *store, uint64_t through, struct status *st)
{
    uint64_t done = 0;
    if (!store_get_mark(store, STORE_MARK_SCRUBBED, &done, st)) {
        return false;
    }
    if (done >= through) {
        return true;
    }
    struct erasing erasing = {0};
    bool ok = store_read_all_commits(store, done + 1, through, false, gather, &erasing, st) &&
              scrub_all(store, &erasing, st);
    for (size_t i = 0; i < erasing.n; i++) {
        commit_unref(erasing.commits[i]);
    }
    free(erasing.commits);
    return ok ? store_set_mark(store, STORE_MARK_SCRUBBED, through, st)
              : status_context(st, "removing erased payloads");
}
