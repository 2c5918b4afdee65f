/* The registry: the state machine over the log. It keeps every config's head, checks a command
 * against them and turns it into a commit, and takes commits in.
 *
 * Pure: no I/O, no clock, no threads of its own. What it cannot know (old payloads) it asks of the
 * source it is given, the time comes with the command.
 *
 * A command is staged, accepted and applied:
 * - staged: checked against the heads and what was accepted before it, made a sealed commit;
 * nothing has changed yet, and it can be dropped;
 * - accepted: the next command is checked as if it had happened;
 * - applied: all that was accepted becomes visible to readers at once, after the store has it.
 *
 * Invariants: revisions are contiguous; a version number is given once a config; a head's
 * mod_revision never falls; a reader sees whole commits only.
 *
 * Threads: readers (functions that take a const registry) any; all others the committer's only. */
#ifndef REGISTRY_REGISTRY_H
#define REGISTRY_REGISTRY_H

#include "head.h"

struct registry;

struct position {
    uint64_t revision;
    struct hash hash; /* of that commit; zero at revision 0 */
};

/* Gives what stands in the log: a version's commit with its payload (store_read_version has this
 * shape), and what a config was changed by. */
struct version_source {
    bool (*read)(void *user, const char *environment, const char *service, uint64_t version,
                 struct version_ref *ret_version, struct status *st);
    /* The newest change of a config at or before a revision, as store_find_change gives it. */
    bool (*find_change)(void *user, const char *environment, const char *service, uint64_t revision,
                        struct version_ref *ret_change, struct status *st);
    void *user;
};

struct registry *registry_new(const uint8_t epoch[EPOCH_SIZE]);
void registry_free(struct registry *registry);
MEM_CLEANUP(struct registry, registry_free)

/* 16 hexadecimal digits. */
const char *registry_epoch(const struct registry *registry);

/* ---- Reading ---- */

struct position registry_position(const struct registry *registry);
/* The newest compaction: superseded payloads at or below its floor are gone or going. All zero:
 * there never was one. */
struct compaction {
    uint64_t floor;
    uint64_t keep_versions;
    uint64_t revision; /* the commit that made it, and its time */
    int64_t time_us;
    uint64_t floor_before; /* of the one before */
    uint64_t keep_versions_before;
};
struct compaction registry_compaction(const struct registry *registry);
/* Its floor. History is complete behind it: watches start there at the earliest, and nothing is
 * shown as of a revision before it. */
uint64_t registry_floor(const struct registry *registry);
/* Whether the log is complete from this revision on: else OUT_OF_RANGE, reason COMPACTED, with
 * oldest_revision and newest_revision. */
bool registry_check_start(const struct registry *registry, uint64_t revision, struct status *st);

/* What a compaction lets go of: the payloads of the versions up to the one that this returns (0:
 * none), of a config whose newest changes at or before the floor and at or before the compaction's
 * revision are these (NULL: it had none). The versions are those that are neither the head at one
 * of the two nor among the keep_versions - 1 numbers below it; where the config was deleted at the
 * floor, all that it had. */
uint64_t compaction_through(const struct compaction *compaction, const struct change *at_floor,
                            const struct change *at_commit);

/* How many configs have a live head. */
uint64_t registry_config_count(const struct registry *registry);

/* About the memory that heads and their tables take. */
size_t registry_bytes(const struct registry *registry);

/* The head, also a tombstone, as one reference; NULL where there never was one. */
struct head *registry_get(const struct registry *registry, const char *environment,
                          const char *service);

struct config_name {
    const char *environment;
    const char *service;
};
/* n heads (as registry_get gives them) and the position that all are as of. */
void registry_get_many(const struct registry *registry, const struct config_name *names, size_t n,
                       struct head **ret_heads, struct position *ret_position);

/* What a list selects; NULL: any. */
struct head_filter {
    const char *environment;
    const char *service;
    const char *service_prefix;
};
bool head_filter_matches(const struct head_filter *filter, const char *environment,
                         const char *service);

/* A place in the order of (environment, service), as a key of struct head; starts zeroed. */
struct head_cursor {
    struct str after;
    bool done;
};
/* Takes up to max matching heads (references, tombstones too) behind the cursor and moves it. May
 * give fewer, also none, before the end, to hold nobody up; cursor->done tells the end. */
size_t registry_list(const struct registry *registry, const struct head_filter *filter,
                     struct head_cursor *cursor, struct head **ret_heads, size_t max);

/* ---- Commands ---- */

