/* What the parts of the hub share.
 *
 * A stream that has delivered all that there is is level: its position is the log's end, wherever
 * that moves, and nobody looks at it. The first commit that it wants ends that: the index finds the
 * stream, its cursor is set before that commit, and from there it goes on by itself until it is
 * level again. So a quiet stream costs nothing, and nothing can fall out of the ring that it still
 * wants. A stream whose start is in the future waits in a heap for the revision before. */
#ifndef WATCH_WATCH_H
#define WATCH_WATCH_H

#include <pthread.h>

#include "hub.h"
#include "interest.h"
#include "message.h"
#include "preload.h"
#include "ring.h"
#include "selection.h"

#define READ_COMMITS 256   /* read from the store at a time */
#define SNAPSHOT_HEADS 128 /* listed at a time */

/* What was read from the store is a stream's own, and so is a message of commits that have left the
 * ring since; a client that does not read leaves it with its stream for as long as it likes. So all
 * streams together have a budget. Each reading, and each message, takes at most a part of what is
 * left of it, but at the least one commit: nobody is kept from going on. */
#define BACKLOG_BYTES ((size_t)128 << 20)
#define BACKLOG_PART 64           /* a reading takes one of so many parts of what is left… */
#define BACKLOG_LEAST (16u << 10) /* … or so many bytes, where that is more */

struct watch_position {
    uint64_t revision;
    uint64_t chain; /* 0: not known */
};

struct hub {
    struct rpc_server *server;
    struct store *store;
    struct registry *registry;
    struct pool *pool;
    struct rpc_task wake;
    atomic_uint_fast64_t n_streams;
    atomic_uint_fast64_t n_previous; /* streams that want the value before */
    atomic_size_t backlog_bytes;     /* held by all backlogs, as their commits say, by messages on
                                        their way whose commits have left the ring, and by parts
                                        of snapshots */

    /* Published, not in the ring yet. */
    pthread_mutex_t lock;
    struct encoded_commit **inbox;
    size_t n_inbox;
    size_t room_inbox;
    size_t inbox_bytes;
    bool inbox_erases; /* what was shown before must go */
    bool wake_posted;

    /* The stream thread's. */
    struct ring ring;
    struct preload *preload; /* what comes in front of the ring */
    struct watch *streams;
    uint64_t n_messages; /* with events */
    uint64_t n_events;
    struct watch_position tail; /* the newest commit of the ring */
    struct interests interests;
    struct interests ids;         /* streams by their ids, each as the service of an interest */
    struct interests connections; /* and by the peers that opened them */
    size_t max_of_connection;
    struct heap flights; /* messages on their way, by the oldest commit of the ring in them */
    struct heap held;    /* streams whose start is in the future, by the revision before it */
};

/* A snapshot on its way. */
struct snapshot {
    struct position position; /* that it is as of */
    size_t selector;
    bool of_default; /* where it resolves: the heads of environment `default` have their turn */
    struct head_cursor cursor;
    struct head *heads[SNAPSHOT_HEADS]; /* of the list's last page; owned from next_head on */
    size_t n_heads;
    size_t next_head;
    struct buf *configs[SNAPSHOT_HEADS]; /* the next part of it; owned from next_config on */
    size_t n_configs;
    size_t next_config;
    size_t bytes;     /* of the part */
    size_t own_bytes; /* of those in it that are no heads: in backlog_bytes until it has left */
    bool done;
};

struct watch {
    struct hub *hub;
    struct rpc_stream *stream;
    struct watch *previous, *next; /* in hub->streams */
    bool listed;

    struct selection selection;
    struct interest *interests; /* one a selector, two where it resolves */
    size_t n_interests;
    struct watch_wishes wishes;
    char *id; /* owned; "": none */
    struct interest id_entry;
    const char *peer; /* the call's */
    struct interest peer_entry;

    /* What the stream does next; told apart by a function, the way a message is made. */
    enum rpc_next (*phase)(struct watch *watch, struct rpc_pieces *pieces, struct status *st);
    bool level;
    struct heap_node held;
    struct watch_position cursor; /* the last commit that was delivered or passed over; not kept
                                     while level */
    size_t event;                 /* of the commit behind it, how many events are delivered */
    uint64_t previous_revision;   /* of the newest event or snapshot delivered */
    bool said_goodbye;

