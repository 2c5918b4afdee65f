/* What the parts of the committer share. All of it is the committer's thread's, but for what stands
 * under a lock. */
#ifndef COMMIT_STATE_H
#define COMMIT_STATE_H

#include <pthread.h>
#include <stdio.h>

#include "committer.h"
#include "recent_requests.h"
#include "write_queue.h"

#define BATCH_WRITES 128
#define BATCH_BYTES (8u << 20)

/* A batch on its way: the writes that go into the log, in order. Others are answered at once. */
struct batch {
    struct write *writes[BATCH_WRITES];   /* NULL: answered */
    struct commit *commits[BATCH_WRITES]; /* owned references */
    size_t n;
    size_t bytes;       /* of their payloads */
    size_t landed;      /* how many of them, from the first on, were seen in the log */
    uint64_t base;      /* the registry's revision when the first was staged */
    struct write *held; /* answers without a commit, in order, which are not known to hold yet */
    struct write **held_end;
    bool held_on_commits; /* some of them saw commits of the batch */
    struct status asked;  /* why the store did not answer for request_ids; STATUS_OK: it did */
};

struct committer {
    struct store *store;
    struct registry *registry;
    struct commit_listener listener;
    struct write_queue queue;
    struct upkeep *upkeep; /* owned */
    pthread_t thread;
    bool joined; /* by who stopped it */
    struct commit_stats stats;
    int64_t announce_ns; /* what the listener has taken of this batch */

    struct recent_requests recent;
    struct batch *doubt;    /* owned; an append that may have happened and was not answered */
    bool diverged;          /* the log is no longer the one that the registry was made of */
    int64_t short_since_ns; /* since when the log has seemed to end before the registry; 0: not */
    int64_t next_look_ns;   /* when the log's end has to be looked at again */
    int64_t look_ns;        /* how long the last look took to find it, … */
    int64_t look_before_ns; /* … and the one before */
    bool unread;            /* the last look failed, and that is why nothing can be written */
    struct status damage; /* of the log after the registry's end, found by the last read; STATUS_OK:
                             none. While it is set nothing is appended */

    /* Taking turns with other nodes. */
    int64_t append_ns;     /* how long an append takes, smoothed */
    int64_t won_ns;        /* when the last append went well */
    int64_t turn_begun_ns; /* when this node's turn began; 0: it has none */
    bool rival_seen;       /* another node's commit, since the last turn was over */
    unsigned lost_in_row;  /* appends that came too late */
    uint64_t turn_heeded;  /* the newest request for a turn that was heeded */
    uint64_t turn_given;   /* the revision at which this node gave way last */

    pthread_mutex_t lock;
    char reason[256];   /* why the last append failed; "" where it went well */
    struct sync *syncs; /* that wait for the log's end */
    bool stopped;       /* nobody looks any more */
    struct log_seen seen;
};

/* ---- committer.c ---- */

/* Follows the log where somebody waits for it, it is time, or another node has said that there is
 * something. */
void committer_look(struct committer *c, bool poked);
/* "" for well. Logs the change from one to the other. */
void committer_set_health(struct committer *c, const char *reason);
/* The answers: each hands its write back. */
void committer_succeed(struct committer *c, struct write *write);
/* The same once upkeep has scrubbed, where the write was to erase something. */
void committer_succeed_scrubbed(struct committer *c, struct write *write);
void committer_fail(struct committer *c, struct write *write, const struct status *st);
bool committer_append(struct committer *c, struct commit *const *commits, size_t n,
                      struct status *st);
/* A commit of this node's is in the log. */
void committer_count(struct committer *c, const struct commit *commit);
/* Tells what was applied, and keeps what has to be done about it. */
void committer_announce(struct committer *c, const struct staged *staged, bool own);
void committer_announce_end(struct committer *c, bool own);
/* ---- batch.c: from waiting to staged ---- */

/* What the registry asks of the log. */
struct version_source committer_source(struct committer *c);

/* Whether a write is to be carried out once, however often it comes. */
bool batch_is_once(const struct write *write);
/* Fills a batch, as yet nothing, from the list; what has to wait for the next one comes back. */
struct write *batch_stage(struct committer *c, struct batch *batch, struct write *writes);
/* The registry was at the log's end with what was staged, and the batch is in it: the answers hold.
 */
void batch_release_held(struct committer *c, struct batch *batch);
/* It may have not been, or the batch came to nothing: finds out, and returns what has to be staged
 * again, in front of `rest`. */
struct write *batch_settle_held(struct committer *c, struct batch *batch, struct write *rest);

/* ---- catch_up.c: taking in what the log has and the registry has not ---- */

/* Reads the log from the registry's position on and applies it. Drops what was accepted and not
 * applied. batch (NULL: none): counts those of its commits that are found there. Fails as the store
 * does; a log that is not the registry's any more is UNAVAILABLE, reason LOG_CHANGED, for good. */
bool catch_up(struct committer *c, struct batch *batch, struct status *st);
/* The same, until a revision is there that the log is known to have: for two seconds, then it is
 * UNAVAILABLE. */
bool catch_up_through(struct committer *c, uint64_t revision, struct status *st);
/* The same, until the end is reached that the log has now, as the store knows it for sure. */
bool catch_up_to_end(struct committer *c, struct status *st);
/* Whether it is time for that. */
bool catch_up_is_due(const struct committer *c);
/* The same as catch_up_to_end; says when it is due next. */
bool catch_up_when_due(struct committer *c, struct status *st);
/* An append went well: this is the log's newest commit. */
void catch_up_note_append(struct committer *c, const struct commit *newest);

/* ---- settle.c: finding out what became of an append ---- */

/* After an append that failed with REVISION_TAKEN or OUTCOME_UNKNOWN (st): answers what is in the
 * log, and returns what has to be staged again, in order, in front of `rest`. Where the outcome
 * cannot be found out in time, the batch's callers are told so and the batch is kept in doubt. */
struct write *settle_batch(struct committer *c, struct batch *batch, struct status *st,
                           struct write *rest);
/* Tries once to settle what is in doubt; true where nothing is. */
bool settle_doubt(struct committer *c, struct status *st);

/* ---- turns.c: nodes that write at the same time take turns ---- */

/* Before a batch is staged: lets others append where they want to. */
void turns_give_way(struct committer *c);
void turns_won(struct committer *c, int64_t took_ns);
void turns_lost(struct committer *c);

void batch_fini(struct batch *batch);

#endif
