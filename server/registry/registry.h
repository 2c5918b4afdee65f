/* The registry: the state machine that the log drives. It holds the head of every config, turns
 * commands into commits, and applies commits to the heads.
 *
 * Pure: no I/O, no clock, no threads. Old versions are read through a version_source, and the time
 * comes with the command.
 *
 * A command passes through three steps:
 * - stage: check it against the heads and everything accepted, and make a sealed commit. The
 *   registry does not change; the result can be freed;
 * - accept: later commands are staged as if this one had been applied;
 * - apply: after the store has made all accepted commits durable, they become visible to readers,
 *   all at once.
 *
 * Invariants: revisions are contiguous; a config never gets the same version number twice; a head's
 * mod_revision never decreases; readers see whole commits only.
 *
 * Threads: the functions under "Reading" may be called on any thread. All others belong to the
 * committer's thread. */
#ifndef REGISTRY_REGISTRY_H
#define REGISTRY_REGISTRY_H

#include "head.h"
#include "values.h"

struct registry;
struct schema_trial;

struct position {
    uint64_t revision;
    struct hash hash; /* of that commit; zero at revision 0 */
};

/* How the registry reads the log: versions that are not heads, and older changes. Both return an
 * owned reference to the commit. */
struct version_source {
    /* A version that exists, with its payload, as store_read_version returns it. */
    bool (*read)(void *user, const char *environment, const char *service, uint64_t version,
                 struct version_ref *ret_version, struct status *st);
    /* The newest change of a config at or before a revision, as store_find_change returns it. */
    bool (*find_change)(void *user, const char *environment, const char *service, uint64_t revision,
                        struct version_ref *ret_change, struct status *st);
    void *user;
};

struct registry *registry_new(const uint8_t epoch[EPOCH_SIZE]);
/* NULL is ignored. */
void registry_free(struct registry *registry);
MEM_CLEANUP(struct registry, registry_free)

/* The epoch as 16 hexadecimal digits; lives as long as the registry. */
const char *registry_epoch(const struct registry *registry);

/* ---- Reading ---- */

/* The newest applied commit. */
struct position registry_position(const struct registry *registry);
/* The newest compaction: superseded payloads at or below its floor have been removed or are about
 * to be. All zero: there was none. */
struct compaction {
    uint64_t floor;
    uint64_t keep_versions;
    uint64_t revision;     /* the commit of the compaction */
    int64_t time_us;       /* of that commit */
    uint64_t floor_before; /* floor and keep_versions of the compaction before */
    uint64_t keep_versions_before;
};
struct compaction registry_compaction(const struct registry *registry);
/* The floor of the newest compaction. History is complete above it: a watch can start at floor + 1
 * at the earliest, and reads as of an older revision are refused. */
uint64_t registry_floor(const struct registry *registry);
/* Whether history is complete from this revision on. OUT_OF_RANGE COMPACTED, with oldest_revision
 * and newest_revision: it is not. */
bool registry_check_start(const struct registry *registry, uint64_t revision, struct status *st);

/* The highest version of a config whose payload a compaction removes; all lower ones go, too. 0:
 * none. at_floor and at_commit: the newest changes of the config at or before the floor, and at or
 * before the compaction's own revision; NULL: none. At each of these two points the head and the
 * keep_versions - 1 numbers below it are kept. A point at which the config was deleted keeps
 * nothing: of a config that was deleted at both, all versions up to the floor go. */
uint64_t compaction_through(const struct compaction *compaction, const struct change *at_floor,
                            const struct change *at_commit);

/* How many configs and how many schemas have a live head. */
uint64_t registry_config_count(const struct registry *registry);
uint64_t registry_schema_count(const struct registry *registry);

/* The approximate memory of the heads and their indexes, in bytes. */
size_t registry_bytes(const struct registry *registry);

/* Sets the policy for values that look like secrets (values.h); borrowed. Before the first check.
 */
void registry_set_secret_policy(struct registry *registry, const struct secret_policy *policy);
/* Counters of writes with such values. */
struct secret_counts *registry_secret_counts(const struct registry *registry);
/* Tells the suspects of a value that is stored already (values_find_secrets). */
void registry_find_secrets(struct registry *registry, const struct value *value);
/* How many live configs have a value … */
struct verdicts {
    uint64_t suspect; /* … that looks like a secret and was not allowed */
    uint64_t broken;  /* … that breaks the schema in force */
};
/* Heads that were loaded at the start, and those whose schemas have changed, are looked at by this
 * function, at most 100,000 in a call: the counts follow. One thread at a time. */
