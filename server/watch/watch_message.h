/* A watch message under construction: the events that are sent together. With conflate, only the
 * newest event of each config is kept. Belongs to one stream; stream thread. */
#ifndef WATCH_MESSAGE_H
#define WATCH_MESSAGE_H

#include "registry.h"
#include "rpc_server.h"
#include "table.h"

#define MESSAGE_BYTES (1u << 20) /* of events in a message, unless one is larger */
/* Commits are joined into one message up to this size, so that streams that catch up take turns,
 * and a stream whose client does not read holds little memory. */
#define JOIN_BYTES (32u << 10)

struct message {
    struct rpc_pieces *pieces; /* the first piece is reserved for the fields before the events */
    size_t bytes;
    size_t join_bytes;
    uint64_t newest;         /* revision of the last event */
    uint64_t oldest_of_ring; /* revision of the oldest commit that is from the ring; 0: none */
    bool more;

    /* With conflate. */
    bool conflate;
    size_t n_holes;                              /* pieces that were replaced by newer events */
    struct config_name names[RPC_STREAM_PIECES]; /* the config of each piece; borrowed */
    struct table newest_of;                      /* the newest piece of each config */
};

/* join_bytes: commits are joined up to this size. */
void message_init(struct message *message, struct rpc_pieces *pieces, bool conflate,
                  size_t join_bytes);
bool message_is_empty(const struct message *message);
/* Whether n more events of `bytes` together fit; one event always fits into an empty message. */
bool message_has_room(struct message *message, size_t n, size_t bytes);
/* Whether a commit with n events may be joined to the message; always true if it is empty. */
bool message_may_join(struct message *message, size_t n, size_t bytes);
/* Adds an event (a reference is taken). name is borrowed until message_end. There must be room. */
void message_add(struct message *message, const struct config_name *name, uint64_t revision,
                 struct buf *event);
/* Completes the pieces for sending: closes the gaps of replaced events. */
void message_end(struct message *message);
/* Releases all events. */
void message_drop(struct message *message);

#endif
