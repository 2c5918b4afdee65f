/* Private to the watch hub: its state, and what its source files share.
 *
 * A stream that has delivered everything is level: its position is the log's end, also when the log
 * grows, and no work is done for it. When a commit arrives that the stream selects, the index finds
 * the stream, its cursor is set before that commit, and the stream delivers until it is level
 * again. So a quiet stream costs nothing, and the ring cannot drop a commit that a level stream
 * still needs. A stream whose start is in the future waits in a heap for the revision before its
 * start. */
#ifndef WATCH_WATCH_H
#define WATCH_WATCH_H

#include <pthread.h>

#include "hub.h"
#include "interest.h"
#include "preload.h"
#include "ring.h"
#include "selection.h"
#include "view.h"
#include "watch_message.h"

#define READ_COMMITS 256   /* most commits per read of the store */
#define SNAPSHOT_HEADS 128 /* most heads per page of a snapshot */

/* The budget of all streams for memory outside of the ring: commits that were read from the store,
 * and messages whose commits have left the ring. A client that does not read makes its stream hold
 * such memory indefinitely. Each read and each message takes at most a share of the remaining
 * budget, but at least one commit, so that every stream makes progress. */
#define BACKLOG_BYTES ((size_t)128 << 20)
#define BACKLOG_PART 64           /* the share is 1/64 of the remaining budget … */
#define BACKLOG_LEAST (16u << 10) /* … or this many bytes, if that is more */

struct watch_position {
    uint64_t revision;
    uint64_t chain; /* 0: not known */
};

struct hub {
    struct rpc_server *server;
    struct store *store;
    struct registry *registry;
    struct pool *pool;
    struct access *access;
    struct rpc_task wake;
    atomic_uint_fast64_t n_streams;
    atomic_uint_fast64_t n_previous; /* streams with include_previous */
    atomic_size_t backlog_bytes;     /* used of BACKLOG_BYTES: by backlogs, by messages in flight
                                        whose commits have left the ring, by parts of snapshots */

    /* Published commits that are not in the ring yet. */
    pthread_mutex_t lock;
    struct encoded_commit **inbox;
    size_t n_inbox;
    size_t room_inbox;
    size_t inbox_bytes;
    bool inbox_erases; /* one of them erases: older encodings must be dropped */
    bool wake_posted;

    /* Only the stream thread. */
    struct ring ring;
    struct preload *preload; /* reads older commits for the ring, after a start */
    struct watch *streams;
    uint64_t n_messages; /* with events */
    uint64_t n_events;
    struct watch_position tail; /* the newest commit of the ring */
    struct interests interests;
    struct interests ids;         /* streams by principal and id: environment and service of an
                                     interest */
    struct interests connections; /* streams by peer, in the same way */
    size_t max_of_connection;
    struct heap flights; /* messages in flight, by the oldest commit of the ring in them */
    struct heap held;    /* streams whose start is in the future, by the revision before it */
    struct rpc_timer
        rights_timer;    /* to look whether rights have changed, while there are streams */
    uint64_t generation; /* of the rights, when it last looked */
};

/* A snapshot that is being sent. */
struct snapshot {
    struct position position; /* the snapshot is as of this position */
    size_t selector;          /* the selector whose heads are being listed */
    bool of_default; /* with resolve: the heads of environment `default` are being listed */
    struct head_cursor cursor;
    struct head *heads[SNAPSHOT_HEADS]; /* the last page of the list; owned from next_head on */
    size_t n_heads;
    size_t next_head;
    struct snapshot_config {
        struct buf *encoded;     /* owned */
        const char *environment; /* of the config; borrowed from the head or from the selection */
        struct head *head;       /* owned reference */
    } configs[SNAPSHOT_HEADS];   /* the next part to send; owned from next_config on */
    size_t n_configs;
    size_t next_config;
    size_t bytes;     /* of the part */
    size_t own_bytes; /* of configs in it that are not shared with heads; part of backlog_bytes
                         until it has left */
    bool done;
};

struct watch {
    struct hub *hub;
    struct rpc_stream *stream;
    struct watch *previous, *next; /* in hub->streams */
    bool listed;

    struct selection selection;
    struct interest *interests; /* one per selector, two with resolve */
    size_t n_interests;
    struct watch_wishes wishes;
    struct caller *caller; /* owned reference */
    uint64_t generation;   /* of the rights that the caller has */
    struct view view; /* what the caller may read of the selection; belongs to the job while one
                         runs */
    uint64_t rights;  /* its digest; 0: none are in force */
    bool is_mixed;    /* the digest has changed since the stream began */
    uint64_t resumed; /* the digest that the client came back with; 0: none */
    struct seen_change {
        uint64_t revision; /* 0: none */
        size_t index;
        bool sees;
    } seen;   /* the last answer of watch_sees_change */
    char *id; /* owned; "": none */
    struct interest id_entry;
    const char *peer; /* borrowed from the call */
    struct interest peer_entry;

    /* The phase of the stream: the function that makes its next message. */
    enum rpc_next (*phase)(struct watch *watch, struct rpc_pieces *pieces, struct status *st);
    bool level;
    struct heap_node held;
    struct watch_position cursor; /* the last commit that was delivered or skipped; not maintained
                                     while level */
    size_t event;                 /* how many events of the next commit were delivered */
    uint64_t previous_revision;   /* of the newest event or snapshot delivered */
    bool said_goodbye;