struct verdicts registry_verdicts(struct registry *registry);
/* Whether a live head of a config keeps the schema in force. Else adds violations. *ret_resolved:
 * as of schema_trial_check. */
bool registry_keeps_schema(struct registry *registry, const struct head *head,
                           struct value_report *report, bool *ret_resolved);

/* Checks a value that is to be written, under the schemas that are in force for readers. False: the
 * report, which is empty before, says what is wrong. *ret_schema_revision: of the newest change of
 * a schema that was seen, for mutation.checked_at; set in any case. */
bool registry_check_value(const struct registry *registry, const struct value *value,
                          struct value_report *report, uint64_t *ret_schema_revision);

/* Looks for secrets in a text that is no config (values_check_secrets). */
bool registry_check_secrets(const struct registry *registry, const struct value *text,
                            struct value_report *report);

/* Returns a reference to the rule in force for a config; NULL: there is none. */
struct rule *registry_rule(const struct registry *registry, const char *environment,
                           const char *service);

/* Returns one reference to the head, which may be a tombstone; NULL: the config never existed. */
struct head *registry_get(const struct registry *registry, const char *environment,
                          const char *service);

struct config_name {
    const char *environment;
    const char *service;
};
/* Gets n heads as registry_get does, all as of one position, which is returned too. */
void registry_get_many(const struct registry *registry, const struct config_name *names, size_t n,
                       struct head **ret_heads, struct position *ret_position);

/* The keys that a list selects; NULL members match everything. Borrowed strings.
 */
struct head_filter {
    const char *environment; /* of a key */
    const char *service;
    const char *service_prefix;
    enum key_kind kind; /* 0: configs */
};
bool head_filter_matches(const struct head_filter *filter, const char *environment,
                         const char *service);

/* A position in the order of (environment, service). Zeroed: before the first head. */
struct head_cursor {
    struct str after; /* the key (struct head) of the last head visited; owned */
    bool done;        /* the end was reached */
};
/* Returns references to up to max matching heads after the cursor, tombstones included, and moves
 * the cursor. To bound the time that the lock is held, a call may return fewer than max heads, even
 * none, before the end; cursor->done says whether the end was reached. */
size_t registry_list(const struct registry *registry, const struct head_filter *filter,
                     struct head_cursor *cursor, struct head **ret_heads, size_t max);

/* ---- Commands ---- */

enum mutation_kind {
    MUTATE_CREATE,
    MUTATE_UPDATE,
    MUTATE_MERGE_PATCH, /* RFC 7396 */
    MUTATE_JSON_PATCH,  /* RFC 6902 */
    MUTATE_COPY,        /* an update with what the service has in another environment */
    MUTATE_DELETE,
    MUTATE_ROLLBACK,
    MUTATE_IMPORT,
    MUTATE_UNDELETE,
    MUTATE_COMPACT, /* concerns the whole registry; must be alone in its command */
};

/* The most version numbers that an import may skip at once: each is stored as a hole. */
#define IMPORT_MAX_GAP 4096

/* One requested change, validated by the service. All members are borrowed. The trial of a schema's
 * change is kept up to date while the mutation is staged. */
struct mutation {
    enum mutation_kind kind;
    const char *environment;
    const char *service;
    struct buf *payload; /* create, update, import: the checked payload; merge patch: a JSON object;
                            JSON patch: one that json_patch_check accepts */
    const char *content_field; /* patches: the path of the patch in the request, for refusals */
    const char *source_environment; /* copy */
    uint64_t version; /* copy (0: the head), delete (0: all), rollback (0: the one before the head),
                         import, undelete (0: the last one of the life that ended); compact: the
                         floor (0: the end) */
    uint64_t keep_versions;     /* compact: for each config, 1 or more */
    uint64_t expected_version;  /* 0: any */
    uint64_t expected_revision; /* 0: any */
    const char *expected_epoch; /* "": any */
    bool allow_missing;
    bool erase;
    bool allow_secrets;         /* write the value although it looks like a secret */
    bool is_checked;            /* the payload has passed registry_check_value … */
    uint64_t checked_at;        /* … which returned this; else it is checked when it is staged */
    bool force;                 /* schemas: set, even if live configs break it */
    struct schema_trial *trial; /* schemas: of this change (schema_trial.h) */
    int64_t given_time_us;      /* import: the time of the version at its origin */
    const char *given_author;   /* import: its author; NULL: none */
};

