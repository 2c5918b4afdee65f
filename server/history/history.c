#include "history.h"

#include "encode.h"

/* Whether a change gave the config another head, or took it. */
static bool touched_head(const struct change *change)
{
    return change_brings_version(change->kind) || change->head_version != change->previous_version;
}

/* The newest change at or before a revision that touched the head. Deletes of versions that were
 * not the head are passed over; they are few. commit NULL: none. */
static bool find_head_change(struct store *store, const char *environment, const char *service,
                             uint64_t revision, struct version_ref *ret_change, struct status *st)
{
    for (;;) {
        struct version_ref found = {0};
        if (!store_find_change(store, environment, service, revision, &found, st)) {
            return false;
        }
        if (found.commit == NULL || touched_head(version_change(&found)) ||
            found.commit->revision == 1) {
            *ret_change = found;
            return true;
        }
        revision = found.commit->revision - 1;
        commit_unref(found.commit);
    }
}

bool history_config_at(struct store *store, const char *environment, const char *service,
                       uint64_t revision, struct buf **ret_config, struct status *st)
{
    struct version_ref change = {0};
    if (!find_head_change(store, environment, service, revision, &change, st)) {
        return false;
    }
    AUTO(commit_unref) struct commit *commit = change.commit;
    *ret_config = NULL;
    if (commit == NULL || version_change(&change)->head_version == 0) {
        return true;
    }
    struct version_ref version = {0};
    if (!store_read_version(store, environment, service, version_change(&change)->head_version,
                            &version, st)) {
        return false;
    }
    *ret_config = encode_config(&version, commit->revision);
    commit_unref(version.commit);
    return true;
}

bool history_config_as_of(struct store *store, const struct head *head, uint64_t revision,
                          struct buf **ret_config, struct status *st)
{
    if (head->mod_revision <= revision) {
        *ret_config = buf_ref(head->encoded);
        return true;
    }
    return history_config_at(store, head_environment(head), head_service(head), revision,
                             ret_config, st);
}