enum mutation_kind {
    MUTATE_CREATE,
    MUTATE_UPDATE,
    MUTATE_PATCH,
    MUTATE_DELETE,
    MUTATE_ROLLBACK,
    MUTATE_IMPORT,
    MUTATE_COMPACT, /* of the whole registry; alone in its command */
};

/* An import may leave out as many numbers at a time: each is kept as a version that is no more. */
#define IMPORT_MAX_GAP 4096

struct mutation {
    enum mutation_kind kind;
    const char *environment; /* valid names; borrowed, as is all here */
    const char *service;
    struct buf *payload;    /* create, update: the checked payload; patch: a JSON object */
    uint64_t version;       /* delete (0: all), rollback, import; compact: the floor (0: the end) */
    uint64_t keep_versions; /* compact: of each config, 1 or more */
    uint64_t expected_version;  /* 0: none */
    uint64_t expected_revision; /* 0: none */
    const char *expected_epoch; /* "": not said */
    bool allow_missing;
    bool erase;
    int64_t given_time_us;    /* import: the version's own time … */
    const char *given_author; /* … and author; NULL: none */
};

struct command {
    const char *actor, *peer, *comment, *request_id; /* "" where there is none */
    const char *created_by;                          /* NULL: nobody said */
    struct hash fingerprint;
    const struct mutation *mutations;
    size_t n_mutations;
    struct json_limits limits; /* for what a merge patch makes */
    int64_t now_us;
};

struct staged {
    struct commit *commit; /* owned; NULL: the command changes nothing */
    struct head **before;  /* one a change, owned references; NULL where there was none */
    struct head **after;   /* one a change, owned references */
};
/* Takes the commit's reference; all heads are NULL. */
struct staged *staged_new(struct commit *commit);
void staged_free(struct staged *staged);
MEM_CLEANUP(struct staged, staged_free)

/* Checks a command and makes its commit. Refusals, with field "changes[i]" where there are several:
 *   ALREADY_EXISTS CONFIG_EXISTS, VERSION_EXISTS (import: a version of this or a higher number was
 *   given already); OUT_OF_RANGE VERSION_GAP (import), REVISION_AHEAD (compact: the floor is not in
 *   the log yet); NOT_FOUND CONFIG_NOT_FOUND, VERSION_NOT_FOUND; ABORTED VERSION_MISMATCH,
 *   REVISION_MISMATCH; FAILED_PRECONDITION EPOCH_MISMATCH (these, and CONFIG_EXISTS, with info
 *   current_epoch, current_version, current_revision),
 *   PAYLOAD_ERASED, PAYLOAD_COMPACTED (also of a delete whose head would fall back to such a
 *   version); INVALID_ARGUMENT or RESOURCE_EXHAUSTED where a merge patch makes what a payload must
 *   not be; RESOURCE_EXHAUSTED COMMIT_TOO_LARGE.
 * Expectations are looked at first, then what exists. Faults of the source pass up. */
bool registry_stage(const struct registry *registry, const struct command *command,
                    const struct version_source *source, struct staged **ret_staged,
                    struct status *st);

/* Lets later commands build on it. Borrows staged until apply or discard. */
void registry_accept(struct registry *registry, struct staged *staged);
/* Makes all that was accepted visible. */
void registry_apply(struct registry *registry);
/* Forgets all that was accepted. */
void registry_discard(struct registry *registry);
/* Whether every live head that was accepted has its payload. One of the log may lack it while a
 * later commit, which removed it, was not followed yet: apply only what is whole. */
bool registry_is_whole(const struct registry *registry);

/* Moves the floor up; a lower one is ignored. */
void registry_set_floor(struct registry *registry, uint64_t revision);

/* ---- Taking the log in ---- */

/* Forgets all that was taken in. Before there are readers. */
void registry_clear(struct registry *registry);
/* Takes a stored head in; the reference moves. */
void registry_load_head(struct registry *registry, struct head *head);
/* Takes a compaction in from its commit, which is in the log. */
void registry_load_compaction(struct registry *registry, const struct commit *commit);
/* Where the loaded heads stand. */
void registry_load_position(struct registry *registry, const struct position *position,
                            int64_t time_us);
/* Stages a commit that is in the log already, with its payloads as far as they are still there; it
 * must be the next one. Changes that a loaded head has seen leave it alone. Fails as the source
 * does, and with DATA_LOSS, reason LOG_DAMAGED, where the commit does not follow. Accept and apply
 * it like any. */
bool registry_follow(const struct registry *registry, struct commit *commit,
                     const struct version_source *source, struct staged **ret_staged,
                     struct status *st);

#endif
