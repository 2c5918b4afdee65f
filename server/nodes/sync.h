/* The looker: a thread that looks at the log's end, so that this node knows what other nodes have
 * appended. Callers that must not answer before this node has applied all of that (LINEARIZABLE
 * reads, refused writes) wait for a look by a sync.
 *
 * A look asks the store for the log's end. If the registry is there, the syncs that were added
 * before the look are answered. If it is behind, the looker makes the committer catch up,
 * repeatedly for at most two seconds, because a store may show a new commit late.
 *
 * A look runs when a sync is added, and else once a second; less often if looks take long, as with
 * servers that read the whole log for one. Only for shared stores. */
#ifndef NODES_SYNC_H
#define NODES_SYNC_H

#include "log_identity.h"

struct looker;

/* A caller that waits until this node has applied all that any node appended before the call. */
struct sync {
    void (*done)(struct sync *sync); /* on any thread; must not block */
    bool ok;
    struct status st;  /* if !ok: UNAVAILABLE, or DATA_LOSS if the log is damaged */
    struct sync *next; /* the looker's */
};

/* The end of the store's log, as this node has last seen it. */
struct log_seen {
    uint64_t revision; /* the newest revision seen, applied or not */
    int64_t time_us;   /* time of the last look; 0: never */
};

struct looker_options {
    struct store *store;             /* borrowed, as all here */
    const struct registry *registry; /* what is applied */
    struct log_identity *identity;
    /* Called when there is news for looker_take. Looker's thread; must not block. */
    void (*wake)(void *user);
    /* Called after each look, before its syncs are answered; ok false: st says why it failed.
     * Looker's thread; must not block. */
    void (*looked)(void *user, bool ok, const struct status *st);
    void *user;
};

struct looker *looker_new(const struct looker_options *options);
/* Ends the thread. Waiting and later syncs fail with UNAVAILABLE, reason SHUTTING_DOWN. Call after
 * the last looker_caught_up. */
void looker_stop(struct looker *looker);
/* Stops the looker if it is running, and frees it. NULL is ignored. */
void looker_free(struct looker *looker);

/* Adds a sync. All waiting syncs share the next look, which begins after they were added; they are
 * answered in the order of adding. `sync` is borrowed until done is called, possibly before this
 * returns. Any thread. */
void looker_sync(struct looker *looker, struct sync *sync);

/* Notes that the log has this revision, as after an append. Any thread. */
void looker_note_seen(struct looker *looker, uint64_t revision);
struct log_seen looker_seen(struct looker *looker);

/* The results of looks since the last looker_take. */
struct look_news {
    bool looked;       /* a look has ended or asks to catch up … */
    bool behind;       /* … and the registry is behind: the committer must catch up */
    int64_t at_end_ns; /* start of a look that found the registry at the log's end; 0: none did */
};
/* Committer's thread. */
struct look_news looker_take(struct looker *looker);
/* Notes that the committer has tried to catch up. Committer's thread. */
void looker_caught_up(struct looker *looker, bool ok, const struct status *st);

#endif
