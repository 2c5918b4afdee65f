/* The committer: one thread that turns writes into commits.
 *
 * It takes all that waits (write_queue), checks each write against the registry and what stands
 * before it in the batch (batch), appends the batch to the store in one go (appender), applies it,
 * tells the listener (announcer), and answers (answers). It is the only one that changes the
 * registry and appends to the log. Nothing is answered before it is durable, with all before it.
 *
 * Several nodes may append to one store. Whoever finds the next revision taken reads what it
 * missed, applies it and tells the listener as of its own commits, checks its writes again and
 * tries again (catch_up, settle, turns). A thread of its own looks at the log's end (sync); a write
 * waits for a look only where its answer depends on it.
 *
 * Where the log behind what was applied turns out to be damaged, as by a commit that is missing,
 * nothing is appended until a look finds it whole: an append could fill the hole.
 *
 * An append whose outcome is not known is settled by reading the log, and by sending the same
 * commits again, before anything new is appended. While the store refuses writes, they fail with
 * its reason; each later batch tries again.
 *
 * Upkeep (upkeep.h) saves heads, compacts and scrubs on a thread of its own. Only a write that
 * erased payloads is answered after upkeep has scrubbed them, or could not for now. */
#ifndef COMMIT_COMMITTER_H
#define COMMIT_COMMITTER_H

#include "metrics.h"
#include "write.h"

struct committer;

/* Told of each commit after it was applied, in order, on the committer's thread; must not block.
 * The commit's payloads have been given back: it may be kept, and read by any thread. */
struct commit_listener {
    void (*committed)(void *user, const struct staged *staged);
    /* After the last commit of a batch: the registry is at `position`. own: this node appended at
     * least one of them, of which the others do not know. */
    void (*settled)(void *user, const struct position *position, bool own);
    /* Once, on any thread, where the store's log turns out not to be the one that was loaded (as
     * after a restore under a running node): nothing is written or read from it any more. NULL:
     * nobody listens. */
    void (*diverged)(void *user);
    void *user;
};

struct committer_options {
    struct store *store;       /* borrowed */
    struct registry *registry; /* borrowed; loaded */
    struct commit_listener listener;
    struct compaction_policy policy;
    size_t max_waiting;       /* writes; 0: 10,000 */
    size_t max_waiting_bytes; /* payloads; 0: 256 MiB */
};

/* Loads the registry from the store: heads, then the log behind them. Finishes what an erase left
 * undone, where the store can be written to; else that is the committer's to do. Before
 * committer_new. Fails as the store does. */
bool committer_recover(struct store *store, struct registry *registry, struct status *st);

struct committer *committer_new(const struct committer_options *options);
/* Refuses new writes from now on, and stops waiting for writes in doubt. Any thread. */
void committer_refuse(struct committer *committer);
/* Refuses new writes, finishes what waits, saves the heads, ends the threads. What any thread may
 * call it still may. NULL is ignored. */
void committer_stop(struct committer *committer);
/* Stops it where that was not done. NULL is ignored. */
void committer_free(struct committer *committer);

/* Hands a write in. Where the queue is full or the committer stops, done is called at once, on the
 * caller's thread (RESOURCE_EXHAUSTED OVERLOADED, UNAVAILABLE SHUTTING_DOWN). Any thread. */
void committer_submit(struct committer *committer, struct write *write);
/* The same for n writes, in this order and with one wake-up. The array may be gone once all are
 * done. */
void committer_submit_all(struct committer *committer, struct write *const *writes, size_t n);

/* The log has grown to this revision, as another node says: look, unless it is known. Any thread.
 */
void committer_wake(struct committer *committer, uint64_t revision);

/* All that wait share one look at the log's end, begun after they came. Any thread; `sync` stays
 * borrowed until done is called, which may be before this returns. */
void committer_sync(struct committer *committer, struct sync *sync);

/* What is known of the log; nothing where the store is not shared. Any thread. */
struct log_seen committer_seen(struct committer *committer);

struct commit_stats {
    struct metric commits;
    struct metric changes[CHANGE_KINDS]; /* by kind */
    struct metric writes[STATUS_CODES];  /* by what came of them, enum status_code */
    struct histogram batch;              /* commits in one append */
    struct histogram append;             /* how long it took, in nanoseconds */
    struct histogram wait;        /* from submission until the committer took the write, too */
    struct histogram announce;    /* what the listener took of a batch, whose writes wait for it */
    struct metric lost_appends;   /* another node was faster; they were tried again */
    struct metric failed_appends; /* that the store refused */
};
/* Borrowed; counts on. Any thread. */
const struct commit_stats *committer_stats(const struct committer *committer);
const struct upkeep_stats *committer_upkeep_stats(const struct committer *committer);
/* Writes that wait now. Any thread. */
size_t committer_waiting(struct committer *committer);

/* Whether the last append went well and the log can be read; where not, why, into reason. Any
 * thread. */
bool committer_writable(struct committer *committer, char reason[256]);

#endif
