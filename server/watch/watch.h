/* What the parts of the hub share. */
#ifndef WATCH_WATCH_H
#define WATCH_WATCH_H

#include <pthread.h>

#include "hub.h"
#include "ring.h"

#define MESSAGE_BYTES (1u << 20) /* of events in a message, unless one is larger */
#define READ_COMMITS 256         /* read from the store at a time */

struct hub {
    struct rpc_server *server;
    struct store *store;
    struct registry *registry;
    struct pool *pool;
    struct rpc_task wake;
    atomic_uint_fast64_t n_streams;

    /* Published, not in the ring yet. */
    pthread_mutex_t lock;
    struct notice **inbox;
    size_t n_inbox;
    size_t room_inbox;
    bool wake_posted;

    /* The stream thread's. */
    struct ring ring;
    struct watch *streams;
    uint64_t n_messages; /* with events */
    uint64_t n_events;
};

struct watch_position {
    uint64_t revision;
    uint64_t chain; /* 0: not known */
};

struct watch {
    struct hub *hub;
    struct rpc_stream *stream;
    struct watch *previous, *next; /* in hub->streams */
    bool listed;

    struct head_filter *selectors; /* owned, with their texts */
    size_t n_selectors;

    /* What the stream does next; told apart by a function, the way a message is made. */
    enum rpc_next (*phase)(struct watch *watch, struct rpc_pieces *pieces, struct status *st);
    struct watch_position cursor; /* the last commit that was delivered or passed over */
    size_t change;                /* of the commit behind it, how many changes are delivered */
    uint64_t previous_revision;   /* of the newest event or snapshot delivered */
    bool said_goodbye;

    /* A job on the pool; while it runs, all below is the job's. */
    struct job job;
    atomic_bool job_running;
    bool failed; /* with st */
    struct status st;

    struct notice **backlog; /* commits read from the store, from cursor + 1 on */
    size_t n_backlog;
    size_t next_backlog;

    struct position snapshot; /* that the snapshot is as of */
    size_t snapshot_selector;
    struct head_cursor snapshot_cursor;
    struct buf **configs; /* the next part of it */
    size_t n_configs;
    bool snapshot_done;
};

bool watch_selects(const struct watch *watch, const struct change *change);

/* Begins a job; the stream is kicked when it has run. */
void watch_start_job(struct watch *watch, void (*run)(struct job *job));
/* To be called last by a job. */
void watch_end_job(struct watch *watch);

/* A message without events or configs, as its first piece. */
struct buf *watch_response(const struct watch *watch, int kind,
                           const struct watch_position *position, bool more);

/* FAILED_PRECONDITION, reason POSITION_MISMATCH. Returns false. */
bool watch_position_mismatch(const struct watch_position *position, struct status *st);

/* Jobs. */
void watch_read_backlog(struct job *job);
void watch_read_snapshot(struct job *job);

/* The phases, in their order. */
enum rpc_next watch_begin(struct watch *watch, struct rpc_pieces *pieces, struct status *st);
enum rpc_next watch_send_snapshot(struct watch *watch, struct rpc_pieces *pieces,
                                  struct status *st);
enum rpc_next watch_send_events(struct watch *watch, struct rpc_pieces *pieces, struct status *st);

#endif
