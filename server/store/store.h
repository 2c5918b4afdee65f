/* The store: where the log is kept. This header is the contract; sqlite/, mongodb/ and memory/
 * implement it, and store_open.h opens one of them by its address.
 *
 * What a store holds
 * - identity: the data format, the epoch and those before it, a secret for sealing tokens; made
 * when it is first opened;
 * - commits by revision: record, hash, request key; and for each change that brought a version the
 *   payload with its salt, until it is erased;
 * - the history of each config: which commit brought which version, which took some away;
 * - heads: a copy of the newest state, behind the log, complete through a marked revision;
 * - marks: named numbers (see store_set_mark).
 *
 * Invariants
 * - Revisions are 1, 2, 3 … without gaps; an append is durable when it returns true.
 * - An append may be repeated with the same commits (same revision, same nonce): those that are in
 *   the log already count as appended. That is how an append with reason OUTCOME_UNKNOWN is
 * settled: before it is, none, some or all of its commits are in the log or may come into it yet.
 * - Where an append fails for any other reason, nothing of it is in the log or will be. Only where
 *   several processes write into one store can another one's commit cut it: then it fails with
 *   REVISION_TAKEN and a first part of it is in the log, which reading the log tells.
 * - The backends carry bytes; that records, hashes and payloads are sound is checked by the
 * functions below (store.c) on every read: damage is DATA_LOSS and is never returned as data.
 *
 * Threads. The committer's thread calls append. Another thread, upkeep's, calls save_heads, drop
 * and scrub, one at a time, while appends go on. set_mark, move_mark and all reads may be called on
 * any thread at any time; each mark is set by one thread only. renew and forget_heads are called
 * while no other thread uses the store.
 *
 * An append must not wait for upkeep. Upkeep hands save_heads and drop small portions
 * (STORE_SAVE_MAX heads; STORE_DROP_MAX versions), and a backend cuts its work into smaller pieces
 * where one piece keeps an append waiting: an append waits for the piece under way at most, which
 * takes about a millisecond. scrub, and what drop does to give space back, take as long as they
 * need: what waits there for readers, a checkpoint or the disk does so outside of any lock that an
 * append takes.
 *
 * Upkeep that has failed is done in part; it may be repeated. Saved heads, dropped payloads and
 * marks need not be durable when their call returns. After a power cut some of the newest may be
 * undone, in the order in which they were made: a later one does not last without an earlier one.
 * What was scrubbed is durable.
 *
 * Calls block on the disk or network, for as long as the backend has patience; the deadline of a
 * thread and an interruption make that shorter.
 *
 * Faults: UNAVAILABLE, reason STORE_UNAVAILABLE, with what the system said (disk full, read-only,
 * I/O), or STORE_REPLACED, where files were removed or replaced while they were open: the call may
 * be repeated later. DATA_LOSS: damaged data. INTERNAL: a bug. */
#ifndef STORE_STORE_H
#define STORE_STORE_H

#include <stdatomic.h>

#include "commit.h"
#include "head.h"
#include "metrics.h"

/* Format 2 added seals to marks, heads and the identity, and to HEADS a digest over all heads. A
 * SQLite store of format 1 is upgraded when it is opened; its heads and marks are rebuilt from the
 * log. A MongoDB store of format 1 is refused until its heads and marks were dropped. */
#define STORE_FORMAT 2
#define STORE_SECRET_SIZE 32

#define STORE_EPOCHS_MAX 64

#define STORE_SAVE_MAX 256 /* heads in a call of save_heads */
#define STORE_DROP_MAX 256 /* versions in a call of drop, over all its ranges */

/* An epoch that the log had before, and the last commit of it. */
struct store_epoch {
    uint8_t epoch[EPOCH_SIZE];
    uint64_t through;
};

struct store_identity {
    uint8_t epoch[EPOCH_SIZE];
    uint8_t secret[STORE_SECRET_SIZE];
    struct store_epoch earlier[STORE_EPOCHS_MAX]; /* oldest first; unused ones are zero */
    size_t n_earlier;
};

