/* The store: where the log is kept. This header is the contract. sqlite/, mongodb/ and memory/
 * implement it; store_open.h opens a store by its address.
 *
 * A store holds
 * - identity: the data format, the epoch and earlier epochs, and a secret that seals tokens. It is
 *   made when the store is created;
 * - commits by revision: record, hash and request key, and the payload with its salt for each
 *   change that added a version;
 * - the history of each config: which commits added or removed which of its versions;
 * - heads: a copy of the newest state, complete up to a marked revision, which is behind the log;
 * - marks: named numbers (enum store_mark).
 *
 * Invariants
 * - Revisions are 1, 2, 3 … without gaps. An append is durable when it returns true.
 * - An append that fails has written nothing and will write nothing, with two exceptions:
 *   REVISION_TAKEN: another process's commit has one of the revisions. The commits before that one
 *   may be in the log; a read tells.
 *   OUTCOME_UNKNOWN: none, some or all of the commits are in the log, or may appear there later.
 *   Repeat the append with the same commits to find out: commits that are in the log already
 *   (same revision, same nonce) count as appended.
 * - Backends carry bytes. store.c checks records, hashes and payloads on every read. Damage is
 *   DATA_LOSS, and damaged data is never returned.
 *
 * Threads
 * - The committer's thread calls append. Upkeep's thread calls save_heads, drop and scrub, one at a
 *   time, while appends go on.
 * - set_mark, move_mark and all reads may be called on any thread at any time. Each mark has only
 *   one thread that sets it.
 * - renew and forget_heads are called while no other thread uses the store.
 *
 * An append must not wait for upkeep. So upkeep passes save_heads and drop small portions
 * (STORE_SAVE_MAX, STORE_DROP_MAX). A backend in which a portion would delay appends cuts it into
 * pieces of about a millisecond, and lets appends in between. scrub, and the part of drop that
 * gives space back, may take long: they wait for readers, checkpoints and the disk without holding
 * a lock that an append takes.
 *
 * Upkeep that fails may be done in part; it can be repeated. Saved heads, dropped payloads and
 * marks need not be durable when the call returns. A power cut may undo the newest of them, in
 * reverse order: a later one never survives without an earlier one. A scrub is durable when it
 * returns.
 *
 * Calls block on the disk or the network. Their time is bounded by the backend's time-outs, by the
 * deadline of the thread (store_set_deadline), and by store_interrupt.
 *
 * Faults: UNAVAILABLE STORE_UNAVAILABLE, with the system's message (disk full, read-only, I/O), or
 * STORE_REPLACED: files were removed or replaced while they were open. Both may be gone later.
 * DATA_LOSS: damaged data. INTERNAL: a bug. */
#ifndef STORE_STORE_H
#define STORE_STORE_H

#include <stdatomic.h>

#include "commit.h"
#include "head.h"
#include "metrics.h"

/* Format 2 added seals to marks, heads and the identity, and to HEADS a digest over all heads.
 * Format 3 added first_kept_version to heads; tombstones keep the life that ended. An older store
 * is upgraded when it is opened: the log stays, heads are rebuilt from it. On MongoDB, nodes of
 * formats 2 and 3 may share a store until the last node is upgraded: heads of format 3, and the
 * mark HEADS, have places of their own. A MongoDB store of format 1 is refused until its marks were
 * dropped. */
#define STORE_FORMAT 3
#define STORE_SECRET_SIZE 32

#define STORE_EPOCHS_MAX 64

#define STORE_SAVE_MAX 256 /* heads in a call of save_heads */
#define STORE_DROP_MAX 256 /* versions in a call of drop, over all its ranges */

/* An earlier epoch of the log. */
struct store_epoch {
    uint8_t epoch[EPOCH_SIZE];
    uint64_t through; /* the last revision of this epoch */
};

struct store_identity {
    uint8_t epoch[EPOCH_SIZE];
    uint8_t secret[STORE_SECRET_SIZE];
    struct store_epoch earlier[STORE_EPOCHS_MAX]; /* oldest first; unused ones are zero */
    size_t n_earlier;
};

/* The newest commit. Revision 0 and a zero hash: the log is empty. */
struct store_tail {
    uint64_t revision;
    struct hash hash;
    int64_t time_us;
};

