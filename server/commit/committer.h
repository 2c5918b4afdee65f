/* The committer: one thread that turns writes into commits.
 *
 * It takes all queued writes (write_queue), checks each against the registry and the writes before
 * it (batch), appends the batch to the store at once (appender), applies it, tells the listener
 * (announcer) and answers (answers). No other thread changes the registry or appends to the log. A
 * write is answered after its commit, and all commits before it, are durable.
 *
 * Several nodes may append to one store. A node that finds the next revision taken reads the
 * commits that it missed, applies and announces them like its own, stages its writes again and
 * repeats the append (catch_up, settle, turns). A separate thread looks at the log's end (sync); a
 * write waits for a look only if its answer depends on it.
 *
 * If the log after the registry's position is damaged, for example has a hole, nothing is appended
 * until a look finds it whole: an append could fill the hole.
 *
 * If the outcome of an append is not known, it is settled before anything new is appended: by
 * reading the log, and by sending the same commits again. While the store refuses writes, they fail
 * with its error, and each later batch tries again.
 *
 * Upkeep (upkeep.h) saves heads, compacts and scrubs on its own thread. A write that erased
 * payloads is answered after upkeep has scrubbed them, or has tried and failed. */
#ifndef COMMIT_COMMITTER_H
#define COMMIT_COMMITTER_H

#include "metrics.h"
#include "write.h"

struct committer;

/* Callbacks of the committer, on its thread, in revision order; they must not block. Commits have
 * been applied and their payloads released: they may be kept and read on any thread. */
struct commit_listener {
    void (*committed)(void *user, const struct staged *staged);
    /* Called after the last commit of a batch: the registry is at `position`. own: this node
     * appended at least one of them, so other nodes must be told. */
    void (*settled)(void *user, const struct position *position, bool own);
    /* Called once, on any thread, if the store's log is no longer the one that was loaded (as after
     * a restore under a running node). The committer then neither writes nor reads it any more. May
     * be NULL. */
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

/* Loads the registry from the store: the saved heads, then the log after them. Finishes unfinished
 * scrubs, unless the store cannot be written to or each read of it is slow (loads_at_once): then
 * upkeep does that later. Call before committer_new. Errors: those of the store. */
bool committer_recover(struct store *store, struct registry *registry, struct status *st);

struct committer *committer_new(const struct committer_options *options);
/* Refuses new writes from now on, and stops waiting for writes in doubt. Any thread. */
void committer_refuse(struct committer *committer);
/* Refuses new writes, finishes the queued ones, saves the heads and ends the threads. Functions for
 * any thread may still be called. NULL is ignored. */
void committer_stop(struct committer *committer);
/* Stops the committer if it is running, and frees it. NULL is ignored. */
void committer_free(struct committer *committer);

/* Submits a write. If the queue is full or the committer stops, done is called at once, on the
 * caller's thread (RESOURCE_EXHAUSTED OVERLOADED, UNAVAILABLE SHUTTING_DOWN). Any thread. */
void committer_submit(struct committer *committer, struct write *write);
/* Submits n writes, in this order and with one wake-up. The array is borrowed until all are done.
 */
void committer_submit_all(struct committer *committer, struct write *const *writes, size_t n);

/* Tells that the log has this revision, as another node reports: the committer looks unless it has
 * it already. Any thread. */
void committer_wake(struct committer *committer, uint64_t revision);

/* Waits until this node has applied all that was in the log at the call. Waiting callers share one
 * look at the log's end. `sync` is borrowed until done is called, possibly before this returns. Any
 * thread. */
void committer_sync(struct committer *committer, struct sync *sync);

/* The log's end as last seen; zero if the store is not shared. Any thread. */
struct log_seen committer_seen(struct committer *committer);

struct commit_stats {
    struct metric commits;
    struct metric changes[KEY_KINDS][CHANGE_KINDS]; /* by what changed, and by kind */
    struct metric writes[STATUS_CODES];             /* by result, enum status_code */
    struct histogram batch;                         /* commits in one append */
    struct histogram append;                        /* duration of an append, nanoseconds */
    struct histogram wait; /* nanoseconds from submission until the committer took the write */
    struct histogram
        announce; /* nanoseconds that the listener took for a batch; its writes wait for that */
    struct metric lost_appends;   /* another node had taken the revision; they were repeated */
    struct metric failed_appends; /* the store refused them */
};
/* Borrowed; counters that keep changing. Any thread. */
const struct commit_stats *committer_stats(const struct committer *committer);
const struct upkeep_stats *committer_upkeep_stats(const struct committer *committer);
/* The number of queued writes. Any thread. */
size_t committer_waiting(struct committer *committer);

/* Whether the last append succeeded and the log can be read; if not, fills reason. Any thread. */
bool committer_writable(struct committer *committer, char reason[256]);

#endif
