#include "scrub.h"

#include <assert.h>

#include "failpoint.h"

/* Commits that erase, collected before any is scrubbed: while the log is being read, the store
 * cannot remove the payloads for good. */
struct erasing {
    struct commit **commits; /* owned references */
    size_t n;
};

/* Erasing a whole config removes all versions up to the last one assigned at the erase. That
 * includes versions from before a deletion, but none that were written later. */
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

/* ---- What is due ---- */

struct scrubber {
    struct store *store;
    bool due;
    struct scrub_wait *waits;
};

struct scrubber *scrubber_new(struct store *store, uint64_t through)
{
    struct scrubber *scrubber = mem_zalloc(sizeof *scrubber);
    uint64_t done = 0;
    struct status ignored;
    scrubber->store = store;
    scrubber->due = !store_get_mark(store, STORE_MARK_SCRUBBED, &done, &ignored) || done < through;
    return scrubber;
}

void scrubber_free(struct scrubber *scrubber)
{
    assert(scrubber->waits == NULL && "who waits was answered");
    free(scrubber);
}

void scrubber_want(struct scrubber *scrubber)
{
    scrubber->due = true;
}

void scrubber_add_waits(struct scrubber *scrubber, struct scrub_wait *waits)
{
    while (waits != NULL) {
        struct scrub_wait *next = waits->next;
        waits->next = scrubber->waits;
        scrubber->waits = waits;
        waits = next;
    }
}

bool scrubber_is_due(const struct scrubber *scrubber)
{
    return scrubber->due;
}

bool scrubber_run(struct scrubber *scrubber, uint64_t through, struct status *st)
{
    if (!scrubber->due) {
        return true;
    }
    FAILPOINT(scrub_before);
    scrubber->due = !scrub_finish(scrubber->store, through, st);
    FAILPOINT(scrub_after);
    return !scrubber->due;
}

void scrubber_answer(struct scrubber *scrubber)
{
    for (struct scrub_wait *wait = MOVE(scrubber->waits), *next; wait != NULL; wait = next) {
        next = wait->next;
        wait->done(wait);
    }
}