/* Named numbers that the registry keeps in its store. 0 until set; they never decrease. Stored
 * under these numbers; 0 was HEADS before format 3. */
enum store_mark {
    STORE_MARK_SCRUBBED = 1, /* erased payloads are gone through this revision */
    STORE_MARK_RELAYED,      /* all changes below this revision are published; 0: none */
    STORE_MARK_COMPACTION,   /* the newest compaction among the commits up to HEADS */
    STORE_MARK_COMPACTED,    /* the compactions up to this revision are carried out */
    STORE_MARK_TURN,         /* at this revision a node asked for a turn (nodes/turns.h) */
    STORE_MARK_GIVEN,        /* after this revision, the node that appended it gave way */
    STORE_MARK_HEADS,        /* heads are complete through this revision */
    STORE_MARKS,
};

/* A visitor returns false to end the walk early; the walk still succeeds. */
typedef bool store_commit_visitor(void *user, struct commit *commit);
typedef bool store_version_visitor(void *user, const struct version_ref *version);
typedef bool store_head_visitor(void *user, struct head *head);

/* Told that another process has appended a revision. Called on a thread of the store; must not
 * block. A call may be missing, or report a revision that is known already. */
struct store_listener {
    void (*grown)(void *user, uint64_t revision);
    void *user;
};

struct store;

/* A commit as a backend reads it: raw bytes, not checked. The visitor borrows it. */
struct store_row {
    struct buf *record; /* of the commit */
    struct hash hash;   /* as stored */
    /* Payloads by change index. data NULL: a compaction dropped it. Erased payloads and those that
     * were not requested are left out. */
    struct store_payload {
        uint32_t index;
        const uint8_t *salt; /* SALT_SIZE bytes */
        struct buf *data;
    } * payloads;
    size_t n_payloads;
    /* Whether the backend counts erased payloads, and their number: store.c then notices a payload
     * that is missing without having been erased. Only of a row with payloads. */
    bool tells_erased;
    size_t n_erased;
    uint32_t index; /* of a version: the change that added it; of a change: itself */
};
typedef bool store_row_visitor(void *user, const struct store_row *row);
/* Of a read of many names: the row that was found for the name with this index. */
typedef bool store_found_visitor(void *user, size_t which, const struct store_row *row);

struct store_head_row {
    const char *environment, *service;
    uint64_t version, last_version, first_live_version, first_kept_version;
    uint64_t mod_revision, row_revision, revision;
    uint32_t index;
    const uint64_t *holes;
    size_t n_holes;
    const struct store_row *newest; /* the head's version with its payload; NULL: a tombstone */
};
typedef bool store_head_row_visitor(void *user, const struct store_head_row *row);

/* The rows of store_load. */
struct store_load_rows {
    store_row_visitor *compaction;
    store_head_row_visitor *head;
    store_row_visitor *commit;
    void *user;
};

/* Versions of a config, `from` and `through` included. */
struct version_range {
    const char *environment, *service; /* borrowed */
    uint64_t from, through;
};

/* The names of a config; borrowed. */
struct store_config {
    const char *environment, *service;
};

/* A version of a config; the names are borrowed. */
struct store_version {
    const char *environment, *service;
    uint64_t version;
};

#define STORE_FIND_MAX 64 /* names in one read */
#define STORE_SEARCH_CONFIGS 64
#define STORE_SEARCH_COMMITS 1000

/* Commits from revision `from` to `through` that changed at least one of the configs. */
struct store_search {
    const struct store_config *configs; /* borrowed */
    size_t n_configs;                   /* 1 to STORE_SEARCH_CONFIGS */
    uint64_t from, through;
    bool newest_first;
    size_t max; /* commits to visit; 1 to STORE_SEARCH_COMMITS */
};

/* The methods of a backend. Each has the contract of the public function of the same name below,
 * which adds the checks. */
