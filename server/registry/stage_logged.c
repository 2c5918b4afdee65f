#include <inttypes.h>

#include "registry_private.h"

/* The head after a change of the log. If the head fell back to an older version, that version is
 * read from the source. */
static bool follow_change(const struct version_source *source, struct head *before,
                          struct commit *commit, size_t index, struct head **ret_after,
                          struct status *st)
{
    const struct change *change = &commit->changes[index];
    if (before != NULL && before->row_revision >= commit->revision) {
        *ret_after = head_ref(before); /* the stored head is newer than this change */
        return true;
    }
    struct version_ref newest = {.commit = commit_ref(commit), .index = index};
    if (change->head_version != 0 && !change_brings_version(change->kind)) {
        commit_unref(MOVE(newest.commit));
        if (!source->read(source->user, change->environment, change->service, change->head_version,
                          &newest, st)) {
            return false;
        }
    }
    *ret_after = head_after(before, commit, index, &newest);
    commit_unref(newest.commit);
    return true;
}

static struct head *head_before(const struct registry *registry, const struct staged *staged,
                                size_t index)
{
    const struct change *change = &staged->commit->changes[index];
    for (size_t i = index; i-- > 0;) {
        if (staged->after[i] != NULL &&
            head_is_named(staged->after[i], change->environment, change->service)) {
            return staged->after[i];
        }
    }
    return registry_pending_head(registry, change->environment, change->service);
}

static bool follows(const struct registry *registry, const struct commit *commit, struct status *st)
{
    const struct position *position = &registry->pending_position;
    if (commit->revision == position->revision + 1 &&
        hash_equal(&commit->previous_hash, &position->hash)) {
        return true;
    }
    return status_set(st, STATUS_DATA_LOSS, "LOG_DAMAGED",
                      "revision %" PRIu64 " of the log does not follow revision %" PRIu64,
                      commit->revision, position->revision);
}

bool registry_stage_logged(const struct registry *registry, struct commit *commit,
                           const struct version_source *source, struct staged **ret_staged,
                           struct status *st)
{
    if (!follows(registry, commit, st)) {
        return false;
    }
    AUTO(staged_free) struct staged *staged = staged_new(commit_ref(commit));
    for (size_t i = 0; i < commit->n_changes; i++) {
        if (!change_has_config(commit->changes[i].kind)) {
            continue;
        }
        struct head *before = head_before(registry, staged, i);
        staged->before[i] = head_ref(before);
        if (!follow_change(source, before, commit, i, &staged->after[i], st)) {
            return false;
        }
    }
    *ret_staged = MOVE(staged);
    return true;
}