/* The newest commit; revision 0 and a zero hash where the log is empty. */
struct store_tail {
    uint64_t revision;
    struct hash hash;
    int64_t time_us;
};

/* Named numbers that the registry keeps in its store; 0 until set. They never move back. */
enum store_mark {
    STORE_MARK_HEADS,      /* heads are complete through this revision */
    STORE_MARK_SCRUBBED,   /* erased payloads are gone through this revision */
    STORE_MARK_RELAYED,    /* changes are published below this revision; 0: none ever was */
    STORE_MARK_COMPACTION, /* the newest commit that compacts, as far as the heads are complete */
    STORE_MARK_COMPACTED,  /* what the compactions up to this revision let go of is gone */
    STORE_MARK_TURN,       /* a node that cannot get in asked for its turn at this revision */
    STORE_MARK_GIVEN,      /* the node that had appended this revision gave way to others */
    STORE_MARKS,
};

/* A visitor returns false to end the walk, which is then a success. */
typedef bool store_commit_visitor(void *user, struct commit *commit);
typedef bool store_version_visitor(void *user, const struct version_ref *version);
typedef bool store_head_visitor(void *user, struct head *head);

/* Is told that the log has grown to a revision by another process's commit, on a thread of the
 * store's; must not block. Some commits may not be told, and some that are known may be. */
struct store_listener {
    void (*grown)(void *user, uint64_t revision);
    void *user;
};

struct store;

/* The methods of a backend. Each has the contract of the public function of the same name, which
 * adds the checks. Rows are raw bytes. */
struct store_row {
    struct buf *record; /* borrowed; of the commit */
    struct hash hash;   /* as stored */
    /* Payloads by change index, borrowed. data NULL: it was dropped by a compaction. Those that
     * were erased or not asked for are not here. */
    struct store_payload {
        uint32_t index;
        const uint8_t *salt; /* SALT_SIZE bytes */
        struct buf *data;
    } * payloads;
    size_t n_payloads;
    /* Of a commit with its payloads: whether n_erased is told, the number of those that are gone.
     */
    bool tells_erased;
    size_t n_erased;
    uint32_t index; /* of a version row: the change that brought it */
};
typedef bool store_row_visitor(void *user, const struct store_row *row);

struct store_head_row {
    const char *environment, *service;
    uint64_t version, last_version, first_live_version, mod_revision, row_revision, revision;
    uint32_t index;
    const uint64_t *holes;
    size_t n_holes;
    const struct store_row *newest; /* of a live head, with its payload; else NULL */
};
typedef bool store_head_row_visitor(void *user, const struct store_head_row *row);

/* The rows of store_load. */
struct store_load_rows {
    store_row_visitor *compaction;
    store_head_row_visitor *head;
    store_row_visitor *commit;
    void *user;
};

/* Versions of a config, both ends included. */
struct version_range {
    const char *environment, *service; /* borrowed */
    uint64_t from, through;
};

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
    bool (*read_version)(struct store *store, const char *environment, const char *service,
                         uint64_t version, store_row_visitor *visit, void *user, struct status *st);
    bool (*read_versions)(struct store *store, const char *environment, const char *service,
                          uint64_t from, uint64_t down_to, bool with_payloads,
                          store_row_visitor *visit, void *user, struct status *st);
    bool (*find_change)(struct store *store, const char *environment, const char *service,
                        uint64_t revision, uint64_t *ret_revision, uint32_t *ret_index,
                        struct status *st);
    /* revisions: zeroed; only what is found has to be filled in. */
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
    /* NULL where the backend has no better way than scrub. */
    bool (*drop)(struct store *store, const struct version_range *ranges, size_t n, bool *ret_more,
                 struct status *st);
    bool (*get_mark)(struct store *store, enum store_mark mark, uint64_t *ret_value,
                     struct status *st);
    bool (*renew)(struct store *store, const struct store_identity *identity, struct status *st);
    bool (*set_mark)(struct store *store, enum store_mark mark, uint64_t value, struct status *st);
    /* *ret_moved: whether it stood at `from`. */
    bool (*move_mark)(struct store *store, enum store_mark mark, uint64_t from, uint64_t to,
                      bool *ret_moved, struct status *st);
    /* Both NULL where the backend has no wake-ups. */
    void (*listen)(struct store *store, const struct store_listener *listener);
    void (*unlisten)(struct store *store);
};

