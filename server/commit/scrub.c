#include "scrub.h"

struct scrubbing {
    struct store *store;
    struct status *st;
    bool failed;
};

bool scrub_wanted(const struct commit *commit)
{
    for (size_t i = 0; i < commit->n_changes; i++) {
        if (commit->changes[i].kind == CHANGE_ERASE) {
            return true;
        }
    }
    return false;
}

/* A whole config's erase takes the versions of earlier lives along, but not those of a later one:
 * everything up to the last version that was given when the erase was committed. */
static bool scrub_change(struct scrubbing *s, const struct commit *commit, size_t index)
{
    const struct change *change = &commit->changes[index];
    if (change->version != 0) {
        return store_scrub(s->store, change->environment, change->service, change->version,
                           change->version, s->st);
    }
    return store_scrub(s->store, change->environment, change->service, 1, change->source_version,
                       s->st);
}

static bool scrub_commit(void *user, struct commit *commit)
{
    struct scrubbing *s = user;
    for (size_t i = 0; i < commit->n_changes && !s->failed; i++) {
        s->failed = commit->changes[i].kind == CHANGE_ERASE && !scrub_change(s, commit, i);
    }
    return !s->failed;
}

bool scrub_finish(struct store *store, uint64_t through, struct status *st)
{
    uint64_t done = 0;
    if (!store_get_mark(store, STORE_MARK_SCRUBBED, &done, st)) {
        return false;
    }
    struct scrubbing s = {.store = store, .st = st};
    if (done >= through) {
        return true;
    }
    if (!store_read_commits(store, done + 1, through, false, scrub_commit, &s, st) || s.failed) {
        return status_context(st, "removing erased payloads");
    }
    return store_set_mark(store, STORE_MARK_SCRUBBED, through, st);
}
