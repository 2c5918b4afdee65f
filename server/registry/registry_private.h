/* Private to the registry: its state, and what its source files share. Not for other folders. */
#ifndef REGISTRY_PRIVATE_H
#define REGISTRY_PRIVATE_H

#include <pthread.h>

#include "changed_keys.h"
#include "head_order.h"
#include "head_table.h"
#include "registry.h"
#include "schema_trial.h"

/* A pass over all heads that judges those whose verdict is not known or may have changed. */
struct judging {
    struct head_cursor cursor;
    uint64_t revision; /* the registry's when it began */
};

struct registry {
    uint8_t epoch[EPOCH_SIZE];
    char epoch_text[EPOCH_TEXT_SIZE];

    /* Protects the members up to head_bytes. Readers take it shared. The committer takes it
     * exclusively in registry_apply; elsewhere it reads without the lock, as it is the only
     * writer. */
    pthread_rwlock_t lock;
    struct head_table heads;
    struct head_order order;
    struct position position;
    uint64_t live[KEY_KINDS]; /* keys with a live head, by kind */
    struct compaction compaction;
    uint64_t schema_revision; /* the newest commit that changed a schema; 0: none did */
    size_t head_bytes;
    struct verdicts verdicts;
    uint64_t unsettled; /* the newest commit after which heads have to be judged again */

    /* Only the committer's thread: commits that were accepted and not applied yet. */
    struct staged **accepted;
    size_t n_accepted;
    size_t room_accepted;
    struct head_table pending;
    size_t n_removed; /* live heads in pending whose payload is missing */
    struct position pending_position;
    struct compaction pending_compaction;
    uint64_t pending_schema_revision;
    struct changed_keys changed; /* configs, by accepted commits */
    int64_t last_time_us;

    uint64_t pending_unsettled;

    struct judging judging; /* of the one who asks for verdicts */

    struct values *values; /* owned */
};

/* The head after everything accepted; borrowed. NULL: there never was one. */
struct head *registry_pending_head(const struct registry *registry, const char *environment,
                                   const char *service);

/* A command that is being staged. */
struct staging {
    const struct registry *registry;
    const struct command *command;
    const struct version_source *source;
    struct staged *staged;
    struct suspects *suspects;          /* of the values that are checked */
    size_t n_made;                      /* changes of staged->commit that are filled */
    size_t made_by[COMMIT_MAX_CHANGES]; /* the mutation of each */
    size_t bytes;                       /* of their payloads */
};

/* Where readers find heads. */
struct head_source registry_source(const struct registry *registry);
/* Of the newest applied change of a schema; 0: there was none. */
uint64_t registry_schema_revision(const struct registry *registry);

/* Counts the verdict of a head that becomes visible (1), or is no longer (-1). With the lock, or
 * before there are readers. */
void registry_count_verdict(struct registry *registry, const struct head *head, int by);

/* ---- judging.c ---- */

/* Judges a head that is not visible yet, unless it was judged when its value was checked. */
void registry_judge(struct registry *registry, struct head *head);
/* Checks a value of a config by a rule. base: the head of its default, or NULL; merged below the
 * value if the rule is about resolved values. Violations name the config. */
bool registry_check_by(const struct rule *rule, const char *environment, const char *service,
                       struct json_text value, const struct head *base,
                       struct value_report *report);

/* ---- schema_trial.c ---- */

/* Whether a schema may become what was tried, given its head after the change. trial NULL: it was
 * not tried. force: even if live configs break it. Errors as of registry_stage; violations are
 * borrowed from the trial. */
bool schema_trial_settle(struct schema_trial *trial, const struct staging *s,
                         const struct head *after, bool force, struct status *st);

/* ---- stage_checks.c ---- */

/* The head after the changes of the command that were made so far; borrowed. NULL: there is none.
 */
struct head *staging_find(const struct staging *s, const char *environment, const char *service);

/* Checks what the changes of a command bring: values against all rules (values.h), resolved values
 * that follow from them, and changes of schemas against the schemas and configs that they concern.
 * The report is empty before. */
bool stage_checks(struct staging *s, struct value_report *report, struct status *st);

/* ---- compaction.c ---- */

bool stage_compact(struct staging *s, const struct mutation *m, struct status *st);
/* Whether the pending compaction keeps the payload of a version. ret_kept false: it has been
 * removed or will be. */
bool compaction_keeps(const struct registry *registry, const struct version_source *source,
                      const struct version_ref *version, bool *ret_kept, struct status *st);
/* The newest compaction after a commit: `before`, unless the commit is a compaction. */
struct compaction compaction_after(const struct compaction *before, const struct commit *commit);

#endif