struct store_ops {
    const char *scheme; /* "sqlite" */
    /* may_create: store_open; else store_open_existing. */
    bool (*open)(const char *location, bool may_create, struct store **ret_store,
                 struct status *st);
    void (*close)(struct store *store);
    /* NULL if no call blocks for long. Called on any thread, maybe repeatedly. */
    void (*interrupt)(struct store *store);
    bool (*tail)(struct store *store, uint64_t *ret_revision, struct buf **ret_record,
                 struct hash *ret_hash, struct status *st);
    bool (*append)(struct store *store, struct commit *const *commits, size_t n, struct status *st);
    bool (*read_commits)(struct store *store, uint64_t from, uint64_t through, bool with_payloads,
                         store_row_visitor *visit, void *user, struct status *st);
    /* Visits those of the versions that the log has, each once, in any order, with their payloads.
     */
    bool (*find_versions)(struct store *store, const struct store_version *versions, size_t n,
                          store_found_visitor *visit, void *user, struct status *st);
    bool (*read_versions)(struct store *store, const char *environment, const char *service,
                          uint64_t from, uint64_t down_to, bool with_payloads,
                          store_row_visitor *visit, void *user, struct status *st);
    /* Visits the change of each config that has one, once, in any order: the row of its commit,
     * without payloads. */
    bool (*find_changes)(struct store *store, const struct store_config *configs, size_t n,
                         uint64_t revision, store_found_visitor *visit, void *user,
                         struct status *st);
    bool (*search)(struct store *store, const struct store_search *search, store_row_visitor *visit,
                   void *user, struct status *st);
    /* revisions: zeroed by the caller; a backend fills in those that it finds. */
    bool (*find_requests)(struct store *store, const struct hash *keys, size_t n,
                          uint64_t *revisions, struct status *st);
    bool (*load_heads)(struct store *store, store_head_row_visitor *visit, void *user,
                       struct status *st);
    /* NULL where it is no better than the other reads; else see loads_at_once. from > 0. */
    bool (*load)(struct store *store, uint64_t from, uint64_t compaction,
                 const struct store_load_rows *rows, struct status *st);
    bool (*save_heads)(struct store *store, struct head *const *heads, size_t n, uint64_t through,
                       struct status *st);
    /* NULL if other processes may have the store open. */
    bool (*forget_heads)(struct store *store, struct status *st);
    bool (*scrub)(struct store *store, const char *environment, const char *service, uint64_t from,
                  uint64_t through, struct status *st);
    /* NULL: store_drop calls scrub instead. */
    bool (*drop)(struct store *store, const struct version_range *ranges, size_t n, bool *ret_more,
                 struct status *st);
    bool (*get_mark)(struct store *store, enum store_mark mark, uint64_t *ret_value,
                     struct status *st);
    bool (*renew)(struct store *store, const struct store_identity *identity, struct status *st);
    bool (*set_mark)(struct store *store, enum store_mark mark, uint64_t value, struct status *st);
    /* *ret_moved: whether the mark was `from`. */
    bool (*move_mark)(struct store *store, enum store_mark mark, uint64_t from, uint64_t to,
                      bool *ret_moved, struct status *st);
    /* Both NULL: the backend has no wake-ups. */
    void (*listen)(struct store *store, const struct store_listener *listener);
    void (*unlisten)(struct store *store);
};

/* The first member of every backend's struct; `open` fills it. */
struct store {
    const struct store_ops *ops;
    struct store_identity identity;
    bool shared;        /* other processes may append to the log */
    bool loads_at_once; /* any read of the log reads all of it, so a start uses store_load */
    atomic_uint_fast64_t known;  /* the newest revision seen in the log, set by store.c; a
                                    backend may start its search for the end there */
    atomic_bool heads_made_anew; /* set by committer_recover: stored heads or marks were damaged and
                                    were rebuilt from the log */
    struct histogram sync; /* nanoseconds that the sync of an append took; without a scale: the
                              backend does not measure it */
    bool is_new;           /* this process created it */
    /* Set by a backend of a shared store: the log that was opened is gone, or another one has its
     * place. Final: the store has to be opened anew. */
    atomic_bool replaced;
    /* If the backend has a write-ahead log: its size, and how many checkpoints failed. */
    bool has_wal;
    atomic_uint_fast64_t wal_bytes;
    struct metric failed_checkpoints;
};

void store_close(struct store *store);
MEM_CLEANUP(struct store, store_close)

/* Sets a deadline on clock_monotonic_ns() for all reads of the calling thread from now on; a read
 * that misses it fails with UNAVAILABLE, reason STORE_UNAVAILABLE. INT64_MAX, the initial value:
 * only the backend's own time-outs. Must not be used on a thread that appends, because an append
 * cut by it would be in doubt. Returns the previous deadline, which the caller has to restore. */
