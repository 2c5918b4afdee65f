/* A message on its way: events that fit together. Of a stream that conflates, only the newest event
 * of each config stays in it. */
#ifndef WATCH_MESSAGE_H
#define WATCH_MESSAGE_H

#include "registry.h"
#include "rpc_server.h"
#include "table.h"

#define MESSAGE_BYTES (1u << 20) /* of events in a message, unless one is larger */
/* Commits join one message up to so many: a stream that catches up takes its turn among others, and
 * holds little where its client does not read. */
#define JOIN_BYTES (32u << 10)

struct message {
    struct rpc_pieces *pieces; /* the first is left free for what stands before the events */
    size_t bytes;
    size_t join_bytes;
    uint64_t newest;         /* the revision of the last event in it */
    uint64_t oldest_of_ring; /* the revision of the first commit of the ring in it; 0: none is */
    bool more;

    /* Where it conflates. */
    bool conflate;
    size_t n_holes;                              /* pieces whose events were replaced */
    struct config_name names[RPC_STREAM_PIECES]; /* what each piece is about, borrowed */
    struct table newest_of;                      /* of each config that one of the names */
};

/* join_bytes: how far commits are joined. */
void message_init(struct message *message, struct rpc_pieces *pieces, bool conflate,
                  size_t join_bytes);
bool message_is_empty(const struct message *message);
/* Whether n more events with so many bytes fit; into an empty message one always does. */
bool message_has_room(struct message *message, size_t n, size_t bytes);
/* Whether a commit with these events may join those that are in it; true where it has none. */
bool message_may_join(struct message *message, size_t n, size_t bytes);
/* Takes an event (a new reference) about a config, whose name must stay until the message is ended;
 * there must be room. */
void message_add(struct message *message, const struct config_name *name, uint64_t revision,
                 struct buf *event);
/* Makes the pieces whole. */
void message_end(struct message *message);
/* Gives the events back. */
void message_drop(struct message *message);

#endif