    struct rpc_timer timer; /* for progress marks */
    int64_t sent_ns;        /* when the last message was made, on clock_monotonic_ns() */
    bool mark_due;          /* the stream was silent for progress_ns */
    bool mark_asked;        /* a WatchProgress call has requested a mark */

    /* A job on the worker pool. While it runs, the members below belong to the job. */
    struct job job;
    atomic_bool job_running;
    atomic_bool over;     /* the stream has ended: the job's result is not needed */
    struct status *fault; /* owned; NULL: none */

    struct commit **taken; /* commits of the ring from cursor + 1 on that must be resolved; owned */
    size_t n_taken;
    struct encoded_commit **backlog; /* commits read from the store, from cursor + 1 on */
    size_t n_backlog;
    size_t passed_backlog; /* how many of them were freed */
    size_t next_backlog;   /* the first that is not in a message; those before it are kept, and
                              counted, until the message with their events has left */

    struct heap_node flight; /* in hub->flights, while a message with commits of the ring is sent */
    size_t flight_bytes;
    bool flight_counted; /* flight_bytes are part of backlog_bytes */

    struct snapshot *snapshot; /* owned; NULL: none, or complete */
};

bool watch_selects(const struct watch *watch, const struct change *change);

/* Whether the caller may see the config on this stream; a resolved config is made of two. */
bool watch_sees(const struct watch *watch, const char *environment, const char *service);
/* The same for the config of a change, which is asked several times before an event is sent: the
 * answer for the last one is kept. Not for resolved configs. */
bool watch_sees_change(struct watch *watch, const struct commit *commit, size_t index);
/* Gives the stream a caller, whose reference moves, and what it may read. */
void watch_set_caller(struct watch *watch, struct caller *caller);
/* Gives the stream its caller's rights, if they have changed since the last time. False: the stream
 * ends with st. Not while a job runs. */
bool watch_follow_rights(struct watch *watch, struct status *st);
/* Whether what the client came back with is a copy of what it may read now. */
bool watch_has_same_rights(const struct watch *watch, struct status *st);
/* Begins to look whether rights have changed. With the first stream. */
void hub_follow_rights(struct hub *hub);

/* Under what hub->ids has the streams of a principal with an id. */
struct watch_key {
    char principal[2 * HASH_SIZE + 1]; /* a hash of its name, which may be longer than a key */
    const char *id;                    /* borrowed */
};
void watch_key_init(struct watch_key *key, const struct caller *caller, const char *id);

/* Encodes a commit that was read from the store with its payloads, and releases the payloads. For a
 * stream: the events that it selects, with its options; watch NULL: all events, as in the ring.
 * Blocks on the store. */
bool watch_encode_commit(struct store *store, const struct watch *watch, struct commit *commit,
                         struct encoded_commit **ret_encoded, struct status *st);
/* Encodes a commit for a stream with resolve. Blocks on the store: on the pool. */
bool watch_resolve(const struct watch *watch, struct commit *commit,
                   struct encoded_commit **ret_encoded, struct status *st);

/* The resolved config as of a revision; NULL: there was none. On the pool. */
bool watch_resolved_at(const struct hub *hub, const char *environment, const char *service,
                       uint64_t revision, struct buf **ret_config, struct status *st);

/* The position of the stream. */
struct watch_position watch_position(const struct watch *watch);

/* Adds a job to the worker pool; the stream is kicked when it has run. */
void watch_start_job(struct watch *watch, void (*run)(struct job *job));
/* The last call of every job. fault: NULL, or the status that ends the stream; copied. */
void watch_end_job(struct watch *watch, const struct status *fault);

/* Encodes a WatchResponse without events and configs: the first piece of a message. */
struct buf *watch_response(const struct watch *watch, int kind,
                           const struct watch_position *position, bool more);

/* The share of the budget that one read or one message may take, in bytes. Any thread. */
size_t watch_share(const struct hub *hub);
/* Registers a message in flight with commits of the ring, from revision `first` on. */
void flight_begin(struct watch *watch, uint64_t first, size_t bytes);
/* The message has left, or the stream is over. On the stream thread, or after the stream was
 * removed from the hub. */
void flight_end(struct watch *watch);
/* The ring has dropped commits: counts the messages in flight that still hold them. */
void flights_count(struct hub *hub);

/* The job that reads commits from the store. */
void watch_read_backlog(struct job *job);
/* Frees the backlog; with passed_only, only commits whose events have been delivered. */
void watch_drop_backlog(struct watch *watch, bool passed_only);
/* Frees the snapshot and everything that its parts hold. */
void watch_drop_snapshot(struct watch *watch);

/* The phases, in their order. */
enum rpc_next watch_begin(struct watch *watch, struct rpc_pieces *pieces, struct status *st);
enum rpc_next watch_send_snapshot(struct watch *watch, struct rpc_pieces *pieces,
                                  struct status *st);
enum rpc_next watch_send_events(struct watch *watch, struct rpc_pieces *pieces, struct status *st);

/* Moves published commits into the ring. */
void hub_take_inbox(struct hub *hub);

/* Wakes the streams that select this encoded commit, which was just added to the ring. */
void watch_tell(struct hub *hub, const struct encoded_commit *encoded);

#endif
