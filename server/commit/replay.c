#include "replay.h"

#include "history.h"

static bool take_commit(void *user, struct commit *commit)
{
    *(struct commit **)user = commit_ref(commit);
    return false;
}

/* The head as the answer showed it. */
static bool rebuild_head(struct store *store, struct commit *commit, size_t index,
                         struct head **ret_head, struct status *st)
{
    const struct change *change = &commit->changes[index];
    const struct version_ref brought = {.commit = commit, .index = index};
    AUTO(head_unref) struct head *head = head_new(change->environment, change->service);
    head->mod_revision = commit->revision;
    head->version = change->head_version;
    if (change_brings_version(change->kind)) {
        head_encode(head, &brought);
    } else if (!history_config_at(store, change->environment, change->service, commit->revision,
                                  &head->encoded, st)) {
        return false;
    }
    *ret_head = MOVE(head);
    return true;
}

static bool rebuild(struct store *store, struct commit *commit, struct staged **ret_staged,
                    struct status *st)
{
    AUTO(staged_free) struct staged *staged = staged_new(commit_ref(commit));
    for (size_t i = 0; i < commit->n_changes; i++) {
        if (!rebuild_head(store, commit, i, &staged->after[i], st)) {
            return false;
        }
    }
    *ret_staged = MOVE(staged);
    return true;
}

bool replay_first(struct store *store, uint64_t revision, const struct command *command,
                  struct staged **ret_staged, struct status *st)
{
    AUTO(commit_unref) struct commit *first = NULL;
    if (!store_read_known_commits(store, revision, revision, true, take_commit, &first, st)) {
        return status_context(st, "reading the first answer");
    }
    if (!hash_equal(&first->fingerprint, &command->fingerprint)) {
        return status_set_outcome(st, OUTCOME_REQUEST_ID_REUSED,
                                  "request_id was used for another request at revision %llu",
                                  (unsigned long long)revision);
    }
    return rebuild(store, first, ret_staged, st);
}
