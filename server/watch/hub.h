/* The watch hub: delivers every commit to the watch streams that select it.
 *
 * Streams are pulled: the newest commits are in a ring, encoded once. Each stream has a cursor, and
 * makes its next message when the one before has left. A stream that is behind the ring reads the
 * store, in parts, on the worker pool. So a slow reader costs a cursor and one message, and delays
 * nobody. Streams are indexed by their selectors: a commit wakes only streams that select it.
 *
 * Threads: the committer publishes. Everything else runs on the stream thread of the rpc server,
 * which owns the ring and the streams. */
#ifndef WATCH_HUB_H
#define WATCH_HUB_H

#include "pool.h"
#include "registry.h"
#include "rpc_server.h"
#include "store.h"

struct access;
struct caller;
struct hub;

struct hub_options {
    struct rpc_server *server; /* borrowed; must be freed before the hub */
    struct store *store;       /* store, registry and pool are borrowed and must outlive the hub */
    struct registry *registry;
    struct pool *pool;
    struct access *access; /* borrowed; the rights that streams follow */
    size_t ring_bytes;
    size_t max_of_connection; /* most streams per connection; 0: no limit */
};

/* After the registry was loaded, before the server starts. Has the newest commits read, so that
 * streams which come back after a restart find them in memory (preload.h). */
struct hub *hub_new(const struct hub_options *options);
/* After the server has stopped. NULL is ignored. */
void hub_free(struct hub *hub);

/* Encodes a commit and queues it for the ring. Committer's thread, in revision order. */
void hub_publish(struct hub *hub, const struct staged *staged);
/* Wakes the stream thread to deliver what was published. Any thread. */
void hub_wake(struct hub *hub);
/* The number of open streams. Any thread. */
uint64_t hub_stream_count(const struct hub *hub);

struct hub_stats {
    uint64_t streams;      /* open streams */
    uint64_t messages;     /* messages with events sent since the start */
    uint64_t events;       /* events in them */
    uint64_t ring_commits; /* commits in the ring */
    uint64_t ring_bytes;   /* memory of the ring */
    uint64_t held_bytes;   /* memory outside of the ring that lagging streams hold */
    uint64_t lag;          /* by how many revisions the slowest stream is behind */
};
/* Waits for the stream thread. Not on that thread, and only while the server runs. */
void hub_measure(struct hub *hub, struct hub_stats *ret_stats);

#define WATCH_MAX_SELECTORS 128

/* The options of a stream, as in WatchRequest. */
struct watch_wishes {
    int64_t progress_ns;   /* send a progress mark after this silence; 0: never */
    bool include_previous; /* events carry the previous value */
    bool include_large;    /* events and heads of more than LARGE_BYTES with their payloads */
    bool conflate;         /* a message has only the newest event of each config */
    bool resolve;          /* deliver resolved configs; all selectors name an environment */
};

/* A validated request for a stream. */
struct watch_spec {
    struct head_filter *selectors; /* borrowed; n_selectors 0: everything */
    size_t n_selectors;            /* those of configs before those of schemas */
    uint64_t start;                /* the first revision to deliver; 0: the next one */
    uint64_t chain;  /* first 8 bytes of the hash of the commit before start; 0: not checked */
    uint64_t rights; /* the digest (view.h) of what the caller could read; 0: not checked */
    bool snapshot;   /* deliver the heads first; start is 0 */
    struct watch_wishes wishes;
    const char *id;              /* borrowed; "": none */
    const struct caller *caller; /* borrowed: whose rights the stream has */
};

/* Turns the call into a stream; consumes the call. The stream ends with FAILED_PRECONDITION
 * POSITION_MISMATCH if chain is not the log's, RIGHTS_CHANGED if rights are not the caller's, with
 * RESOURCE_EXHAUSTED WATCHES_COUNT if its connection has too many streams.
 *
 * A stream delivers what its caller may read at the time of delivery. Within RIGHTS_LOOK_NS after
 * rights have changed it narrows or widens, or ends: with UNAUTHENTICATED if the credential is no
 * longer good, with PERMISSION_DENIED NOT_ALLOWED if the caller may read nothing of what it
 * selects. Any thread. */
void hub_open(struct hub *hub, struct rpc_call *call, const struct watch_spec *spec);

#define RIGHTS_LOOK_NS INT64_C(200000000)

#define WATCH_ID_MAX_BYTES 128

/* Makes the caller's streams with this id send a progress mark after everything that they have to
 * deliver now. Answers the call with a WatchProgressResponse, or NOT_FOUND WATCH_NOT_FOUND;
 * consumes the call. Any thread. */
void hub_ask_progress(struct hub *hub, struct rpc_call *call, const struct caller *caller,
                      const char *id);

#endif