/* Mutations that are committed together, all or none. All members are borrowed. */
struct command {
    const char *actor, *credential, *method, *peer, *comment, *request_id; /* "": none */
    const char *created_by;                                                /* NULL: not given */
    struct hash fingerprint; /* of the request, if it has a request_id */
    const struct mutation *mutations;
    size_t n_mutations;          /* 1 to COMMIT_MAX_CHANGES */
    struct json_limits limits;   /* for the results of patches */
    int64_t now_us;              /* microseconds since 1970 */
    struct value_report *report; /* where violations are told; NULL: nowhere. Emptied first */
    /* Where places that look like secrets are told, by the index of the mutation; NULL: nowhere.
     * Has those of the payloads that are checked already. */
    struct suspects *suspects;
};

/* A command that has been checked, with the heads before and after each change. */
struct staged {
    struct commit *commit; /* owned reference; NULL: the command changes nothing */
    struct head **before;  /* one per change, owned references; NULL: there was no head */
    struct head **after;   /* one per change, owned references */
};
/* Takes over the reference to the commit; all heads are NULL. */
struct staged *staged_new(struct commit *commit);
void staged_free(struct staged *staged);
MEM_CLEANUP(struct staged, staged_free)

/* Checks a command and makes its commit. Expectations are checked before existence. Refusals; with
 * several mutations a field that is not content_field is "changes[i]":
 *   ABORTED VERSION_MISMATCH, REVISION_MISMATCH, FAILED_PRECONDITION EPOCH_MISMATCH: an expectation
 *     does not hold (with current_epoch, current_version, current_revision);
 *   ALREADY_EXISTS CONFIG_EXISTS (with the same information): a create or an undelete of a live
 *     config; VERSION_EXISTS: an import of a number at or below last_version;
 *   NOT_FOUND CONFIG_NOT_FOUND, VERSION_NOT_FOUND; SOURCE_NOT_FOUND: there is nothing to copy;
 *   OUT_OF_RANGE VERSION_GAP: an import skips more than IMPORT_MAX_GAP; REVISION_AHEAD: the floor
 * of a compaction is not in the log yet; FAILED_PRECONDITION PAYLOAD_ERASED, PAYLOAD_COMPACTED: a
 * rollback to such a version, an undelete or a copy of it, or a delete after which the head would
 * be such a version; ABORTED PATCH_TEST_FAILED, INVALID_ARGUMENT, RESOURCE_EXHAUSTED: a patch does
 * not apply (json_patch_apply), or its result is not a valid payload; the field is content_field;
 *   RESOURCE_EXHAUSTED COMMIT_TOO_LARGE: more than COMMIT_MAX_BYTES of payloads;
 *   INVALID_ARGUMENT SCHEMA_VIOLATED: a value breaks the schema in force, command->report says how;
 *     FAILED_PRECONDITION SCHEMA_BREAKS_CONFIGS: live configs would break a schema;
 *   ABORTED SCHEMA_TRIAL_STALE: the trial of a schema's change has to be made again.
 * Errors of the source are passed on. */
bool registry_stage(const struct registry *registry, const struct command *command,
                    const struct version_source *source, struct staged **ret_staged,
                    struct status *st);

/* Stages later commands on top of this one. Borrows staged until apply or discard. */
void registry_accept(struct registry *registry, struct staged *staged);
/* Makes everything accepted visible to readers. */
void registry_apply(struct registry *registry);
/* Drops everything accepted. */
void registry_discard(struct registry *registry);
/* Whether every live head among the accepted ones has its payload. While the log is loaded, a
 * payload may be missing because a later commit erased it; that commit must be accepted before
 * registry_apply. */
bool registry_is_whole(const struct registry *registry);

/* ---- Loading the log ----
 *
 * At start, before there are readers: stored heads, the newest compaction and their position are
 * loaded. Then every later commit of the log is staged, accepted and applied. */

/* Removes everything that was loaded. */
void registry_clear(struct registry *registry);
/* Adds a stored head; the reference moves. */
void registry_load_head(struct registry *registry, struct head *head);
/* Adds a compaction by its commit. */
void registry_load_compaction(struct registry *registry, const struct commit *commit);
/* Sets the position of the loaded heads, and the time of that commit (microseconds since 1970). */
void registry_load_position(struct registry *registry, const struct position *position,
                            int64_t time_us);
/* Stages a commit that is already in the log, with those payloads that still exist; accept and
 * apply it as any other. It must be the next commit. A loaded head that is newer than a change
 * stays as it is. DATA_LOSS LOG_DAMAGED: the commit is not the next one. Errors of the source are
 * passed on. */
bool registry_stage_logged(const struct registry *registry, struct commit *commit,
                           const struct version_source *source, struct staged **ret_staged,
                           struct status *st);

#endif
