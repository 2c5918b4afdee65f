/* Looking at the log's end, on a thread of its own: so that this node knows what other nodes
 * appended, and for those who must not answer before it has applied all of that (LINEARIZABLE
 * reads, refused writes).
 *
 * A look asks the store for the log's end. Where the registry is there already, all who came before
 * the look are told at once. Where it is behind, the committer is asked to catch up, as often as it
 * takes to get there: for two seconds at most, as a store may show a commit late that it has.
 *
 * It looks when someone syncs, and otherwise each second; less often where a look takes long, as
 * with servers that read all of the log for it. Only for stores that are shared. */
#ifndef NODES_SYNC_H
#define NODES_SYNC_H

#include "log_identity.h"

struct looker;

/* Someone who waits until this node has applied all that any node had appended before. */
struct sync {
    void (*done)(struct sync *sync); /* on any thread; must not block */
    bool ok;
    struct status st;  /* if !ok: UNAVAILABLE, or DATA_LOSS if the log is damaged */
    struct sync *next; /* the looker's */
};

/* What this node knows of the log. */
struct log_seen {
    uint64_t revision; /* the newest that it has seen there, applied or not */
    int64_t time_us;   /* when it last looked; 0: never */
};

struct looker_options {
    struct store *store;             /* borrowed, as all here */
    const struct registry *registry; /* what is applied */
    struct log_identity *identity;
    /* There is news for looker_take. Looker's thread; must not block. */
    void (*wake)(void *user);
    /* Whether the log could be looked at; st: why not. Before those who sync are told. Looker's
     * thread; must not block. */
    void (*looked)(void *user, bool ok, const struct status *st);
    void *user;
};

struct looker *looker_new(const struct looker_options *options);
/* Whoever still waits is told UNAVAILABLE, reason SHUTTING_DOWN, as is who comes later; ends the
 * thread. After the last call of looker_caught_up. */
void looker_stop(struct looker *looker);
/* Stops it where that was not done. NULL is ignored. */
void looker_free(struct looker *looker);

/* All that wait share one look, begun after they came; they are told in the order in which they
 * came. `sync` stays borrowed until done is called, which may be before this returns. Any thread.
 */
void looker_sync(struct looker *looker, struct sync *sync);

/* The log was seen to have this revision, as by an append. Any thread. */
void looker_note_seen(struct looker *looker, uint64_t revision);
struct log_seen looker_seen(struct looker *looker);

/* What looks have found since the last call. */
struct look_news {
    bool looked;       /* there was one … */
    bool behind;       /* … and the registry is behind: the committer has to catch up */
    int64_t at_end_ns; /* the registry was found to be at the log's end by a look that began then;
                          0: it was not */
};
/* Committer's thread. */
struct look_news looker_take(struct looker *looker);
/* The committer has tried to catch up. Committer's thread. */
void looker_caught_up(struct looker *looker, bool ok, const struct status *st);

#endif
