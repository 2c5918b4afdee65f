/* The hub: brings every commit to the streams that watch.
 *
 * Pull model: the newest commits stand in a ring, encoded once; each stream has a cursor and takes
 * the next message when the one before has left. A stream that is behind the ring reads the store,
 * in pieces, on the worker pool. So a slow reader costs a cursor and a message, and holds up
 * nobody. Streams are indexed by what they select: a commit wakes those that want it, and costs
 * nothing for the others.
 *
 * Threads: the committer publishes; everything else happens on the stream thread of the rpc server,
 * which owns the ring and the streams. */
#ifndef WATCH_HUB_H
#define WATCH_HUB_H

#include "pool.h"
#include "registry.h"
#include "rpc_server.h"
#include "store.h"

struct hub;

struct hub_options {
    struct rpc_server *server; /* borrowed; ends before the hub does */
    struct store *store;       /* borrowed, as are the others; must outlive it */
    struct registry *registry;
    struct pool *pool;
    size_t ring_bytes;
    size_t max_of_connection; /* streams; 0: as many as are opened */
};

/* After the registry was loaded, before the server starts. Has the newest commits read, so that
 * streams which come back after a restart find them in memory (preload.h). */
struct hub *hub_new(const struct hub_options *options);
/* After the server has stopped. NULL is ignored. */
void hub_free(struct hub *hub);

/* Takes a commit over, with the heads after its changes. Committer's thread, in revision order. */
void hub_publish(struct hub *hub, const struct staged *staged);
/* Brings what was published to the streams. Any thread. */
void hub_wake(struct hub *hub);
/* Open streams. Any thread. */
uint64_t hub_stream_count(const struct hub *hub);

struct hub_stats {
    uint64_t streams;      /* open */
    uint64_t messages;     /* sent with events, since the start */
    uint64_t events;       /* in them */
    uint64_t ring_commits; /* in memory, … */
    uint64_t ring_bytes;   /* … and what they take */
    uint64_t held_bytes;   /* by streams that lag, beside the ring */
    uint64_t lag;          /* how many revisions the stream that is furthest behind has before it */
};
/* Asks the stream thread and waits for it; not on that thread, and only while the server runs. */
void hub_measure(struct hub *hub, struct hub_stats *ret_stats);

#define WATCH_MAX_SELECTORS 128

/* How a stream wants to be told. */
struct watch_wishes {
    int64_t progress_ns;   /* a mark when it was silent for so long; 0: none */
    bool include_previous; /* events carry the value before */
    bool conflate;         /* of each config in a message the newest event only */
    bool resolve;          /* configs with `default` under them; all selectors name environments */
};

struct watch_spec {
    struct head_filter *selectors; /* borrowed; checked; n 0: everything */
    size_t n_selectors;
    uint64_t start; /* the first revision to deliver; 0: what comes after now */
    uint64_t chain; /* what the hash before start must be, in short; 0: not checked */
    bool snapshot;  /* the heads first; start is 0 */
    struct watch_wishes wishes;
    const char *id; /* borrowed; checked; "": none */
};

/* Makes a stream of the call, consuming it. FAILED_PRECONDITION, reason POSITION_MISMATCH, comes on
 * the stream where chain is not the log's; RESOURCE_EXHAUSTED, reason WATCHES_COUNT, where its
 * connection has too many. Any thread. */
void hub_open(struct hub *hub, struct rpc_call *call, const struct watch_spec *spec);

#define WATCH_ID_MAX_BYTES 128

/* Has the streams with this id send a mark behind what they have to deliver now, and answers the
 * call, consuming it, with a WatchProgressResponse; NOT_FOUND, reason WATCH_NOT_FOUND. Any thread.
 */
void hub_ask_progress(struct hub *hub, struct rpc_call *call, const char *id);

#endif