int64_t store_set_deadline(int64_t deadline_ns);
int64_t store_deadline(void);

/* Interrupts the store for good; after this it can only be closed. Running and new calls fail with
 * UNAVAILABLE as soon as they can be stopped safely; a running append may end in doubt. Any thread,
 * before store_close. */
void store_interrupt(struct store *store);

/* Registers the listener; only one at a time. It is never called if the backend, or its server, has
 * no wake-ups. */
void store_listen(struct store *store, const struct store_listener *listener);
/* Removes the listener: when this returns it is not called any more. Does nothing without one. */
void store_unlisten(struct store *store);

/* Gives the log a new epoch from its next commit on. Necessary after a restore from a backup:
 * clients that have seen commits which the backup lacks notice it by the epoch. No other process
 * may have the store open. FAILED_PRECONDITION EPOCHS_FULL: it has had STORE_EPOCHS_MAX epochs. */
bool store_new_epoch(struct store *store, struct status *st);
/* The epoch of the commit with this revision. */
const uint8_t *store_epoch_at(const struct store_identity *identity, uint64_t revision);

/* For backends: encodes the earlier epochs, 16 bytes for each (the epoch, and its last revision
 * big-endian). Returns the size. */
#define STORE_EPOCHS_BYTES (STORE_EPOCHS_MAX * (EPOCH_SIZE + 8))
size_t store_epochs_encode(const struct store_identity *identity,
                           uint8_t bytes[STORE_EPOCHS_BYTES]);
/* False: the bytes are not such an encoding. */
bool store_epochs_decode(const uint8_t *bytes, size_t n, struct store_identity *identity);

/* Finds the newest commit. The first call finds it even if the log has holes. Later calls may start
 * their search at the newest known revision; a hole there hides commits after it if they are fewer
 * than the hole is long. */
bool store_tail(struct store *store, struct store_tail *ret_tail, struct status *st);

/* Appends n > 0 sealed commits with contiguous revisions that follow the tail. Durable. ABORTED
 * REVISION_TAKEN: another process's commit has the revision of one of these; it and all after it
 * are not in the log and never will be. UNAVAILABLE OUTCOME_UNKNOWN: see the invariants. */
bool store_append(struct store *store, struct commit *const *commits, size_t n, struct status *st);

/* Visits commits `from` to `through` in order; with_payloads: with those payloads that still exist.
 * Ends early at the log's end. DATA_LOSS: a hole, a record that does not match its hash, or a
 * commit that does not contain the hash of the commit before. */
bool store_read_commits(struct store *store, uint64_t from, uint64_t through, bool with_payloads,
                        store_commit_visitor *visit, void *user, struct status *st);

/* The same, for a log that is known to have commit `from`. Visiting none is DATA_LOSS, or
 * UNAVAILABLE if a shared store shows less of the log than it did before. */
bool store_read_known_commits(struct store *store, uint64_t from, uint64_t through,
                              bool with_payloads, store_commit_visitor *visit, void *user,
                              struct status *st);

/* The same, for a log that is known to have all commits up to `through`: visits all of them. */
bool store_read_all_commits(struct store *store, uint64_t from, uint64_t through,
                            bool with_payloads, store_commit_visitor *visit, void *user,
                            struct status *st);

/* Reads a version of a config with its payload (NULL: erased); the other payloads of its commit are
 * not read. NOT_FOUND VERSION_NOT_FOUND: the log does not have it. Does not tell whether the
 * version is live: only the registry knows. */
bool store_read_version(struct store *store, const char *environment, const char *service,
                        uint64_t version, struct version_ref *ret_version, struct status *st);

/* Reads 1 to STORE_FIND_MAX different versions that the registry knows to be live, in one round
 * trip; the references are the caller's. If one is missing, DATA_LOSS, or UNAVAILABLE if a shared
 * store shows less of the log than it did before. */
bool store_read_live_versions(struct store *store, const struct store_version *versions, size_t n,
                              struct version_ref *ret_versions, struct status *st);

/* The same for one version. */
bool store_read_live_version(struct store *store, const char *environment, const char *service,
                             uint64_t version, struct version_ref *ret_version, struct status *st);

