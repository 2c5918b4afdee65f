#include <inttypes.h>

#include "registry_private.h"

struct compaction compaction_after(const struct compaction *before, const struct commit *commit)
{
    const struct change *change = &commit->changes[0];
    if (change->kind != CHANGE_COMPACT) {
        return *before;
    }
    return (struct compaction){.floor = change->version,
                               .keep_versions = change->source_version,
                               .revision = commit->revision,
                               .time_us = commit->time_us,
                               .floor_before = change->previous_version,
                               .keep_versions_before = change->removed};
}

bool stage_compact(struct staging *s, const struct mutation *m, struct status *st)
{
    const struct registry *registry = s->registry;
    const struct compaction *before = &registry->pending_compaction;
    uint64_t end = registry->pending_position.revision;
    uint64_t floor = m->version == 0 ? end : m->version;
    if (floor > end) {
        return status_set_outcome(st, OUTCOME_REVISION_AHEAD,
                                  "the log ends at revision %" PRIu64 ", before revision %" PRIu64,
                                  end, floor);
    }
    if (floor <= before->floor) {
        return true; /* the floor is at least as high already */
    }
    struct change *change = &s->staged->commit->changes[s->n_made++];
    *change = (struct change){.kind = CHANGE_COMPACT,
                              .environment = mem_string(""),
                              .service = mem_string(""),
                              .version = floor,
                              .source_version = m->keep_versions,
                              .previous_version = before->floor,
                              .removed = before->keep_versions};
    return true;
}

/* The highest version that a config had before the change that deleted it. */
static uint64_t last_before_delete(const struct change *change)
{
    return change->previous_version > change->source_version ? change->previous_version
                                                             : change->source_version;
}

static uint64_t below(uint64_t version, uint64_t n)
{
    return version > n ? version - n : 0;
}

uint64_t compaction_through(const struct compaction *compaction, const struct change *at_floor,
                            const struct change *at_commit)
{
    if (at_floor == NULL) {
        return 0;
    }
    uint64_t through = at_floor->head_version == 0
                           ? last_before_delete(at_floor)
                           : below(at_floor->head_version, compaction->keep_versions);
    uint64_t since = at_commit->head_version == 0
                         ? through
                         : below(at_commit->head_version, compaction->keep_versions);
    return since < through ? since : through;
}

bool compaction_keeps(const struct registry *registry, const struct version_source *source,
                      const struct version_ref *version, bool *ret_kept, struct status *st)
{
    const struct compaction *compaction = &registry->pending_compaction;
    const struct change *change = version_change(version);
    struct version_ref at_floor = {0};
    struct version_ref at_commit = {0};
    *ret_kept = change->payload != NULL;
    if (version->commit->revision > compaction->floor || !*ret_kept) {
        return true;
    }
    bool ok = source->find_change(source->user, change->environment, change->service,
                                  compaction->floor, &at_floor, st) &&
              source->find_change(source->user, change->environment, change->service,
                                  compaction->revision, &at_commit, st);
    if (ok) {
        *ret_kept = change->version >
                    compaction_through(compaction,
                                       at_floor.commit == NULL ? NULL : version_change(&at_floor),
                                       version_change(&at_commit));
    }
    commit_unref(at_floor.commit);
    commit_unref(at_commit.commit);
    return ok;
}