/* The first member of every backend's struct; `open` fills it. */
struct store {
    const struct store_ops *ops;
    struct store_identity identity;
    bool shared;        /* others may append to the log, too; else it is this process's alone */
    bool loads_at_once; /* any read of the log reads all of it, so a start uses store_load */
    atomic_uint_fast64_t known;  /* set by store.c: the newest revision seen in the log; a backend
                                    may start its search for the end there */
    atomic_bool heads_made_anew; /* set by committer_recover: stored heads or marks were damaged and
                                    were rebuilt from the log */
    struct histogram sync; /* nanoseconds in which an append was made durable, once it was handed
                              over; without a scale where the backend does not know */
    bool is_new;           /* it was created by this open */
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

/* Has the listener told from now on, where the backend, and the server behind it, has wake-ups. One
 * at a time. */
void store_listen(struct store *store, const struct store_listener *listener);
/* The listener is not called any more when this returns. Harmless where none listens. */
void store_unlisten(struct store *store);

/* Gives the log a new epoch from its next commit on, as is due after it was restored from a backup:
 * whoever has seen what the backup does not hold finds out by it. Nobody else may have the store
 * open. FAILED_PRECONDITION, reason EPOCHS_FULL, where it has had STORE_EPOCHS_MAX of them. */
bool store_new_epoch(struct store *store, struct status *st);
/* The epoch that the commit of a revision was sealed with. */
const uint8_t *store_epoch_at(const struct store_identity *identity, uint64_t revision);

/* For backends: the earlier epochs as bytes, 16 for each (the epoch, the last revision big-endian).
 */
#define STORE_EPOCHS_BYTES (STORE_EPOCHS_MAX * (EPOCH_SIZE + 8))
size_t store_epochs_encode(const struct store_identity *identity,
                           uint8_t bytes[STORE_EPOCHS_BYTES]);
/* False where these are no such bytes. */
bool store_epochs_decode(const uint8_t *bytes, size_t n, struct store_identity *identity);

/* Finds the end of the log. The first call finds it whatever holes the log has. Later calls may
 * start where the end was seen last, and can mistake a hole there for the end if everything behind
 * it is shorter than the hole. */
bool store_tail(struct store *store, struct store_tail *ret_tail, struct status *st);

/* Appends n sealed commits, n > 0, whose revisions follow the tail. Durable. ABORTED, reason
 * REVISION_TAKEN: another writer's commit is where one of these has to go; those from there on are
 * not in the log and never will be. UNAVAILABLE, reason OUTCOME_UNKNOWN: see above. */
bool store_append(struct store *store, struct commit *const *commits, size_t n, struct status *st);

/* Visits commits `from` to `through` in order, with payloads as far as they are still there where
 * asked for. Ends early at the log's end. A hole, a record that does not match its hash or a commit
 * that does not name its predecessor's hash is DATA_LOSS. */
bool store_read_commits(struct store *store, uint64_t from, uint64_t through, bool with_payloads,
                        store_commit_visitor *visit, void *user, struct status *st);

/* The same where the log is known to have the first of them: that it has none is DATA_LOSS, or
 * UNAVAILABLE where a shared store shows less of the log than it did. */
bool store_read_known_commits(struct store *store, uint64_t from, uint64_t through,
                              bool with_payloads, store_commit_visitor *visit, void *user,
                              struct status *st);

/* The same, for a log that is known to have all commits up to `through`. */
bool store_read_all_commits(struct store *store, uint64_t from, uint64_t through,
                            bool with_payloads, store_commit_visitor *visit, void *user,
                            struct status *st);

/* The version of a config with its payload (NULL where erased). The commit given carries this one
 * payload only. NOT_FOUND, reason VERSION_NOT_FOUND, where the log has none; whether it is live is
 * for the registry to say. */
bool store_read_version(struct store *store, const char *environment, const char *service,
                        uint64_t version, struct version_ref *ret_version, struct status *st);

/* The same of a version that the registry knows to be live: that the log has none is DATA_LOSS, or
 * UNAVAILABLE where a shared store shows less of the log than it did. */
bool store_read_live_version(struct store *store, const char *environment, const char *service,
                             uint64_t version, struct version_ref *ret_version, struct status *st);

/* Visits the versions `from` down to `down_to`, newest first; none where `from` is the smaller. */
bool store_read_versions(struct store *store, const char *environment, const char *service,
                         uint64_t from, uint64_t down_to, bool with_payloads,
                         store_version_visitor *visit, void *user, struct status *st);

/* The newest change of a config at or before a revision: its commit, without payloads. ret_change's
 * commit is NULL where there is none. A commit that changed it twice gives the later change. */
bool store_find_change(struct store *store, const char *environment, const char *service,
                       uint64_t revision, struct version_ref *ret_change, struct status *st);

/* For each of n request keys, n > 0, the revision of the first commit with it; 0: none. One
 * question to the store, however many they are. */
bool store_find_requests(struct store *store, const struct hash *keys, size_t n,
                         uint64_t *ret_revisions, struct status *st);

/* Visits all stored heads, encoded and ready; ownership of each head moves to the visitor. They are
 * complete through mark HEADS; what came later is in the log. */
bool store_load_heads(struct store *store, store_head_visitor *visit, void *user,
                      struct status *st);

/* What a start reads of the log, in one read. The compaction and the heads come before the commits.
 */
struct store_load {
    store_commit_visitor *compaction; /* the commit that mark COMPACTION names, without payloads */
    store_head_visitor *head;         /* as store_load_heads */
    store_commit_visitor *commit;     /* the commit that mark HEADS names, and all after it, with
                                         payloads, as store_read_commits */
    void *user;
};
/* Only where the store loads at once. through, compaction: the marks; 0: none. Anything that is
 * missing or looks damaged is DATA_LOSS, also where a second read would show it: the caller tries
 * the separate reads then, which tell. */
bool store_load(struct store *store, uint64_t through, uint64_t compaction,
                const struct store_load *load, struct status *st);

/* Writes n heads, n <= STORE_SAVE_MAX, where the stored row_revision is smaller, and then moves the
 * mark HEADS to `through` where it is smaller. Who saves more than that in portions passes the
 * mark's old value with all but the last: heads may be newer than the mark. */
bool store_save_heads(struct store *store, struct head *const *heads, size_t n, uint64_t through,
                      struct status *st);

/* After damaged heads or marks were rebuilt in memory from the log: drops all stored heads and
 * resets all marks but RELAYED to 0, so that they are saved again. Only for a store that is not
 * shared. */
bool store_forget_heads(struct store *store, struct status *st);

/* Removes the payloads and salts of versions `from` to `through` of a config, so that they cannot
 * be read from the store any more; a database server's own logs may keep them for a while.
 * Repeating it does no harm. */
bool store_scrub(struct store *store, const char *environment, const char *service, uint64_t from,
                 uint64_t through, struct status *st);

/* Drops the payloads of these versions, at most STORE_DROP_MAX, to give their space back. Reads
 * tell them as compacted; what was erased before stays erased, and what is erased later is scrubbed
 * as ever. Repeating it does no harm. *ret_more: only a part of the space was given back; more is
 * when it is called again, also without ranges. */
bool store_drop(struct store *store, const struct version_range *ranges, size_t n, bool *ret_more,
                struct status *st);

bool store_get_mark(struct store *store, enum store_mark mark, uint64_t *ret_value,
                    struct status *st);
/* Moves the mark to `value` where it is smaller; else leaves it. */
bool store_set_mark(struct store *store, enum store_mark mark, uint64_t value, struct status *st);
/* Compare and set: moves the mark to `to` where it stands at `from`, which is no larger. ABORTED,
 * reason MARK_MOVED, where it stands elsewhere. */
bool store_move_mark(struct store *store, enum store_mark mark, uint64_t from, uint64_t to,
                     struct status *st);

#endif