    struct rpc_timer timer; /* of progress marks */
    int64_t sent_ns;        /* when the last message was made */
    bool mark_due;          /* of silence */
    bool mark_asked;        /* by a call, wherever the log's end was then */

    /* A job on the pool; while it runs, all below is the job's. */
    struct job job;
    atomic_bool job_running;
    atomic_bool over;     /* nobody waits for the job's result */
    struct status *fault; /* owned; NULL: none */

    struct commit **taken; /* of the ring, from cursor + 1 on, to be resolved; owned references */
    size_t n_taken;
    struct encoded_commit **backlog; /* commits read from the store, from cursor + 1 on */
    size_t n_backlog;
    size_t passed_backlog; /* freed */
    size_t next_backlog;   /* the first that is not handled; those before it are kept until the
                              message with their events has left, and counted so long */

    struct heap_node flight; /* of the message on its way, where it is one of the hub's */
    size_t flight_bytes;
    bool flight_counted; /* in backlog_bytes */

    struct snapshot *snapshot; /* owned; NULL where there is none (any more) */
};

bool watch_selects(const struct watch *watch, const struct change *change);

/* Makes the events of a commit that was read with its payloads, which are given back: those that
 * the stream wants as it wants them, or (watch NULL) all as the ring has them. Waits on the store.
 */
bool watch_encode_commit(struct store *store, const struct watch *watch, struct commit *commit,
                         struct encoded_commit **ret_encoded, struct status *st);
/* Makes the events of a commit as a stream that resolves wants them. On the pool. */
bool watch_resolve(const struct watch *watch, struct commit *commit,
                   struct encoded_commit **ret_encoded, struct status *st);

/* The resolved config as it stood at a revision; NULL where there was none. On the pool. */
bool watch_resolved_at(const struct hub *hub, const char *environment, const char *service,
                       uint64_t revision, struct buf **ret_config, struct status *st);

/* How far the stream has come. */
struct watch_position watch_position(const struct watch *watch);

/* Begins a job; the stream is kicked when it has run. */
void watch_start_job(struct watch *watch, void (*run)(struct job *job));
/* To be called last by a job. fault: NULL, or what ends the stream; copied. */
void watch_end_job(struct watch *watch, const struct status *fault);

/* A message without events or configs, as its first piece. */
struct buf *watch_response(const struct watch *watch, int kind,
                           const struct watch_position *position, bool more);
/* A whole message that says how far the stream has come. */
enum rpc_next watch_progress(struct watch *watch, struct rpc_pieces *pieces);

/* How much a stream may read, or take into a message, at a time. Any thread. */
size_t watch_share(const struct hub *hub);
/* A message is on its way with commits of the ring, from `first` on. */
void flight_begin(struct watch *watch, uint64_t first, size_t bytes);
/* It has left, or the stream is over. On the stream thread, or when the stream is not the hub's any
 * more. */
void flight_end(struct watch *watch);
/* The ring has let commits go: counts the messages that keep them. */
void flights_count(struct hub *hub);

/* A job. */
void watch_read_backlog(struct job *job);
/* Gives back what was read and not delivered, or, with passed_only, what was handled. */
void watch_drop_backlog(struct watch *watch, bool passed_only);
/* Gives back what its parts hold, too. */
void watch_drop_snapshot(struct watch *watch);

/* The phases, in their order. */
enum rpc_next watch_begin(struct watch *watch, struct rpc_pieces *pieces, struct status *st);
enum rpc_next watch_send_snapshot(struct watch *watch, struct rpc_pieces *pieces,
                                  struct status *st);
enum rpc_next watch_send_events(struct watch *watch, struct rpc_pieces *pieces, struct status *st);

/* Brings what was published into the ring. */
void hub_take_inbox(struct hub *hub);

/* The log has grown by this encoded commit, which is in the ring: finds the streams that want it.
 */
void watch_tell(struct hub *hub, const struct encoded_commit *encoded);

#endif