/* Visits the versions `from` down to `down_to`, newest first; none if `from` is smaller. */
bool store_read_versions(struct store *store, const char *environment, const char *service,
                         uint64_t from, uint64_t down_to, bool with_payloads,
                         store_version_visitor *visit, void *user, struct status *st);

/* Finds for each of 1 to STORE_FIND_MAX different configs its newest change at or before a
 * revision, as an index into its commit, which has no payloads; the references are the caller's.
 * commit NULL: there is none. If a commit changed a config twice, the later change counts. Usually
 * one round trip for all configs; never more than one for each. */
bool store_find_changes(struct store *store, const struct store_config *configs, size_t n,
                        uint64_t revision, struct version_ref *ret_changes, struct status *st);

/* The same for one config. */
bool store_find_change(struct store *store, const char *environment, const char *service,
                       uint64_t revision, struct version_ref *ret_change, struct status *st);

/* Visits the commits of a search, without payloads, each once. Costs as much as they are, however
 * long the log is. On a shared store that shows less of the log than before: UNAVAILABLE. */
bool store_search(struct store *store, const struct store_search *search,
                  store_commit_visitor *visit, void *user, struct status *st);

/* Finds for each of n > 0 request keys the revision of the first commit with it; 0: none. One round
 * trip for all keys. */
bool store_find_requests(struct store *store, const struct hash *keys, size_t n,
                         uint64_t *ret_revisions, struct status *st);

/* Visits all stored heads, with their encoded form; ownership of each head moves to the visitor.
 * They are complete up to the mark HEADS. Later commits may have changed some of them already. */
bool store_load_heads(struct store *store, store_head_visitor *visit, void *user,
                      struct status *st);

/* The visitors of store_load, which reads all that a start needs in one read of the log. The
 * compaction and the heads are visited before the commits. */
struct store_load {
    store_commit_visitor *compaction; /* the commit that mark COMPACTION names, without payloads */
    store_head_visitor *head;         /* as store_load_heads */
    store_commit_visitor *commit;     /* the commit that mark HEADS names, and all after it, with
                                         payloads, as store_read_commits */
    void *user;
};
/* Only if store->loads_at_once. through, compaction: the marks HEADS and COMPACTION; 0: none.
 * DATA_LOSS: something is missing or looks damaged. That is not final, as one read may be
 * inconsistent: use the separate reads then. */
bool store_load(struct store *store, uint64_t through, uint64_t compaction,
                const struct store_load *load, struct status *st);

/* Writes up to STORE_SAVE_MAX heads, except where the stored row_revision is not smaller. Then
 * raises the mark HEADS to `through`. To save more heads, call it repeatedly, with the mark's old
 * value in all calls but the last: heads may be newer than the mark. */
bool store_save_heads(struct store *store, struct head *const *heads, size_t n, uint64_t through,
                      struct status *st);

/* Removes all stored heads and resets all marks except RELAYED to 0, so that they are saved again:
 * for heads or marks that were damaged and were rebuilt in memory from the log. Only for a store
 * that is not shared. */
bool store_forget_heads(struct store *store, struct status *st);

/* Erases the payloads and salts of versions `from` to `through` of a config from the store's data.
 * A database server's own logs may keep them for a while. Idempotent. */
bool store_scrub(struct store *store, const char *environment, const char *service, uint64_t from,
                 uint64_t through, struct status *st);

/* Drops the payloads of up to STORE_DROP_MAX versions, to give their space back. Reads then report
 * them as compacted, or as erased if they were scrubbed before. They can still be scrubbed.
 * Idempotent. *ret_more: space is left to give back; call again, with or without ranges. */
bool store_drop(struct store *store, const struct version_range *ranges, size_t n, bool *ret_more,
                struct status *st);

bool store_get_mark(struct store *store, enum store_mark mark, uint64_t *ret_value,
                    struct status *st);
/* Raises the mark to `value`; a mark that is not smaller stays as it is. */
bool store_set_mark(struct store *store, enum store_mark mark, uint64_t value, struct status *st);
/* Compare and set: moves the mark from `from` to `to` >= from. ABORTED MARK_MOVED: it is not at
 * `from`. */
bool store_move_mark(struct store *store, enum store_mark mark, uint64_t from, uint64_t to,
                     struct status *st);

#endif
